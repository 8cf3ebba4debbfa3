"""A detector of tumours in slices: Faster R-CNN on a pyramid of five scales, one class more than there are kinds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from FeatureExtractorLib.deep.backbones import Weights, backbone_spec, build_backbone, seeded
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress, silent

from .boxes import overlap
from .deformable import make_deformable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LOWEST_SCORE = 0.01  # of boxes that are kept at all: a class's score counts even where another class is likelier
MOST_BOXES = 50
SAME_PLACE = 0.5  # IoU from which boxes are of one tumour
SHAPES = (0.5, 1.0, 2.0)  # heights of the anchors by their widths
DEFORMED = ("layer2", "layer3", "layer4")
LONGEST = 2.0  # a slice's longer side, at most, in shorter ones
HEAD_SEED = 0


@dataclass(frozen=True)
class DetectorShape:
    """What a detector is built of.

    backbone: of the ResNet family. deformable: its last three stages sample where a small convolution tells them
    (Liu et al. 2022). image_size: pixels that a slice's shorter side is scaled to. smallest_anchor: pixels of the
    finest scale's boxes, twice as many at every next. proposals: candidate boxes a slice. pyramid_width, head_width:
    channels of the pyramid and of the classifying layers.
    """

    backbone: str = "resnext101_32x8d"
    deformable: bool = True
    image_size: int = 512
    smallest_anchor: float = 16.0
    proposals: int = 500
    pyramid_width: int = 256
    head_width: int = 1024

    def __post_init__(self) -> None:
        for name in ("image_size", "smallest_anchor", "proposals", "pyramid_width", "head_width"):
            if getattr(self, name) <= 0:
                raise InputError(f"The detector's {name} cannot be {getattr(self, name)}; it must be above 0.")


@dataclass(frozen=True)
class Found:
    """What a detector finds in one slice, best first.

    boxes: (m, 4) x0, y0, x1, y1 in pixels of the slice; scores: (m,) 0–1; labels: (m,) class index.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def best(self, least: float) -> np.ndarray | None:
        """(4,) the box of the highest score where that is `least` or more; None where none is."""
        return self.boxes[0] if len(self.boxes) and self.scores[0] >= least else None

    def probabilities(self, n_classes: int, least: float) -> np.ndarray:
        """(K,) the highest score of each class at the best box's place, divided by their sum; NaN without a box."""
        best = self.best(least)
        if best is None:
            return np.full(n_classes, np.nan)
        there = overlap(best[None], self.boxes)[0] >= SAME_PLACE
        highest = np.zeros(n_classes)
        np.maximum.at(highest, self.labels[there], self.scores[there])
        return np.asarray(highest / highest.sum())


