import dataclasses

import numpy as np
import pytest
import torch

from FeatureExtractorLib.errors import BundleRejected, Cancelled, InputError
from TumorClassifierLib.networks.augmentation import AugmentationSettings, augment
from TumorClassifierLib.networks.resnet2d import build_classifier, class_probabilities, split
from TumorClassifierLib.networks.state import load_state, rounded, save_state
from TumorClassifierLib.networks.training import (
    TrainingSettings,
    balanced_weights,
    learning_rate,
    train_classifier,
)

QUICK = TrainingSettings(epochs=2, batch_size=8, threads=1)


def stripes(n: int, seed: int = 0, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images with fine (class 1) or coarse (class 0) stripes: a texture task."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    phase = rng.random((n, 1, 1, 1)) * 6
    period = np.where(labels == 1, 4, 16).reshape(n, 1, 1, 1)
    grey = 0.5 + 0.4 * np.sin(2 * np.pi * np.arange(size) / period + phase) + np.zeros((n, 1, size, 1))
    grey += 0.1 * rng.normal(size=grey.shape)
    return np.repeat(np.clip(grey, 0, 1), 3, axis=1).astype(np.float32), labels


@pytest.fixture(scope="module")
def cohort() -> tuple[np.ndarray, np.ndarray]:
    return stripes(24)


@pytest.fixture(scope="module")
def network() -> torch.nn.Sequential:
    return build_classifier("resnet18", 2, dropout=0.3)


def states_equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return all(torch.equal(one[name], other[name]) for name in one)


def test_training_learns_what_separates_the_classes(network, cohort) -> None:
    settings = dataclasses.replace(QUICK, epochs=6, batch_size=4, schedule="cosine")
    result = train_classifier(network, *cohort, settings)
    images, labels = stripes(20, seed=1)
    probabilities = class_probabilities(result.model, images)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    assert (probabilities.argmax(axis=1) == labels).mean() >= 0.9
    assert len(result.curves) == 6
    assert result.best_epoch == 5
    assert result.curves[-1].loss < result.curves[0].loss


def test_twice_with_one_seed_gives_the_same_bits_and_disturbs_nothing(network, cohort) -> None:
    before = [p.clone() for p in network.state_dict().values()]
    generator, threads = torch.get_rng_state(), torch.get_num_threads()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002 - the point is that it is left alone
    first = train_classifier(network, *cohort, QUICK)
    torch.rand(7)
    second = train_classifier(network, *cohort, QUICK)
    other = train_classifier(network, *cohort, dataclasses.replace(QUICK, seed=1))
    assert states_equal(first.model, second.model)
    assert first.curves == second.curves
    assert not states_equal(first.model, other.model)
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))
    torch.set_rng_state(generator)
    train_classifier(network, *cohort, dataclasses.replace(QUICK, epochs=1))
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.get_num_threads() == threads
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_the_best_validation_epoch_is_kept_and_patience_stops(network, cohort) -> None:
    images, labels = cohort
    validation = (images[:8], 1 - labels[:8])  # wrong on purpose: learning makes it worse
    settings = dataclasses.replace(QUICK, epochs=6, patience=1, augmentation=False, learning_rate=0.02)
    result = train_classifier(network, images, labels, settings, validation)
    losses = [epoch.validation_loss for epoch in result.curves]
    assert len(losses) < 6, "stopped early"
    assert len(losses) == result.best_epoch + 2
    assert result.best_epoch == int(np.argmin(losses))
    probabilities = class_probabilities(result.model, validation[0])
    loss = -np.log(probabilities[np.arange(8), validation[1]]).mean()
    assert loss == pytest.approx(losses[result.best_epoch], rel=1e-4)


def test_progress_may_cancel_at_any_batch(network, cohort) -> None:
    calls = []

    def stop_at_third(stage: str, fraction: float) -> None:
        calls.append(fraction)
        if len(calls) == 3:
            raise Cancelled("Training was cancelled.")

    threads = torch.get_num_threads()
    with pytest.raises(Cancelled):
        train_classifier(network, *cohort, QUICK, progress=stop_at_third)
    assert calls == [0.0, 1 / 6, 2 / 6]
    assert torch.get_num_threads() == threads


def test_classes_count_the_same_in_the_loss() -> None:
    labels = np.array([0] * 6 + [1] * 2)
    weights = balanced_weights(labels, 2)
    np.testing.assert_allclose(weights, [8 / 12, 8 / 4])
    assert weights[labels].sum() == pytest.approx(len(labels))


