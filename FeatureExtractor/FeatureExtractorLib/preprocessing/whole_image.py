"""What N4 does to every voxel of an image, in one pass each.

A large image is read from memory and written to it more slowly than it is computed with. The work is therefore done
for some lines of voxels at a time, which stay in the processor's cache, and by as many threads as ITK uses. Each line
is computed by itself, so that the result does not hang on the number of threads.
"""

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .bspline_fit import SplineField

BLOCK = 2**19  # operations a block: its numbers fit into the cache, and threads seldom wait for each other

NOT_FINITE = "N4 found no finite bias field for this image and mask; use a larger mask or switch N4 off."


def field_image(field: SplineField, like: sitk.Image) -> sitk.Image:
    """The field at every voxel of the image `like`, float32, in its geometry."""
    image = sitk.Image(like.GetSize(), sitk.sitkFloat32)
    image.CopyInformation(like)
    lines = _writable(image)

    def write(block: np.ndarray, which: slice) -> None:
        lines[which] = block

    _for_blocks(field, write)
    return image


def divided_by_exp(image: sitk.Image, field: SplineField) -> sitk.Image:
    """image / exp(field), float32, in the image's geometry; raises InputError where that is not finite."""
    divided = sitk.Cast(image, sitk.sitkFloat32)  # new memory that all of ITK's threads have fetched
    lines = _writable(divided)

    def divide(block: np.ndarray, which: slice) -> None:
        np.exp(block, out=block)
        quotient = np.divide(lines[which], block, out=lines[which])
        if not np.isfinite(quotient).all():
            raise InputError(NOT_FINITE)

    _for_blocks(field, divide)
    return divided


def counts_inside(image: sitk.Image, mask: sitk.Image) -> tuple[int, int, float]:
    """Of the voxels where the mask is not 0: how many, how many above 0 in the image, and the lowest value up to 0.

    Both on one grid. The lowest value is 0 where all are above 0.
    """
    values, labels = (sitk.GetArrayViewFromImage(part).reshape(-1, image.GetSize()[0]) for part in (image, mask))
    all_of_it, above_zero, lowest = 0, 0, 0.0
    for which in _blocks(len(values), 4 * values.shape[1]):  # four passes over each
        seen, inside = values[which], labels[which] != 0
        above = seen > 0
        above &= inside
        counted, positive = int(np.count_nonzero(inside)), int(np.count_nonzero(above))
        all_of_it, above_zero = all_of_it + counted, above_zero + positive
        if positive < counted and seen.min() < 0:  # picking voxels out takes longer than all the rest
            lowest = min(lowest, float(seen[inside].min(initial=0)))
    return all_of_it, above_zero, lowest


def _for_blocks(field: SplineField, work: Callable[[np.ndarray, slice], None]) -> None:
    """Calls `work` with the field (lines, x) on each block of lines along x, and with which lines these are."""
    rows, x = field.lines()
    blocks = _blocks(len(rows), x.size)

    def run(blocks: list[slice]) -> None:
        buffer = np.empty((blocks[0].stop - blocks[0].start, x.shape[1]), dtype=np.float32)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            for which in blocks:
                work(np.matmul(rows[which], x, out=buffer[: which.stop - which.start]), which)

    threads = min(sitk.ProcessObject.GetGlobalDefaultNumberOfThreads(), len(blocks))
    if threads < 2:
        run(blocks)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, [blocks[thread::threads] for thread in range(threads)]))


def _blocks(lines: int, operations: int) -> list[slice]:
    """Lines in blocks, each line being so many operations."""
    per_block = max(1, BLOCK // operations)
    return [slice(start, min(start + per_block, lines)) for start in range(0, lines, per_block)]


def _writable(image: sitk.Image) -> np.ndarray:
    """The voxels of a float32 image (lines, x), to write to for as long as the image is held.

    SimpleITK shows voxels read-only and copies arrays into images, which takes as long as all the rest here. Only for
    an image that was made just now and belongs to nobody else.
    """
    view = sitk.GetArrayViewFromImage(image)
    memory = (ctypes.c_float * view.size).from_address(view.ctypes.data)
    return np.ctypeslib.as_array(memory).reshape(-1, view.shape[-1])
