"""What leaves the scene: the report, the whole scene, and DICOM; all but the scene is written by the worker."""

import shutil
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import InputError, TumorClassifierError
from FeatureExtractorLib.files import atomic_path, readable_write_errors

from ..dicom_output import FILES
from ..scene.storage import SUFFIX, save_mrb
from ..worker import start
from .details import Details
from .packages import ensure, needed_for
from .result_buttons import breakable
from .result_folder import RunFolder
from .result_nodes import KeptResult
from .result_request import dicom_missing, dicom_request, inputs_missing, report_request
from .run_button import RunButton

KINDS = (".html", ".pdf")


class Exports:
    """The row of buttons below a result. step: has the installed model of the result, and the window to ask in."""

    def __init__(self, ui: Any, step: Any) -> None:
        self.ui, self.step = ui, step
        self._kept: KeptResult | None = None
        self._folder = RunFolder()
        self._to = Path()
        self.report = RunButton(
            ui.saveReportButton, ui.exportProgress, ui.exportStatus, self._onReportStart, self._onReportDone
        )
        self.dicom = RunButton(
            ui.dicomButton, ui.dicomProgress, ui.exportStatus, self._onDicomStart, self._onDicomDone
        )
        self.report.details = self.dicom.details = Details(ui.exportStatus, _("Export"))
        self.report.onState = self.dicom.onState = self.update
        ui.saveSceneButton.connect("clicked(bool)", self._onSaveScene)

    def open(self, kept: KeptResult | None) -> None:
        """Offer to export a result, or nothing."""
        self._kept = kept
        self.update()

    def update(self) -> None:
        """Say of every button that cannot be pressed why."""
        busy = _("Wait until the other export has ended, or cancel it.")
        self.report.setReasons(_given(self._whyNoReport(), busy if self.dicom.busy else ""))
        self.dicom.setReasons(_given(dicom_missing(self._kept), busy if self.report.busy else ""))

    def tell(self, words: str) -> None:
        """Say below the buttons what was done."""
        self.ui.exportStatus.text = words
        self.ui.exportStatus.visible = bool(words)

    def cancel(self) -> None:
        """End what is being written."""
        self.report.cancel()
        self.dicom.cancel()

    def cleanup(self) -> None:
        """The panel is about to be destroyed."""
        self.report.cleanup()
        self.dicom.cleanup()
        self._folder.remove()

    # --- the report ---------------------------------------------------------------------------------------------

    def saveReport(self, path: Path) -> Any:
        """Start to write the report to a file, whose ending says what it is; returns the job."""
        if path.suffix.lower() not in KINDS:
            raise InputError(_("{name} is no report's name; end it in .html or .pdf.").format(name=path.name))
        assert self._kept is not None
        pdf = path.suffix.lower() == ".pdf"
        ensure([*needed_for("case_report"), *(["reportlab"] if pdf else [])])
        folder, self._to = self._folder.new(), path
        request = report_request(self._kept, self._modelPath(), pdf, folder)
        return start(request, folder / "run")

    def _onReportStart(self) -> Any:
        path = self._ask(_("Save report"), "report.html", _("Report (*.html *.pdf)"))
        return self.saveReport(Path(path)) if path else None

    def _onReportDone(self, folder: Path) -> None:
        written = next((folder / "out").glob("report.*"))
        with atomic_path(self._to) as temporary:
            shutil.copyfile(written, temporary)
        self.tell(_("The report was saved as {path}.").format(path=breakable(self._to)))

    def _whyNoReport(self) -> str:
        if self._kept is not None and self.step.map.model is None:
            model = self._kept.prediction["model"]
            return _(
                "The model {name} {version} that made this result is not installed here, and the report says what it "
                "was trained on; install it in step 4."
            ).format(name=model["name"], version=model["version"])
        return inputs_missing(self._kept)

    def _modelPath(self) -> str:
        return str(self.step.map.model.path)

    # --- DICOM --------------------------------------------------------------------------------------------------

    def exportDicom(self, folder: Path) -> Any:
        """Start to write the segment and the structured report into a folder; returns the job."""
        assert self._kept is not None
        ensure(needed_for("dicom"))
        run, self._to = self._folder.new(), folder
        return start(dicom_request(self._kept, run), run / "run")

    def _onDicomStart(self) -> Any:
        folder = qt.QFileDialog.getExistingDirectory(self.step.widget, _("Export DICOM into a folder"))
        return self.exportDicom(Path(folder)) if folder else None

    def _onDicomDone(self, folder: Path) -> None:
        with readable_write_errors(self._to):
            for name in FILES:
                shutil.copyfile(folder / "out" / name, self._to / name)
        self.tell(
            _("{files} were written to {folder}.").format(files=_(" and ").join(FILES), folder=breakable(self._to))
        )

    # --- the scene ----------------------------------------------------------------------------------------------

    def saveScene(self, path: Path) -> None:
        """Save everything that the scene holds; raises InputError where that cannot be done."""
        save_mrb(slicer.mrmlScene, path)
        self.tell(_("The scene was saved as {path}.").format(path=breakable(path)))

    def _onSaveScene(self) -> None:
        path = self._ask(_("Save scene"), "scene" + SUFFIX, _("Scene with its data (*.mrb)"))
        if not path:
            return
        try:
            with slicer.util.WaitCursor():
                self.saveScene(Path(path) if path.endswith(SUFFIX) else Path(path + SUFFIX))
        except TumorClassifierError as error:
            slicer.util.errorDisplay(str(error))

    def _ask(self, title: str, name: str, kinds: str) -> str:
        """A file's path, "" where the user would rather not; the name says nothing of the patient."""
        return str(qt.QFileDialog.getSaveFileName(self.step.widget, title, name, kinds) or "")


def _given(*reasons: str) -> list[str]:
    return [reason for reason in reasons if reason]
