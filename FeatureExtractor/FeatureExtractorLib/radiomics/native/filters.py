"""Filtered images: PyRadiomics' image types, each computed no further than the region needs.

A filter takes the prepared image, the region's box in its array (z, y, x) and the settings, and yields the name of
each image it makes with its values in the box. Adding a filter is a function here and a line in FILTERS.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import SimpleITK as sitk

from ...errors import InputError
from .box import Box, crop, grown, inside
from .local_binary_pattern import local_binary_pattern
from .local_binary_pattern_3d import patterns

Settings = Mapping[str, Any]
Filtered = Iterator[tuple[str, np.ndarray]]
Filter = Callable[[sitk.Image, Box, Settings], Filtered]


def original(image: sitk.Image, box: Box, settings: Settings) -> Filtered:
    """The image as it is."""
    yield "original", sitk.GetArrayViewFromImage(image)[box]


def wavelet(image: sitk.Image, box: Box, settings: Settings) -> Filtered:
    """Undecimated wavelet bands of one level after the other, the last level's approximation at the end.

    A name's letters are L(ow) or H(igh) pass along x, y, z, without the axis `force2Ddimension` where `force2D` is on.
    A band depends on half a filter's length of voxels around; the border, where the image is continued
    periodically, is only reached where the region is closer to it than that. Raises InputError on an unknown wavelet.
    """
    import pywt

    array = sitk.GetArrayViewFromImage(image)
    axes = [2, 1, 0]
    if settings.get("force2D", False):
        axes.remove(settings.get("force2Ddimension", 0))
    name = settings.get("wavelet", "coif1")
    if name not in pywt.wavelist(kind="discrete"):
        raise InputError(f"The wavelet {name!r} is unknown; choose one of PyWavelets' discrete ones, such as coif1.")
    kind = pywt.Wavelet(name)
    first, levels = settings.get("start_level", 0), settings.get("level", 1)
    window, inner = _wavelet_window(box, axes, (first + levels) * kind.dec_len // 2, array.shape)
    data = np.pad(array[window], [(0, (s.stop - s.start) % 2) for s in window], "wrap")
    low = "a" * len(axes)
    for level in range(first + levels):
        bands = pywt.swtn(data, kind, level=1, axes=axes)[0]
        data = bands[low]
        prefix = "wavelet" if level == first else f"wavelet{level - first + 1}"
        for letters in product("ad", repeat=len(axes) if level >= first else 0):
            band = "".join(letters)
            if band and band != low:
                yield f"{prefix}-{band.replace('a', 'L').replace('d', 'H')}", bands[band][inner]
    prefix = "wavelet" if levels == 1 else f"wavelet{levels}"
    yield f"{prefix}-{low.replace('a', 'L')}", data[inner]


def _wavelet_window(box: Box, axes: list[int], reach: int, shape: tuple[int, ...]) -> tuple[Box, Box]:
    """What part of the array to transform, and the region's box in it: all of an axis where its border is in reach."""
    window = list(box)
    for axis in axes:
        start, stop = box[axis].start - reach, box[axis].stop + reach
        window[axis] = slice(start, stop) if start >= 0 and stop <= shape[axis] else slice(0, shape[axis])
    return tuple(window), inside(box, tuple(window))


def laplacian_of_gaussian(image: sitk.Image, box: Box, settings: Settings) -> Filtered:
    """Laplacian of the image smoothed by each `sigma` (mm), normalised across scales, by recursive filters.

    These feel the whole image that was prepared, and so its `padDistance`. Raises InputError where it is too small.
    """
    size, spacing = np.array(image.GetSize()), np.array(image.GetSpacing())
    for sigma in settings.get("sigma") or []:
        if size.min() < 4 or np.any(size < np.ceil(sigma / spacing) + 1):
            raise InputError(
                f"The image is too small for the LoG filter of sigma {sigma:g} mm, which needs four voxels or more "
                "along every axis; choose settings without LoG, or a 2D preset for single slices."
            )
        filtered = sitk.LaplacianRecursiveGaussian(image, sigma=sigma, normalizeAcrossScale=True)
        name = f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"
        yield name, sitk.GetArrayFromImage(filtered)[box]


def square(image: sitk.Image, box: Box, settings: Settings) -> Filtered:
    """(c x)^2 with c = 1 / sqrt(max |x|) over the image."""
    x, largest = _values(image, box)
    yield "square", (1 / np.sqrt(largest) * x) ** 2


