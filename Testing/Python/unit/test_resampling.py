import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.preprocessing.resampling import orient, resample, resample_mask, to_geometry_of

many = settings(max_examples=30, deadline=None)
sizes = st.tuples(*[st.integers(1, 12)] * 3)
lengths = st.tuples(*[st.floats(0.3, 4.0)] * 3)
new_lengths = st.tuples(*[st.one_of(st.just(0.0), st.floats(0.4, 4.0))] * 3)
OBLIQUE = (0.0, -1.0, 0.0, 0.8, 0.0, -0.6, 0.6, 0.0, 0.8)


def _image(array: np.ndarray, spacing=(1.0, 1.0, 1.0), direction=OBLIQUE) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((3.0, -7.0, 11.0))
    image.SetDirection(direction)
    return image


def _noise(size, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=size[::-1])


def _centre(image: sitk.Image) -> tuple[float, ...]:
    return image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])


@many
@given(sizes, lengths, new_lengths)
def test_new_grid_covers_the_old_one_around_the_same_centre(size, old, new):
    image = _image(_noise(size), old)
    result = resample(image, new, "linear")
    np.testing.assert_allclose(_centre(result), _centre(image), atol=1e-9)
    for n, s, m, wanted, got in zip(size, old, result.GetSize(), new, result.GetSpacing(), strict=True):
        assert got == (wanted or s)
        assert m * got >= n * s - 1e-5 * s
        assert (m - 1) * got < n * s or m == 1
    assert result.GetDirection() == image.GetDirection()
    values = sitk.GetArrayFromImage(result)
    assert values.min() >= _noise(size).min() - 1e-6
    assert values.max() <= _noise(size).max() + 1e-6


@many
@given(sizes, lengths, new_lengths, st.sampled_from(["linear", "bspline"]), st.integers(0, 2))
def test_mirrored_images_give_mirrored_results(size, old, new, interpolator, axis):
    values = _noise(size)
    result = sitk.GetArrayFromImage(resample(_image(values, old), new, interpolator))
    mirrored = sitk.GetArrayFromImage(resample(_image(np.flip(values, axis).copy(), old), new, interpolator))
    # Nothing is mirrored better than the sample positions are known: about 1e-9 of a voxel, more at kinks.
    np.testing.assert_allclose(np.flip(mirrored, axis), result, atol=1e-5)


@many
@given(sizes, lengths, new_lengths, st.tuples(*[st.floats(-100, 100)] * 3))
def test_moving_the_image_in_space_changes_no_value(size, old, new, shift):
    image = _image(_noise(size), old)
    moved = sitk.Image(image)
    moved.SetOrigin([o + s for o, s in zip(image.GetOrigin(), shift, strict=True)])
    here, there = resample(image, new), resample(moved, new)
    np.testing.assert_allclose(sitk.GetArrayFromImage(there), sitk.GetArrayFromImage(here), atol=1e-5)
    np.testing.assert_allclose(np.subtract(there.GetOrigin(), here.GetOrigin()), shift, atol=1e-9)


@pytest.mark.parametrize("interpolator", ["nearest", "linear", "bspline"])
@many
@given(sizes, lengths)
def test_keeping_the_spacing_keeps_the_image(interpolator, size, spacing):
    image = _image(_noise(size), spacing)
    result = resample(image, (0, 0, 0), interpolator)
    assert result.GetSize() == image.GetSize()
    np.testing.assert_allclose(sitk.GetArrayFromImage(result), sitk.GetArrayFromImage(image), atol=1e-6)


@many
@given(lengths, new_lengths)
def test_there_and_back_again_keeps_a_smooth_image(old, new):
    z, y, x = np.meshgrid(*[np.linspace(0, 1, 16)] * 3, indexing="ij")
    image = _image((x + 2 * y - z + 0.2 * x * y).astype(np.float64), old)
    finer = [min(o, n) if n else 0 for o, n in zip(old, new, strict=True)]
    back = to_geometry_of(resample(image, finer, "linear"), image, "linear")
    inside = (slice(1, -1),) * 3
    np.testing.assert_allclose(sitk.GetArrayFromImage(back)[inside], sitk.GetArrayFromImage(image)[inside], atol=0.02)


