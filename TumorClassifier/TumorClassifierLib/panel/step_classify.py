"""Step 5: one button that classifies and cancels."""

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..model_choice import missing_for
from ..scene.case_nodes import show_in_scene, write_case
from ..worker import start
from .patient_names import safe_name
from .run_button import RunButton
from .step_header import State
from .step_segment import segment_is_empty


class ClassifyStep:
    """What is classified is what was chosen when the button was pressed; later choices wait for the next run."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self._inputs: tuple[Any, Any] | None = None  # of the run: the volume and the segmentation that it is shown on
        self._used: list[Any] = []  # nodes whose removal ends the run
        self._failure = ("", "")
        self._said = State("open", "")
        self.run = RunButton(ui.classifyButton, ui.classifyProgress, ui.classifyLabel)
        ui.detailsButton.connect("clicked(bool)", self.onDetails)

    def update(self) -> None:
        """Show what is missing, in the button's tooltip and above it."""
        reasons = self.reasons()
        self.run.setReasons(reasons)
        self.ui.classifyHint.text = "\n".join(reasons)
        self.ui.classifyHint.visible = bool(reasons)
        if any(node.GetScene() is None for node in self._used):
            self.run.cancel()

    def reasons(self) -> list[str]:
        """Everything that keeps the case from being classified, a sentence each."""
        summary, node = self.panel.modelStep.chosen(), self.panel.parameterNode
        if node is None:
            return [_("The scene is being closed.")]
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
        if self._said.text:
            return self._said
        return State("open", _("ready") if not self.reasons() else _("not ready"))

    def onStart(self) -> Any:
        """Write the inputs and start the worker; raises TumorClassifierError where they cannot be used."""
        panel = self.panel
        summary = panel.modelStep.chosen()
        segmentation, segmentId = panel.outline() if summary.needs_outline else (None, "")
        images = panel.imagesToClassify()
        first = panel.firstImage()
        folder = panel.newFolder()
        case = write_case(images, segmentation, segmentId, folder / "case")
        self._failure = ("", "")
        self._inputs = (first, segmentation)
        self._used = [*panel.images().values(), *images.values(), *([segmentation] if segmentation else [])]
        request = {
            "work": "classify",
            "model": str(summary.path),
            **case,
            "case_id": safe_name(slicer.mrmlScene, first),
            "clinical": panel.clinicalValues(),
        }
        return start(request, folder / "run", environment=slicer.util.startupEnvironment())

    def onDone(self, folder: Path) -> None:
        """Put the result into the scene and show it."""
        assert self._inputs is not None
        volume, segmentation = self._inputs
        self._used = []
        shown, result = show_in_scene(folder / "out", volume, segmentation)
        self._said = State("done", result.prediction["predicted"])
        self.panel.resultStep.show(shown, result, volume)
        self.ui.resultStep.collapsed = False
        self.panel.update()

    def onFailed(self, sentence: str, details: str) -> None:
        """Say what went wrong; the log is behind a button."""
        self._used, self._failure = [], (sentence, details)
        self._said = State("wrong", _("failed"))
        self.panel.update()

    def onCancelled(self) -> None:
        """Nothing has changed."""
        self._used = []
        self._said = State("open", _("cancelled"))
        self.panel.update()

    def onDetails(self) -> None:
        """Show the log of the run that failed."""
        sentence, details = self._failure
        slicer.util.errorDisplay(sentence, detailedText=details)

    def forget(self) -> None:
        """The scene is about to be closed: nothing is there to show a result on."""
        self._used = []
        self.run.cancel()
        self._said = State("open", "")

    def cleanup(self) -> None:
        """The panel goes, and the worker with it."""
        self.run.cleanup()
