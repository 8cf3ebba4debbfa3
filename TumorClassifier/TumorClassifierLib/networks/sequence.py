"""A classifier of a sequence: N slices of one region around the largest tumour box, 112×112×N (Liu et al. 2022)."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.deep.backbones import Weights, backbone_spec, build_backbone, seeded
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.regions import resize

from .boxes import areas
from .inputs import batch_outputs

if TYPE_CHECKING:
    from torch import nn

READINGS = ("channels", "average")
HEAD_SEED = 0


@dataclass(frozen=True)
class SequenceShape:
    """What a sequence classifier is built of.

    slices: N; the publication tried 4, 8 and 16 and found 16 best. size: pixels a side. reading: "channels" gives the
    slices to one pass of the network, whose first convolution has a channel for each, as the publication's input
    112×112×N is understood here; "average" passes each slice by itself and averages the logits. dropout: before the
    last layer.
    """

    backbone: str = "resnext101_32x8d"
    slices: int = 16
    size: int = 112
    reading: str = "channels"
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.slices < 1 or self.size < 16:
            raise InputError(
                f"A sequence of {self.slices} slices of {self.size} pixels cannot be classified; give one slice or "
                "more of at least 16 pixels."
            )
        if self.reading not in READINGS:
            raise InputError(f"Slices cannot be read as {self.reading!r}; choose one of {', '.join(READINGS)}.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"The dropout cannot be {self.dropout}; choose a share from 0 to below 1.")


def build_sequence_classifier(
    n_classes: int, shape: SequenceShape | None = None, weights: Weights | None = None
) -> "nn.Sequential":
    """Sequential(normalise, trunk, pool, head): sequences (n, N, rows, columns) in 0–1 to logits (n, n_classes).

    weights: of the trunk, by default random from seed 0. A first convolution for three colours becomes one for N
    slices: each gets the mean of the colours' weights times 3 / N, so that N equal slices give what a grey picture
    gave. Raises InputError for fewer than two classes and a backbone without such a convolution, and as
    `build_backbone` does for weights.
    """
    from torch import nn

    shape = shape or SequenceShape()
    if n_classes < 2:
        raise InputError(f"A classifier cannot have {n_classes} classes; give at least two.")
    spec = backbone_spec(shape.backbone)
    parts = OrderedDict(build_backbone(shape.backbone, weights or Weights("seed", "0")).named_children())
    if shape.reading == "channels":
        _take_channels(parts["trunk"], shape)
        parts["normalise"] = _normalise_grey(shape.slices, spec.mean, spec.std)
    else:
        parts["normalise"] = nn.Sequential(_slices_apart(), parts["normalise"])
    with seeded(HEAD_SEED):
        head = nn.Sequential(nn.Dropout(shape.dropout), nn.Linear(spec.width, n_classes))
    if shape.reading == "average":
        head.append(_mean_of_slices(shape.slices))
    parts["head"] = head
    return nn.Sequential(parts).eval()


def sequence_probabilities(model: "nn.Sequential", sequences: np.ndarray, batch_size: int = 16) -> np.ndarray:
    """Softmax probabilities (n, n_classes), float64, of sequences (n, N, rows, columns) float32 in 0–1."""
    return batch_outputs(lambda batch: model(batch).cpu().double().softmax(1), model, sequences, batch_size)


def largest_box(boxes: Sequence[np.ndarray | None]) -> tuple[int, np.ndarray] | None:
    """The slice with the largest of a sequence's boxes, and it; None where no slice has one.

    boxes: per slice (4,), (m, 4) or None. Of equal ones the first counts.
    """
    found = [(i, box) for i, many in enumerate(boxes) if many is not None for box in np.reshape(many, (-1, 4))]
    if not found:
        return None
    return found[int(np.argmax([areas(box[None])[0] for _, box in found]))]


def pick_slices(
    with_tumour: Sequence[int], centre: int, n: int, rng: np.random.Generator | None = None
) -> tuple[int, ...]:
    """N ascending indices out of a sequence's slices with tumour.

    Without `rng` those next to each other about `centre`, as a case is classified. With it, as in training, half the
    time such a run from anywhere and half the time any N. Where there are fewer than N, each is repeated as often as
    any other, give or take one. Raises InputError where there is none.
    """
    indices = np.unique(np.asarray(with_tumour, dtype=np.int64))
    if not len(indices):
        raise InputError("The sequence has no slice with tumour; outline the tumour or lower the detector's score.")
    if len(indices) < n:
        return tuple(np.sort(np.resize(indices, n)).tolist())
    start = int(np.argmin(np.abs(indices - centre))) - (n - 1) // 2
    if rng is not None:
        if rng.random() < 0.5:
            return tuple(np.sort(rng.choice(indices, n, replace=False)).tolist())
        start = int(rng.integers(len(indices) - n + 1))
    start = min(max(0, start), len(indices) - n)
    return tuple(indices[start : start + n].tolist())


def sequence_input(slices: np.ndarray, box: np.ndarray, indices: Sequence[int], size: int) -> np.ndarray:
    """(N, size, size) float32: the box's region of each named slice, scaled to a square.

    slices: (z, rows, columns) in 0–1; box: (4,) x0, y0, x1, y1. Raises InputError for a box outside the slices.
    """
    x0, y0, x1, y1 = region_of(box, slices.shape[1:])
    return np.stack([resize(slices[k, y0:y1, x0:x1], (size, size)) for k in indices]).astype(np.float32)


def region_of(box: np.ndarray, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The whole pixels x0, y0, x1, y1 that a box touches within a slice (rows, columns); InputError where none."""
    x0, y0 = (int(np.floor(max(0.0, float(v)))) for v in box[:2])
    x1, y1 = (int(np.ceil(min(float(side), float(v)))) for side, v in zip((shape[1], shape[0]), box[2:], strict=True))
    if x0 >= x1 or y0 >= y1:
        raise InputError(f"The box {box} is not within a slice of {shape[1]} × {shape[0]} pixels.")
    return x0, y0, x1, y1


