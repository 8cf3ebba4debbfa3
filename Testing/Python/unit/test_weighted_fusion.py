"""The steps of the weighted fusion, from slices to patients, on planted tumours."""

import dataclasses

import numpy as np
import pytest
import torch

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.fusion import ABLATIONS
from TumorClassifierLib.networks.boxes import boxes_of_mask
from TumorClassifierLib.networks.detection import DetectorShape
from TumorClassifierLib.networks.detector_training import DetectorTraining
from TumorClassifierLib.networks.sequence import SequenceShape
from TumorClassifierLib.networks.state import save_state
from TumorClassifierLib.networks.training_settings import TrainingSettings
from TumorClassifierLib.recipes.weighted_fusion_steps import (
    ImageSequence,
    StepSettings,
    fit_framework,
    judge,
    sequence_map,
)

QUICK = StepSettings(
    detector=DetectorShape("resnet14", False, 64, 8, 30, 32, 64),
    detector_weights="seed:0",
    detector_training=DetectorTraining(epochs=4, batch_size=4, learning_rate=0.002, optimizer="adamw"),
    found=0.2,
    classifier=SequenceShape("resnet14", 4, 32, dropout=0.0),
    classifier_weights="seed:0",
    training=TrainingSettings(epochs=4, batch_size=8, learning_rate=0.01, threads=1, augmentation=False),
    draws=2,
    step=0.1,
    inner_folds=2,
)


def planted(n: int, seed: int) -> tuple[list[ImageSequence], dict[str, int], dict[str, float | None]]:
    """Patients of two sequences with a dark (class 0) or bright (class 1) tumour; class 1 is older."""
    rng = np.random.default_rng(seed)
    sequences, class_of, ages = [], {}, {}
    for i in range(n):
        patient, label = f"p{seed}-{i:02}", i % 2
        class_of[patient], ages[patient] = label, float(rng.uniform(20, 50) + 30 * label)
        for name in ("T1", "T2"):
            slices = 0.35 + 0.05 * rng.normal(size=(5, 64, 64))
            mask = np.zeros(slices.shape, dtype=np.uint8)
            w, h = rng.integers(16, 28, 2)
            x, y = rng.integers(0, 64 - w), rng.integers(0, 64 - h)
            mask[1:4, y : y + h, x : x + w] = 1
            slices[mask > 0] = (0.85 if label else 0.0) + 0.05 * rng.normal(size=int(mask.sum()))
            boxes = tuple(boxes_of_mask(plane) for plane in mask)
            sequences.append(ImageSequence(patient, name, np.clip(slices, 0, 1).astype(np.float32), boxes))
    return sequences, class_of, ages


@pytest.fixture(scope="module")
def framework():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield fit_framework(*planted(10, 0), 2, QUICK)
    torch.set_num_threads(before)


@pytest.mark.slow
def test_patients_that_it_has_not_seen_are_told_apart(framework) -> None:
    sequences, class_of, ages = planted(8, 1)
    votes = judge(framework, sequences, ages)
    assert list(votes) == list(ABLATIONS)
    whole = votes["Det-Seq-Age"]
    truth = [class_of[patient] for patient in whole.patients]
    assert (whole.called == truth).mean() >= 0.75
    for one in votes.values():
        assert one.patients == tuple(sorted(class_of))
        np.testing.assert_allclose(one.probabilities.sum(axis=1), 1, atol=1e-9)


@pytest.mark.slow
def test_weights_rest_on_patients_that_no_part_had_seen(framework) -> None:
    sequences, class_of, _ = planted(10, 0)
    assert set(framework.held_out.patients) == set(class_of)
    assert len(framework.held_out.patients) == sum(len(one.slices) for one in sequences)
    assert len(framework.search.points) == 36
    assert sum(framework.search.weights) == pytest.approx(1)
    # The ages that stand beside a patient were counted without him or her.
    assert not np.allclose(framework.held_out.age, np.round(framework.held_out.age))


@pytest.mark.slow
def test_missing_sequences_boxes_and_ages(framework) -> None:
    sequences, _, ages = planted(4, 2)
    empty = [ImageSequence("bare", "T1", np.full((3, 64, 64), 0.35, dtype=np.float32))]
    unboxed = judge(dataclasses.replace(framework, found=0.999), empty, {"bare": 75.0})["Det-Seq-Age"]
    np.testing.assert_allclose(unboxed.probabilities, framework.statistics.probability(np.array([75.0])))
    assert "no box was found in any image" in unboxed.partial["bare"][0]
    nameless = judge(dataclasses.replace(framework, found=0.999), empty, {})["Det-Seq-Age"]
    np.testing.assert_allclose(nameless.probabilities[0], framework.shares)
    one_each = [one for one in sequences if one.name == "T1"]
    votes = judge(framework, one_each, {**ages, "p2-00": None})["Det-Seq-Age"]
    assert votes.ballots.sum(axis=1).tolist() == [1] * 4
    assert "the age is not known; the other terms decide" in votes.partial["p2-00"]


@pytest.mark.slow
def test_the_map_lies_on_the_region_of_the_box(framework) -> None:
    sequences, _, _ = planted(2, 3)
    for one in sequences:
        laid = sequence_map(framework, one, 1)
        assert laid.shape == one.slices.shape
        assert np.isfinite(laid).all() and (laid >= 0).all()
    assert sequence_map(dataclasses.replace(framework, found=0.999), sequences[0], 1).max() == 0


@pytest.mark.slow
def test_the_order_of_sequences_changes_nothing() -> None:
    quick = dataclasses.replace(
        QUICK,
        detector_training=dataclasses.replace(QUICK.detector_training, epochs=1),
        training=dataclasses.replace(QUICK.training, epochs=1),
    )
    torch.set_num_threads(1)
    sequences, class_of, ages = planted(4, 4)
    one, other = (
        fit_framework(sequences, class_of, ages, 2, quick),
        fit_framework(sequences[::-1], class_of, ages, 2, quick),
    )
    assert save_state(one.detector) == save_state(other.detector)
    assert save_state(one.classifier) == save_state(other.classifier)
    assert one.search == other.search


def test_what_cannot_be_fitted() -> None:
    sequences, class_of, ages = planted(4, 0)
    bare = dataclasses.replace(sequences[0], boxes=tuple(np.zeros((0, 4)) for _ in range(5)))
    with pytest.raises(InputError, match="Sequence T1 of p0-00 has no outlined tumour"):
        fit_framework([bare, *sequences[1:]], class_of, ages, 2, QUICK)
    with pytest.raises(InputError, match="least score of a box cannot be 1"):
        StepSettings(found=1.0)
    with pytest.raises(InputError, match="two inner folds"):
        StepSettings(inner_folds=1)
