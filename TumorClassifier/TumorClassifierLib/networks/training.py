"""Training a slice classifier with stochastic gradient descent, bit-repeatable for a seed."""

import copy
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.deep.backbones import seeded
from FeatureExtractorLib.deep.features import as_tensor, check_images, run_in_batches
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress, silent

from .augmentation import AugmentationSettings, augment

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SCHEDULES = ("none", "step", "cosine")
STEP_EPOCHS = 4
STEP_FACTOR = 0.9


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained; the defaults are those of Li et al. 2025 where the paper states them.

    schedule: of the learning rate: "none", "step" (times 0.9 every 4 epochs, Chen et al. 2022) or "cosine" (to 0 at
    the last batch, after a linear rise over the first epoch). class_weights: each class counts the same in the loss.
    patience: stop after so many epochs without a lower validation loss; None never stops early. threads: of the
    processor; None leaves torch's own number (the same number gives the same bits).
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "none"
    dropout: float = 0.5
    augmentation: bool = True
    augment: AugmentationSettings = field(default_factory=AugmentationSettings)
    class_weights: bool = True
    seed: int = 0
    patience: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise InputError(f"The training setting {name} cannot be {getattr(self, name)}; it must be above 0.")
        for name in ("momentum", "weight_decay", "seed", "threads", "patience"):
            if (getattr(self, name) or 0) < 0:
                raise InputError(f"The training setting {name} cannot be {getattr(self, name)}; choose 0 or more.")
        if self.schedule not in SCHEDULES:
            raise InputError(
                f"There is no learning rate schedule called {self.schedule!r}; choose one of {', '.join(SCHEDULES)}."
            )


@dataclass(frozen=True)
class Epoch:
    """One epoch's figures; the learning rate is that of its first batch, validation is None without such images."""

    learning_rate: float
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True)
class TrainingResult:
    """The trained network, in evaluation mode, with the weights of `best_epoch` (counted from 0)."""

    model: "nn.Sequential"
    curves: tuple[Epoch, ...]
    best_epoch: int


def train_classifier(
    model: "nn.Sequential",
    images: np.ndarray,
    labels: np.ndarray,
    settings: TrainingSettings | None = None,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    progress: Progress = silent,
) -> TrainingResult:
    """Train a copy of a classifier by cross entropy; the given one is not changed.

    model: from `build_classifier`, on the device to train on. images: (n, 3, rows, columns) float32 in 0–1;
    labels: (n,) class indices. The last epoch's weights are kept, or, with validation (images, labels), those of the
    lowest validation loss. The same seed, threads and machine give the same bits. `progress` is called at every
    batch and may raise Cancelled. Raises InputError for labels that do not fit, a class without images, early
    stopping without validation images, or a loss that is no longer finite.
    """
    import torch

    settings = settings or TrainingSettings()
    n_classes = _n_classes(model)
    _check_labels(images, labels, n_classes)
    if validation is not None:
        _check_labels(*validation, n_classes, every_class=False)
    elif settings.patience is not None:
        raise InputError("Early stopping needs validation images; give some or set patience to none.")

    model = copy.deepcopy(model)
    device = next(model.parameters()).device
    with _repeatable(settings, device):
        model, curves, best = _run(model, images, labels, settings, validation, progress)
    # As a loaded network lies in memory, so that it computes the same bits.
    return TrainingResult(model.eval().to(memory_format=torch.contiguous_format), tuple(curves), best)


