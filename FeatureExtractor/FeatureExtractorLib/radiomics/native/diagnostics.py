"""PyRadiomics' diagnostics that are single numbers: what went in, and what it became on the way."""

import numpy as np
import SimpleITK as sitk

from .box import bounding_box


def of_image(image: sitk.Image, stage: str) -> dict[str, float]:
    """Mean, minimum and maximum intensity of all voxels."""
    values = sitk.GetArrayViewFromImage(image)
    return _range(values, f"diagnostics_Image-{stage}")


def of_mask(mask: sitk.Image, stage: str, image: sitk.Image | None = None) -> dict[str, float]:
    """Number of voxels and of connected parts (corners connect) of a mask (uint8 0/1), and its image's intensities."""
    array = sitk.GetArrayViewFromImage(mask)
    box = bounding_box(array)
    inside = array[box] > 0
    from scipy.ndimage import label

    prefix = f"diagnostics_Mask-{stage}"
    numbers = {
        f"{prefix}_VoxelNum": float(np.count_nonzero(inside)),
        f"{prefix}_VolumeNum": float(label(inside, np.ones((3, 3, 3)))[1]),
    }
    if image is not None:
        numbers |= _range(sitk.GetArrayViewFromImage(image)[box][inside], prefix)
    return numbers


def _range(values: np.ndarray, prefix: str) -> dict[str, float]:
    return {
        f"{prefix}_Mean": float(values.mean(dtype=np.float64)),
        f"{prefix}_Minimum": float(values.min()),
        f"{prefix}_Maximum": float(values.max()),
    }
