"""Boxes of voxels: where the region is, and the part of an image around it."""

import numpy as np
import SimpleITK as sitk

from ...errors import InputError

Box = tuple[slice, ...]
"""One slice per axis of an array z, y, x."""


def bounding_box(mask: np.ndarray) -> Box:
    """Smallest box that holds every non-zero voxel of `mask` (z, y, x); InputError where there is none."""
    planes = mask.any(axis=(1, 2))
    if not planes.any():
        raise InputError("The mask is empty; outline the tumour or choose another segment.")
    slab = mask[planes]
    lines = [planes, slab.any(axis=(0, 2)), slab.any(axis=(0, 1))]
    ends = [np.flatnonzero(line)[[0, -1]] for line in lines]
    return tuple(slice(int(first), int(last) + 1) for first, last in ends)


def grown(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    """The box with `margin` voxels more on all sides, as far as the array goes."""
    return tuple(slice(max(s.start - margin, 0), min(s.stop + margin, n)) for s, n in zip(box, shape, strict=True))


def inside(box: Box, outer: Box) -> Box:
    """Where the box is in the array that `outer` cuts out."""
    return tuple(slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))


def crop(image: sitk.Image, box: Box, margin: int = 0) -> sitk.Image:
    """The part of an image inside `box` and `margin` voxels around it; every voxel stays where it is in space."""
    x, y, z = grown(box, margin, image.GetSize()[::-1])[::-1]
    return image[x.start : x.stop, y.start : y.stop, z.start : z.stop]


def cropped(image: sitk.Image, mask: sitk.Image, pad: int) -> tuple[sitk.Image, sitk.Image]:
    """Image and mask `pad` voxels around the region."""
    box = bounding_box(sitk.GetArrayViewFromImage(mask))
    return crop(image, box, pad), crop(mask, box, pad)
