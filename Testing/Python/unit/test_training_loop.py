"""The training loop on small networks: stages, accumulation, resuming to the same bits, frozen trunks."""

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from FeatureExtractorLib.deep.features import pooled_features
from FeatureExtractorLib.errors import Cancelled, InputError
from TumorClassifierLib.networks.checkpoint import PROGRESS, checkpoints_in
from TumorClassifierLib.networks.curves import curves_json, draw_curves
from TumorClassifierLib.networks.frozen import PooledFeatures, train_head
from TumorClassifierLib.networks.mr_augmentation import MrAugmentation
from TumorClassifierLib.networks.resnet2d import build_classifier
from TumorClassifierLib.networks.training import TrainingSettings, train_classifier

SETTINGS = TrainingSettings(epochs=4, batch_size=4, learning_rate=0.05, threads=1, schedule="cosine")


def small_network(dropout: float = 0.3) -> nn.Sequential:
    """Convolution, batch norm, pooling, dropout and a head: every kind of state that training has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        trunk = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(6, 2))
    network = nn.Sequential()
    network.add_module("trunk", trunk)
    network.add_module("head", head)
    return network


def cohort(n: int = 14, size: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return np.clip(rng.random((n, 3, size, size)) * (0.6 + 0.4 * labels[:, None, None, None]), 0, 1), labels


def same_bits(a: nn.Module, b: nn.Module) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def stop_at(call: int):
    """A progress that cancels at that call."""
    calls = []

    def progress(stage: str, fraction: float) -> None:
        calls.append(fraction)
        if len(calls) == call:
            raise Cancelled("Training was cancelled.")

    return progress


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("validated", [False, True])
def test_a_cancelled_run_ends_in_the_bits_of_an_undisturbed_one(
    tmp_path: Path, optimizer: str, validated: bool
) -> None:
    network, (images, labels) = small_network(), cohort()
    settings = dataclasses.replace(SETTINGS, optimizer=optimizer, patience=3 if validated else None)
    validation = cohort(6, seed=9) if validated else None
    undisturbed = train_classifier(network, images, labels, settings, validation)
    for call in (6, 5):  # in the middle of an epoch, twice
        with pytest.raises(Cancelled):
            train_classifier(network, images, labels, settings, validation, stop_at(call), checkpoint=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["epoch-2.safetensors", PROGRESS]
    told: list[float] = []
    resumed = train_classifier(
        network, images, labels, settings, validation, lambda _, f: told.append(f), checkpoint=tmp_path
    )
    assert told[0] == 0.5, "goes on behind the second of four epochs"
    assert same_bits(resumed.model, undisturbed.model)
    assert (resumed.curves, resumed.best_epoch) == (undisturbed.curves, undisturbed.best_epoch)
    again = train_classifier(network, images, labels, settings, validation, stop_at(2), checkpoint=tmp_path)
    assert same_bits(again.model, undisturbed.model), "a finished training is not done again"


KILLED = """
import sys
sys.path.insert(0, {folder!r})
import dataclasses, time
from pathlib import Path
from test_training_loop import SETTINGS, cohort, small_network
from TumorClassifierLib.networks.training import train_classifier

def slow(stage, fraction):
    time.sleep({pause})