def _take_channels(trunk: "nn.Module", shape: SequenceShape) -> None:
    import torch
    from torch import nn

    first = getattr(trunk, "conv1", None)
    if not isinstance(first, nn.Conv2d):
        raise InputError(
            f"The backbone {shape.backbone} has no first convolution that can take {shape.slices} slices; choose a "
            "ResNet or ResNeXt, or average the slices."
        )
    with seeded(HEAD_SEED):
        wider = nn.Conv2d(
            shape.slices,
            first.out_channels,
            first.kernel_size,  # type: ignore[arg-type]
            first.stride,  # type: ignore[arg-type]
            first.padding,  # type: ignore[arg-type]
            bias=False,
        )
    with torch.no_grad():
        mean = first.weight.mean(dim=1, keepdim=True) * (3 / shape.slices)
        wider.weight.copy_(mean.expand_as(wider.weight))
    trunk.conv1 = wider


def _normalise_grey(n: int, mean: Sequence[float], std: Sequence[float]) -> "nn.Module":
    """Each slice standardised by the mean of the colours' means and deviations."""
    from torchvision.transforms import Normalize

    return Normalize([float(np.mean(mean))] * n, [float(np.mean(std))] * n)


def _slices_apart() -> "nn.Module":
    from torch import nn

    class SlicesApart(nn.Module):
        """(n, N, rows, columns) → (n · N, 3, rows, columns)."""

        def forward(self, x):  # type: ignore[no-untyped-def]
            return x.flatten(0, 1)[:, None].expand(-1, 3, -1, -1)

    return SlicesApart()


def _mean_of_slices(n: int) -> "nn.Module":
    from torch import nn

    class MeanOfSlices(nn.Module):
        """(n · N, K) → (n, K)."""

        def forward(self, x):  # type: ignore[no-untyped-def]
            return x.unflatten(0, (-1, n)).mean(1)

    return MeanOfSlices()
