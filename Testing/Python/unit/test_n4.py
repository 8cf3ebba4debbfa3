import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import GeometryError, InputError
from FeatureExtractorLib.preprocessing.n4 import N4Settings, correct_bias_field, shrink_factors
from FeatureExtractorLib.reading import read_image

QUICK = N4Settings(iterations=(10, 8))


def _slicer_module_log_field(image, mask):
    """What Slicer's N4 module does with its defaults, written out with SimpleITK."""
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations([50, 40, 30])
    corrector.SetConvergenceThreshold(0.0001)
    corrector.SetSplineOrder(3)
    corrector.SetNumberOfControlPoints([4, 4, 4])
    corrector.Execute(sitk.Shrink(image, [4, 4, 4]), sitk.Shrink(mask, [4, 4, 4]))
    return sitk.Cast(corrector.GetLogBiasFieldAsImage(image), sitk.sitkFloat32)


@pytest.fixture(scope="module")
def brain1(data_dir):
    return sitk.Cast(read_image(data_dir / "pyradiomics_cases" / "brain1_image.nrrd"), sitk.sitkFloat32)


@pytest.fixture(scope="module")
def shaded():
    """A made object of two tissues under a known smooth bias: image, mask and the bias' log."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (24, 48, 48)), indexing="ij")
    head = x**2 + y**2 + z**2 < 0.9
    tissue = np.where((x - 0.2) ** 2 + y**2 + z**2 < 0.2, 300.0, 500.0) * head
    log_bias = 0.25 * x - 0.2 * y * z + 0.15 * x * y
    noise = np.random.default_rng(0).normal(0, 5, head.shape)
    image = sitk.GetImageFromArray((np.clip(tissue + noise, 1, None) * head * np.exp(log_bias)).astype(np.float32))
    image.SetSpacing((2.0, 2.0, 4.0))
    mask = sitk.GetImageFromArray(head.astype(np.uint8))
    mask.CopyInformation(image)
    return image, mask, log_bias


def test_defaults_equal_slicers_module(brain1):
    result = correct_bias_field(brain1)
    otsu = sitk.OtsuThreshold(brain1, 0, 1, 200)
    expected = _slicer_module_log_field(brain1, otsu)
    assert np.array_equal(sitk.GetArrayFromImage(result.log_field), sitk.GetArrayFromImage(expected))
    divided = sitk.GetArrayFromImage(sitk.Cast(brain1 / sitk.Exp(expected), sitk.sitkFloat32))
    assert np.array_equal(sitk.GetArrayFromImage(result.corrected), divided)
    assert result.warnings == ()
    assert result.method == "itk"
    assert result.corrected.GetPixelID() == sitk.sitkFloat32
    values = sitk.GetArrayFromImage(result.corrected)
    assert np.isfinite(values).all()
    assert np.array_equal(values == 0, sitk.GetArrayFromImage(brain1) == 0)


def test_field_is_found_and_evaluated_at_full_resolution(shaded):
    image, mask, log_bias = shaded
    result = correct_bias_field(image, mask)
    field = sitk.GetArrayFromImage(result.log_field).astype(float)
    assert result.log_field.GetSize() == image.GetSize()
    assert result.log_field.GetSpacing() == image.GetSpacing()
    inside = sitk.GetArrayFromImage(mask) > 0
    assert np.corrcoef(field[inside], log_bias[inside])[0, 1] > 0.97
    # A field enlarged from the subsampled grid would stand still within blocks of four voxels.
    steps = np.abs(np.diff(field, axis=2))[inside[:, :, 1:]]
    assert (steps > 0).mean() > 0.99
    before, after = (sitk.GetArrayFromImage(i)[inside] for i in (image, result.corrected))
    bright = before > np.median(before) * 0.75
    assert after[bright].std() / after[bright].mean() < 0.5 * before[bright].std() / before[bright].mean()


def test_every_setting_reaches_itk(shaded):
    image, mask, _ = shaded
    plain = sitk.GetArrayFromImage(correct_bias_field(image, mask, QUICK).log_field)
    for changed in (
        N4Settings(shrink=2, iterations=(10, 8)),
        N4Settings(iterations=(10,)),
        N4Settings(iterations=(10, 8), convergence_threshold=0.05),
        N4Settings(iterations=(10, 8), mesh=(2, 1, 1)),
        N4Settings(iterations=(10, 8), spline_distance=40.0),
        N4Settings(iterations=(10, 8), fwhm=0.3),
        N4Settings(iterations=(10, 8), wiener_noise=0.1),
        N4Settings(iterations=(10, 8), histogram_bins=50),
        N4Settings(iterations=(10, 8), order=2),
    ):
        field = sitk.GetArrayFromImage(correct_bias_field(image, mask, changed).log_field)
        assert field.shape == plain.shape
        assert np.abs(field - plain).max() > 1e-5, changed


def test_spline_distance_that_fits_is_the_mesh_of_as_many_spans(shaded):
    image, mask, _ = shaded
    odd = image[:47, :47, :24]  # 92 mm along every axis
    one_span = correct_bias_field(odd, mask[:47, :47, :24], N4Settings(iterations=(10, 8), spline_distance=92.0))
    mesh = correct_bias_field(odd, mask[:47, :47, :24], QUICK)
    assert np.array_equal(sitk.GetArrayFromImage(one_span.log_field), sitk.GetArrayFromImage(mesh.log_field))
    padded = correct_bias_field(odd, mask[:47, :47, :24], N4Settings(iterations=(10, 8), spline_distance=100.0))
    assert padded.log_field.GetSize() == odd.GetSize()
    assert padded.log_field.GetOrigin() == odd.GetOrigin()
    apart = sitk.GetArrayFromImage(padded.log_field) - sitk.GetArrayFromImage(mesh.log_field)
    assert 0 < np.abs(apart).max() < 0.1


@pytest.mark.parametrize("method", ["itk", "fast"])
def test_a_single_slice_is_corrected_in_its_plane(shaded, method):
    image, mask, log_bias = shaded
    single, inside = image[:, :, 12:13], mask[:, :, 12:13]
    for settings in (N4Settings(shrink=2), N4Settings(shrink=2, spline_distance=50.0)):
        result = correct_bias_field(single, inside, settings, method)
        assert result.warnings == ()
        assert result.corrected.GetSize() == (48, 48, 1)
        assert result.corrected.GetOrigin() == single.GetOrigin()
        field = sitk.GetArrayFromImage(result.log_field)[0]
        where = sitk.GetArrayFromImage(inside)[0] > 0
        assert np.corrcoef(field[where], log_bias[12][where])[0, 1] > 0.97


def test_few_slices_are_subsampled_less_and_that_is_said(shaded):
    image, mask, _ = shaded
    assert shrink_factors((48, 48, 5), 4) == [4, 4, 2]
    assert shrink_factors((48, 1, 8), 4) == [4, 1, 4]
    result = correct_bias_field(image[:, :, 10:15], mask[:, :, 10:15], QUICK)
    assert result.warnings == ("The image is thin, so that N4 subsampled z by 2 instead of 4.",)
    assert np.isfinite(sitk.GetArrayFromImage(result.corrected)).all()


@pytest.mark.parametrize("value", [1, 3, 255])
def test_any_non_zero_label_is_the_mask(shaded, value):
    image, mask, _ = shaded
    plain = correct_bias_field(image, mask, QUICK)
    labelled = correct_bias_field(image, sitk.Cast(mask, sitk.sitkInt16) * value, QUICK)
    assert np.array_equal(sitk.GetArrayFromImage(plain.log_field), sitk.GetArrayFromImage(labelled.log_field))


def test_zeros_in_the_background_are_fine_and_inside_the_mask_left_out(shaded):
    image, mask, _ = shaded
    assert sitk.GetArrayFromImage(image).min() == 0
    clean = correct_bias_field(image, mask, QUICK)
    assert clean.warnings == ()
    everywhere = correct_bias_field(image, image * 0 + 1, QUICK)
    zeros = int((sitk.GetArrayFromImage(image) == 0).sum())
    assert everywhere.warnings == (f"{zeros} voxels inside the mask are zero and were left out of N4's estimate.",)
    assert np.array_equal(sitk.GetArrayFromImage(clean.log_field), sitk.GetArrayFromImage(everywhere.log_field))


def test_negative_background_is_fine_and_inside_the_mask_refused(shaded):
    image, mask, _ = shaded
    background = sitk.Cast(mask == 0, sitk.sitkFloat32)
    below_zero = image - 50.0 * background
    result = correct_bias_field(below_zero, mask, QUICK)
    expected = correct_bias_field(image, mask, QUICK)
    assert np.array_equal(sitk.GetArrayFromImage(result.log_field), sitk.GetArrayFromImage(expected.log_field))
    with pytest.raises(InputError, match="negative intensities inside the mask"):
        correct_bias_field(image - 350.0, mask, QUICK)


@pytest.mark.parametrize("method", ["itk", "fast"])
def test_what_n4_cannot_correct_is_refused_in_one_sentence(shaded, method):
    image, mask, _ = shaded
    one_voxel = mask * 0
    one_voxel[24, 24, 12] = 1
    not_finite = sitk.Image(image)
    not_finite[3, 3, 3] = float("nan")
    for wrong_image, wrong_mask, reason in (
        (image * 0, mask, "same value everywhere"),
        (image * 0, None, "same value everywhere"),
        (not_finite, mask, "NaN or infinite"),
        (image, mask * 0, "mask for N4 is empty"),
        (image, mask == 0, "zero everywhere inside the mask"),
        (image, one_voxel, "no two different intensities"),
        (sitk.Cast(mask, sitk.sitkFloat32), mask, "no two different intensities"),
    ):
        with pytest.raises(InputError, match=reason) as caught:
            correct_bias_field(wrong_image, wrong_mask, QUICK, method)
        assert "\n" not in str(caught.value)
    with pytest.raises(GeometryError):
        correct_bias_field(image, mask[1:], QUICK, method)


def test_wrong_settings_are_refused_by_name(shaded):
    for wrong in (
        {"shrink": 0},
        {"iterations": ()},
        {"iterations": (50, 0)},
        {"convergence_threshold": -1.0},
        {"mesh": (1, 1)},
        {"mesh": (1, 0, 1)},
        {"spline_distance": -1.0},
        {"histogram_bins": -1},
        {"order": 4},
    ):
        with pytest.raises(InputError, match=f"N4 setting {next(iter(wrong))} cannot be"):
            N4Settings(**wrong)
    with pytest.raises(InputError, match="method 'quick' is unknown"):
        correct_bias_field(shaded[0], method="quick")


def test_confidence_weights_count_and_only_the_fast_method_takes_them(shaded):
    image, mask, _ = shaded
    uniform = sitk.Cast(mask, sitk.sitkFloat32) * 0 + 1.0
    plain = correct_bias_field(image, mask, QUICK, "fast").log_field
    same = correct_bias_field(image, mask, QUICK, "fast", uniform).log_field
    np.testing.assert_allclose(sitk.GetArrayFromImage(same), sitk.GetArrayFromImage(plain), atol=1e-6)
    half = sitk.GetArrayFromImage(uniform)
    half[:, :, : half.shape[2] // 2] = 0.05
    weights = sitk.GetImageFromArray(half)
    weights.CopyInformation(image)
    other = correct_bias_field(image, mask, QUICK, "fast", weights).log_field
    assert np.abs(sitk.GetArrayFromImage(other) - sitk.GetArrayFromImage(plain)).max() > 1e-3
    with pytest.raises(InputError, match="takes no confidence weights"):
        correct_bias_field(image, mask, QUICK, "itk", weights)
    with pytest.raises(GeometryError, match="confidence weights"):
        correct_bias_field(image, mask, QUICK, "fast", weights[:, :, 1:])