def test_learning_rate_schedules() -> None:
    constant, step, cosine = (TrainingSettings(epochs=10, schedule=s) for s in ("none", "step", "cosine"))
    assert {learning_rate(constant, e, 0.5) for e in range(10)} == {0.01}
    assert learning_rate(step, 3, 0.9) == 0.01
    assert learning_rate(step, 8, 0.0) == pytest.approx(0.01 * 0.9**2)
    rates = [learning_rate(cosine, e, f) for e in range(10) for f in (0.0, 0.5)]
    assert rates[0] < 0.002, "rises first"
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < 0.0001


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(24, dtype=int)}, "No training image has the label 1"),
        ({"labels": np.arange(24)}, "give class indices from 0 to 1"),
        ({"labels": np.zeros(23, dtype=int)}, "24 images need as many"),
        ({"labels": np.zeros(24)}, "integer labels"),
        ({"settings": dataclasses.replace(QUICK, patience=2)}, "needs validation images"),
        ({"settings": dataclasses.replace(QUICK, learning_rate=1e12)}, "no longer finite"),
    ],
)
def test_what_cannot_be_trained_is_refused(network, cohort, change: dict, message: str) -> None:
    given = {"images": cohort[0], "labels": cohort[1], "settings": QUICK} | change
    with pytest.raises(InputError, match=message):
        train_classifier(network, **given)


def test_settings_and_classifiers_that_make_no_sense() -> None:
    with pytest.raises(InputError, match="epochs"):
        TrainingSettings(epochs=0)
    with pytest.raises(InputError, match="triangle"):
        TrainingSettings(schedule="triangle")
    with pytest.raises(InputError, match="at least two"):
        build_classifier("resnet18", 1)
    with pytest.raises(InputError, match="dropout"):
        build_classifier("resnet18", 2, dropout=1.0)


def test_split_is_the_whole_classifier(network, cohort) -> None:
    images = torch.from_numpy(cohort[0][:2])
    trunk, head = split(network)
    with torch.no_grad():
        assert trunk(images).shape == (2, 512, 2, 2)
        assert torch.equal(head(trunk(images)), network(images))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_weights_come_back_as_they_were_stored(network, dtype: str) -> None:
    data = save_state(network, dtype)
    assert data == save_state(network, dtype)
    size = 2 if dtype == "float16" else 4
    assert len(data) == pytest.approx(size * 11.18e6, rel=0.01)
    loaded = load_state(build_classifier("resnet18", 2), data)
    assert not loaded.training
    for name, tensor in loaded.state_dict().items():
        original = network.state_dict()[name]
        assert tensor.dtype == original.dtype
        if dtype == "float16" and tensor.ndim > 1:
            original = original.half().float()
        assert torch.equal(tensor, original), name
    assert states_equal(loaded, rounded(network, dtype))
    assert save_state(loaded, dtype) == data


def test_the_rounded_network_is_what_a_bundle_will_compute(network, cohort) -> None:
    images = cohort[0][:4]
    network = train_classifier(network, *cohort, dataclasses.replace(QUICK, epochs=1)).model
    stored = load_state(build_classifier("resnet18", 2), save_state(network))
    here = class_probabilities(rounded(network), images)
    np.testing.assert_array_equal(class_probabilities(stored, images), here)
    np.testing.assert_allclose(here, class_probabilities(network, images), atol=0.02)


def test_weights_that_do_not_fit_are_refused(network) -> None:
    data = save_state(network)
    for other, message in (
        (build_classifier("resnet18", 3), r"head\.1\.weight has the shape \(2, 512\) instead of \(3, 512\)"),
        (build_classifier("resnet50", 2), r"trunk\.layer1\.0\.conv1\.weight has the shape"),
    ):
        with pytest.raises(BundleRejected, match=message):
            load_state(other, data)
    for damaged in (b"", data[:1000], b"\xff" * 100):
        with pytest.raises(BundleRejected, match="damaged"):
            load_state(network, damaged)
    with pytest.raises(InputError, match="int8"):
        save_state(network, "int8")
    large = rounded(network)
    with torch.no_grad():
        large.head[1].weight[0, 0] = 1e6
    with pytest.raises(InputError, match=r"head\.1\.weight are not finite as float16"):
        save_state(large)


def test_augmentation_is_seeded_and_keeps_the_range(cohort) -> None:
    images = torch.from_numpy(cohort[0])
    first, second, other = (augment(images, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first[:, 0], first[:, 1]), "grey stays grey"


def test_flips_and_quarter_turns_only_move_pixels() -> None:
    still = AugmentationSettings(rotation=0, scale=0, shift=0, gain=0, offset=0, noise=0)
    image = np.random.default_rng(0).random((5, 5)).astype(np.float32)
    batch = torch.from_numpy(image).expand(64, 3, 5, 5)
    moved = augment(batch, torch.Generator().manual_seed(0), still)[:, 0].numpy()
    symmetries = [np.rot90(m, k) for m in (image, image[:, ::-1]) for k in range(4)]
    reached = set()
    for picture in moved:
        distances = [np.abs(picture - s).max() for s in symmetries]
        assert min(distances) < 1e-5
        reached.add(int(np.argmin(distances)))
    assert reached == set(range(8))
    nothing = dataclasses.replace(still, flips=False, quarter_turns=False)
    np.testing.assert_allclose(augment(batch, torch.Generator(), nothing).numpy(), batch.numpy(), atol=1e-6)
