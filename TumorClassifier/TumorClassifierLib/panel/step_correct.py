"""Step 3: correct the slow change of brightness in MR images (N4), by our worker or by Slicer's own module."""

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import InputError

from ..scene.hierarchy import place_beside
from ..scene.slicer_n4 import MODULE
from ..scene.volumes import add_volume
from .correction_run import CorrectionRun, remove_volume
from .details import Details
from .packages import ensure, needed_for
from .parameters import CORRECTED, CORRECTED_FROM, CorrectionMethod
from .run_button import RunButton
from .step_header import State


class CorrectStep:
    """The corrected copies stand beside the originals; step 5 takes them where the user wants it."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self.correction: CorrectionRun | None = None
        self.run = RunButton(
            ui.correctButton,
            ui.correctProgress,
            ui.correctLabel,
            onStart=self.onStart,
            onDone=self.onDone,
            onState=panel.update,
            details=Details(ui.correctLabel, _("Correction")),
        )
        ui.originalButton.connect("toggled(bool)", self.onOriginal)

    def update(self) -> None:
        """Show what can be done."""
        corrected = self.corrected()
        self.run.setReason(self._reason())
        for widget, what in (
            (self.ui.originalButton, _("Switch the slice views between the corrected image and the original.")),
            (self.ui.useCorrected, _("Classify the corrected images instead of the originals.")),
        ):
            widget.enabled = bool(corrected)
            widget.toolTip = what if corrected else _("Correct an image first; until then there is only the original.")
        summary = self.panel.modelStep.chosen()
        what = _("Optional, for MR images whose brightness changes slowly from one side to the other.")
        if summary is not None and summary.corrects:
            model = _("{model} corrects every image by itself; a corrected one would be corrected twice.")
            what = f"{what} {model.format(model=summary.name)}"
        self.ui.correctHint.text = what

    def state(self) -> State:
        """For the header."""
        if self.run.busy:
            return State("running", _("correcting"))
        if not self.corrected():
            return State("optional", _("not corrected"))
        used = self.panel.parameterNode.useCorrected
        return State("done", _("corrected, in use") if used else _("corrected, not in use"))

    def corrected(self) -> dict[str, Any]:
        """The corrected copies of the chosen images, by modality."""
        node = self.panel.parameterNode
        found = {modality: node.corrected(modality) for modality in self.panel.images()} if node is not None else {}
        return {modality: copy for modality, copy in found.items() if copy is not None}

    def onStart(self) -> Any:
        """Correct every chosen image; raises TumorClassifierError where one cannot be read, and Declined."""
        bySlicer = self.panel.parameterNode.correctionMethod is CorrectionMethod.SLICER
        if not bySlicer:
            ensure(needed_for("correct"))
        self.correction = CorrectionRun(self.panel.images(), bySlicer, self.panel.newFolder)
        return self.correction

    def onDone(self, folder: Path) -> None:
        """Put the corrected images beside their originals, and use them unless the model corrects by itself."""
        node, done, self.correction = self.panel.parameterNode, self.correction, None
        if node is None or done is None:  # the scene was closed in the meantime
            return
        for modality, image in done.corrected.items():
            original = done.volumes[modality]
            if original.GetScene() is None:
                raise InputError(_("The image was removed while it was corrected, so the result is not shown."))
            name = _("{image} corrected").format(image=original.GetName())
            copy = add_volume(slicer.mrmlScene, image, name)
            copy.SetAndObserveTransformNodeID(original.GetTransformNodeID())
            copy.SetNodeReferenceID(CORRECTED_FROM, original.GetID())
            copy.GetDisplayNode().CopyContent(original.GetDisplayNode())
            place_beside(slicer.mrmlScene, copy, original)
            before = node.corrected(modality)
            node.setImage(modality, copy, CORRECTED)
            if before is not None:
                remove_volume(before)
        summary = self.panel.modelStep.chosen()
        node.useCorrected = not (summary is not None and summary.corrects)
        self.ui.originalButton.checked = False
        self.panel.update()
        self.onOriginal(False)

    def forget(self) -> None:
        """The scene is about to be closed."""
        self.correction = None
        self.run.cancel()
        self.run.clearFailure()
        self.ui.correctLabel.text, self.ui.correctLabel.visible = "", False

    def cleanup(self) -> None:
        """The panel goes, and the worker with it."""
        self.run.cleanup()

    def onOriginal(self, original: bool) -> None:
        """Show the first image as it was, or corrected."""
        for modality, copy in self.corrected().items():
            self.panel.showVolume(self.panel.images()[modality] if original else copy)
            return

    def _reason(self) -> str:
        """Why nothing can be corrected now, "" where it can."""
        node = self.panel.parameterNode
        if node is None or not self.panel.images():
            return _("Choose an image in step 1 first.")
        if node.correctionMethod is CorrectionMethod.SLICER and getattr(slicer.modules, MODULE, None) is None:
            return _(
                "Slicer's N4ITKBiasFieldCorrection module is not loaded (Slicer was started without its command-line "
                "modules); choose the fast method."
            )
        return ""
