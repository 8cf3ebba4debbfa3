"""The Train tab: why something cannot be started, the dry run, a training by the worker, and what comes of it."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MADE = runpy.run_path(str(Path(__file__).parents[1] / "cli" / "conftest.py"))
PATIENTS = 16


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made cohort with two cases that cannot be used: an image that is missing, and a mask that is empty."""
    import SimpleITK as sitk

    folder = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(0)
    rows = ["case_id,image_T1C,mask,label,age"]
    for i in range(PATIENTS):
        MADE["write_case"](folder, f"p{i}", rng, 2.0 ** (i % 2) - 1)
        rows.append(f"p{i},p{i}_image.nrrd,p{i}_mask.nrrd,{('low', 'high')[i % 2]},{40 + 2 * i}")
    image = sitk.ReadImage(str(folder / "p0_image.nrrd"))
    sitk.WriteImage(sitk.Cast(image * 0, sitk.sitkUInt8), str(folder / "empty.nrrd"))
    rows += ["gone,nowhere.nrrd,p0_mask.nrrd,high,50", "blank,p0_image.nrrd,empty.nrrd,low,50"]
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    return folder / "cohort.csv"


@pytest.fixture
def tab(module: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Train tab of the open panel, with settings that train within seconds; models are installed for the test."""
    monkeypatch.setenv("TUMORCLASSIFIER_MODELS", str(tmp_path / "home"))
    found = module("TumorClassifier").panel.trainTab
    found.ui.manifestPath.currentPath = ""
    found.ui.recipeBox.currentIndex = 0
    (tmp_path / "settings.yaml").write_text(MADE["SETTINGS"])
    found.form.load(tmp_path / "settings.yaml")
    return found


def reasons(button: Any) -> str:
    assert not button.enabled
    return str(button.toolTip)


# --- reasons


def test_it_says_what_is_missing_and_what_comes_first(tab: Any, cohort: Path, tmp_path: Path) -> None:
    ui = tab.ui
    assert "press Train" in ui.outcomeEmpty.text and ui.outcomeBody.isHidden()
    assert "Choose a manifest" in reasons(ui.checkButton)
    assert "Choose a manifest" in reasons(ui.trainButton) and "Say where" in reasons(ui.trainButton)
    ui.manifestPath.currentPath = str(tmp_path / "none.csv")
    assert "does not exist" in reasons(ui.checkButton)
    ui.manifestPath.currentPath = str(cohort)
    assert ui.checkButton.enabled and "Read every case" in ui.checkButton.toolTip
    for path, said in (
        ("", "Say where the model is to be written."),
        ("model.zip", "end it in .tcmodel"),
        ("a model!.tcmodel", "No model can be called"),
        ("nowhere/made.tcmodel", "The folder"),
    ):
        ui.modelPath.currentPath = str(tmp_path / path) if path else ""
        assert said in reasons(ui.trainButton), path
    ui.modelPath.currentPath = str(tmp_path / "made.tcmodel")
    assert ui.trainButton.enabled and "cross-validation" in ui.trainButton.toolTip
    assert ui.trainHint.isHidden() and ui.checkHint.isHidden()
    ui.versionEdit.text = " "
    assert "version" in reasons(ui.trainButton)


def test_what_is_missing_stands_above_the_buttons_and_headers_say_how_far_each_step_is(
    tab: Any, cohort: Path, tmp_path: Path
) -> None:
    ui = tab.ui
    steps = (ui.dataSection, ui.settingsSection, ui.checkSection, ui.trainSection, ui.outcomeSection)
    assert [step.text.split()[0] for step in steps] == ["1", "2", "3", "4", "5"]
    for hint, button in ((ui.checkHint, ui.checkButton), (ui.trainHint, ui.trainButton)):
        assert not hint.isHidden() and "Choose a manifest" in hint.text
        assert all(reason in button.toolTip for reason in hint.text.split("\n"))
    assert "○ choose a manifest" in ui.dataSection.text
    ui.manifestPath.currentPath = str(tmp_path / "none.csv")
    assert "! no such manifest" in ui.dataSection.text
    ui.manifestPath.currentPath = str(cohort)
    assert f"✓ {cohort.name}" in ui.dataSection.text and "○ not ready" in ui.trainSection.text
    assert ui.checkHint.isHidden() and "Say where" in ui.trainHint.text
    ui.modelPath.currentPath = str(tmp_path / "made.tcmodel")
    assert "○ ready" in ui.trainSection.text and "○ no model yet" in ui.outcomeSection.text


def test_it_fits_a_narrow_panel(tab: Any) -> None:
    tab.ui.settingsSection.collapsed = False
    assert tab.widget.minimumSizeHint.width() < 420


def test_settings_that_the_recipe_refuses_are_said(tab: Any, cohort: Path) -> None:
    ui = tab.ui
    ui.manifestPath.currentPath = str(cohort)
    tab.form.show(tab.form._settings, {"folds": 2})
    editor = next(e for f, e in zip(tab.form._fields, tab.form._editors, strict=True) if f.path == ("folds",))
    editor.text = "1"
    assert "folds" in ui.settingsProblem.text and not ui.settingsProblem.isHidden()
    assert ui.settingsProblem.text in reasons(ui.checkButton)
    assert ui.settingsProblem.text in reasons(ui.saveSettingsButton)
    ui.resetSettingsButton.click()
    assert ui.settingsProblem.isHidden() and ui.checkButton.enabled
    assert reasons(ui.resetSettingsButton) == "Every setting has its default."


def test_every_recipe_says_whom_it_follows_and_whether_it_needs_torch(
    tab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(tab.ui.recipeBox.count):
        tab.ui.recipeBox.currentIndex = index
        assert "Needs PyTorch, because it" in tab.ui.recipeHint.text and "is installed" in tab.ui.recipeHint.text
    monkeypatch.setattr("TumorClassifierLib.panel.train_needs.installed", lambda name: "")
    tab.ui.recipeBox.currentIndex = 0
    assert "it trains a network: it is not installed" in tab.ui.recipeHint.text
    assert "PyTorch extension" in tab.ui.recipeHint.text


def test_what_was_chosen_last_comes_back(tab: Any, cohort: Path, standin: Any) -> None:
    import qt

    from TumorClassifierLib.panel.train_tab import TrainTab

    tab.ui.manifestPath.currentPath = str(cohort)
    tab.ui.recipeBox.currentIndex = 2
    parent = qt.QWidget()
    parent.setLayout(qt.QVBoxLayout())
    again = TrainTab(parent)
    assert again.manifest == str(cohort) and again.recipe == tab.recipe == "resnet-transfer"
    again.cleanup()


# --- the dry run


def test_the_dry_run_names_every_case_that_cannot_be_used(tab: Any, cohort: Path, standin: Any) -> None:
    ui = tab.ui
    ui.manifestPath.currentPath = str(cohort)
    ui.checkButton.click()
    assert ui.checkButton.text == "Cancel"
    standin.wait(lambda: not tab.checkRun.busy, 120)
    table = ui.checkTable
    told = [tuple(table.item(i, j).text() for j in range(3)) for i in range(table.rowCount)]
    assert len(told) == PATIENTS + 2
    assert [row[:2] for row in told[:2]] == [("not usable", "gone"), ("not usable", "blank")]
    assert "nowhere.nrrd" in told[0][2] and "empty" in told[1][2]
    folder = str(Path(tab.manifest).parent)
    assert folder not in told[0][2] and folder in table.item(0, 2).toolTip()
    assert "high" in table.item(0, 2).toolTip()
    assert f"! {PATIENTS} of {PATIENTS + 2} cases ready" in ui.checkSection.text
    assert all(row[0] == "ready" and row[2].split(" · ")[0] in ("low", "high") for row in told[2:])
    assert ui.checkStatus.text == (
        f"{PATIENTS} of {PATIENTS + 2} cases can be used; 2 would be left out. Classes: low, high."
    )
    ui.problemsBox.checked = True
    assert [i for i in range(table.rowCount) if not table.isRowHidden(i)] == [0, 1]


# --- training


@pytest.mark.slow
def test_a_model_is_trained_judged_and_installed(
    tab: Any, cohort: Path, standin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt

    from TumorClassifierLib.store import installed_models

    ui = tab.ui
    ui.manifestPath.currentPath = str(cohort)
    ui.modelPath.currentPath = str(tmp_path / "made.tcmodel")
    ui.trainButton.click()
    standin.wait(lambda: tab.curves.latest or not tab.trainRun.busy, 300)
    assert tab.picture.there and not ui.curvesPicture.isHidden()
    assert "until the training has ended" in reasons(ui.checkButton)
    ui.trainButton.click()  # which cancels it
    standin.wait(lambda: not tab.trainRun.busy, 60)
    assert ui.trainStatus.text == "Cancelled." and not (tmp_path / "made.tcmodel").exists()
    assert ui.trainButton.text == "Resume &training" and not ui.freshButton.isHidden()
    assert list((tmp_path / "made.unfinished" / "cases").iterdir())

    ui.trainButton.click()
    standin.wait(lambda: not tab.trainRun.busy, 600)
    assert (tmp_path / "made.tcmodel").is_file(), ui.trainStatus.text
    assert not (tmp_path / "made.unfinished").exists() and ui.freshButton.isHidden()
    assert "16 patients" in ui.outcomeLabel.text and "Left out: 2 cases" in ui.outcomeLabel.text
    headers = [ui.metricsTable.horizontalHeaderItem(j).text() for j in range(ui.metricsTable.columnCount)]
    assert headers[:3] == ["Model", "Judged by", "AUC"]
    assert ui.metricsTable.item(0, 0).text() == "nomogram" and "(" in ui.metricsTable.item(0, 2).text()

    standin.wait(lambda: not tab.outcome.figures.busy, 300)
    titles = [ui.figureBox.itemText(i) for i in range(ui.figureBox.count)]
    assert any("ROC" in title for title in titles) and any("Confusion" in title for title in titles)
    assert tab.outcome.picture.there
    assert reasons(ui.figuresButton) == "The figures are drawn already."

    opened: list[str] = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()), raising=False)
    ui.openReportButton.click()
    standin.wait(lambda: not tab.outcome.report.busy, 300)
    assert Path(opened[0]).read_text(encoding="utf-8").count("made") > 0

    ui.installModelButton.click()
    assert "made" in [model.name for model in installed_models()]
    assert "can be chosen in step 4" in ui.outcomeStatus.text
    tab.outcome.save(tmp_path / "copy.tcmodel")
    assert (tmp_path / "copy.tcmodel").read_bytes() == (tmp_path / "made.tcmodel").read_bytes()

    (tmp_path / "made.tcmodel").unlink()
    tab.outcome.update()
    for button in (ui.installModelButton, ui.saveModelButton, ui.openReportButton):
        assert "no longer there" in reasons(button)


def test_a_cohort_that_cannot_be_trained_on_is_refused_in_a_sentence(
    tab: Any, cohort: Path, standin: Any, tmp_path: Path
) -> None:
    few = cohort.with_name("few.csv")
    few.write_text("\n".join(cohort.read_text().splitlines()[:5]) + "\n")
    tab.ui.manifestPath.currentPath = str(few)
    tab.ui.modelPath.currentPath = str(tmp_path / "made.tcmodel")
    tab.ui.trainButton.click()
    standin.wait(lambda: not tab.trainRun.busy, 120)
    assert "add patients or use fewer folds" in tab.ui.trainStatus.text
    assert not (tmp_path / "made.tcmodel").exists() and tab.outcome.model is None


def test_what_an_interrupted_training_left_can_be_deleted(tab: Any, cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "made.unfinished" / "cases").mkdir(parents=True)
    tab.ui.manifestPath.currentPath = str(cohort)
    tab.ui.modelPath.currentPath = str(tmp_path / "made.tcmodel")
    assert "interrupted training of made" in tab.ui.checkpointLabel.text
    assert tab.ui.trainButton.text == "Resume &training"
    tab.ui.freshButton.click()
    assert not (tmp_path / "made.unfinished").exists()
    assert tab.ui.trainButton.text == "&Train" and tab.ui.checkpointLabel.isHidden()
