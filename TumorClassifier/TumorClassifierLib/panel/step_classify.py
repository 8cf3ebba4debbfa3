"""Step 5: one button that classifies and cancels."""

import shutil
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..model_choice import missing_for
from ..scene.case_nodes import show_in_scene, write_case
from ..worker import start
from .details import show_details
from .packages import ensure, needed_for
from .patient_names import safe_name
from .result_nodes import Inputs
from .run_button import RunButton
from .step_header import State
from .step_segment import segment_is_empty


class ClassifyStep:
    """What is classified is what was chosen when the button was pressed; later choices wait for the next run."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self._inputs: tuple[Any, Inputs] | None = (
            None  # of the run: the volume that it is shown on, what it is made of
        )
        self._used: list[Any] = []  # nodes whose removal ends the run
        self._folder: Path | None = None  # its files: images of a patient, so they go as soon as it has ended
        self._failure = ("", "")
        self._said = State("open", "")
        self._said_of: tuple[Any, ...] = ()  # the choices that it was said of
        self.run = RunButton(
            ui.classifyButton,
            ui.classifyProgress,
            ui.classifyLabel,
            self.onStart,
            self.onDone,
            self.onFailed,
            self.onCancelled,
            onState=panel.update,
        )
        ui.detailsButton.connect("clicked(bool)", self.onDetails)

    def update(self) -> None:
        """Show what is missing, in the button's tooltip and above it."""
        reasons = self.reasons()
        self.run.setReasons(reasons)
        self.ui.classifyHint.text = "\n".join(reasons)
        self.ui.classifyHint.visible = bool(reasons)
        self.ui.detailsButton.visible = bool(self._failure[1])
        if any(node.GetScene() is None for node in self._used):
            self.run.cancel()

    def reasons(self) -> list[str]:
        """Everything that keeps the case from being classified, a sentence each."""
        summary, node = self.panel.modelStep.chosen(), self.panel.parameterNode
        if node is None:
            return [_("The scene was closed; open this module again, or take the sample data.")]
        if summary is None:
            if node.model:
                return [_("The model {model} is not installed here; install it in step 4.").format(model=node.model)]
            return [_("Choose a model in step 4.")]
        segmentation, segmentId = self.panel.outline()
        given = bool(segmentId) and not segment_is_empty(segmentation, segmentId)
        return missing_for(summary, list(self.panel.images()), given, self.panel.clinicalValues())

    def state(self) -> State:
        """For the header."""
        if self.run.busy:
            return State("running", _("running"))
        if self._said.text and self._said_of == self._choices():
            return self._said
        return State("open", _("ready") if not self.reasons() else _("not ready"))

    def onStart(self) -> Any:
        """Write the inputs and start the worker; raises Declined, and TumorClassifierError for unusable inputs."""
        panel = self.panel
        summary = panel.modelStep.chosen()
        self._failure, self._said_of = ("", ""), self._choices()
        ensure(needed_for("classify", bool(summary.activations)))  # a model that draws maps runs networks
        segmentation, segmentId = panel.outline() if summary.needs_outline else (None, "")
        images = panel.imagesToClassify()
        first = panel.firstImage()
        self._folder = panel.newFolder()
        case = write_case(images, segmentation, segmentId, self._folder / "case")
        clinical = panel.clinicalValues()
        self._inputs = first, Inputs(images, segmentation, segmentId, clinical)
        self._used = [*panel.images().values(), *images.values(), *([segmentation] if segmentation else [])]
        request = {
            "work": "classify",
            "model": str(summary.path),
            **case,
            "case_id": safe_name(slicer.mrmlScene, first),
            "clinical": clinical,
        }
        return start(request, self._folder / "run")

    def onDone(self, folder: Path) -> None:
        """Put the result into the scene and show it."""
        inputs, self._inputs, self._used = self._inputs, None, []
        if inputs is None:  # the scene was closed in the meantime
            self._removeFiles()
            return
        volume, made_of = inputs
        shown, result = show_in_scene(folder / "out", volume, made_of.segmentation)
        self._removeFiles()
        self._said = State("done", result.prediction["predicted"])
        self.panel.resultStep.show(shown, result, volume, made_of)
        self.ui.resultStep.collapsed = False
        self.panel.update()

    def onFailed(self, sentence: str, details: str) -> None:
        """Say what went wrong; the log is behind a button."""
        self._used, self._inputs, self._failure = [], None, (sentence, details)
        self._removeFiles()
        self._said = State("wrong", _("failed"))
        self.panel.update()

    def onCancelled(self) -> None:
        """Nothing has changed."""
        self._used, self._inputs = [], None
        self._removeFiles()
        self._said = State("open", _("cancelled"))
        self.panel.update()

    def _choices(self) -> tuple[Any, ...]:
        """What makes one run differ from another."""
        panel = self.panel
        segmentation, segmentId = panel.outline()
        images = sorted((modality, volume.GetID()) for modality, volume in panel.imagesToClassify().items())
        drawn = segmentation.GetSegmentation().GetSegment(segmentId) if segmentId else None
        labelmap = drawn.GetRepresentation("Binary labelmap") if drawn is not None else None
        outline = (segmentId, labelmap.GetMTime() if labelmap is not None else 0)
        return panel.modelName(), images, outline, panel.clinicalValues()

    def _removeFiles(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def onDetails(self) -> None:
        """Show the log of the run that failed."""
        show_details(*self._failure, _("Classification"))

    def forget(self) -> None:
        """The scene is about to be closed: nothing is there to show a result on."""
        self._used, self._inputs, self._failure = [], None, ("", "")
        self.run.cancel()
        self.ui.classifyLabel.text, self.ui.classifyLabel.visible = "", False
        self._said = State("open", "")

    def cleanup(self) -> None:
        """The panel goes, and the worker with it."""
        self.run.cleanup()
