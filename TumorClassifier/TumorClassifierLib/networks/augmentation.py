"""Seeded augmentation of whole batches: one affine resampling, then intensity and noise."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class AugmentationSettings:
    """How far images may be changed; every range is symmetric and uniform.

    flips and quarter turns: on or off. rotation: degrees. scale: share. shift: share of the side. gain: share of
    the contrast about the image's mean. offset: in image units (0–1). noise: largest standard deviation.
    """

    flips: bool = True
    quarter_turns: bool = True
    rotation: float = 15.0
    scale: float = 0.15
    shift: float = 0.08
    gain: float = 0.2
    offset: float = 0.1
    noise: float = 0.03


def augment(images: "Tensor", generator: "Generator", settings: AugmentationSettings | None = None) -> "Tensor":
    """Images (n, 3, rows, columns) in 0–1, each changed in its own way.

    generator: on the CPU, so that a seed means the same on every device. All channels of an image change alike.
    """
    settings = settings or AugmentationSettings()
    moved = _resample(images, _transforms(len(images), generator, settings).to(images))
    return _change_intensities(moved, generator, settings)


def _transforms(n: int, generator: "Generator", settings: AugmentationSettings) -> "Tensor":
    """Affine matrices (n, 2, 3) from output to input coordinates, both from −1 to 1 across the image."""
    import torch

    angle = _uniform(n, math.radians(settings.rotation), generator)
    if settings.quarter_turns:
        angle = angle + torch.randint(4, (n,), generator=generator) * (math.pi / 2)
    scale = 1 + _uniform(n, settings.scale, generator)
    mirror = torch.ones(n)
    if settings.flips:
        mirror = 1.0 - 2.0 * torch.randint(2, (n,), generator=generator)
    # A quarter turn on top of one mirror reaches the other mirror; without turns left-right is the one to flip.
    cos, sin = scale * angle.cos(), scale * angle.sin()
    shift = _uniform((n, 2), 2 * settings.shift, generator)
    rows = torch.stack([cos * mirror, -sin, sin * mirror, cos], dim=1).view(n, 2, 2)
    return torch.cat([rows, shift[:, :, None]], dim=2)


def _resample(images: "Tensor", transforms: "Tensor") -> "Tensor":
    import torch
    from torch.nn import functional

    grid = functional.affine_grid(transforms, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return moved.contiguous(memory_format=torch.channels_last)


def _change_intensities(images: "Tensor", generator: "Generator", settings: AugmentationSettings) -> "Tensor":
    import torch

    n, _, rows, columns = images.shape
    gain = (1 + _uniform(n, settings.gain, generator)).view(n, 1, 1, 1).to(images)
    offset = _uniform(n, settings.offset, generator).view(n, 1, 1, 1).to(images)
    level = (settings.noise * torch.rand(n, generator=generator)).view(n, 1, 1, 1)
    noise = (level * torch.randn(n, 1, rows, columns, generator=generator)).to(images)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return ((images - mean) * gain + mean + offset + noise).clamp_(0, 1)


def _uniform(shape: int | tuple[int, ...], limit: float, generator: "Generator") -> "Tensor":
    import torch

    return (2 * torch.rand(shape, generator=generator) - 1) * limit