def learning_rate(settings: TrainingSettings, epoch: int, fraction: float) -> float:
    """The learning rate at `fraction` (0–1) of an epoch counted from 0."""
    done = epoch + fraction
    if settings.schedule == "step":
        return settings.learning_rate * STEP_FACTOR ** (epoch // STEP_EPOCHS)
    if settings.schedule == "cosine":
        warm_up = min(1.0, (done + 0.1) / 1.1)
        return settings.learning_rate * warm_up * (1 + math.cos(math.pi * done / settings.epochs)) / 2
    return settings.learning_rate


def balanced_weights(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Weights n / (n_classes · n_c) that let every class count the same; float64 (n_classes,)."""
    return len(labels) / (n_classes * np.bincount(labels, minlength=n_classes))


def _run(
    model: "nn.Sequential",
    images: np.ndarray,
    labels: np.ndarray,
    settings: TrainingSettings,
    validation: tuple[np.ndarray, np.ndarray] | None,
    progress: Progress,
) -> tuple["nn.Sequential", list[Epoch], int]:
    import torch

    generator = torch.Generator().manual_seed(settings.seed)
    device = next(model.parameters()).device
    model = model.to(memory_format=torch.channels_last)
    weights = balanced_weights(labels, _n_classes(model)) if settings.class_weights else np.ones(_n_classes(model))
    criterion = torch.nn.CrossEntropyLoss(torch.tensor(weights, dtype=torch.float32, device=device))
    optimiser = torch.optim.SGD(
        model.parameters(), settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
    )
    curves: list[Epoch] = []
    best, best_loss, best_state = 0, math.inf, None
    for epoch in range(settings.epochs):
        rate = learning_rate(settings, epoch, 0.0)
        loss, accuracy = _train_epoch(
            model, images, labels, settings, epoch, criterion, optimiser, generator, progress
        )
        if validation is None:
            curves.append(Epoch(rate, loss, accuracy))
            best = epoch
            continue
        checked = _validate(model, *validation, criterion)
        curves.append(Epoch(rate, loss, accuracy, *checked))
        if checked[0] < best_loss:
            best, best_loss, best_state = epoch, checked[0], copy.deepcopy(model.state_dict())
        elif settings.patience is not None and epoch - best >= settings.patience:
            break
    if best_state is not None:
        model.load_state_dict(best_state)
    progress("training", 1.0)
    return model, curves, best


def _train_epoch(
    model: "nn.Sequential",
    images: np.ndarray,
    labels: np.ndarray,
    settings: TrainingSettings,
    epoch: int,
    criterion: "nn.CrossEntropyLoss",
    optimiser: "torch.optim.Optimizer",
    generator: "torch.Generator",
    progress: Progress,
) -> tuple[float, float]:
    """Mean loss and accuracy of the batches as they were trained on."""
    device = next(model.parameters()).device
    batches = _batches(len(labels), settings.batch_size, generator)
    total, correct = 0.0, 0
    model.train()
    for i, batch in enumerate(batches):
        fraction = i / len(batches)
        progress("training", (epoch + fraction) / settings.epochs)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, epoch, fraction)
        inputs, targets = as_tensor(images[batch], device), _targets(labels[batch], device)
        if settings.augmentation:
            inputs = augment(inputs, generator, settings.augment)
        logits = model(inputs)
        loss = criterion(logits, targets)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if not math.isfinite(value := loss.item()):
            raise InputError(
                f"The training loss is no longer finite in epoch {epoch + 1}; lower the learning rate "
                f"({settings.learning_rate})."
            )
        total += value * len(batch)
        correct += int((logits.argmax(1) == targets).sum())
    return total / len(labels), correct / len(labels)


def _validate(
    model: "nn.Sequential", images: np.ndarray, labels: np.ndarray, criterion: "nn.CrossEntropyLoss"
) -> tuple[float, float]:
    import torch

    logits = torch.from_numpy(run_in_batches(model, model, images))
    targets = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    loss = copy.deepcopy(criterion).to("cpu", torch.float64)(logits, targets)
    return loss.item(), float((logits.argmax(1) == targets).double().mean())


def _batches(n: int, batch_size: int, generator: "torch.Generator") -> list[np.ndarray]:
    """A random order cut into batches of nearly equal size, so that none is a single image."""
    import torch

    order = torch.randperm(n, generator=generator).numpy()
    return np.array_split(order, math.ceil(n / batch_size))


def _targets(labels: np.ndarray, device: "torch.device") -> "Tensor":
    import torch

    return torch.from_numpy(np.asarray(labels, dtype=np.int64)).to(device)


@contextmanager
def _repeatable(settings: TrainingSettings, device: "torch.device") -> Iterator[None]:
    """Dropout seeded, cuDNN deterministic and the number of threads as asked; all restored afterwards."""
    import torch

    threads = torch.get_num_threads()
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, threads)
        torch.set_num_threads(settings.threads or threads)
        stack.enter_context(seeded(settings.seed, device))
        stack.enter_context(torch.backends.cudnn.flags(benchmark=False, deterministic=True))
        yield


def _n_classes(model: "nn.Sequential") -> int:
    return model.head[-1].out_features  # type: ignore[union-attr,index]


def _check_labels(images: np.ndarray, labels: np.ndarray, n_classes: int, every_class: bool = True) -> None:
    check_images(images)
    labels = np.asarray(labels)
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise InputError(f"{len(images)} images need as many integer labels, not {labels.dtype} {labels.shape}.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise InputError(
            f"Labels run from {labels.min()} to {labels.max()}; give class indices from 0 to {n_classes - 1}."
        )
    missing = sorted(set(range(n_classes)) - set(labels.tolist()))
    if every_class and missing:
        raise InputError(f"No training image has the label {missing[0]}; add some or train with fewer classes.")
