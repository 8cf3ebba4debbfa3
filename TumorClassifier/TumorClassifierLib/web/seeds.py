"""Grow from seeds: a few strokes inside and outside a tumour become its outline.

Slicer's own cellular automaton does it (Zhu, Kolesov, Gao, Kikinis, Tannenbaum 2014) in a box around the strokes, as
Slicer's segment editor does. Whoever strokes in one slice says nothing of how tall the tumour is; it is then taken to
be no taller than the strokes are wide, and what lies on the faces of that box counts as outside.
"""

import numpy as np
import SimpleITK as sitk
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData

from FeatureExtractorLib.errors import InputError

INSIDE, OUTSIDE = 1, 2
ROOM = 1  # voxels around the strokes


def grow_from_seeds(image: sitk.Image, inside: sitk.Image, outside: sitk.Image) -> sitk.Image:
    """The tumour's mask (uint8 0/1, on the image's grid) from strokes (0/1, on the same grid) inside and outside it.

    Voxels that both strokes cover count as outside. Raises InputError when one of them is empty.
    """
    values = sitk.GetArrayViewFromImage(image)
    seeds = np.zeros(values.shape, dtype=np.int16)
    seeds[sitk.GetArrayViewFromImage(inside) != 0] = INSIDE
    seeds[sitk.GetArrayViewFromImage(outside) != 0] = OUTSIDE
    for label, where in ((INSIDE, "inside"), (OUTSIDE, "outside")):
        if not (seeds == label).any():
            raise InputError(f"There is no stroke {where} the tumour; draw one with Mark {where}, then grow.")
    box = _box(seeds != 0, image.GetSpacing()[::-1])
    close(seeds[box])
    grown = np.zeros(values.shape, dtype=np.uint8)
    grown[box] = _grown(values[box].astype(np.float32), seeds[box], image.GetSpacing()) == INSIDE
    mask = sitk.GetImageFromArray(grown)
    mask.CopyInformation(image)
    return mask


def close(seeds: np.ndarray) -> None:
    """Let the faces of a box count as outside where nothing else was said."""
    for axis, length in enumerate(seeds.shape):
        for end in (0, length - 1):
            face = np.moveaxis(seeds, axis, 0)[end]
            face[face == 0] = OUTSIDE


def _box(marked: np.ndarray, spacing: tuple[float, ...]) -> tuple[slice, ...]:
    """The box around all strokes, as tall as it is wide (in mm), with a little room, within the image. z, y, x."""
    ends = []
    for axis in range(3):
        where = np.flatnonzero(marked.any(axis=tuple(other for other in range(3) if other != axis)))
        ends.append((int(where[0]), int(where[-1])))
    widest = max((high - low + 1) * step for (low, high), step in zip(ends, spacing, strict=True))
    box = []
    for (low, high), step, length in zip(ends, spacing, marked.shape, strict=True):
        lacking = widest / step - (high - low + 1)
        room = ROOM + max(0, round(lacking / 2))
        box.append(slice(max(0, low - room), min(length, high + 1 + room)))
    return tuple(box)


def _grown(values: np.ndarray, seeds: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    from slicer import vtkImageGrowCutSegment

    grow = vtkImageGrowCutSegment()
    grow.SetIntensityVolume(_image_data(values, spacing))
    grow.SetSeedLabelVolume(_image_data(seeds, spacing))
    grow.Update()
    return vtk_to_numpy(grow.GetOutput().GetPointData().GetScalars()).reshape(seeds.shape)


def _image_data(array: np.ndarray, spacing: tuple[float, ...]) -> vtkImageData:
    data = vtkImageData()
    data.SetSpacing(spacing)
    data.SetDimensions(array.shape[::-1])
    data.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True))
    return data