def build_detector(n_classes: int, shape: DetectorShape | None = None, weights: Weights | None = None) -> "nn.Module":
    """A Faster R-CNN (Ren et al. 2015) with a feature pyramid (Lin et al. 2017), in evaluation mode on the CPU.

    weights: of the backbone, by default random from seed 0; pyramid and heads always start from the same random
    numbers. With pretrained weights batch normalisation keeps their statistics, as is usual for the few slices of a
    detector's batch. Raises InputError for a backbone without stages or for no class, and as `build_backbone` does.
    """
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.ops import MultiScaleRoIAlign

    shape, weights = shape or DetectorShape(), weights or Weights("seed", "0")
    if n_classes < 1:
        raise InputError(f"A detector cannot have {n_classes} classes; give at least one.")
    spec, trunk = backbone_spec(shape.backbone), build_backbone(shape.backbone, weights)[1]
    stages = [name for name, _ in trunk.named_children() if name.startswith("layer")]
    if not stages:
        raise InputError(f"The backbone {shape.backbone} has no stages for a pyramid; choose a ResNet or ResNeXt.")
    with seeded(HEAD_SEED):
        if shape.deformable:
            for stage in set(stages) & set(DEFORMED):
                make_deformable(getattr(trunk, stage))
        if weights.kind != "seed":
            _freeze_statistics(trunk)
        levels = [str(i) for i in range(len(stages))]
        pyramid = BackboneWithFPN(trunk, dict(zip(stages, levels, strict=True)), _widths(trunk), shape.pyramid_width)
        sizes = tuple((shape.smallest_anchor * 2**i,) for i in range(len(stages) + 1))
        model = FasterRCNN(
            pyramid,
            min_size=shape.image_size,
            max_size=round(LONGEST * shape.image_size),
            image_mean=list(spec.mean),
            image_std=list(spec.std),
            rpn_anchor_generator=AnchorGenerator(sizes, (SHAPES,) * len(sizes)),
            rpn_pre_nms_top_n_train=2 * shape.proposals,
            rpn_pre_nms_top_n_test=2 * shape.proposals,
            rpn_post_nms_top_n_train=shape.proposals,
            rpn_post_nms_top_n_test=shape.proposals,
            box_roi_pool=MultiScaleRoIAlign(levels, output_size=7, sampling_ratio=2),
            box_head=TwoMLPHead(shape.pyramid_width * 49, shape.head_width),
            box_predictor=FastRCNNPredictor(shape.head_width, n_classes + 1),
            box_score_thresh=LOWEST_SCORE,
            box_detections_per_img=MOST_BOXES,
        )
    return model.eval()


def detect(
    model: "nn.Module", images: Sequence[np.ndarray], batch_size: int = 8, progress: Progress = silent
) -> list[Found]:
    """The boxes in each slice (rows, columns) in 0–1; slices may be of different sizes.

    The model's mode is as before afterwards. Raises InputError for what is no slice or not finite.
    """
    import torch

    device = next(model.parameters()).device
    training, found = model.training, []
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                progress("detection", start / len(images))
                batch = [slice_tensor(image, device) for image in images[start : start + batch_size]]
                found += [_found(one) for one in model(batch)]
    finally:
        model.train(training)
    progress("detection", 1.0)
    return found


def slice_tensor(image: np.ndarray, device: "torch.device") -> "Tensor":
    """A grey slice (rows, columns) as (3, rows, columns); raises InputError as `detect`."""
    import torch

    if image.ndim != 2 or 0 in image.shape or not np.isfinite(image).all():
        raise InputError(f"The detector takes slices (rows, columns) of finite values, not {image.shape}.")
    return torch.from_numpy(np.array(image, dtype=np.float32)).to(device).expand(3, -1, -1)


def n_classes_of(model: "nn.Module") -> int:
    """How many kinds of tumour a detector tells apart."""
    return int(model.get_submodule("roi_heads.box_predictor.cls_score").weight.shape[0]) - 1  # type: ignore[index]


def _found(one: "dict[str, Tensor]") -> Found:
    boxes, scores, labels = (one[name].cpu().numpy() for name in ("boxes", "scores", "labels"))
    order = np.argsort(-scores, kind="stable")
    return Found(boxes[order], scores[order].astype(np.float64), labels[order] - 1)


def _widths(trunk: "nn.Module") -> list[int]:
    """Channels that each stage gives, found by showing it a small image."""
    import torch

    widths, x = [], torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        for name, part in trunk.named_children():
            x = part(x)
            if name.startswith("layer"):
                widths.append(int(x.shape[1]))
    return widths


def _freeze_statistics(module: "nn.Module") -> None:
    """Every batch normalisation with fixed statistics and weights, as torchvision's detectors have it."""
    from torch import nn
    from torchvision.ops import FrozenBatchNorm2d

    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d):
            frozen = FrozenBatchNorm2d(child.num_features, child.eps)
            state: dict[str, Any] = child.state_dict()
            state.pop("num_batches_tracked", None)
            frozen.load_state_dict(state)
            setattr(module, name, frozen)
        else:
            _freeze_statistics(child)
