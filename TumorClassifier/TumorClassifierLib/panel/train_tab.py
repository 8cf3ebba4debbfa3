"""The Train tab: a manifest, a recipe and its settings; a dry run, the training itself, and how good the model is."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import TumorClassifierError
from FeatureExtractorLib.resources import resource_path

from ..bundle import MODEL_NAME, SUFFIX
from ..recipes import RECIPES, recipe_module
from ..worker import start
from .details import Details, show_details
from .packages import ensure, needed_for
from .result_buttons import enable
from .result_folder import RunFolder
from .result_picture import FittedPicture
from .run_button import RunButton
from .train_check import CheckTable
from .train_curves import Curves, draw
from .train_form import SettingsForm
from .train_needs import needs_in_words, trains_network
from .train_outcome import Outcome
from .train_steps import TrainSteps

KEYS = {"manifest": "TumorClassifier/Train/Manifest", "recipe": "TumorClassifier/Train/Recipe"}
UNFINISHED = ".unfinished"  # the folder beside a model file that keeps what an interrupted training has done


class TrainTab:
    """Nothing of it lies in the scene: a cohort belongs to the computer, and its paths may name people."""

    def __init__(self, parent: Any) -> None:
        self.onInstalled: Callable[[str], None] = lambda name: None  # the panel's: step 4 has another model
        self.widget = slicer.util.loadUI(str(resource_path("UI/Train.ui", __file__)))
        parent.layout().addWidget(self.widget)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        files = ctk.ctkPathLineEdit
        self.ui.manifestPath.filters = files.Files | files.Readable
        self.ui.modelPath.filters = files.Files | files.Writable  # its button asks where to save
        self._folder = RunFolder()
        self._failure = ("", "")
        self._started: tuple[Path, Path] | None = None  # of the run: the model file and what it keeps to go on from
        self.curves = Curves()
        self.picture = FittedPicture(self.ui.curvesPicture)
        self.table = CheckTable(self.ui.checkTable)
        self.form = SettingsForm(self.ui.settingsTree, self.ui.settingLabel, self.update)
        self.outcome = Outcome(self.ui, lambda name: self.onInstalled(name))
        self.checkRun = RunButton(
            self.ui.checkButton,
            self.ui.checkProgress,
            self.ui.checkStatus,
            onStart=self._onCheckStart,
            onDone=self._onCheckDone,
            onFailed=self._onCheckFailed,
            onCancelled=self.table.finish,
            onData=self.table.add,
            onState=self.update,
            details=Details(self.ui.checkStatus, _("Check")),
        )
        self.trainRun = RunButton(
            self.ui.trainButton,
            self.ui.trainProgress,
            self.ui.trainStatus,
            onStart=self._onTrainStart,
            onDone=self._onTrainDone,
            onFailed=self._onTrainFailed,
            onData=self._onData,
            onState=self.update,
        )
        self.steps = TrainSteps(self)
        for name in RECIPES:
            self.ui.recipeBox.addItem(name)
        self._remembered()
        self._connect()
        self._onRecipe()

    def cleanup(self) -> None:
        """The panel is about to be destroyed; what runs ends."""
        self.checkRun.cleanup()
        self.trainRun.cleanup()
        self.outcome.cleanup()
        self.picture.cleanup()
        self._folder.remove()

    # --- what is chosen -----------------------------------------------------------------------------------------

    @property
    def recipe(self) -> str:
        """The chosen recipe's name."""
        return str(self.ui.recipeBox.currentText)

    @property
    def manifest(self) -> str:
        """The manifest's path as it was typed."""
        return str(self.ui.manifestPath.currentPath).strip()

    @property
    def model(self) -> Path | None:
        """The model file to write; None where none is named."""
        text = str(self.ui.modelPath.currentPath).strip()
        return Path(text) if text else None

    def update(self) -> None:
        """Say what can be done, and of every grey button why it is."""
        problem = self.form.problem()
        self.ui.settingsProblem.text = problem
        self.ui.settingsProblem.visible = bool(problem)
        changed = bool(problem) or bool(self.form.values())
        enable(
            self.ui.resetSettingsButton,
            _("Put every setting back to its default."),
            "" if changed else _("Every setting has its default."),
        )
        enable(
            self.ui.saveSettingsButton,
            _("Write what differs from the defaults to a settings file (.yaml)."),
            _("Correct the settings first: {problem}").format(problem=problem) if problem else "",
        )
        self._tellOfUnfinished()
        data = self._whyNoData()
        busy = _("Wait until the training has ended, or cancel it.")
        no_check = [*data, *([busy] if self.trainRun.busy else [])]
        busy = _("Wait until the check has ended, or cancel it.")
        no_training = [*data, *self._whyNoModel(), *([busy] if self.checkRun.busy else [])]
        self.checkRun.setReasons(no_check)
        self.trainRun.setReasons(no_training)
        self.steps.update(no_check, no_training)

    # --- why something cannot be done ---------------------------------------------------------------------------

    def _whyNoData(self) -> list[str]:
        reasons = []
        if not self.manifest:
            reasons.append(_("Choose a manifest: a table (.csv) with a case a row."))
        elif not Path(self.manifest).is_file():
            reasons.append(_("The manifest {path} does not exist; choose another.").format(path=self.manifest))
        if problem := self.form.problem():
            reasons.append(problem)
        return reasons

    def _whyNoModel(self) -> list[str]:
        path = self.model
        if path is None:
            return [_("Say where the model is to be written.")]
        if path.suffix != SUFFIX:
            return [_("{name} is no model's name; end it in {suffix}.").format(name=path.name, suffix=SUFFIX)]
        if not MODEL_NAME.fullmatch(path.stem):
            return [
                _("No model can be called {name}; use letters, digits, “.”, “_” and “-” only.").format(name=path.stem)
            ]
        if not path.parent.is_dir():
            return [_("The folder {path} does not exist; choose another.").format(path=path.parent)]
        if not str(self.ui.versionEdit.text).strip():
            return [_("Give the model a version, for instance 1.")]
        return []

    # --- the form -----------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        ui = self.ui
        ui.recipeBox.connect("currentIndexChanged(int)", self._onRecipe)
        ui.manifestPath.connect("currentPathChanged(QString)", self._onManifest)
        ui.modelPath.connect("currentPathChanged(QString)", self.update)
        ui.versionEdit.connect("textChanged(QString)", self.update)
        ui.settingsFilter.connect("textChanged(QString)", self.form.filter)
        ui.resetSettingsButton.connect("clicked(bool)", self.form.reset)
        ui.loadSettingsButton.connect("clicked(bool)", self._onLoad)
        ui.saveSettingsButton.connect("clicked(bool)", self._onSave)
        ui.problemsBox.connect("toggled(bool)", self.table.showProblemsOnly)
        ui.freshButton.connect("clicked(bool)", self._onFresh)
        ui.trainDetailsButton.connect("clicked(bool)", self._onDetails)

    def _remembered(self) -> None:
        """What was chosen when the tab was last used."""
        settings = slicer.app.settings()
        self.ui.manifestPath.currentPath = str(settings.value(KEYS["manifest"], "") or "")
        recipe = str(settings.value(KEYS["recipe"], "") or "")
        if recipe in RECIPES:
            self.ui.recipeBox.currentIndex = list(RECIPES).index(recipe)

    def _onManifest(self, path: str) -> None:
        slicer.app.settings().setValue(KEYS["manifest"], path)
        self.update()

    def _onRecipe(self) -> None:
        module = recipe_module(self.recipe)
        slicer.app.settings().setValue(KEYS["recipe"], self.recipe)
        self.form.show(module.Settings)
        self.form.filter(str(self.ui.settingsFilter.text))
        self.ui.recipeHint.text = f"{module.PUBLICATION}\n{needs_in_words(module.Settings())}"
        self.update()

    def _onLoad(self) -> None:
        path = qt.QFileDialog.getOpenFileName(self.widget, _("Settings"), "", _("Settings (*.yaml *.yml *.json)"))
        if path:
            self._tried(lambda: self.form.load(Path(path)))

    def _onSave(self) -> None:
        path = qt.QFileDialog.getSaveFileName(self.widget, _("Settings"), "settings.yaml", _("Settings (*.yaml)"))
        if path:
            self._tried(lambda: self.form.save(Path(path)))

    def _tried(self, what: Any) -> None:
        try:
            what()
        except TumorClassifierError as error:
            slicer.util.errorDisplay(str(error))

    # --- the dry run --------------------------------------------------------------------------------------------

    def _request(self, work: str, **others: Any) -> Any:
        request = {
            "work": work,
            "manifest": str(Path(self.manifest).absolute()),
            "recipe": self.recipe,
            "settings": self.form.values(),
            **others,
        }
        return start(request, self._folder.new() / "run")

    def _onCheckStart(self) -> Any:
        ensure(needed_for("check"))
        self.table.clear(Path(self.manifest).absolute().parent)
        return self._request("check")

    def _onCheckDone(self, folder: Path) -> None:
        self.table.finish()
        self.checkRun.label.text = _("{found} Classes: {classes}.").format(
            found=self.table.in_words(), classes=", ".join(self.checkRun.summary["classes"])
        )

    def _onCheckFailed(self, sentence: str, details: str) -> None:
        self.table.finish()
        if self.table.cases:
            self.checkRun.label.text = f"{self.table.in_words()} {sentence}"

    # --- the training -------------------------------------------------------------------------------------------

    def _unfinished(self) -> Path | None:
        path = self.model
        return path.with_name(path.stem + UNFINISHED) if path is not None and path.suffix == SUFFIX else None

    def _tellOfUnfinished(self) -> None:
        folder = self._unfinished()
        there = folder is not None and folder.is_dir() and not self.trainRun.busy
        self.ui.checkpointLabel.visible = self.ui.freshButton.visible = there
        if there:
            self.ui.checkpointLabel.text = _(
                "An interrupted training of {name} is kept beside the model file. It goes on from there; what other "
                "settings or cases change is done anew."
            ).format(name=str(self.model and self.model.stem))
            self.trainRun.setText(_("Resume &training"), _("Go on with the training that was interrupted."))
        else:
            self.trainRun.setText(
                _("&Train"), _("Train the recipe, judge it by cross-validation and write the model.")
            )

    def _onTrainStart(self) -> Any:
        ensure(needed_for("train", trains_network(self.form.settings())))
        model, kept = self.model, self._unfinished()
        assert model is not None and kept is not None
        self._started, self._failure = (model, kept), ("", "")
        self.curves = Curves()
        self.picture.show(None)
        self.ui.trainDetailsButton.visible = False
        return self._request(
            "train",
            out=str(model.absolute()),
            checkpoint=str(kept.absolute() / "networks"),
            cache=str(kept.absolute() / "cases"),
            version=str(self.ui.versionEdit.text).strip(),
        )

    def _onData(self, data: Mapping[str, Any]) -> None:
        self.curves.add(data)
        self.picture.show(draw(self.curves, self.widget))
        self.ui.curvesPicture.toolTip = _(
            "Loss and accuracy by epoch of the network that is trained now: number {count} of this training."
        ).format(count=max(self.curves.trainings))

    def _onTrainDone(self, folder: Path) -> None:
        assert self._started is not None
        model, kept = self._started
        shutil.rmtree(kept, ignore_errors=True)
        self.outcome.show(model, self.trainRun.summary["failures"])
        self.outcome.draw()

    def _onTrainFailed(self, sentence: str, details: str) -> None:
        self._failure = sentence, details
        self.ui.trainDetailsButton.visible = bool(details)

    def _onDetails(self) -> None:
        show_details(*self._failure, _("Training"))

    def _onFresh(self) -> None:
        folder = self._unfinished()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        self.update()
