"""The activation map of a result: how it is shown, where it points, and other ones, which the worker draws."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from FeatureExtractorLib.errors import TumorClassifierError

from ..explain.cam import NAMES
from ..model_choice import ModelSummary, model_summaries
from ..result_files import read_result
from ..scene.hierarchy import place_beside
from ..scene.markups import add_focus
from ..scene.overlay import add_cam, show_in_slices
from ..worker import start
from .details import Details
from .packages import ensure, needed_for
from .result_buttons import enable
from .result_folder import RunFolder
from .result_map_words import empty_map, map_in_words, no_map, no_model, why_not_draw
from .result_nodes import CLASS, FOCUS, METHOD, KeptResult, focal_point
from .result_request import map_request
from .run_button import RunButton

SAME = 1e-4  # of a probability


class MapControls(VTKObservationMixin):
    """Opacity and threshold belong to the map's display node, so they are saved with it and follow other modules."""

    def __init__(self, ui: Any, step: Any) -> None:
        super().__init__()
        self.ui, self.step = ui, step
        self._kept: KeptResult | None = None
        self.model: ModelSummary | None = None
        self._display: Any | None = None
        self._filling = False
        self._folder = RunFolder()
        self._asked: KeptResult | None = None
        self.run = RunButton(
            ui.drawMapButton,
            ui.mapProgress,
            ui.mapStatus,
            onStart=self._onStart,
            onDone=self._onDone,
            onFailed=self._onFailed,
            onCancelled=self._onCancelled,
            onState=self.update,
            details=Details(ui.mapStatus, _("Map")),
        )
        ui.mapClassBox.connect("currentIndexChanged(int)", self._onChoice)
        ui.mapMethodBox.connect("currentIndexChanged(int)", self._onChoice)
        ui.opacitySlider.connect("valueChanged(double)", self._onOpacity)
        ui.thresholdSlider.connect("valueChanged(double)", self._onThreshold)
        ui.jumpButton.connect("clicked(bool)", self._onJump)

    # --- what the step calls ------------------------------------------------------------------------------------

    def open(self, kept: KeptResult | None) -> None:
        """Offer the classes and methods of a result's model, and the map that is looked at."""
        self._kept = kept
        self.model = _model_of(kept)
        if kept is not None and kept.shownMap is None and kept.maps:  # it was removed, and there are others
            kept.showMap(kept.maps[-1])
        self._fill()
        self.update()

    def update(self) -> None:
        """Show what the map's nodes say, and what can be done."""
        if self._kept is None:
            self._observe(None)
            return
        shown = self._kept.shownMap
        self._observe(shown.GetDisplayNode() if shown is not None else None)
        self._follow()
        self.ui.mapHint.text = self.in_words() or no_map(self._kept, self.model)
        draws = shown is not None or bool(self.model and self.model.activations)
        for widget in (self.ui.mapClassBox, self.ui.mapMethodBox):
            widget.enabled = draws and not self._noChoice(widget)
            what = _("The class that the map speaks for.")
            if widget is self.ui.mapMethodBox:
                what = _("How the map is made.")
            widget.toolTip = self._noChoice(widget) or what
        why_not = "" if shown is not None else no_map(self._kept, self.model)
        for widget, what in (
            (self.ui.opacitySlider, _("How much of the map covers the image.")),
            (self.ui.thresholdSlider, _("Weaker parts of the map are not shown.")),
        ):
            enable(widget, what, why_not)
        nowhere = why_not or empty_map(shown)
        enable(self.ui.jumpButton, _("Move the slices to where the map is strongest."), nowhere)
        self.run.setReason(why_not_draw(self._kept, self.model, *self._chosen()))

    def display(self) -> None:
        """Lay the map that is looked at over the image in every slice view, and show its focal point only."""
        if self._kept is None or self._kept.volume is None:
            return
        shown = self._kept.shownMap
        show_in_slices(slicer.mrmlScene, self._kept.volume, shown)
        for one in self._kept.maps:
            focus = one.GetNodeReference(FOCUS)
            if focus is not None and focus.GetDisplayNode() is not None:
                focus.GetDisplayNode().SetVisibility(one is shown)

    def in_words(self) -> str:
        """Which map is looked at, and where it points; "" without one."""
        return map_in_words(self._kept) if self._kept is not None else ""

    def cancel(self) -> None:
        """End the drawing of a map."""
        self.run.cancel()

    def cleanup(self) -> None:
        """The panel is about to be destroyed."""
        self.run.cleanup()
        self.removeObservers()
        self._folder.remove()

    def _noChoice(self, box: Any) -> str:
        """Why there is nothing to choose in a box."""
        assert self._kept is not None
        if box.count > 1:
            return ""
        if self.model is None:
            return no_model(self._kept)
        if box is self.ui.mapMethodBox and box.count:
            return _("The model {name} makes its map in one way only.").format(name=self.model.name)
        return no_map(self._kept, self.model)

    # --- what the user does -------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """The classes and methods, with those of the map that is looked at chosen."""
        self._filling = True
        shown = self._kept.shownMap if self._kept is not None else None
        classes = list(self._kept.prediction["classes"]) if self._kept is not None else []
        methods = list(self.model.activations) if self.model is not None else []
        drawn = [(one.GetAttribute(CLASS), one.GetAttribute(METHOD)) for one in self._kept.maps] if self._kept else []
        if self.model is None:
            classes = list(dict.fromkeys(label for label, _method in drawn))
        methods += [method for _label, method in drawn if method and method not in methods]
        methods = list(dict.fromkeys(methods))
        for box, names, current in (
            (self.ui.mapClassBox, [(name, name) for name in classes], shown and shown.GetAttribute(CLASS)),
            (self.ui.mapMethodBox, [(NAMES.get(m, m), m) for m in methods], shown and shown.GetAttribute(METHOD)),
        ):
            box.clear()
            for text, value in names:
                box.addItem(text, value)
            values = [value for _text, value in names]
            box.currentIndex = values.index(current) if current in values else (0 if values else -1)
        self._filling = False

    def _chosen(self) -> tuple[str, str]:
        boxes = (self.ui.mapClassBox, self.ui.mapMethodBox)
        label, method = (str(box.itemData(box.currentIndex) or "") for box in boxes)
        return label, method

    def _onChoice(self) -> None:
        if self._filling or self._kept is None:
            return
        drawn = self._kept.mapOf(*self._chosen())
        if drawn is not None:
            self._kept.showMap(drawn)
            self.display()
        self.update()

    def _onOpacity(self, value: float) -> None:
        shown = self._kept.shownMap if self._kept is not None else None
        if self._filling or shown is None or self._display is None:
            return
        self._display.SetOpacity(value)
        scene = slicer.mrmlScene
        for i in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
            composite = scene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode")
            if composite.GetForegroundVolumeID() == shown.GetID():
                composite.SetForegroundOpacity(value)

    def _onThreshold(self, value: float) -> None:
        if not self._filling and self._display is not None:
            self._display.SetThreshold(value, 1.0)

    def _onJump(self) -> None:
        shown = self._kept.shownMap if self._kept is not None else None
        point = focal_point(shown) if shown is not None else None
        if point is not None:
            kind = slicer.vtkMRMLSliceNode
            kind.JumpAllSlices(slicer.mrmlScene, *point, kind.OffsetJumpSlice)

    # --- the map's display node ---------------------------------------------------------------------------------

    def _observe(self, display: Any | None) -> None:
        if display is self._display:
            return
        if self._display is not None and self.hasObserver(
            self._display, vtk.vtkCommand.ModifiedEvent, self._onDisplay
        ):  # a display node that was deleted has lost it
            self.removeObserver(self._display, vtk.vtkCommand.ModifiedEvent, self._onDisplay)
        self._display = display
        if display is not None:
            self.addObserver(display, vtk.vtkCommand.ModifiedEvent, self._onDisplay)

    def _onDisplay(self, caller: Any, event: Any) -> None:
        self._follow()

    def _follow(self) -> None:
        if self._display is None:
            return
        self._filling = True
        self.ui.opacitySlider.value = self._display.GetOpacity()
        self.ui.thresholdSlider.value = self._display.GetLowerThreshold()
        self._filling = False

    # --- the worker ---------------------------------------------------------------------------------------------

    def _onStart(self) -> Any:
        """Draw the map that is chosen."""
        assert self._kept is not None and self.model is not None
        ensure(needed_for("classify"))
        folder = self._folder.new()
        request = map_request(self._kept, str(self.model.path), *self._chosen(), folder / "case")
        self._asked = self._kept
        return start(request, folder / "run")

    def _onDone(self, folder: Path) -> None:
        """Put the map beside the others of the result that it was drawn for, and show it."""
        kept, self._asked = self._asked, None
        if kept is None or kept.node.GetScene() is None or kept.volume is None:
            return
        result = read_result(folder / "out")
        if result.prediction["model"]["sha256"] != kept.prediction["model"]["sha256"]:
            raise TumorClassifierError(
                _("The model was replaced since this result was made, so its map would not belong to it.")
            )
        if not _same(result.prediction["probabilities"], kept.prediction["probabilities"]):
            raise TumorClassifierError(
                _("The image or the outline was changed since this result was made; classify it again in step 5.")
            )
        if result.cam is not None:
            scene, volume = slicer.mrmlScene, kept.volume
            shown = result.prediction["map"]["class"]
            node = add_cam(scene, result.cam, volume, f"{volume.GetName()} CAM of {shown}")
            focus = add_focus(scene, result.prediction["focus"], volume) if result.prediction.get("focus") else None
            kept.addMap(node, result.prediction, focus)
            for one in (node, focus):
                if one is not None:
                    place_beside(scene, one, kept.node)
        if self._kept is not None and self._kept.node is kept.node:
            self._fill()
            self.display()

    def _onFailed(self, sentence: str, details: str) -> None:
        """The sentence stands below the button."""
        self._asked = None

    def _onCancelled(self) -> None:
        """Nothing has changed."""
        self._asked = None


def _same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two runs gave the same answer, up to rounding."""
    return one.keys() == other.keys() and all(abs(one[name] - other[name]) < SAME for name in one)


def _model_of(kept: KeptResult | None) -> ModelSummary | None:
    """The installed model that made a result; None where there is none of its name and version."""
    if kept is None:
        return None
    model = kept.prediction["model"]
    return next(
        (
            one
            for one in model_summaries()
            if one.name == model["name"] and one.version == model["version"] and not one.damaged
        ),
        None,
    )
