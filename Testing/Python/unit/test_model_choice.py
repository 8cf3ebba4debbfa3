"""What hosts show of the installed models, and every reason why a case cannot be classified yet."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib import model_choice
from TumorClassifierLib.bundle import Bundle, read_bundle, write_bundle
from TumorClassifierLib.clinical_coding import MISSING, ClinicalVariable
from TumorClassifierLib.model_choice import ClinicalField, ModelSummary, missing_for, model_summaries, summary_of
from TumorClassifierLib.store import InstalledModel, find_model

MODEL = "meningioma-vs-glioma"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of the user's models."""
    monkeypatch.setenv("TUMORCLASSIFIER_MODELS", str(tmp_path))
    return tmp_path


def installed(path: Path) -> InstalledModel:
    return InstalledModel(path.stem, path, "installed")


def test_a_shipped_model_says_what_it_is_and_asks_for(folder: Path) -> None:
    before = set(sys.modules)
    summary = next(one for one in model_summaries() if one.name == MODEL)
    bundle = read_bundle(summary.path)
    assert (summary.origin, summary.version, summary.recipe) == ("shipped", "1", "dtlr-nomogram")
    assert summary.classes == ("glioma", "meningioma") and summary.modalities == ("T1C",) and summary.needs_outline
    assert summary.card == bundle.card and summary.limits and summary.activations[0] == "grad-cam"
    value = bundle.manifest["metrics"]["nomogram"]["auc"]
    assert summary.metrics.startswith(
        f"AUC {value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f}), sensitivity"
    )
    assert "cross-validation" in summary.metrics and "held-back" in summary.metrics
    assert summary.damaged == "" and summary.clinical == ()
    assert not {name.split(".")[0] for name in set(sys.modules) - before} & {"torch", "sklearn", "pandas"}


def test_clinical_variables_become_fields_with_levels_unit_and_range(folder: Path) -> None:
    bundle = read_bundle(find_model(MODEL))
    age = ClinicalVariable("age", "numeric", (), "years", 55.0)
    grade = ClinicalVariable("grade", "categorical", ("low", "high", MISSING), "", MISSING, "low")
    description = dict(bundle.documents["description"])
    description["nomograms"] = {"x": {"terms": [{"name": "age", "low": 20.0, "high": 90.0}, {"name": "grade"}]}}
    made = Bundle(
        {**bundle.manifest, "clinical": [age.to_json(), grade.to_json()], "name": "made", "test_metrics": None},
        {**bundle.documents, "description": description},
        bundle.weights,
        bundle.card,
    )
    write_bundle(made, folder / "made.tcmodel")
    summary = next(one for one in model_summaries() if one.name == "made")
    assert summary.origin == "installed" and "held-back" not in summary.metrics
    assert summary.clinical == (
        ClinicalField("age", "number", (), "years", 20.0, 90.0, False, age.missing_note),
        ClinicalField("grade", "choice", ("low", "high"), "", None, None, False, grade.missing_note),
    )
    given = (["T1C"], True)
    assert missing_for(summary, *given, {"age": 41, "grade": "high"}) == []
    assert missing_for(summary, *given, {"age": None, "grade": MISSING}) == []
    assert missing_for(summary, *given) == []
    wrong = missing_for(summary, *given, {"age": "old", "grade": "IV"})
    assert len(wrong) == 2 and "'old', which is not a number" in wrong[0] and "use one of low, high" in wrong[1]
    required = replace(summary, clinical=(ClinicalField("age", "number", required=True),))
    assert missing_for(required, *given, ["age"]) == [] and missing_for(required, *given, {"age": 3.0}) == []
    assert missing_for(required, *given, {"age": None}) == ["The model made needs age; fill it in."]


def test_every_reason_is_a_sentence_of_its_own() -> None:
    summary = ModelSummary("m", "shipped", Path("m"), modalities=("T1C", "FLAIR"))
    assert missing_for(None, [], False) == ["No model is chosen; choose one."]
    assert missing_for(summary, ["T1C", "FLAIR"], True) == []
    assert missing_for(summary, ["T2"], False) == [
        "The model m needs a T1C image; choose one.",
        "The model m needs a FLAIR image; choose one.",
        "The model m needs the tumour's outline; choose a segment or draw one.",
    ]
    assert missing_for(replace(summary, needs_outline=False), ["T1C", "FLAIR"], False) == []
    assert missing_for(replace(summary, damaged="It is broken."), [], False) == ["It is broken."]


def test_a_model_that_cannot_be_used_is_listed_with_the_reason(folder: Path) -> None:
    whole = find_model(MODEL).read_bytes()
    (folder / "cut.tcmodel").write_bytes(whole[: len(whole) // 2])
    bundle = read_bundle(find_model(MODEL))
    write_bundle(
        Bundle({**bundle.manifest, "recipe": "of-tomorrow"}, bundle.documents, bundle.weights, bundle.card),
        folder / "new.tcmodel",
    )
    write_bundle(
        Bundle({**bundle.manifest, "metrics": {"nomogram": {}}}, bundle.documents, bundle.weights, bundle.card),
        folder / "odd.tcmodel",
    )
    found = {summary.name: summary for summary in model_summaries()}
    assert {"cut", "new", "odd", MODEL} <= set(found)
    assert "was refused" in found["cut"].damaged and "no recipe called 'of-tomorrow'" in found["new"].damaged
    assert "does not say what every model says" in found["odd"].damaged and not found[MODEL].damaged
    assert missing_for(found["cut"], ["T1C"], True) == [found["cut"].damaged]
    assert summary_of(installed(folder / "gone.tcmodel")).damaged.endswith("install the model again.")


def test_a_file_is_read_once_and_again_when_it_has_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "mine.tcmodel"
    shutil.copyfile(find_model(MODEL), path)
    read: list[Path] = []
    original = model_choice.read_bundle
    monkeypatch.setattr(model_choice, "read_bundle", lambda where: read.append(where) or original(where))
    assert summary_of(installed(path)) is summary_of(installed(path)) and len(read) == 1
    shutil.copyfile(find_model("brain-t1c-3class"), path)
    assert len(summary_of(installed(path)).classes) == 3 and len(read) == 2


def test_missing_for_agrees_with_the_reader_of_clinical_values() -> None:
    variable = ClinicalVariable("age", "numeric", (), "", 50.0)
    with pytest.raises(InputError):
        variable.encode("old")
    summary = ModelSummary("m", "shipped", Path("m"), clinical=(ClinicalField("age", "number"),), needs_outline=False)
    assert len(missing_for(summary, [], False, {"age": "old"})) == 1
