"""Training a detector of tumours on slices with boxes, repeatable for a seed."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from FeatureExtractorLib.deep.backbones import seeded
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress, silent

from .detection import n_classes_of, slice_tensor
from .self_cut_mix import CutMixSettings, self_cut_mix

if TYPE_CHECKING:
    import torch
    from torch import nn

OPTIMIZERS = ("sgd", "adamw")
WARM_UP = 0.1  # of all steps
LONGEST_GRADIENT = 5.0


@dataclass(frozen=True)
class DetectorTraining:
    """How a detector is trained; learning rates rise over the first tenth of all steps, then fall to 0 by a cosine.

    cut_mix: MultiScale-SelfCutMix; None leaves slices as they are. The publication gives none of the other numbers.
    """

    epochs: int = 12
    batch_size: int = 4
    learning_rate: float = 0.005
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    cut_mix: CutMixSettings | None = field(default_factory=CutMixSettings)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if getattr(self, name) <= 0:
                raise InputError(f"The detector's {name} cannot be {getattr(self, name)}; it must be above 0.")
        if self.optimizer not in OPTIMIZERS:
            raise InputError(f"There is no optimizer {self.optimizer!r}; choose one of {', '.join(OPTIMIZERS)}.")


@dataclass(frozen=True)
class LabelledSlice:
    """image: (rows, columns) in 0–1; boxes: (m, 4) as in `boxes.py`, none for a slice without tumour; label: index."""

    image: np.ndarray
    boxes: np.ndarray
    label: int


@dataclass(frozen=True)
class DetectorResult:
    """The trained detector, in evaluation mode; losses: per epoch the mean of each of torchvision's four."""

    model: "nn.Module"
    losses: tuple[dict[str, float], ...]

    def curves(self) -> list[dict[str, Any]]:
        """Plain JSON: per epoch, counted from 1, the loss and its four parts."""
        return [{"epoch": i + 1, "loss": sum(one.values()), **one} for i, one in enumerate(self.losses)]


def train_detector(
    model: "nn.Module",
    slices: Sequence[LabelledSlice],
    settings: DetectorTraining | None = None,
    progress: Progress = silent,
) -> DetectorResult:
    """Train a copy of a detector; the given one is not changed.

    The same seed, threads and processor give the same weights; on a GPU some sums have no fixed order. `progress` is
    called at every batch and may raise Cancelled. Raises InputError when no slice has a box, a box is outside its
    slice or a label is not one of the model's, and when the loss is no longer finite.
    """
    settings = settings or DetectorTraining()
    _check(slices, n_classes_of(model))
    model = copy.deepcopy(model)
    device = next(model.parameters()).device
    rng = np.random.default_rng(settings.seed)
    n_batches = math.ceil(len(slices) / settings.batch_size)
    optimizer, losses = _optimizer(model, settings), []
    model.train()
    with seeded(settings.seed, device):
        for epoch in range(settings.epochs):
            sums: dict[str, float] = {}
            batches = np.array_split(rng.permutation(len(slices)), n_batches)
            for i, batch in enumerate(batches):
                done = (epoch * n_batches + i) / (settings.epochs * n_batches)
                progress("training the detector", done)
                for group in optimizer.param_groups:
                    group["lr"] = settings.learning_rate * _rate(done, settings.epochs * n_batches)
                for name, value in _step(model, [slices[j] for j in batch], optimizer, rng, settings).items():
                    sums[name] = sums.get(name, 0.0) + value * len(batch) / len(slices)
            losses.append(sums)
    progress("training the detector", 1.0)
    return DetectorResult(model.eval(), tuple(losses))


def _step(
    model: "nn.Module",
    batch: Sequence[LabelledSlice],
    optimizer: "torch.optim.Optimizer",
    rng: np.random.Generator,
    settings: DetectorTraining,
) -> dict[str, float]:
    import torch

    device = next(model.parameters()).device
    images, targets = [], []
    for one in batch:
        image, boxes = one.image, one.boxes
        if settings.cut_mix is not None:
            image, boxes = self_cut_mix(image, boxes, rng, settings.cut_mix)
        images.append(slice_tensor(image, device))
        labels = torch.full((len(boxes),), one.label + 1, dtype=torch.int64, device=device)
        given = torch.from_numpy(np.asarray(boxes, dtype=np.float32).reshape(-1, 4).copy()).to(device)
        targets.append({"boxes": given, "labels": labels})
    losses = model(images, targets)
    total = sum(losses.values())
    if not math.isfinite(total.item()):
        raise InputError(
            f"The detector's loss is no longer finite; lower the learning rate ({settings.learning_rate})."
        )
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), LONGEST_GRADIENT)
    optimizer.step()
    return {name: value.item() for name, value in losses.items()}


def _optimizer(model: "nn.Module", settings: DetectorTraining) -> "torch.optim.Optimizer":
    import torch

    parameters = [p for p in model.parameters() if p.requires_grad]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(parameters, settings.learning_rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(parameters, settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay)


def _rate(done: float, steps: int) -> float:
    """The share of the learning rate after a share of all steps."""
    rising = (done + 1 / steps) / WARM_UP
    return min(1.0, rising) * (1 + math.cos(math.pi * done)) / 2


def _check(slices: Sequence[LabelledSlice], n_classes: int) -> None:
    if not any(len(one.boxes) for one in slices):
        raise InputError("No training slice has a box; outline the tumours first.")
    for one in slices:
        rows, columns = one.image.shape
        if not 0 <= one.label < n_classes:
            raise InputError(f"A slice has the label {one.label}; give class indices from 0 to {n_classes - 1}.")
        for x0, y0, x1, y1 in one.boxes:
            if not (0 <= x0 < x1 <= columns and 0 <= y0 < y1 <= rows):
                raise InputError(
                    f"The box {x0:g}, {y0:g} to {x1:g}, {y1:g} is not within its slice of {columns} × {rows} pixels."
                )
