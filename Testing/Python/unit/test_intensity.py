import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.phantom import head_phantom
from FeatureExtractorLib.preprocessing.intensity import foreground, peak_scale, rescale_percentiles, z_score


def _image(array) -> sitk.Image:
    image = sitk.GetImageFromArray(np.asarray(array))
    image.SetSpacing((0.5, 1.0, 2.0))
    return image


@pytest.fixture(scope="module")
def head():
    return head_phantom(0)


def test_foreground_is_the_head_with_its_dark_inside(head):
    image, _ = head
    inside = sitk.GetArrayFromImage(foreground(image)) > 0
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in inside.shape), indexing="ij")
    middle_slice = inside.shape[0] // 2
    assert inside[middle_slice, 128, 128]
    # 5 mm slices of an ellipsoid of radii 88, 104 mm in a field of 230 mm: the middle slice's disc.
    share = inside[middle_slice].mean()
    assert share == pytest.approx(np.pi * 88 * 104 / 230.4**2, rel=0.1)
    assert not inside[:, :5, :5].any()


def test_percentiles_of_the_mask_become_zero_and_the_maximum():
    values = np.random.default_rng(0).normal(100, 20, (10, 11, 12))
    mask = _image((values > 80).astype(np.uint8))
    scaled = sitk.GetArrayFromImage(rescale_percentiles(_image(values), 5, 95, 1000, mask))
    low, high = np.percentile(values[values > 80], [5, 95])
    np.testing.assert_allclose(scaled, np.clip((values - low) / (high - low), 0, 1) * 1000, atol=1e-9)


def test_percentiles_do_not_depend_on_the_scanners_scale(head):
    image, _ = head
    first = sitk.GetArrayFromImage(rescale_percentiles(image))
    second = sitk.GetArrayFromImage(rescale_percentiles(image * 4.0))
    assert first.dtype == np.float32
    assert (first.min(), first.max()) == (0.0, 1000.0)
    np.testing.assert_allclose(second, first, atol=1e-2)


def test_z_score_has_mean_zero_and_deviation_one_inside():
    values = np.random.default_rng(0).integers(0, 500, (5, 6, 7)).astype(np.int16)
    mask = _image((values > 250).astype(np.uint8))
    result = z_score(_image(values), mask)
    inside = sitk.GetArrayFromImage(result)[values > 250]
    assert result.GetPixelID() == sitk.sitkFloat32
    assert result.GetSpacing() == (0.5, 1.0, 2.0)
    assert inside.mean(dtype=float) == pytest.approx(0, abs=1e-6)
    assert inside.std(dtype=float) == pytest.approx(1, abs=1e-6)


def test_what_cannot_be_scaled_is_refused():
    flat = _image(np.zeros((4, 4, 4)))
    some = _image(np.ones((4, 4, 4), np.uint8))
    with pytest.raises(InputError, match="mask of the intensities to compare is empty"):
        z_score(flat, _image(np.zeros((4, 4, 4), np.uint8)))
    with pytest.raises(InputError, match="is constant"):
        z_score(flat, some)
    with pytest.raises(InputError, match="same value"):
        rescale_percentiles(flat, mask=some)
    with pytest.raises(InputError, match="percentiles 99 and 1"):
        rescale_percentiles(flat, 99, 1)


@pytest.mark.parametrize("factor", [0.01, 3.0, 4096.0])
def test_the_commonest_tissue_becomes_the_peak_whatever_the_scanners_scale(head, factor):
    image, tumour = head
    first = sitk.GetArrayFromImage(peak_scale(image))
    assert first.dtype == np.float32
    np.testing.assert_allclose(sitk.GetArrayFromImage(peak_scale(image * factor)), first, rtol=1e-3)
    scale = first.max() / sitk.GetArrayFromImage(image).max()
    np.testing.assert_allclose(first, sitk.GetArrayFromImage(image) * scale, rtol=1e-5)


def test_peak_scale_does_not_depend_on_the_tumour(head):
    image, tumour = head
    values, inside = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(tumour) > 0
    without = values.copy()
    without[inside] = 430.0
    with_it, as_white_matter = (sitk.GetArrayFromImage(peak_scale(_image(v))) for v in (values, without))
    np.testing.assert_allclose(as_white_matter[~inside], with_it[~inside], rtol=0.02)


def test_the_peak_is_that_of_a_known_mixture():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(200, 12, 60_000), rng.normal(320, 12, 90_000), rng.uniform(0, 2000, 3_000)])
    image, everything = _image(values.reshape(30, 51, 100)), _image(np.ones((30, 51, 100), np.uint8))
    scaled = sitk.GetArrayFromImage(peak_scale(image, 100.0, everything))
    assert scaled.ravel()[0] / values[0] == pytest.approx(100 / 320, rel=0.01)


def test_a_peak_that_cannot_be_moved_is_refused():
    some = _image(np.ones((10, 10, 10), np.uint8))
    with pytest.raises(InputError, match="no factor makes 500"):
        peak_scale(_image(np.random.default_rng(0).normal(-50, 5, (10, 10, 10))), mask=some)
    with pytest.raises(InputError, match="same value"):
        peak_scale(_image(np.zeros((10, 10, 10))), mask=some)
