"""The fast N4 against ITK's, and against the equations it is made of."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.preprocessing import bspline_fit
from FeatureExtractorLib.preprocessing.fast_n4 import fast_n4_log_field
from FeatureExtractorLib.preprocessing.field_change import change_in_single_precision, has_converged
from FeatureExtractorLib.preprocessing.n4 import N4Settings, correct_bias_field
from FeatureExtractorLib.preprocessing.whole_image import counts_inside
from FeatureExtractorLib.reading import read_image

EQUAL = 2e-4  # largest difference of the log field inside the mask
QUICK = N4Settings(shrink=2, iterations=(10, 6, 4))


@pytest.fixture(autouse=True)
def one_itk_thread():
    """ITK sums in the order of its threads: with one of them it gives the same bits everywhere."""
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    yield
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


@pytest.fixture(scope="module")
def shaded():
    """Two tissues with noise under a smooth bias, 37×41×22 voxels, on an oblique grid: image and mask."""
    rng = np.random.default_rng(0)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (22, 41, 37)), indexing="ij")
    inside = x**2 + y**2 + z**2 < 0.95
    tissue = np.where((x - 0.2) ** 2 + y**2 + (z + 0.1) ** 2 < 0.3, 320.0, 480.0)
    values = (tissue + rng.normal(0, 20, x.shape)) * np.exp(0.25 * x - 0.2 * y * z + 0.15 * x * y)
    image = sitk.GetImageFromArray(np.where(inside, values, 10.0).astype(np.float32))
    image.SetSpacing((1.1, 0.9, 2.5))
    image.SetOrigin((-20.5, 31.25, 7.0))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    mask.CopyInformation(image)
    return image, mask


def _itk(image, mask, settings):
    field = correct_bias_field(image, mask, settings, "itk").log_field
    return sitk.GetArrayFromImage(field)


def _fast(image, mask, settings, weights=None):
    return sitk.GetArrayFromImage(fast_n4_log_field(image, mask, settings, weights))


def _largest_difference(a, b, mask):
    return float(np.abs(a - b)[sitk.GetArrayFromImage(mask) > 0].max())


def _otsu(image):
    return sitk.OtsuThreshold(image, 0, 1, 200)


def _case(data_dir, name):
    return sitk.Cast(read_image(data_dir / "pyradiomics_cases" / f"{name}_image.nrrd"), sitk.sitkFloat32)


def test_brain_with_slicers_defaults_equals_itk_and_is_much_faster(data_dir):
    image = _case(data_dir, "brain1")
    mask = _otsu(image)
    times, fields = [], []
    for function in (_itk, _fast):
        start = time.process_time()
        fields.append(function(image, mask, N4Settings()))
        times.append(time.process_time() - start)
    assert _largest_difference(*fields, mask) < EQUAL
    assert times[0] > 15 * times[1]


def test_breast_crop_equals_itk_where_the_mask_has_thousands_of_voxels(data_dir):
    image = _case(data_dir, "breast1")
    settings = N4Settings(shrink=2, iterations=(20, 15, 10))
    mask = sitk.Cast(image > 0, sitk.sitkUInt8)
    assert _largest_difference(_itk(image, mask, settings), _fast(image, mask, settings), mask) < EQUAL


def test_breast_crop_with_89_voxels_is_as_near_to_itk_as_itk_is_to_itself(data_dir):
    image = _case(data_dir, "breast1")
    mask = _otsu(image)
    assert sitk.GetArrayFromImage(sitk.Shrink(mask, [4, 4, 4])).sum() == 89
    start = N4Settings(iterations=(20,))
    assert _largest_difference(_itk(image, mask, start), _fast(image, mask, start), mask) < 1e-5
    by_threads = []
    for threads in (1, 2, 3, 4, 8):
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
        by_threads.append(_itk(image, mask, N4Settings()))
    own = max(_largest_difference(a, b, mask) for a, b in itertools.combinations(by_threads, 2))
    ours = _fast(image, mask, N4Settings())
    assert own > EQUAL
    assert max(_largest_difference(ours, field, mask) for field in by_threads) < 2 * own


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"shrink": 1, "iterations": (2, 2)},
        {"shrink": 3, "iterations": (20,)},
        {"mesh": (2, 3, 1)},
        {"mesh": (1, 2, 2), "order": 2},
        {"order": 1},
        {"fwhm": 0.3},
        {"wiener_noise": 0.1},
        {"histogram_bins": 64},
        {"histogram_bins": 256},
        {"convergence_threshold": 3e-3, "iterations": (50, 40, 30)},
        {"spline_distance": 30.0, "iterations": (10, 5)},
    ],
    ids=str,
)
def test_every_setting_means_what_it_means_to_itk(shaded, changed):
    image, mask = shaded
    chosen = replace(QUICK, **changed)
    assert _largest_difference(_itk(image, mask, chosen), _fast(image, mask, chosen), mask) < EQUAL


def test_it_is_the_fast_method_of_the_correction(shaded):
    image, mask = shaded
    result = correct_bias_field(image, mask, QUICK, "fast")
    assert np.array_equal(sitk.GetArrayFromImage(result.log_field), _fast(image, mask, QUICK))


def test_a_slice_is_corrected_in_two_dimensions(shaded):
    image, mask = shaded
    single, inside = image[:, :, 10:11], mask[:, :, 10:11]
    field = _fast(single, inside, QUICK)
    assert _largest_difference(_itk(single, inside, QUICK), field, inside) < EQUAL
    flat = fast_n4_log_field(image[:, :, 10], mask[:, :, 10], QUICK)
    assert flat.GetSpacing() == image[:, :, 10].GetSpacing()
    assert np.array_equal(sitk.GetArrayFromImage(flat), field[0])
    upright = _fast(image[18:19], mask[18:19], QUICK)
    assert np.ptp(upright) > 0.05


def test_the_field_has_the_images_geometry(shaded):
    image, mask = shaded
    for chosen in (QUICK, replace(QUICK, spline_distance=25.0)):
        field = fast_n4_log_field(image, mask, chosen)
        assert field.GetPixelID() == sitk.sitkFloat32
        for read in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
            assert getattr(field, read)() == getattr(image, read)()


def test_itks_oversight_of_a_smallest_first_voxel_is_kept():
    values = np.random.default_rng(3).uniform(80, 120, (6, 7, 8)).astype(np.float32)
    values[0, 0, 0] = 20.0
    image = sitk.GetImageFromArray(values)
    mask = sitk.Cast(image > 0, sitk.sitkUInt8)
    chosen = N4Settings(shrink=1, iterations=(3,))
    assert _largest_difference(_itk(image, mask, chosen), _fast(image, mask, chosen), mask) < 1e-5


def test_rising_intensities_leave_no_smallest_voxel_and_are_still_corrected():
    rising = np.geomspace(50, 400, 8 * 9 * 10).reshape(8, 9, 10).astype(np.float32)
    mask = sitk.GetImageFromArray(np.ones(rising.shape, dtype=np.uint8))
    assert np.isfinite(_fast(sitk.GetImageFromArray(rising), mask, N4Settings(shrink=1, iterations=(3,)))).all()


def test_brightness_does_not_matter(shaded):
    image, mask = shaded
    plain = _fast(image, mask, QUICK)
    for factor in (0.01, 37.0):
        assert _largest_difference(plain, _fast(image * factor, mask, QUICK), mask) < EQUAL


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_mirrored_image_has_the_mirrored_field(shaded, axes):
    image, mask = (part[:36, :40, :22] for part in shaded)

    def mirrored(part):
        return sitk.GetImageFromArray(np.flip(sitk.GetArrayFromImage(part), axes))

    # Subsampling an even number of voxels is not symmetric, and the last voxel is moved by a thousandth.
    chosen = replace(QUICK, shrink=1)
    expected = np.flip(_fast(image, mask, chosen), axes)
    assert _largest_difference(expected, _fast(mirrored(image), mirrored(mask), chosen), mirrored(mask)) < EQUAL


def test_what_lies_outside_the_mask_does_not_matter(shaded):
    image, mask = shaded
    other = sitk.Mask(image, mask, outsideValue=-900.0)
    assert np.array_equal(_fast(image, mask, QUICK), _fast(other, mask, QUICK))


def test_weights_of_0_and_1_are_a_mask_and_their_scale_does_not_matter(shaded):
    image, mask = shaded
    everywhere = sitk.Cast(image > -1, sitk.sitkUInt8)
    plain = _fast(image, mask, QUICK)
    assert np.array_equal(plain, _fast(image, everywhere, QUICK, mask))
    half = sitk.Cast(mask, sitk.sitkFloat32) * 0.5
    for chosen in (QUICK, replace(QUICK, spline_distance=25.0)):
        plain = _fast(image, mask, chosen)
        assert _largest_difference(plain, _fast(image, mask, chosen, half), mask) < 1e-4


def test_weights_draw_the_field_to_what_is_trusted(shaded):
    image, mask = shaded
    left = sitk.GetArrayFromImage(mask).astype(np.float32)
    left[:, :, 18:] *= 1e-3
    trusted = sitk.GetImageFromArray(left)
    trusted.CopyInformation(image)
    assert _largest_difference(_fast(image, mask, QUICK), _fast(image, mask, QUICK, trusted), mask) > 0.01


def test_the_fit_is_lee_wolberg_and_shins():
    """Each control point as in eq. 3–5 of the paper, voxel by voxel, with confidence."""
    rng = np.random.default_rng(1)
    shape, points = (5, 6, 7), (4, 5, 6)
    values, confidence = rng.normal(size=shape), rng.uniform(0, 2, shape) * (rng.random(shape) < 0.7)
    bases = [bspline_fit.basis(n, c, 3) for n, c in zip(shape, points, strict=True)]
    numerator, denominator = np.zeros(points), np.zeros(points)
    for voxel in np.ndindex(shape):
        w = np.einsum("c,b,a->cba", *(basis[i] for basis, i in zip(bases, voxel, strict=True)))
        numerator += confidence[voxel] * w**2 * (w * values[voxel] / (w**2).sum())
        denominator += confidence[voxel] * w**2
    grid = bspline_fit.GridFit(bases, confidence.astype(np.float32))
    lattice = grid.fit((values * confidence).astype(np.float32))
    counts = denominator > 1e-6
    np.testing.assert_allclose(lattice[counts], (numerator[counts] / denominator[counts]), rtol=1e-3, atol=1e-5)
    field = np.einsum("zc,yb,xa,cba->zyx", *bases, lattice)
    np.testing.assert_allclose(grid.evaluate(lattice), field, atol=1e-5)


@given(size=st.integers(2, 40), spans=st.integers(1, 8), order=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_the_basis_is_scipys(size, spans, order):
    u = spans * np.arange(size) / (size - 1)
    u[-1] -= 1e-3 * spans / (size - 1)
    expected = BSpline.design_matrix(u, np.arange(-order, spans + order + 1.0), order).toarray()
    np.testing.assert_allclose(bspline_fit.basis(size, spans + order, order), expected, atol=1e-12)


@given(spans=st.tuples(*[st.integers(1, 4)] * 3), order=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_refining_the_lattice_leaves_the_field_as_it_is(spans, order, seed):
    lattice = np.random.default_rng(seed).normal(size=[n + order for n in spans])
    finer = bspline_fit.refine(lattice, order)
    assert finer.shape == tuple(2 * n + order for n in spans)
    before, after = (
        np.einsum("zc,yb,xa,cba->zyx", *(bspline_fit.basis(9, c, order) for c in phi.shape), phi)
        for phi in (lattice, finer)
    )
    np.testing.assert_allclose(after, before, atol=1e-10)


@given(seed=st.integers(0, 99), voxels=st.integers(2, 3000), size=st.sampled_from([1e-5, 1e-4, 1e-2]))
@settings(max_examples=30, deadline=None)
def test_the_change_of_the_field_is_summed_as_itk_sums_it(seed, voxels, size):
    rng = np.random.default_rng(seed)
    ratio = np.exp(rng.normal(size, size, voxels) + np.linspace(0, size, voxels)).astype(np.float32)
    mean = total = np.float32(0)
    for n, value in enumerate(ratio.tolist(), start=1):
        if n > 1:
            deviation = float(np.square(np.float32(value) - mean))
            total = np.float32(float(total) + deviation * (n - 1.0) / n)
        mean = np.float32(float(mean) * (1.0 - 1.0 / n) + float(np.float32(value) / np.float32(n)))
    expected = float(np.sqrt(float(total) / (voxels - 1.0)) / mean)
    assert change_in_single_precision(ratio) == pytest.approx(expected, rel=1e-5)


def test_a_field_that_stays_has_converged_and_one_that_moves_has_not():
    rng = np.random.default_rng(0)
    old = rng.normal(0, 0.1, 5000).astype(np.float32)
    assert has_converged(old, old + np.float32(0.5), 1e-4)  # a constant is no change of the field's shape
    assert not has_converged(old, old + rng.normal(0, 1e-3, 5000).astype(np.float32), 1e-4)


def test_too_little_to_estimate_from_is_refused(shaded):
    image, mask = shaded
    for wrong in (mask * 0, sitk.Cast(mask, sitk.sitkFloat32) * 0):
        with pytest.raises(InputError, match="no two different intensities"):
            fast_n4_log_field(image, wrong, QUICK)
    with pytest.raises(InputError, match="no two different intensities"):
        fast_n4_log_field(image * 0 + 5, mask, QUICK)


@pytest.mark.parametrize("kind", [sitk.sitkUInt8, sitk.sitkInt16, sitk.sitkInt32, sitk.sitkFloat32, sitk.sitkFloat64])
def test_the_image_is_divided_by_its_field_whatever_its_number_type_and_the_threads(shaded, kind):
    image, mask = sitk.Cast(shaded[0] / 4, kind), shaded[1]
    results = []
    for threads in (1, 2, 7):
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
        results.append(correct_bias_field(image, mask, QUICK, "fast"))
    corrected, field = (sitk.GetArrayFromImage(part) for part in (results[0].corrected, results[0].log_field))
    for other in results[1:]:
        assert np.array_equal(sitk.GetArrayFromImage(other.corrected), corrected)
        assert np.array_equal(sitk.GetArrayFromImage(other.log_field), field)
    assert corrected.dtype == np.float32
    expected = sitk.GetArrayFromImage(image) / np.exp(field.astype(np.float64))
    np.testing.assert_allclose(corrected, expected, rtol=1e-6)
    for read in ("GetOrigin", "GetSpacing", "GetDirection"):
        assert getattr(results[0].corrected, read)() == getattr(image, read)()


@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    lowest=st.integers(-3, 1),
    kind=st.sampled_from([np.int16, np.float32]),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_voxels_inside_are_counted_as_numpy_counts_them(shape, lowest, kind, seed):
    rng = np.random.default_rng(seed)
    values, labels = rng.integers(lowest, 6, shape).astype(kind), rng.integers(0, 3, shape).astype(np.uint8)
    seen = values[labels != 0]
    for threads in (1, 3):
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
        counted = counts_inside(sitk.GetImageFromArray(values), sitk.GetImageFromArray(labels))
        assert counted == (seen.size, np.count_nonzero(seen > 0), seen.min(initial=0))
