"""Smooth Grad-CAM++: what a class's map is on average over images with noise (Omeiza et al. 2019)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.errors import InputError

from .channels import plus_plus_weights, weighted_sum

if TYPE_CHECKING:
    from torch import Tensor, nn

MAPS = ("mean", "clean", "last")


@dataclass(frozen=True)
class Smoothing:
    """Which noise is added to the images, and which maps the averaged derivatives weigh.

    samples: noisy images. std: of the noise, in the unit of the images, where 0.1 to 0.2 of their range is usual
    (Smilkov et al. 2017). seed: of the noise; the same noise is added to every image.
    maps: "mean", the maps averaged over the noisy images (Chen et al. 2022); "clean", those of the image itself, as
    in the method's equations: a network that ends in global averaging and a linear layer has the same derivatives
    whatever the noise, so that this is Grad-CAM++ for it, and costs no samples; "last", maps and gradient of the last
    noisy image, as torchcam takes them.
    """

    samples: int = 25
    std: float = 0.15
    seed: int = 0
    maps: str = "mean"

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise InputError(f"Smoothing cannot use {self.samples} samples; choose one or more.")
        if not 0 <= self.std < float("inf"):
            raise InputError(f"The noise cannot have the standard deviation {self.std}; choose 0 or more.")
        if self.maps not in MAPS:
            raise InputError(f"Smoothing knows no maps {self.maps!r}; choose one of {', '.join(MAPS)}.")

    def noise(self, shape: tuple[int, ...]) -> np.ndarray:
        """(samples, *shape) float32, for images of that shape (channels, *positions)."""
        return np.random.default_rng(self.seed).normal(0.0, self.std, (self.samples, *shape)).astype(np.float32)


def smooth_map(
    trunk: "nn.Module",
    head: "nn.Module",
    images: "Tensor",
    noise: np.ndarray,
    smoothing: Smoothing,
    gradient_of: "Callable[[Tensor], Tensor]",
    eps: float = 0.0,
) -> "Tensor":
    """(n, *positions) of the maps' own size. noise: (samples, channels, *positions), added to each image in turn.

    gradient_of: of the class's logit by maps. The numerator of α is the mean square of the gradient, for which the
    publication prints the mean gradient: with one sample without noise this is Grad-CAM++.
    """
    import torch

    with torch.no_grad():
        clean = trunk(images)
    if smoothing.maps == "clean" and is_affine(head):
        gradient = gradient_of(clean)
        weights = plus_plus_weights(gradient, gradient.square(), gradient.pow(3), clean, eps)
        return weighted_sum(weights, clean)
    total, first, second, third = (torch.zeros_like(clean) for _ in range(4))
    maps = gradient = clean
    for sample in torch.from_numpy(noise):
        with torch.no_grad():
            maps = trunk(images + sample.to(images.device))
        gradient = gradient_of(maps)
        square = gradient.square()
        total += maps
        first += gradient
        second += square
        third += gradient.pow(3)
    n = len(noise)
    second, third = second / n, third / n
    if smoothing.maps == "last":
        return weighted_sum(plus_plus_weights(gradient, second, third, clean, eps), maps)
    weighed = total / n if smoothing.maps == "mean" else clean
    return weighted_sum(plus_plus_weights(first / n, second, third, weighed, eps), weighed)


def is_affine(head: "nn.Module") -> bool:
    """Whether a head, in evaluation mode, is affine in the maps by its parts: its gradient is then a constant."""
    from torch import nn

    if isinstance(head, nn.Sequential):
        return all(is_affine(part) for part in head)
    pooling = (nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AvgPool2d, nn.AvgPool3d)
    return isinstance(head, (nn.Linear, nn.Flatten, nn.Identity, nn.Dropout, *pooling))
