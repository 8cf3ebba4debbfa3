"""What goes round any recipe: checks before training, what folds know, and judging case by case."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import sha256_of_bytes
from FeatureExtractorLib.manifest import read_manifest
from FeatureExtractorLib.preparation import Preparation
from TumorClassifierLib import training
from TumorClassifierLib.measures import CaseMeasures, Measures
from TumorClassifierLib.networks.training import TrainingSettings
from TumorClassifierLib.out_of_fold import out_of_fold, predictions_of
from TumorClassifierLib.recipes.dtlr_model import Settings
from TumorClassifierLib.recipes.multimodal_model import Settings as MultimodalSettings
from TumorClassifierLib.settings import plain
from TumorClassifierLib.training import train

CLASSES = ("low", "high")


def case(i: int, value: float, sex: str = "F", label: str | None = None) -> CaseMeasures:
    measures = {"T1": Measures(MappingProxyType({"x": value, "y": 1.0 * i}))}
    return CaseMeasures(f"c{i}", f"p{i}", label or CLASSES[i % 2], MappingProxyType({"sex": sex}), measures)


class Certain:
    """A trust that rules out the less probable class."""

    level = 0.9

    def prediction_set(self, p: np.ndarray) -> tuple[int, ...]:
        return (int(np.argmax(p)),)


@dataclass(frozen=True)
class Fitted:
    classes: tuple[str, str] = CLASSES
    threshold: float = 0.5
    trust: Certain = Certain()


def probabilities(fitted: Fitted, cases: list[CaseMeasures]) -> dict[str, np.ndarray]:
    if any(c.clinical["sex"] == "unheard of" for c in cases):
        raise InputError("sex is 'unheard of', which the model has not seen.")
    p = np.array([c.first["T1"].radiomics["x"] for c in cases])
    return {"nomogram": np.column_stack([1 - p, p])}


def module(**functions: Any) -> Any:
    return SimpleNamespace(MAIN="nomogram", **{"probabilities": probabilities, **functions})


def test_a_case_that_cannot_be_judged_is_left_out_with_its_reason() -> None:
    cases = [case(i, 0.2 + 0.6 * (i % 2)) for i in range(8)] + [case(8, 0.9, sex="unheard of")]
    judged, found, failures = predictions_of(module(), Fitted(), cases)
    assert len(judged) == 8 and found.probabilities["nomogram"].shape == (8, 2)
    assert found.sets == [(0,), (1,)] * 4 and found.cuts.tolist() == [0.5] * 8
    assert failures == {"c8": "sex is 'unheard of', which the model has not seen."}
    with pytest.raises(InputError, match="None of the 1 cases"):
        predictions_of(module(), Fitted(), cases[8:])
    with pytest.raises(InputError, match="has the label 'other'"):
        predictions_of(module(), Fitted(), [case(0, 0.5, label="other")])


def test_every_fold_knows_all_levels_and_none_of_its_own_test_patients() -> None:
    cases = [case(i, 0.5 + 0.01 * i, sex="X" if i == 5 else "F" if i % 3 else "M") for i in range(12)]
    seen: list[tuple[set[str], Any]] = []

    def fit(part: list[CaseMeasures], classes: Any, settings: Any, progress: Any, levels: Any) -> Fitted:
        seen.append(({c.patient_id for c in part}, levels))
        return Fitted()

    def judged(fitted: Fitted, part: list[CaseMeasures]) -> dict[str, np.ndarray]:
        assert not seen[-1][0] & {c.patient_id for c in part}
        return probabilities(fitted, part)

    settings = SimpleNamespace(folds=3, seed=0, repeats=2)
    found = out_of_fold(module(fit=fit, probabilities=judged), cases, CLASSES, settings)
    assert [levels for _, levels in seen] == [{"sex": ("F", "M", "X")}] * 6
    assert seen[0][0] != seen[3][0], "every repeat makes folds of its own"
    assert set(found.probabilities) == {"nomogram"} and len(found.by_repeat["nomogram"]) == 2


def test_a_model_does_not_say_in_which_folders_it_was_made(tmp_path: Path) -> None:
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"weights")
    settings = Settings(weights=f"file:{weights}", radiomics=str(tmp_path / "my.yaml"))
    kept = training._without_folders(settings)
    assert kept["weights"] == f"file:w.pth#{sha256_of_bytes(b'weights')}" and kept["radiomics"] == "my.yaml"
    assert str(tmp_path) not in str(kept)
    assert training._without_folders(Settings()) == plain(Settings())


def test_an_image_that_no_case_has_is_refused_with_the_setting_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cohort.csv"
    rows = [f"c{i},{'low' if i % 2 else 'high'},c{i}.nrrd" for i in range(20)]
    path.write_text("\n".join(["case_id,label,image_T1", *rows]))
    monkeypatch.setattr(training, "measure_cohort", lambda *_: pytest.fail("nothing may be measured yet"))
    with pytest.raises(InputError, match="needs T1C images, but the manifest has T1 only; set modality"):
        train("dtlr-nomogram", read_manifest(path), Settings(), name="m")


@pytest.mark.parametrize(
    ("rows", "name", "sentence"),
    [
        (["a,a,low,", "b,b,high,"], "my model", "cannot be called 'my model'"),
        (["a,a,low,", "b,b,high,", "c,c,other,test"], "m", "Test case c has the label 'other'"),
        (["a,a,low,", "b,b,high,", "c,c,,test"], "m", "Test case c has the label None"),
        (["a,a,low,", "b,b,high,", "c,c,low,test"], "m", "No test case is high"),
        (["a,p,low,", "b,p,high,", "c,c,low,"], "m", "Patient p has cases of two classes"),
    ],
)
def test_what_would_fail_at_the_end_is_refused_at_the_start(
    rows: list[str], name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cohort.csv"
    lines = ["case_id,patient_id,label,cohort,image_T1C", *(f"{row},{row[0]}.nrrd" for row in rows)]
    path.write_text("\n".join(lines))
    monkeypatch.setattr(training, "measure_cohort", lambda *_: pytest.fail("nothing may be measured yet"))
    with pytest.raises(InputError, match=sentence):
        train("dtlr-nomogram", read_manifest(path), Settings(), name=name)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (Settings, {"folds": 1}),
        (Settings, {"inner_folds": 0}),
        (Settings, {"seed": -1}),
        (Settings, {"icc": 80.0}),
        (Settings, {"spearman": -0.9}),
        (Settings, {"slice_spacing": (1.0, 0.0, 1.0)}),
        (Settings, {"slice_spacing": (1.0, 1.0, 60.0)}),
        (Settings, {"threshold": "yuden"}),
        (Settings, {"threshold": "sensitivity:95"}),
        (Settings, {"backbone": "resnet15"}),
        (Settings, {"weights": "imagnet"}),
        (MultimodalSettings, {"slice_spacing": (0.01, 1.0, 1.0)}),
        (MultimodalSettings, {"threshold": "fixed"}),
        (MultimodalSettings, {"weights": ("seed",)}),
        (Settings, {"training": TrainingSettings(seed=3)}),
        (Preparation, {"spacing": (1e-6, 1.0, 1.0)}),
        (Preparation, {"spacing": (-1.0, 1.0, 1.0)}),
        (TrainingSettings, {"momentum": -0.9}),
        (TrainingSettings, {"threads": -1}),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind: type, change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="cannot be|seed is that|threshold rule|no backbone|does not name weights"):
        kind(**change)
