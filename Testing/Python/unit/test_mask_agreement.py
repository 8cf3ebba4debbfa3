"""Overlap and distances of two masks, against brute force, MONAI and geometry."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from FeatureExtractorLib.errors import GeometryError, InputError
from FeatureExtractorLib.mask_agreement import mask_agreement

SPACING = (0.7, 0.9, 3.0)


def mask_of(array: np.ndarray, spacing=SPACING) -> sitk.Image:
    mask = sitk.GetImageFromArray(array.astype(np.uint8))
    mask.SetSpacing(spacing)
    mask.SetDirection((0.0, -1.0, 0.0, 0.8, 0.0, -0.6, 0.6, 0.0, 0.8))
    return mask


def blob(seed: int, shape=(8, 15, 17)) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0)
    return field > np.quantile(field, 0.8)


def surface_points(mask: sitk.Image) -> np.ndarray:
    """Physical points (mm) of the voxels that have a face neighbour outside, one by one."""
    array = np.pad(sitk.GetArrayFromImage(mask), 1)
    steps = np.vstack([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    points = []
    for index in np.argwhere(array):
        if any(array[tuple(index + step)] == 0 for step in steps):
            points.append(mask.TransformIndexToPhysicalPoint([int(i) - 1 for i in index[::-1]]))
    return np.array(points)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_equals_brute_force_in_physical_space(one, other):
    first, second = mask_of(blob(one)), mask_of(blob(other))
    found = mask_agreement(first, second)
    a, b = blob(one), blob(other)
    assert found.dice == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()), abs=1e-12)
    distances = cdist(surface_points(first), surface_points(second))
    there, back = distances.min(axis=1), distances.min(axis=0)
    assert found.hausdorff == pytest.approx(max(there.max(), back.max()), abs=1e-9)
    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    assert found.hausdorff_95 == pytest.approx(expected, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_does_not_depend_on_who_is_first_and_scales_with_the_voxels(one, other):
    first, second = blob(one), blob(other)
    found = mask_agreement(mask_of(first), mask_of(second))
    assert mask_agreement(mask_of(second), mask_of(first)) == found
    assert 0 <= found.dice <= 1 and 0 <= found.hausdorff_95 <= found.hausdorff
    doubled = tuple(2 * s for s in SPACING)
    larger = mask_agreement(mask_of(first, doubled), mask_of(second, doubled))
    assert larger.dice == found.dice
    assert larger.hausdorff == pytest.approx(2 * found.hausdorff)


def test_equals_monai():
    metrics = pytest.importorskip("monai.metrics")
    import torch

    first, second = blob(3), blob(4)
    found = mask_agreement(mask_of(first), mask_of(second))
    tensors = [torch.from_numpy(a.astype(np.float32))[None, None] for a in (first, second)]
    for percentile, ours in ((None, found.hausdorff), (95, found.hausdorff_95)):
        theirs = metrics.compute_hausdorff_distance(
            *tensors, include_background=True, percentile=percentile, spacing=SPACING[::-1]
        )
        assert ours == pytest.approx(theirs.item(), rel=1e-5)


def test_identical_masks_agree_fully_and_a_shift_is_its_length():
    array = np.zeros((6, 20, 20), dtype=bool)
    array[2:4, 5:10, 5:10] = True
    same = mask_agreement(mask_of(array), mask_of(array))
    assert (same.dice, same.hausdorff, same.hausdorff_95) == (1.0, 0.0, 0.0)
    moved = mask_agreement(mask_of(array), mask_of(np.roll(array, 8, axis=2)))
    assert moved.dice == 0.0
    assert moved.hausdorff == pytest.approx(8 * SPACING[0])


def test_a_single_slice_has_an_outline_not_a_face():
    y, x = np.mgrid[:41, :41]
    discs = [np.hypot(y - 20, x - 20)[None] <= radius for radius in (15, 5)]
    found = mask_agreement(mask_of(discs[0], (1, 1, 5)), mask_of(discs[1], (1, 1, 5)))
    assert found.hausdorff == pytest.approx(10.0, abs=0.5)  # half a voxel either way
    assert found.hausdorff_95 == pytest.approx(10.0, abs=0.5)
    there = cdist(np.argwhere(discs[0][0]), np.argwhere(discs[1][0])).min(axis=1)
    assert np.median(there) < 8.0 < found.hausdorff_95, "voxels inside the larger disc must not count"


def test_useless_masks_are_refused_by_reader():
    array = blob(0)
    with pytest.raises(InputError, match="second reader's mask of case p1 is empty"):
        mask_agreement(mask_of(array), mask_of(array & False), "p1")
    with pytest.raises(GeometryError, match="first reader's mask and the second reader's mask of case p1"):
        mask_agreement(mask_of(array), mask_of(array[1:]), "p1")
