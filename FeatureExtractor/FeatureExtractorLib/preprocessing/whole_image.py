"""What N4 does to every voxel of an image, in one pass each.

A large image is read from memory and written to it more slowly than it is computed with. The work is therefore done
for some lines of voxels at a time, which stay in the processor's cache, and by as many threads as ITK uses. Each line
is computed by itself, so that the result does not hang on the number of threads.
"""

import ctypes
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .bspline_fit import SplineField

BLOCK = 2**18  # multiply-adds a block: numbers fit into the cache, and OpenBLAS starts no threads of its own for less

NOT_FINITE = "N4 found no finite bias field for this image and mask; use a larger mask or switch N4 off."


def field_image(field: SplineField, like: sitk.Image) -> sitk.Image:
    """The field at every voxel of the image `like`, float32, in its geometry."""
    image, lines = _empty(like)

    def write(block: np.ndarray, which: slice) -> None:
        lines[which] = block

    _for_blocks(field, write)
    return image


def divided_by_exp(image: sitk.Image, field: SplineField) -> sitk.Image:
    """image / exp(field), float32, in the image's geometry; raises InputError where that is not finite."""
    seen = sitk.GetArrayViewFromImage(image).reshape(-1, image.GetSize()[0])
    divided, lines = _empty(image)

    def divide(block: np.ndarray, which: slice) -> None:
        np.exp(block, out=block)
        quotient = np.divide(seen[which], block, out=lines[which], dtype=np.float32, casting="same_kind")
        if not np.isfinite(quotient).all():
            raise InputError(NOT_FINITE)

    _for_blocks(field, divide)
    return divided


def counts_inside(image: sitk.Image, mask: sitk.Image) -> tuple[int, int, float]:
    """Of the voxels where the mask is not 0: how many, how many above 0 in the image, and the lowest value up to 0.

    Both on one grid. The lowest value is 0 where all are above 0.
    """
    values, labels = (sitk.GetArrayViewFromImage(part).reshape(-1, image.GetSize()[0]) for part in (image, mask))
    counts: list[tuple[int, int, float]] = []

    def run(blocks: Iterable[slice]) -> None:
        for which in blocks:
            inside = labels[which] != 0
            above = values[which] > 0
            above &= inside
            count, count_above = int(np.count_nonzero(inside)), int(np.count_nonzero(above))
            lowest = float(values[which][inside].min()) if count_above < count else 0.0
            counts.append((count, count_above, lowest))

    _in_threads(run, len(values), max(1, BLOCK // 4 // values.shape[1]))
    all_of_it, above_zero, lowest = zip(*counts, strict=True)
    return sum(all_of_it), sum(above_zero), min(lowest)


def _for_blocks(field: SplineField, work: Callable[[np.ndarray, slice], None]) -> None:
    """Calls `work` with the field (lines, x) on each block of lines along x, and with which lines these are."""
    rows, x = field.lines()
    per_block = max(1, BLOCK // x.size)

    def run(blocks: Iterable[slice]) -> None:
        buffer = np.empty((per_block, x.shape[1]), dtype=np.float32)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            for which in blocks:
                work(np.matmul(rows[which], x, out=buffer[: which.stop - which.start]), which)

    _in_threads(run, len(rows), per_block)


def _in_threads(run: Callable[[Iterable[slice]], None], lines: int, per_block: int) -> None:
    """Calls `run` once in each thread, with its share of the blocks that make up so many lines."""
    blocks = [slice(start, min(start + per_block, lines)) for start in range(0, lines, per_block)]
    threads = min(sitk.ProcessObject.GetGlobalDefaultNumberOfThreads(), len(blocks))
    if threads < 2:
        run(blocks)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, [blocks[thread::threads] for thread in range(threads)]))


def _empty(like: sitk.Image) -> tuple[sitk.Image, np.ndarray]:
    """A new float32 image with the geometry of `like`, and its voxels to write to (lines, x).

    SimpleITK shows voxels read-only and copies arrays into images, which takes as long as all the rest here. This
    image belongs to nobody else yet, so that its memory can be written to for as long as it is held.
    """
    image = sitk.Image(like.GetSize(), sitk.sitkFloat32)
    image.CopyInformation(like)
    view = sitk.GetArrayViewFromImage(image)
    memory = (ctypes.c_float * view.size).from_address(view.ctypes.data)
    return image, np.ctypeslib.as_array(memory).reshape(-1, view.shape[-1])
