"""How well two outlines of one tumour agree: their overlap, and how far apart their surfaces lie."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .case import check_mask, check_same_geometry


@dataclass(frozen=True)
class MaskAgreement:
    """dice: 0 (apart) to 1 (equal). hausdorff, hausdorff_95: mm, 0 for equal masks."""

    dice: float
    hausdorff: float
    hausdorff_95: float


def mask_agreement(first: sitk.Image, second: sitk.Image, case_id: str = "case") -> MaskAgreement:
    """Dice coefficient and Hausdorff distances of two uint8 0/1 masks on one grid.

    Distances run between surface voxels: those of a mask with a face neighbour outside it. `hausdorff` is the
    largest distance from either surface to the other, `hausdorff_95` the larger of the two directions' 95th
    percentiles (Taha & Hanbury 2015, BMC Med Imaging 15:29). Raises InputError when a mask is empty or has a single
    voxel, and GeometryError when the grids differ.
    """
    check_same_geometry(first, second, "first reader's mask", "second reader's mask", case_id)
    check_mask(first, f"first reader's mask of case {case_id}")
    check_mask(second, f"second reader's mask of case {case_id}")
    a, b, spacing = _tight_boxes(first, second)
    dice = 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
    there, back = _surface_distances(a, b, spacing), _surface_distances(b, a, spacing)
    return MaskAgreement(
        dice=float(dice),
        hausdorff=float(max(there.max(), back.max())),
        hausdorff_95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
    )


def _tight_boxes(first: sitk.Image, second: sitk.Image) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Both masks (bool) in the smallest box that holds them, without axes of a single voxel, and its spacing (mm).

    A volume of one slice has no faces across it: its outline is a curve.
    """
    a, b = (sitk.GetArrayViewFromImage(mask) > 0 for mask in (first, second))
    axes = [axis for axis, n in enumerate(a.shape) if n > 1]
    spacing = [first.GetSpacing()[2 - axis] for axis in axes]
    box = ndimage.find_objects((a | b).astype(np.uint8))[0]
    shape = [part.stop - part.start for axis, part in enumerate(box) if axis in axes]
    return a[box].reshape(shape), b[box].reshape(shape), spacing


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask)  # what lies beyond the box is outside


def _surface_distances(a: np.ndarray, b: np.ndarray, spacing: list[float]) -> np.ndarray:
    """The distance (mm) of each surface voxel of `a` from the surface of `b`."""
    return ndimage.distance_transform_edt(~_surface(b), sampling=spacing)[_surface(a)]