@many
@given(lengths, lengths)
def test_mask_keeps_its_extent_and_type(old, new):
    assume(all(12 * o >= n for o, n in zip(old, new, strict=True)))  # thinner masks may fall between voxels
    array = np.zeros((24, 24, 24), np.uint8)
    array[6:18, 6:18, 6:18] = 1
    mask = _image(array, old)
    result = resample_mask(mask, new)
    assert result.GetPixelID() == sitk.sitkUInt8
    found = sitk.GetArrayFromImage(result)
    assert set(np.unique(found)) <= {0, 1}
    for axis, (o, n) in enumerate(zip(old, new, strict=True)):
        extent = found.any(axis=tuple(a for a in range(3) if a != 2 - axis)).sum() * n
        assert abs(extent - 12 * o) <= n + 1e-9


def test_image_and_mask_land_on_one_grid():
    array = _noise((9, 8, 7))
    image, mask = _image(array, (0.7, 0.9, 3.1)), _image((array > 0).astype(np.uint8), (0.7, 0.9, 3.1))
    new_image, new_mask = resample(image, (1, 1, 1)), resample_mask(mask, (1, 1, 1))
    assert new_image.GetSize() == new_mask.GetSize()
    assert new_image.GetOrigin() == new_mask.GetOrigin()
    assert new_image.GetPixelID() == sitk.sitkFloat64
    assert resample(sitk.Cast(image, sitk.sitkInt16), (1, 1, 1)).GetPixelID() == sitk.sitkFloat32


def test_a_single_slice_is_resampled_in_its_plane_as_the_same_slice_of_a_stack():
    plane = _noise((20, 22, 1))
    single = _image(plane, (0.5, 0.5, 5.0))
    stack = _image(np.repeat(plane, 9, axis=0), (0.5, 0.5, 5.0))
    alone = sitk.GetArrayFromImage(resample(single, (0.8, 0.8, 0)))[0]
    middle = sitk.GetArrayFromImage(resample(stack, (0.8, 0.8, 0)))[4]
    np.testing.assert_allclose(alone, middle, atol=1e-6)


def test_b_spline_meets_a_quadratic_exactly_away_from_the_edges():
    x = np.arange(40.0)
    image = _image(np.broadcast_to(0.1 * x**2 - x, (40, 40, 40)).copy(), direction=np.eye(3).ravel())
    fine = resample(image, (0.5, 0, 0))
    at = [fine.TransformIndexToPhysicalPoint((i, 0, 0))[0] - 3.0 for i in range(fine.GetSize()[0])]
    values = sitk.GetArrayFromImage(fine)[20, 20]
    middle = slice(30, 50)
    expected = 0.1 * np.square(at) - at
    np.testing.assert_allclose(values[middle], expected[middle], atol=1e-4)


def test_outside_of_the_image_is_what_was_asked_for():
    image = _image(np.ones((4, 4, 4), np.int16), direction=np.eye(3).ravel())
    reference = _image(np.zeros((8, 8, 8)), direction=np.eye(3).ravel())
    values = sitk.GetArrayFromImage(to_geometry_of(image, reference, "nearest", outside=-5))
    assert values.dtype == np.int16
    assert (values[:4, :4, :4] == 1).all()
    assert (values[5:] == -5).all()


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SLP", "AIR"])
def test_orient_permutes_voxels_and_comes_back(axes):
    image = _image(np.arange(60.0).reshape(3, 4, 5), (0.5, 1.0, 2.0), direction=np.eye(3).ravel())
    turned = orient(image, axes)
    assert sorted(sitk.GetArrayFromImage(turned).ravel()) == sorted(sitk.GetArrayFromImage(image).ravel())
    back = orient(turned, "LPS")
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(back.GetOrigin(), image.GetOrigin())
    for corner in ((0, 0, 0), (4, 3, 2)):
        point = image.TransformIndexToPhysicalPoint(corner)
        assert turned[turned.TransformPhysicalPointToIndex(point)] == image[corner]


def test_wrong_settings_are_refused_by_name():
    image = _image(np.zeros((4, 4, 4)))
    with pytest.raises(InputError, match="interpolator 'cubic' is unknown"):
        resample(image, (1, 1, 1), "cubic")
    for spacing in ((1, 1), (1, -1, 1), (1, 1, float("nan"))):
        with pytest.raises(InputError, match="is not 3 lengths in mm"):
            resample(image, spacing)
    for axes in ("LPX", "LRS", "LP", "lps"):
        with pytest.raises(InputError, match="not three of"):
            orient(image, axes)
