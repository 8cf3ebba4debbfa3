"""The fourth step of the page: what was found, how it is drawn, and the files to take along."""

import asyncio
import base64
import csv
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
import slicer

from ..results import ClassificationResult
from ..scene.case_nodes import show_in_scene
from ..scene.overlay import show_in_slices
from ..scene.storage import save_mrb
from ..scene.volumes import image_of, segment_mask
from .limits import DOWNLOADS
from .views import go_to

if TYPE_CHECKING:
    from .actions import Actions

MOST_CONTRIBUTIONS = 8
COPIED = {"report", "pdf", "map", "prediction"}  # as the worker has written them


class ResultPage:
    """Shows one result at a time."""

    def __init__(self, actions: "Actions") -> None:
        self._actions = actions
        self._state = actions.state
        self._folder: Path | None = None
        self._inputs: Path | None = None
        self._shown: Any | None = None
        self._result: ClassificationResult | None = None
        actions.server.trigger("prepare")(self.prepare)
        actions.server.trigger("go_to_focus")(self.go_to_focus)
        for name in ("map_shown", "map_opacity", "map_threshold"):
            self._state.change(name)(self._draw_map)

    def show(self, folder: Path, inputs: Path, volume: Any) -> None:
        """Show the result that a worker has left in `folder / "out"`; raises InputError where it is not whole."""
        self.forget()
        case = self._actions.case
        self._shown, result = show_in_scene(folder / "out", volume, case.segmentation)
        self._folder, self._inputs, self._result = folder, inputs, result
        case.editor.deactivate_effect()
        with self._state as state:
            state.result = result_for_page(result, folder / "out")
            state.outdated, state.map_shown, state.step = False, True, 4
            self._draw_map()
        self.go_to_focus()

    def forget(self) -> None:
        """Take the result out of the scene and remove its files."""
        scene = self._actions.case.scene
        if self._shown is not None:
            slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene).RemoveItem(self._shown.folder)
        for folder in (self._folder, self._inputs):
            self._actions.jobs.forget(folder)
        shutil.rmtree(self._downloads, ignore_errors=True)
        self._shown = self._folder = self._inputs = self._result = None
        if self._actions.case.volume is not None:
            show_in_slices(scene, self._actions.case.volume, None)
        self._state.result = None

    def outdate(self) -> None:
        """Say that the case is no longer the one that was classified."""
        if self._result is not None:
            self._state.outdated = True

    def go_to_focus(self) -> None:
        """Lay the slices through the map's highest point."""
        if self._shown is not None and self._shown.cam is not None:
            go_to(self._actions.case.app, self._peak())

    def _peak(self) -> tuple[float, float, float]:
        """Of the markup that says where the map points, else of the map itself. RAS, mm."""
        assert self._shown is not None
        for node in self._shown.evidence:
            if node.IsA("vtkMRMLMarkupsFiducialNode") and node.GetNumberOfControlPoints():
                return tuple(node.GetNthControlPointPositionWorld(0))
        image = image_of(self._shown.cam)
        values = sitk.GetArrayViewFromImage(image)
        k, j, i = (int(n) for n in np.unravel_index(int(values.argmax()), values.shape))
        x, y, z = image.TransformIndexToPhysicalPoint((i, j, k))
        return (-x, -y, z)

    async def prepare(self, kind: str) -> str:
        """Make a file ready; returns the name by which the page fetches it, empty where it could not be made."""
        if kind not in DOWNLOADS or self._result is None or self._folder is None:
            return ""
        name, words = DOWNLOADS[kind]
        async with self._actions.doing(f"Preparing: {words}"):
            self._downloads.mkdir(exist_ok=True)
            target = self._downloads / name
            if kind in COPIED:
                await asyncio.to_thread(shutil.copyfile, self._folder / "out" / name, target)
            elif kind == "scene":
                save_mrb(self._actions.case.scene, target)
            elif kind == "segmentation":
                case = self._actions.case
                mask = segment_mask(case.segmentation, self._state.tumour, case.volume)
                await asyncio.to_thread(sitk.WriteImage, mask, str(target), True)
            elif kind == "features":
                target.write_text(features_table(self._result), encoding="utf-8")
            return name
        return ""

    @property
    def _downloads(self) -> Path:
        return self._actions.case.folder / "downloads"

    def _draw_map(self, **_: Any) -> None:
        """Draw the map as the page's switch and sliders say."""
        if self._shown is None or self._shown.cam is None:
            return
        state, display = self._state, self._shown.cam.GetDisplayNode()
        display.SetOpacity(float(state.map_opacity))
        display.SetThreshold(float(state.map_threshold), 1.0)
        case = self._actions.case
        for view in case.app.view_manager.get_slice_views():
            # A legend that is older than the view is taken up only when a user is seen to choose the layers.
            composite = view._logic.GetSliceCompositeNode()
            composite.SetInteractionFlags(composite.ForegroundVolumeFlag)
        show_in_slices(case.scene, case.volume, self._shown.cam if state.map_shown else None)
        for view in case.app.view_manager.get_slice_views():
            view.schedule_render()


