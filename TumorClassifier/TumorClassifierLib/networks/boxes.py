"""Boxes around tumours: from masks, and how well found ones fit; (x0, y0, x1, y1) in pixels, ends excluded."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from FeatureExtractorLib.errors import InputError

from ..findings import DetectedBox


def boxes_of_mask(mask: np.ndarray, smallest: int = 1) -> np.ndarray:
    """(m, 4) float32: a box around each 8-connected component of a slice's mask (rows, columns), top to bottom.

    smallest: components of fewer pixels are left out. Raises InputError for a mask that is no slice.
    """
    if mask.ndim != 2:
        raise InputError(f"Boxes are drawn around the mask of one slice, not of the shape {mask.shape}.")
    labels, _ = ndimage.label(mask > 0, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    found = [
        (columns.start, rows.start, columns.stop, rows.stop)
        for i, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1)
        if sizes[i] >= smallest
    ]
    return np.asarray(found, dtype=np.float32).reshape(-1, 4)


def areas(boxes: np.ndarray) -> np.ndarray:
    """(m,) areas of (m, 4) boxes in pixels."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), dtype=np.float64)


def overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(m, n) intersections over unions (IoU) of (m, 4) and (n, 4) boxes."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2, dtype=np.float64)
    union = areas(one)[:, None] + areas(other)[None] - shared
    return np.asarray(np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0))


def recall(found: Sequence[np.ndarray], true: Sequence[np.ndarray], least: float = 0.5) -> float | None:
    """The share of true boxes that a found box covers with an IoU of `least` or more; None without true boxes.

    found, true: per image (m, 4). A found box may count for several true ones.
    """
    hits = [overlap(t, f).max(axis=1, initial=0.0) >= least for f, t in zip(found, true, strict=True)]
    return float(np.concatenate(hits).mean()) if sum(map(len, hits)) else None


def corners_mm(box: np.ndarray, index: int, image: sitk.Image) -> np.ndarray:
    """(4, 3) corners in mm (LPS) of a box in slice `index` of a volume's third axis, around the box in its order.

    The corners lie on the outer edges of the box's pixels.
    """
    x0, y0, x1, y1 = (float(v) - 0.5 for v in box)  # a pixel's centre has the whole number
    around = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    return np.array([image.TransformContinuousIndexToPhysicalPoint((x, y, float(index))) for x, y in around])


def detected_box(box: np.ndarray, index: int, image: sitk.Image, label: str, score: float) -> DetectedBox:
    """A box in slice `index` of a volume's third axis as a box in space, as thick as the slice."""
    corners = corners_mm(box, index, image)
    sides = np.array([box[2] - box[0], box[3] - box[1], 1.0]) * image.GetSpacing()
    axes = np.reshape(image.GetDirection(), (3, 3)).tolist()
    centre = corners.mean(axis=0).tolist()
    return DetectedBox(tuple(centre), tuple(sides.tolist()), label, score, tuple(map(tuple, axes)))


def slice_positions(image: sitk.Image) -> tuple[float, ...]:
    """mm (n,) of a volume's slices along its third axis, rising to the right, to the front or upwards.

    Of slices that are not oblique that is the offset that 3D Slicer gives them.
    """
    normal = np.reshape(image.GetDirection(), (3, 3))[:, 2] * (-1.0, -1.0, 1.0)  # LPS to RAS
    first = np.array(image.GetOrigin()) * (-1.0, -1.0, 1.0)
    up = 1.0 if normal[np.argmax(np.abs(normal))] > 0 else -1.0
    steps = np.arange(image.GetSize()[2]) * image.GetSpacing()[2]
    return tuple((up * (first @ normal + steps)).tolist())
