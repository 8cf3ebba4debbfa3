"""Step 4: start the measurement, follow it, and take what it found into the scene."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.deep.backbones import BACKBONES
from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.panel import packages
from TumorClassifierLib.panel.correction_run import CorrectionRun
from TumorClassifierLib.panel.patient_names import safe_name
from TumorClassifierLib.panel.run_button import RunButton
from TumorClassifierLib.panel.step_header import State
from TumorClassifierLib.scene.case_nodes import write_image
from TumorClassifierLib.scene.volumes import image_of, segment_mask
from TumorClassifierLib.worker import start
from TumorClassifierLib.worker.places import OUT

from . import requests
from .chained_job import ChainedJob
from .collect import Outline, cohort_result, measured_of, readers_result
from .measured import Measured, MeasuredSegment
from .parameters import BiasField, Source
from .results import Result


@dataclass(frozen=True)
class Pending:
    """What is being measured. volume: id of the first image's node; outlines: by key; table: of a list."""

    case: str = ""
    volume: str = ""
    outlines: Mapping[str, Outline] = field(default_factory=lambda: MappingProxyType({}))
    bySlicer: bool = False
    table: Path | None = None
    readers: bool = False


class RunStep:
    """One measurement at a time; the panel stays usable meanwhile, and what is chosen then counts for the next."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self._pending: Pending | None = None
        self._errors: dict[str, str] = {}
        self.button = RunButton(
            ui.applyButton,
            ui.progressBar,
            ui.statusLabel,
            self.onStart,
            self.onDone,
            self.onFailed,
            self.onCancelled,
            self.onData,
            panel.update,
        )
        ui.detailsButton.connect("toggled(bool)", self.onDetails)
        self._setDetails("")

    def update(self) -> None:
        """Say on the button what it does, and why it cannot."""
        node = self.panel.parameters
        if node is not None:
            self.button.setText(*self._text())
        reasons = [] if self.button.busy else self.panel.reasons()
        self.button.setReasons(reasons)
        self.ui.reasonsLabel.text = "\n".join(reasons)
        self.ui.reasonsLabel.visible = bool(reasons)

    def state(self) -> State:
        """For the header."""
        if self.button.running:
            return State("running", _("measuring"))
        return State("open", _("not ready") if self.panel.reasons() else _("ready"))

    def abandon(self) -> None:
        """The scene is about to be closed: what is being measured has no place any more."""
        self._pending = None
        self.button.cancel()

    def cleanup(self) -> None:
        """The panel is about to be destroyed."""
        self._pending = None
        self.button.cleanup()

    def onStart(self) -> Any:
        """The user pressed Measure; a job to follow."""
        self._setDetails("")
        self._errors, self._pending = {}, None
        packages.ensure(self._needed())
        return self.measureList() if self.panel.parameters.source is Source.LIST else self.measureScene()

    def onData(self, data: Mapping[str, Any]) -> None:
        """A segment is done; remembered for when none succeeds, for then there is no file of results."""
        if data.get("error"):
            self._errors[str(data["segment"])] = str(data["error"])

    def onDone(self, folder: Path) -> None:
        """Take the results into the scene."""
        try:
            self._take(folder)
        finally:
            self.panel.removeFiles()

    def _take(self, folder: Path) -> None:
        pending, self._pending = self._pending, None
        if pending is None or self.panel.parameters is None:
            return
        if pending.table is None:
            found: Result = measured_of(folder / OUT, pending.case, pending.outlines, pending.bySlicer)
        elif pending.readers:
            found = readers_result(folder / OUT, pending.table)
        else:
            found = cohort_result(self.button.summary)
        self.panel.results.take(found, pending.volume)
        self._setDetails("\n".join(self.button.log))

    def onFailed(self, sentence: str, details: str) -> None:
        """Show every segment that failed, and why; the sentence is below the button already."""
        self._setDetails(details)
        self.panel.removeFiles()
        pending, self._pending = self._pending, None
        errors = self._errors
        if pending is None or self.panel.parameters is None or not pending.outlines:
            return
        segments = tuple(
            replace(outline.segment, error=outline.segment.error or errors.get(key, ""))
            for key, outline in pending.outlines.items()
        )
        if all(segment.error for segment in segments):
            self.panel.results.take(Measured(pending.case, segments), pending.volume)

    def onCancelled(self) -> None:
        """Finished cases of a list stay where they are."""
        self._pending = None
        self.panel.removeFiles()
        if self.panel.parameters is not None and self.panel.parameters.source is Source.LIST:
            finished = self.panel.cases.unfinished()
            if finished:
                self.panel.say(
                    _("Cancelled. {count} cases are finished; Measure goes on from there.").format(count=finished)
                )
        self.panel.update()

    def onDetails(self, shown: bool) -> None:
        """Show or hide the log."""
        self.ui.detailsText.visible = shown

    def _setDetails(self, details: str) -> None:
        self.ui.detailsText.plainText = details
        self.ui.detailsButton.visible = bool(details)
        self.ui.detailsButton.checked = False
        self.ui.detailsText.visible = False

    def _text(self) -> tuple[str, str]:
        """What the button is called, and what it does."""
        node = self.panel.parameters
        if node.source is Source.LIST:
            if node.readers:
                return _("Compare two readers"), _("Measure every case twice and compare, in a process of its own.")
            if self.panel.cases.unfinished():
                return _("Go on measuring the list"), _("Measure the cases that an earlier run has left.")
            return _("Measure the list"), _("Measure every case of the manifest into a table.")
        count = len(self.panel.segments.chosen())
        if node.secondSegmentation is not None:
            return _("Measure and compare"), _("Measure both outlines of each segment and compare them.")
        if count < 2:
            return _("Measure"), _("Measure the ticked segment in a process of its own; the panel stays usable.")
        return (
            _("Measure {count} segments").format(count=count),
            _("Measure the ticked segments in a process of its own; the panel stays usable."),
        )

    def measureScene(self) -> Any:
        """Write images and masks, and start the worker on them; a job. Raises InputError as the parts."""
        node, images = self.panel.parameters, self.panel.images.chosen()
        first = images[0][1]
        folder = self.panel.newFolder()
        outlines = self._outlines(first, folder)
        bySlicer = node.n4 is BiasField.SLICER
        self._pending = Pending(safe_name(slicer.mrmlScene, first), first.GetID(), outlines, bySlicer)
        if not any(outline.file for outline in outlines.values()):
            raise InputError(next(iter(outlines.values())).segment.error)
        files = {name: folder / f"image{i}.nrrd" for i, (name, _volume) in enumerate(images)}
        request = requests.scene_request(
            node,
            {name: str(file) for name, file in files.items()},
            {key: str(outline.file) for key, outline in outlines.items() if outline.file is not None},
            {key: outline.segment.name for key, outline in outlines.items()},
            self.panel.features.networks(),
            "none" if bySlicer else node.n4.value,
        )
        if not bySlicer:
            for name, volume in images:
                write_image(image_of(volume, first), files[name])
            return start(request, folder / "run")
        return self._afterSlicer(dict(images), files, request, folder)

    def measureList(self) -> Any:
        """Start the worker on the list; a job."""
        node, table = self.panel.parameters, self.panel.cases.output()
        self._pending = Pending(table=table, readers=node.readers)
        request = requests.list_request(node, table, self.panel.features.networks())
        return start(request, self.panel.newFolder() / "run")

    def _afterSlicer(
        self, volumes: dict[str, Any], files: Mapping[str, Path], request: Mapping[str, Any], folder: Path
    ) -> Any:
        """Slicer's own N4 of every image, and then the worker on what it made."""
        first, *others = volumes.values()
        for volume in others:
            if volume.GetParentTransformNode() is not first.GetParentTransformNode():
                raise InputError(
                    _(
                        "Slicer's N4 needs all images under one transform; harden that of {image}, or choose N4, fast."
                    ).format(image=volume.GetName())
                )
        correction: list[CorrectionRun] = []

        def correct() -> Any:
            correction.append(CorrectionRun(volumes, True, self.panel.newFolder))
            return correction[0]

        def measure() -> Any:
            for name, image in correction[0].corrected.items():
                write_image(image, files[name])
            return start(request, folder / "run")

        return ChainedJob([correct, measure])

    def _outlines(self, volume: Any, folder: Path) -> dict[str, Outline]:
        """Every ticked segment, and those of the second segmentation that it is compared with, as mask files."""
        node, chosen, compared = self.panel.parameters, self.panel.segments.chosen(), self.panel.segments.compared()
        if node.secondSegmentation is None:
            return {key: self._outline(node.segmentation, key, key, "", volume, folder) for key in chosen}
        readers = _readers(node.segmentation.GetName(), node.secondSegmentation.GetName())
        outlines = {}
        for key, other in compared.items():
            both = ((node.segmentation, key), (node.secondSegmentation, other))
            for n, (segmentation, segmentId) in enumerate(both):
                unique = f"{n + 1}:{segmentId}"
                outlines[unique] = self._outline(segmentation, segmentId, unique, readers[n], volume, folder)
        return outlines

    def _outline(self, segmentation: Any, segmentId: str, key: str, reader: str, volume: Any, folder: Path) -> Outline:
        segment = segmentation.GetSegmentation().GetSegment(segmentId)
        red, green, blue = segment.GetColor()
        if reader and key.startswith("2:"):  # both readers' segments often have one colour; a chart tells them apart
            red, green, blue = (0.5 + part / 2 for part in (red, green, blue))
        described = MeasuredSegment(key, segment.GetName(), reader=reader, colour=(red, green, blue))
        try:
            mask = segment_mask(segmentation, segmentId, volume)
        except InputError as error:
            return Outline(replace(described, error=str(error)))
        file = folder / f"mask{len(list(folder.glob('mask*')))}.nrrd"
        write_image(mask, file)
        return Outline(described, mask, file)

    def _needed(self) -> list[str]:
        """The packages without which the worker could not do it."""
        node, networks = self.panel.parameters, self.panel.features.networks()
        names = [*packages.base(), *(packages.NETWORKS if networks else ())]
        if any(BACKBONES[name].package == "timm" for name in networks):
            names.append("timm")
        if node.source is Source.LIST and self.panel.cases.output().suffix == ".parquet":
            names.append("pyarrow")
        return names


def _readers(first: str, second: str) -> tuple[str, str]:
    """What to call both outlines; names of one kind get a number."""
    return (first, second) if first != second else (f"{first} 1", f"{second} 2")
