"""Nothing of a judged patient reaches what judges him: noise is never worth more than chance through the whole recipe.

A leak shows as an AUC above one half. By chance the nomogram's AUC of 24 such patients has a standard deviation of
0.16 (mean 0.50 over twelve made cohorts), so that two cohorts' mean stays below 0.75 unless something leaks.
"""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from TumorClassifierLib.evaluation.discrimination import auc
from TumorClassifierLib.evaluation.metrics import by_patient
from TumorClassifierLib.measures import CaseMeasures, Measures
from TumorClassifierLib.networks.training import TrainingSettings
from TumorClassifierLib.out_of_fold import out_of_fold
from TumorClassifierLib.recipes import recipe_module
from TumorClassifierLib.recipes.dtlr_model import Settings

PATIENTS, IMAGES, MARKS = 24, 3, 40
MODULE = recipe_module("dtlr-nomogram")
SETTINGS = Settings(
    backbone="resnet14",
    weights="seed:0",
    training=TrainingSettings(epochs=1, augmentation=False, threads=1),
    folds=2,
    inner_folds=2,
)


def cohort(seed: int, signal: float) -> list[CaseMeasures]:
    """Patients with several images each. Features: one that tells the class by `signal`, and marks, values that are
    random by patient and the same on all his images, as a scanner or a hospital's export leaves them."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(PATIENTS) % 2)
    cases = []
    for i, label in enumerate(labels):
        marks = {f"mark{j}": float(value) for j, value in enumerate(rng.normal(size=MARKS))}
        brightness = rng.random()
        for k in range(IMAGES):
            features = {**marks, "signal": signal * label + rng.normal()}
            crop = (brightness + 0.05 * rng.normal(size=(32, 32))).clip(0, 1).astype(np.float32)
            measures = {"T1C": Measures(MappingProxyType(features), crop)}
            cases.append(CaseMeasures(f"p{i}-{k}", f"p{i}", "ab"[label], MappingProxyType({}), measures))
    return cases


def areas(cases: list[CaseMeasures], by_row: bool = False) -> dict[str, float]:
    """Out-of-fold AUC by patient of every sub-model; by_row: with folds that know nothing of patients."""
    judged = [replace(case, patient_id=case.case_id) for case in cases] if by_row else cases
    found = out_of_fold(MODULE, judged, ("a", "b"), SETTINGS)
    y = np.array(["ab".index(str(case.label)) for case in cases])
    patients = np.array([case.patient_id for case in cases])
    return {
        model: auc(*(part if part.ndim == 1 else part[:, 1] for part in by_patient(y, P, patients)))
        for model, P in found.probabilities.items()
    }


@pytest.mark.slow
def test_what_identifies_a_patient_helps_only_where_patients_are_on_both_sides() -> None:
    marked = [cohort(seed, signal=0.0) for seed in range(2)]
    honest = [areas(cases) for cases in marked]
    for model in ("nomogram", "radiomics", "deep"):
        assert np.mean([found[model] for found in honest]) < 0.75, model
    leaking = areas(marked[0], by_row=True)
    assert leaking["radiomics"] > 0.9, "the marks must be worth something to folds that leak"


@pytest.mark.slow
def test_shuffled_labels_score_by_chance_where_true_ones_do_not() -> None:
    cases = cohort(5, signal=4.0)
    assert areas(cases)["radiomics"] > 0.9
    shuffled = []
    for seed in range(2):
        of_patient = dict(
            zip(
                {case.patient_id: 0 for case in cases},
                np.random.default_rng(seed).permutation(np.arange(PATIENTS) % 2),
                strict=True,
            )
        )
        shuffled.append(areas([replace(case, label="ab"[of_patient[case.patient_id]]) for case in cases]))
    for model in ("nomogram", "radiomics", "deep"):
        assert np.mean([found[model] for found in shuffled]) < 0.75, model
