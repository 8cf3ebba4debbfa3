import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from FeatureExtractorLib import regions
from FeatureExtractorLib.errors import InputError

SHAPE = (6, 9, 11)


def _mask(array: np.ndarray) -> sitk.Image:
    return sitk.GetImageFromArray(array.astype(np.uint8))


masks = arrays(np.bool_, SHAPE, elements=st.booleans()).filter(lambda array: array.any())
sparse_masks = st.lists(st.tuples(*(st.integers(0, n - 1) for n in SHAPE)), min_size=1, max_size=8).map(
    lambda voxels: np.isin(np.arange(np.prod(SHAPE)).reshape(SHAPE), [np.ravel_multi_index(v, SHAPE) for v in voxels])
)
many = settings(max_examples=60, deadline=None)


@many
@given(sparse_masks)
def test_bounding_box_holds_all_and_touches_every_side(array):
    box = regions.bounding_box(_mask(array))
    inside = array[box.slices]
    assert inside.sum() == array.sum()
    assert inside.shape == box.shape
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        profile = inside.any(axis=other)
        assert profile[0]
        assert profile[-1]


@many
@given(sparse_masks, st.permutations((0, 1, 2)))
def test_bounding_box_follows_permuted_axes(array, order):
    box = regions.bounding_box(_mask(array))
    permuted = regions.bounding_box(_mask(np.transpose(array, order)))
    assert permuted.slices == tuple(box.slices[axis] for axis in order)


@many
@given(masks)
def test_maximum_area_slice_is_the_first_of_the_largest(array):
    k = regions.maximum_area_slice(_mask(array))
    areas = [int(axial.sum()) for axial in array]
    assert areas[k] == max(areas)
    assert max(areas) not in areas[:k]


@many
@given(sparse_masks)
def test_centre_slice_has_tumour_and_is_the_nearest_to_the_middle(array):
    k = regions.centre_slice(_mask(array))
    box = regions.bounding_box(_mask(array))
    middle = (box.z.start + box.z.stop - 1) // 2
    with_tumour = [i for i in range(SHAPE[0]) if array[i].any()]
    assert k in with_tumour
    assert abs(k - middle) == min(abs(i - middle) for i in with_tumour)


def test_empty_masks_are_refused():
    empty = _mask(np.zeros(SHAPE, bool))
    for function in (regions.bounding_box, regions.maximum_area_slice, regions.centre_slice):
        with pytest.raises(InputError, match="The mask is empty"):
            function(empty)
    with pytest.raises(InputError, match="empty on the slice"):
        regions.crop_square(np.zeros((4, 4)), np.zeros((4, 4), bool))


@many
@given(sparse_masks.map(lambda array: array.any(axis=0)), st.integers(0, 5), st.integers(0, 7))
def test_crop_moves_with_the_tumour(mask2d, down, right):
    values = np.arange(1, mask2d.size + 1, dtype=float).reshape(mask2d.shape) * mask2d
    shifted_mask, shifted = (np.pad(a, ((down, 7 - down), (right, 9 - right))) for a in (mask2d, values))
    square, region = regions.crop_square(values, mask2d, 0.25)
    shifted_square, shifted_region = regions.crop_square(shifted, shifted_mask, 0.25)
    assert np.array_equal(square, shifted_square)
    assert (shifted_region.row0 - region.row0, shifted_region.col0 - region.col0) == (down, right)


@many
@given(sparse_masks.map(lambda array: array.any(axis=0)), st.floats(0, 1))
def test_crop_follows_transposition_and_holds_the_tumour(mask2d, margin):
    values = np.where(mask2d, 3.0, 0.0)
    square, region = regions.crop_square(values, mask2d, margin)
    transposed, _ = regions.crop_square(values.T, mask2d.T, margin)
    assert np.array_equal(transposed, square.T)
    assert np.count_nonzero(square) == mask2d.sum()
    assert np.array_equal(regions.place_square(square, region, mask2d.shape), values)


def test_crop_is_padded_with_zeros_over_the_edge():
    mask2d = np.zeros((5, 8), bool)
    mask2d[0, :6] = True
    square, region = regions.crop_square(np.ones((5, 8)), mask2d)
    assert region == regions.SquareRegion(-2, 0, 6)
    assert square.shape == (6, 6)
    assert np.array_equal(square.sum(axis=1), [0, 0, 6, 6, 6, 6])


def test_crop_refuses_what_does_not_fit():
    with pytest.raises(InputError, match="differ in shape"):
        regions.crop_square(np.zeros((3, 4)), np.ones((4, 3)))
    with pytest.raises(InputError, match="margin cannot be -0.1"):
        regions.square_around(np.ones((3, 3)), -0.1)
    with pytest.raises(InputError, match="resize it first"):
        regions.place_square(np.zeros((3, 3)), regions.SquareRegion(0, 0, 4), (9, 9))


@pytest.mark.parametrize(("old", "new"), [((37, 53), (224, 224)), ((300, 411), (224, 224)), ((20, 300), (64, 64))])
def test_resize_equals_pytorch(old, new):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=old)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], new, mode="bilinear", align_corners=False, antialias=True
    )[0, 0].numpy()
    np.testing.assert_allclose(regions.resize(values, new), expected, rtol=0, atol=1e-12)


@many
@given(arrays(np.float64, (7, 5), elements=st.floats(-10, 10)), st.integers(1, 12), st.integers(1, 12))
def test_resize_keeps_flips_and_range(values, rows, columns):
    resized = regions.resize(values, (rows, columns))
    np.testing.assert_allclose(regions.resize(values[::-1, ::-1], (rows, columns)), resized[::-1, ::-1], atol=1e-12)
    assert resized.min() >= values.min() - 1e-12
    assert resized.max() <= values.max() + 1e-12
    np.testing.assert_allclose(regions.resize(values, values.shape), values, atol=1e-12)


def test_jet_equals_matplotlib():
    colormaps = pytest.importorskip("matplotlib").colormaps
    steps = np.linspace(0, 1, 256)[np.newaxis]
    expected = np.moveaxis(colormaps["jet"](steps)[..., :3], -1, 0)
    np.testing.assert_allclose(regions.jet_pseudo_colour(steps), expected, atol=1e-6)


def test_grey3_repeats_the_picture():
    picture = np.random.default_rng(1).random((3, 4))
    channels = regions.grey3(picture)
    assert channels.shape == (3, 3, 4)
    assert channels.dtype == np.float32
    assert all(np.array_equal(channel, picture.astype(np.float32)) for channel in channels)
