"""Step 4: which model, what it can and cannot do, and what it asks to know of the patient."""

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import InputError, TumorClassifierError

from ..bundle import SUFFIX
from ..model_choice import ModelSummary, model_summaries
from ..places import user_folder
from ..store import Installation, install_model, remove_model
from .clinical_form import ClinicalForm
from .step_header import State


class ModelStep:
    """The list of models, the card of the chosen one and the form of its clinical variables."""

    def __init__(self, ui: Any, panel: Any) -> None:
        self.ui, self.panel = ui, panel
        self.summaries: dict[str, ModelSummary] = {}
        self._card: ModelSummary | None = None
        self._filling = False
        self.form = ClinicalForm(ui.clinicalBox.layout(), ui.folderButton, self.onClinical)
        ui.modelList.connect("currentRowChanged(int)", self.onModel)
        ui.installButton.connect("clicked(bool)", self.onInstall)
        ui.removeButton.connect("clicked(bool)", self.onRemove)
        ui.folderButton.connect("clicked(bool)", self.onFolder)
        self.read()

    def read(self) -> None:
        """Look again which models are installed."""
        self.summaries = {summary.name: summary for summary in model_summaries()}
        self._filling = True
        self.ui.modelList.clear()
        for summary in self.summaries.values():
            self.ui.modelList.addItem(_line(summary))
            self.ui.modelList.item(self.ui.modelList.count - 1).setToolTip(_line(summary))
        self._filling = False
        self._card = None

    def chosen(self) -> ModelSummary | None:
        """The chosen model, None where none is or it is not installed here."""
        node = self.panel.parameterNode
        return self.summaries.get(node.model) if node is not None else None

    def choose(self) -> None:
        """The first whole model, where none is chosen yet."""
        whole = [name for name, summary in self.summaries.items() if not summary.damaged]
        if not self.panel.parameterNode.model and whole:
            self.panel.parameterNode.model = whole[0]

    def update(self) -> None:
        """Show what the parameter node says."""
        summary = self.chosen()
        names = list(self.summaries)
        row = names.index(summary.name) if summary is not None else -1
        self._filling = True
        if self.ui.modelList.currentRow != row:
            self.ui.modelList.setCurrentRow(row)
        self._filling = False
        if summary is not self._card:
            self._card = summary
            self.ui.modelCard.setMarkdown(_card(summary) if summary is not None else "")
        fields = summary.clinical if summary is not None else ()
        self.ui.clinicalBox.visible = bool(fields)
        node = self.panel.parameterNode
        self.form.show(fields, node.clinicalValues() if node is not None else {})
        self._explainRemove(summary)

    def state(self) -> State:
        """For the header."""
        summary, node = self.chosen(), self.panel.parameterNode
        if summary is None:
            wanted = node.model if node is not None else ""
            if wanted:
                return State("wrong", _("{model} is not installed here").format(model=wanted))
            return State("open", _("choose a model") if self.summaries else _("install a model"))
        if summary.damaged:
            return State("wrong", _("{model} is damaged").format(model=summary.name))
        unfilled = [f.name for f in summary.clinical if f.required and f.name not in self.panel.clinicalValues()]
        if unfilled:
            return State(
                "open", _("{model}: fill in {variables}").format(model=summary.name, variables=", ".join(unfilled))
            )
        return State("done", summary.name)

    def onModel(self, row: int) -> None:
        """The user chose another model."""
        if not self._filling and 0 <= row < len(self.summaries):
            self.panel.initialize()
            self.panel.parameterNode.model = list(self.summaries)[row]
            self.panel.chooseMissing()

    def onClinical(self) -> None:
        """The user filled in a clinical variable; what other models ask for stays."""
        node, summary = self.panel.parameterNode, self.chosen()
        if node is not None and summary is not None:
            own = {field.name for field in summary.clinical}
            others = {name: text for name, text in node.clinicalValues().items() if name not in own}
            node.setClinicalValues({**others, **self.form.values()})

    def onInstall(self) -> None:
        """Let the user choose a model file and install it."""
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Install a model"), "", _("Models (*{suffix})").format(suffix=SUFFIX)
        )
        if path:
            self.install(Path(path))

    def install(self, path: Path) -> None:
        """Install a model file, asking where it would take another's place; errors are shown."""
        try:
            installation = self._installed(path)
        except TumorClassifierError as error:
            slicer.util.errorDisplay(_before_option(str(error)))
            return
        if installation is None:
            return
        self.read()
        self.panel.initialize()
        self.panel.parameterNode.model = installation.model.name
        self.panel.update()

    @staticmethod
    def _installed(path: Path) -> Installation | None:
        """Install a model file; None where it would take another's place and the user does not want that."""
        try:
            return install_model(path)
        except InputError as error:
            if "--replace" not in str(error):
                raise
            question = _("{reason} Put it in that place?").format(reason=_before_option(str(error)))
            return install_model(path, replace=True) if slicer.util.confirmYesNoDisplay(question) else None

    def onRemove(self) -> None:
        """Delete the chosen model after asking."""
        summary = self.chosen()
        if summary is None or not slicer.util.confirmYesNoDisplay(
            _("Delete the model {model} from this computer?").format(model=summary.name)
        ):
            return
        try:
            remove_model(summary.name)
        except TumorClassifierError as error:
            slicer.util.errorDisplay(str(error))
            return
        self.read()
        self.panel.initialize()
        self.panel.parameterNode.model = ""
        self.choose()
        self.panel.update()

    def onFolder(self) -> None:
        """Show the folder of added models in the system's file manager."""
        folder = user_folder()
        folder.mkdir(parents=True, exist_ok=True)
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(folder)))

    def _explainRemove(self, summary: ModelSummary | None) -> None:
        if summary is None:
            reason = _("Choose a model first.")
        elif summary.origin == "shipped":
            reason = _("This model comes with the extension and stays; only added models can be removed.")
        else:
            reason = ""
        self.ui.removeButton.enabled = not reason
        self.ui.removeButton.toolTip = reason or _("Delete the chosen model from this computer.")


def _line(summary: ModelSummary) -> str:
    if summary.damaged:
        return _("{model}: damaged").format(model=summary.name)
    return f"{summary.name}: {', '.join(summary.classes)}"


def _card(summary: ModelSummary) -> str:
    """The model's card as Markdown; of a damaged one what is wrong with it."""
    return summary.damaged or summary.card


def _before_option(text: str) -> str:
    """A sentence without its advice for the command line."""
    return text.partition("; give --replace")[0].rstrip(".") + "."