def result_for_page(result: ClassificationResult, out: Path) -> dict[str, Any]:
    """What the page shows of a result."""
    prediction = result.prediction
    positive, interval = prediction["positive"], prediction["interval"]
    probability = prediction["probabilities"][positive]
    limits = (
        f" ({100 * interval['level']:g} % interval {interval['low']:.2f}–{interval['high']:.2f})" if interval else ""
    )
    members = (prediction.get("prediction_set") or {}).get("classes")
    kinds = [kind for kind, (name, _) in DOWNLOADS.items() if kind not in COPIED or (out / name).is_file()]
    if not result.features:
        kinds.remove("features")
    nomogram = out / "nomogram.svg"
    return {
        "model": prediction["model"]["name"],
        "predicted": prediction["predicted"],
        "probability_text": f"probability of {positive} {probability:.2f}{limits}",
        "bars": [
            {
                "name": name,
                "value": value,
                "text": f"{value:.2f}",
                "low": interval["low"] if interval and name == positive else None,
                "high": interval["high"] if interval and name == positive else None,
            }
            for name, value in prediction["probabilities"].items()
        ],
        "set_text": _set_text(members, prediction.get("prediction_set")),
        "warnings": [warning["text"] for warning in prediction["warnings"]],
        "has_map": result.cam is not None,
        "map_text": (prediction.get("map") or {}).get("class") or prediction["predicted"],
        "focus_text": _focus_text(prediction.get("focus")),
        "nomogram": _as_address(nomogram) if nomogram.is_file() else "",
        **_contributions(prediction),
        "files": [{"kind": kind, "text": DOWNLOADS[kind][1]} for kind in kinds],
    }


def features_table(result: ClassificationResult) -> str:
    """The case's features as CSV: name and value in full."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("feature", "value"))
    table.writerows((name, repr(float(value))) for name, value in result.features.items())
    return text.getvalue()


def _set_text(members: list[str] | None, given: dict[str, Any] | None) -> str:
    if members is None or given is None:
        return ""
    level = f"{100 * given['level']:g} %"
    if not members:
        return f"At {level} no class fits this case: it is unlike the training cases."
    return (
        f"At {level} these classes cannot be ruled out: {', '.join(members)}."
        if len(members) > 1
        else (f"At {level} only {members[0]} is left.")
    )


def _focus_text(focus: Any) -> str:
    if not focus:
        return ""
    peak = focus["peak"]
    where = "inside" if peak["inside"] else "outside"
    return (
        f"The focal point lies {where} the outline, {peak['to_centre_mm']:.1f} mm from its centre; "
        f"{100 * focus['mass_inside']:.0f} % of the map are inside."
    )


def _contributions(prediction: Any) -> dict[str, Any]:
    listed = list(prediction.get("contributions") or [])[:MOST_CONTRIBUTIONS]
    largest = max((abs(one["contribution"]) for one in listed), default=0.0) or 1.0
    return {
        "contributions": [
            {
                "name": one["feature"],
                "value": f"{one['value']:.4g}" if isinstance(one["value"], int | float) else str(one["value"]),
                "text": f"{one['contribution']:+.2f}",
                "towards": one["contribution"] > 0,
                "width": 70 * abs(one["contribution"]) / largest,
            }
            for one in listed
        ],
        "contributions_text": f"In logits; orange speaks for {prediction['positive']}, blue against.",
    }


def _as_address(svg: Path) -> str:
    """A picture within the page; as an image an SVG runs nothing."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode("ascii")
