"""Where the tumour is: bounding box, slice, square crop, and the crop as a picture for a network.

Masks are SimpleITK volumes with non-zero voxels inside the tumour; slices are arrays (rows y, columns x).
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .errors import InputError


@dataclass(frozen=True)
class Box:
    """The smallest box around a mask, as slices into an array (z, y, x)."""

    z: slice
    y: slice
    x: slice

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """For indexing: `array[box.slices]`."""
        return self.z, self.y, self.x

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        return self.z.stop - self.z.start, self.y.stop - self.y.start, self.x.stop - self.x.start


@dataclass(frozen=True)
class SquareRegion:
    """A square of `side` pixels whose first pixel is (row0, col0); it may reach over the slice's edges."""

    row0: int
    col0: int
    side: int


def bounding_box(mask: sitk.Image) -> Box:
    """The smallest box around the mask; raises InputError when the mask is empty."""
    found = ndimage.find_objects(_inside(mask).astype(np.uint8))
    return Box(*found[0])


def maximum_area_slice(mask: sitk.Image) -> int:
    """The axial slice k with most tumour voxels, the lowest k on ties; raises InputError when the mask is empty."""
    return int(_inside(mask).sum(axis=(1, 2)).argmax())


def centre_slice(mask: sitk.Image) -> int:
    """The axial slice k in the middle of the tumour's extent (rounded down), or the nearest that has tumour.

    Raises InputError when the mask is empty.
    """
    with_tumour = np.flatnonzero(_inside(mask).any(axis=(1, 2)))
    middle = (with_tumour[0] + with_tumour[-1]) // 2
    return int(with_tumour[np.abs(with_tumour - middle).argmin()])


def square_around(mask2d: np.ndarray, margin_fraction: float = 0.0) -> SquareRegion:
    """The square, centred on the tumour's bounding box, whose side is the box's longer side plus margins.

    mask2d: (rows, columns). margin_fraction: added on every side, as a share of the longer side.
    Raises InputError when the mask is empty or the margin negative.
    """
    if margin_fraction < 0:
        raise InputError(f"The crop's margin cannot be {margin_fraction:g}; give zero or more.")
    rows, columns = np.flatnonzero(mask2d.any(axis=1)), np.flatnonzero(mask2d.any(axis=0))
    if rows.size == 0:
        raise InputError("The mask is empty on the slice to crop; choose a slice with tumour.")
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    side = int(np.ceil(max(height, width) * (1 + 2 * margin_fraction)))
    return SquareRegion(int(rows[0] - (side - height) // 2), int(columns[0] - (side - width) // 2), side)


def crop_square(
    slice2d: np.ndarray, mask2d: np.ndarray, margin_fraction: float = 0.0
) -> tuple[np.ndarray, SquareRegion]:
    """The slice inside `square_around` the tumour, zero where the square reaches over the slice's edges.

    slice2d, mask2d: (rows, columns). Returns an array (side, side) of the slice's type, and the square.
    Raises InputError as `square_around`, and when the shapes differ.
    """
    if slice2d.shape != mask2d.shape:
        raise InputError(f"The slice {slice2d.shape} and its mask {mask2d.shape} differ in shape; use one grid.")
    region = square_around(mask2d, margin_fraction)
    square = np.zeros((region.side, region.side), slice2d.dtype)
    in_slice, in_square = _overlap(region, slice2d.shape)
    square[in_square] = slice2d[in_slice]
    return square, region


def place_square(square: np.ndarray, region: SquareRegion, shape: tuple[int, int]) -> np.ndarray:
    """A crop (side, side) put back into an otherwise zero slice of `shape` (rows, columns).

    Raises InputError when the crop is not of the region's size.
    """
    if square.shape != (region.side, region.side):
        raise InputError(f"The crop {square.shape} is not of the region's side {region.side}; resize it first.")
    placed = np.zeros(shape, square.dtype)
    in_slice, in_square = _overlap(region, shape)
    placed[in_slice] = square[in_square]
    return placed


def resize(array2d: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear resizing of a picture (rows, columns), pixel centres aligned, widened when it shrinks.

    Shrinking averages over the pixels that are merged, so that nothing is skipped (as Pillow's bilinear filter and
    PyTorch's with antialias do). Returns float64 of `shape`.
    """
    rows, columns = (_triangle_weights(n, m) for n, m in zip(array2d.shape, shape, strict=True))
    return rows @ np.asarray(array2d, np.float64) @ columns.T


# Corner points (grey value, intensity) of Matplotlib's "jet" colour map, linear in between.
_JET = (
    ((0.0, 0.35, 0.66, 0.89, 1.0), (0.0, 0.0, 1.0, 1.0, 0.5)),
    ((0.0, 0.125, 0.375, 0.64, 0.91, 1.0), (0.0, 0.0, 1.0, 1.0, 0.0, 0.0)),
    ((0.0, 0.11, 0.34, 0.65, 1.0), (0.5, 1.0, 1.0, 0.0, 0.0)),
)


def jet_pseudo_colour(array2d: np.ndarray) -> np.ndarray:
    """Grey values 0 to 1 (rows, columns) as red, green, blue in Jet colours: float32 (3, rows, columns), 0 to 1.

    Values outside 0 to 1 take the end colours.
    """
    return np.stack([np.interp(array2d, *corners) for corners in _JET]).astype(np.float32)


def grey3(array2d: np.ndarray) -> np.ndarray:
    """One grey picture (rows, columns) as three equal channels: float32 (3, rows, columns)."""
    return np.repeat(np.asarray(array2d, np.float32)[np.newaxis], 3, axis=0)


def _inside(mask: sitk.Image) -> np.ndarray:
    inside = sitk.GetArrayViewFromImage(mask) != 0
    if not inside.any():
        raise InputError("The mask is empty; outline the tumour first.")
    return inside


def _overlap(region: SquareRegion, shape: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """What a square and a slice share, as indices into the slice and into the square."""
    in_slice, in_square = [], []
    for first, length in zip((region.row0, region.col0), shape, strict=True):
        start, stop = np.clip((first, first + region.side), 0, length).tolist()
        in_slice.append(slice(start, stop))
        in_square.append(slice(start - first, stop - first))
    return (in_slice[0], in_slice[1]), (in_square[0], in_square[1])


def _triangle_weights(n: int, m: int) -> np.ndarray:
    """(m, n) weights of n pixels in each of m new ones: a triangle one new pixel wide, at least one old one."""
    width = max(n / m, 1.0)
    centres = (np.arange(m) + 0.5) * n / m - 0.5
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(n) - centres[:, np.newaxis]) / width)
    return weights / weights.sum(axis=1, keepdims=True)