def square_root(image: sitk.Image, box: Box, settings: Settings) -> Filtered:
    """sign(x) sqrt(c |x|) with c = max |x| over the image."""
    x, largest = _values(image, box)
    yield "squareroot", np.sign(x) * np.sqrt(np.abs(x) * largest)


def logarithm(image: sitk.Image, box: Box, settings: Settings) -> Filtered:
    """sign(x) c log(|x| + 1) with c = max |x| / log(max |x| + 1) over the image."""
    x, largest = _values(image, box)
    yield "logarithm", np.sign(x) * np.log(np.abs(x) + 1) * (largest / np.log(largest + 1))


def exponential(image: sitk.Image, box: Box, settings: Settings) -> Filtered:
    """exp(c x) with c = log(max |x|) / max |x| over the image."""
    x, largest = _values(image, box)
    yield "exponential", np.exp(np.log(largest) / largest * x)


def _values(image: sitk.Image, box: Box) -> tuple[np.ndarray, float]:
    """Values in the box as float64, and the largest magnitude in the whole image."""
    array = sitk.GetArrayViewFromImage(image)
    return array[box].astype(np.float64), max(abs(float(array.min())), abs(float(array.max())))


def gradient(image: sitk.Image, box: Box, settings: Settings) -> Filtered:
    """Magnitude of the gradient by central differences, per mm unless `gradientUseSpacing` is false."""
    outer, inner = _surroundings(box, 2, image)
    filtered = sitk.GradientMagnitude(crop(image, outer), settings.get("gradientUseSpacing", True))
    yield "gradient", sitk.GetArrayFromImage(filtered)[inner]


def local_binary_pattern_2d(image: sitk.Image, box: Box, settings: Settings) -> Filtered:
    """Local binary pattern of each slice across the axis `force2Ddimension`, in the image's own number type."""
    axis = settings.get("force2Ddimension", 0)
    samples, radius = settings.get("lbp2DSamples", 8), settings.get("lbp2DRadius", 1)
    outer, inner = _surroundings(box, int(np.ceil(radius)) + 1, image)
    planes = np.moveaxis(sitk.GetArrayViewFromImage(image)[outer], axis, 0)
    patterns = np.empty_like(planes)
    for pattern, plane in zip(patterns, planes, strict=True):
        pattern[...] = local_binary_pattern(plane, samples, radius, settings.get("lbp2DMethod", "uniform"))
    yield "lbp-2D", np.moveaxis(patterns, 0, axis)[inner]


def _surroundings(box: Box, margin: int, image: sitk.Image) -> tuple[Box, Box]:
    """The box with a margin, and the box itself in the array of that part."""
    outer = grown(box, margin, image.GetSize()[::-1])
    return outer, inside(box, outer)


def local_binary_pattern_3d(image: sitk.Image, box: Box, settings: Settings) -> Filtered:
    """Rotation-invariant local binary pattern of spheres around each voxel, and the kurtosis of the values on them.

    `lbp-3D-m1` to m`lbp3DLevels` are the shares of the spherical harmonics of degree 0 and up, `lbp-3D-k` is the
    kurtosis. The spheres have `lbp3DIcosphereRadius` voxels and the points of an icosahedron that was subdivided
    `lbp3DIcosphereSubdivision` times.
    """
    array, shape = sitk.GetArrayViewFromImage(image), tuple(s.stop - s.start for s in box)
    levels = settings.get("lbp3DLevels", 2)
    voxels = np.indices(shape).reshape(3, -1).T + [s.start for s in box]
    shares, peakedness = patterns(
        array, voxels, levels, settings.get("lbp3DIcosphereRadius", 1), settings.get("lbp3DIcosphereSubdivision", 1)
    )
    for level in range(levels):
        yield f"lbp-3D-m{level + 1}", shares[:, level].reshape(shape)
    yield "lbp-3D-k", peakedness.reshape(shape)


FILTERS: Mapping[str, Filter] = {
    "Original": original,
    "Wavelet": wavelet,
    "LoG": laplacian_of_gaussian,
    "Square": square,
    "SquareRoot": square_root,
    "Logarithm": logarithm,
    "Exponential": exponential,
    "Gradient": gradient,
    "LBP2D": local_binary_pattern_2d,
    "LBP3D": local_binary_pattern_3d,
}