result = train_classifier(small_network(), *cohort(), SETTINGS, progress=slow, checkpoint=Path({checkpoint!r}))
"""


def test_a_killed_process_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    folder = str(Path(__file__).parent)
    script = KILLED.format(folder=folder, checkpoint=str(tmp_path), pause=0.2)
    with subprocess.Popen([sys.executable, "-c", script], env=dict(os.environ)) as process:
        for _ in range(1200):
            if list(tmp_path.glob("*/epoch-*.safetensors")) or process.poll() is not None:
                break
            time.sleep(0.05)
        assert process.poll() is None, "it ended by itself"
        process.kill()
    (kept,) = tmp_path.glob("*/epoch-*.safetensors")
    assert kept.name != "epoch-4.safetensors", "killed before the end"
    told: list[float] = []
    resumed = train_classifier(
        small_network(), *cohort(), SETTINGS, progress=lambda _, f: told.append(f), checkpoint=tmp_path
    )
    assert told[0] >= 0.25
    assert same_bits(resumed.model, train_classifier(small_network(), *cohort(), SETTINGS).model)


def test_another_training_does_not_find_the_checkpoint_and_a_damaged_one_is_done_again(tmp_path: Path) -> None:
    network, (images, labels) = small_network(), cohort()
    with checkpoints_in(tmp_path):
        first = train_classifier(network, images, labels, SETTINGS)
    (folder,) = tmp_path.iterdir()
    with checkpoints_in(tmp_path):
        train_classifier(network, images, labels, dataclasses.replace(SETTINGS, seed=1))
        train_classifier(network, images * 0.9, labels, SETTINGS)
        train_classifier(network, images, labels[::-1].copy(), SETTINGS)
    assert len(list(tmp_path.iterdir())) == 4
    train_classifier(network, images, labels, SETTINGS)
    assert len(list(tmp_path.iterdir())) == 4, "outside the block nothing is kept"
    (state,) = folder.glob("*.safetensors")
    state.write_bytes(state.read_bytes()[:-3] + b"abc")
    again = train_classifier(network, images, labels, SETTINGS, checkpoint=tmp_path)
    assert same_bits(again.model, first.model)


def test_frozen_stages_keep_weights_and_batch_statistics_and_others_have_their_own_rates() -> None:
    network, (images, labels) = small_network(dropout=0.0), cohort()
    settings = dataclasses.replace(SETTINGS, frozen=("trunk",), rates=(("head", 0.2),), schedule="none", epochs=1)
    trained = train_classifier(network, images, labels, settings).model
    assert same_bits(trained.trunk, network.trunk)
    assert not same_bits(trained.head, network.head)
    slow = dataclasses.replace(
        settings, frozen=(), rates=(("trunk", 1e-12), ("trunk.1", 0.2)), augmentation=False, learning_rate=0.2
    )
    trained = train_classifier(network, images, labels, slow).model
    torch.testing.assert_close(trained.trunk[0].weight, network.trunk[0].weight, atol=1e-9, rtol=0)
    assert (trained.trunk[1].weight - network.trunk[1].weight).abs().max() > 1e-4, "the longest name counts"
    assert all(parameter.requires_grad for parameter in trained.parameters())
    with pytest.raises(InputError, match="has no stage 'trunc'"):
        train_classifier(network, images, labels, dataclasses.replace(SETTINGS, frozen=("trunc",)))
    with pytest.raises(InputError, match="nothing is left to train"):
        train_classifier(network, images, labels, dataclasses.replace(SETTINGS, frozen=("trunk", "head")))


def test_accumulated_batches_step_as_one_large_batch() -> None:
    """Of a network without batch statistics, whose gradient is a sum over images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 12, 2))
    images, labels = cohort(15)
    labels = np.where(np.arange(15) < 4, 1, 0)
    one = dataclasses.replace(SETTINGS, batch_size=8, augmentation=False, epochs=3)
    parts = dataclasses.replace(one, batch_size=2, accumulation=4)
    large, accumulated = (train_classifier(network, images, labels, s).model for s in (one, parts))
    torch.testing.assert_close(accumulated[1].weight, large[1].weight, atol=1e-6, rtol=0)
    assert (large[1].weight - network[1].weight).abs().max() > 1e-3


def test_adamw_takes_torchs_own_steps() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 12, 2))
    images, labels = cohort(8)
    settings = TrainingSettings(
        epochs=3, batch_size=8, learning_rate=0.01, optimizer="adamw", augmentation=False, class_weights=False
    )
    trained = train_classifier(network, images, labels, settings).model
    expected = nn.Linear(3 * 12 * 12, 2)
    expected.load_state_dict(network[1].state_dict())
    optimizer = torch.optim.AdamW(expected.parameters(), 0.01, betas=(0.9, 0.999), weight_decay=1e-4)
    inputs, targets = torch.from_numpy(images.reshape(8, -1)).float(), torch.from_numpy(labels)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(expected(inputs), targets).backward()
        optimizer.step()
    torch.testing.assert_close(trained[1].weight, expected.weight, atol=1e-6, rtol=0)


def test_volumes_and_any_network_train_with_the_augmentation_they_are_given() -> None:
    class Volumes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv3d(1, 4, 3), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.conv(x).mean(dim=(2, 3, 4)))

    rng = np.random.default_rng(0)
    volumes, labels = rng.random((9, 1, 6, 7, 8)).astype(np.float32), np.arange(9) % 3
    shapes = set()

    def doubled(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        shapes.add(tuple(batch.shape[1:]))
        return batch * (1 + torch.rand(1, generator=generator))

    settings = dataclasses.replace(SETTINGS, epochs=2)
    first, second = (train_classifier(Volumes(), volumes, labels, settings, augmentation=doubled) for _ in range(2))
    assert shapes == {(1, 6, 7, 8)}
    assert len(first.curves) == len(second.curves) == 2
    with pytest.raises(InputError, match="class indices from 0 to 2"):
        train_classifier(Volumes(), volumes, labels + 1, settings, augmentation=doubled)
    with pytest.raises(InputError, match="inputs of the shape"):
        train_classifier(Volumes(), volumes[:, 0, 0], labels, settings)


def test_mixed_precision_changes_nothing_without_cuda() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    network, (images, labels) = small_network(), cohort()
    plain, mixed = (
        train_classifier(network, images, labels, dataclasses.replace(SETTINGS, mixed_precision=on)).model
        for on in (False, True)
    )
    assert same_bits(plain, mixed)


def test_epochs_take_turns_with_the_copies() -> None:
    network, (images, labels) = small_network(dropout=0.0), cohort()
    still = dataclasses.replace(SETTINGS, augmentation=False)
    twice = train_classifier(network, (images, images), labels, still)
    assert same_bits(twice.model, train_classifier(network, images, labels, still).model)
    other = train_classifier(network, (images, images * 0.5), labels, still)
    assert other.curves[0] == twice.curves[0]
    assert other.curves[1] != twice.curves[1]


def test_progress_tells_loss_and_remaining_time() -> None:
    told: list[str] = []
    train_classifier(small_network(), *cohort(), SETTINGS, progress=lambda stage, _: told.append(stage))
    assert told[0] == "training · epoch 1 of 4"
    assert told[5].startswith("training · epoch 2 of 4, loss 0.")
    assert told[5].endswith(" s left")
    assert told[-1] == "training"


def test_curves_are_numbers_and_a_figure(tmp_path: Path) -> None:
    validated = train_classifier(small_network(), *cohort(), SETTINGS, validation=cohort(6, seed=1))
    curves = curves_json(validated.curves)
    assert [epoch["epoch"] for epoch in curves] == [1, 2, 3, 4]
    assert {"loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate"} <= set(curves[0])
    text = draw_curves(curves, tmp_path / "curves.svg").read_text()
    assert "validation" in text and "Accuracy" in text
    alone = curves_json(train_classifier(small_network(), *cohort(), SETTINGS).curves)
    assert "validation" not in draw_curves(alone, tmp_path / "alone.svg").read_text()
    with pytest.raises(InputError, match="no epoch to draw"):
        draw_curves([], tmp_path / "none.svg")


def test_a_head_on_kept_features_trains_as_behind_its_frozen_trunk() -> None:
    network = build_classifier("resnet14", 2, dropout=0.4)
    images, labels = cohort(12, size=32)
    settings = dataclasses.replace(
        SETTINGS, frozen=("trunk",), rates=(("head", 0.03), ("trunk", 1.0)), augmentation=False, epochs=5
    )
    through = train_classifier(network, images, labels, settings, validation=(images[:4], labels[:4]))
    kept = PooledFeatures()
    features = kept.of(network, "resnet14", images)
    np.testing.assert_allclose(features[0], pooled_features(network, images), rtol=1e-4, atol=1e-5)
    on_features = train_head(network, features, labels, settings, validation=(features[0][:4], labels[:4]))
    # The order of images and what dropout drops are the same; the trunk rounds otherwise in other batches.
    torch.testing.assert_close(on_features.model.head[1].weight, through.model.head[1].weight, atol=2e-5, rtol=1e-4)
    assert (through.model.head[1].weight - network.head[1].weight).abs().max() > 1e-3
    assert same_bits(on_features.model.trunk, network.trunk)
    losses = [[(e.loss, e.validation_loss) for e in run.curves] for run in (through, on_features)]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-4)


def test_each_copy_is_pooled_once_and_is_the_same_in_any_company() -> None:
    network = build_classifier("resnet14", 2)
    images, _ = cohort(5, size=32)
    kept, chosen = PooledFeatures(), MrAugmentation(probability=1.0)
    whole = kept.of(network, "n", images, chosen, copies=2)
    assert whole.shape == (3, 5, 256)
    assert kept.computed == 15
    part = kept.of(network, "n", images[3:1:-1], chosen, copies=2)
    assert kept.computed == 15
    np.testing.assert_array_equal(part, whole[:, 3:1:-1])
    alone = PooledFeatures().of(network, "n", images[2:3], chosen, copies=2)
    np.testing.assert_allclose(alone[:, 0], whole[:, 2], rtol=1e-4, atol=1e-6)
    other = PooledFeatures().of(network, "n", images, chosen, copies=2, seed=1)
    assert not np.allclose(other[1], whole[1])
    np.testing.assert_array_equal(other[0], whole[0])
    few = PooledFeatures(most=3 * 256 * 4)
    few.of(network, "n", images)
    assert few.bytes <= few.most
