"""Whole images on a network's grid: nothing may be mirrored, moved or lost, whatever the file's geometry."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from FeatureExtractorLib.case import make_case
from FeatureExtractorLib.deep.inputs import SliceSettings
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.manifest import CaseEntry
from FeatureExtractorLib.preparation import Preparation
from FeatureExtractorLib.radiomics.engine import get_engine
from TumorClassifierLib.measures import MeasureSettings, measure, measure_cohort, volume_of
from TumorClassifierLib.whole_volume import VolumeSettings, volume_input

SHAPE = (24, 28, 30)  # z, y, x
ENGINE = get_engine("auto")


def head(spot: tuple[int, int, int] | None = (8, 17, 11), axes: str = "LPS", oblique: float = 0.0) -> sitk.Image:
    """A bright ball in air with one much brighter voxel block at `spot` (z, y, x in LPS), stored along `axes`."""
    z, y, x = np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2
    array = np.where(z**2 + y**2 + x**2 < 100, 100.0, 2.0) + np.random.default_rng(0).normal(0, 1, SHAPE)
    if spot is not None:
        array[tuple(slice(s - 1, s + 2) for s in spot)] = 300.0
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing((1.0, 1.0, 1.5))
    image.SetOrigin((-20.0, 31.0, 7.0))
    turn = sitk.Euler3DTransform((0, 0, 0), oblique, oblique / 2, -oblique / 3)
    image.SetDirection(turn.GetMatrix())
    return sitk.DICOMOrient(image, axes)


def spot_of(image: sitk.Image) -> np.ndarray:
    """Physical centre (mm) of the brightest voxels."""
    array = sitk.GetArrayFromImage(image)
    where = np.argwhere(array > array.min() + 0.9 * (array.max() - array.min())).mean(axis=0)
    return np.array(image.TransformContinuousIndexToPhysicalPoint(where[::-1].tolist()))


def measured(volume: VolumeSettings, n4: str = "none") -> MeasureSettings:
    return MeasureSettings(("T1C",), Preparation(n4=n4), None, volume=volume)


@pytest.mark.parametrize("orientation", ["RAS", "LPS"])
def test_every_storage_order_gives_the_same_volume(orientation: str) -> None:
    """The same head stored along any axes is the same volume, bit for bit."""
    settings = VolumeSettings(orientation, (20, 20, 20), (1.5, 1.5, 1.5))
    expected = volume_input(head(), None, settings)
    for axes in ("LPS", "RAS", "ASL", "PIR", "SRA"):
        found = volume_input(head(axes=axes), None, settings)
        np.testing.assert_allclose(found.array, expected.array, atol=4e-3, err_msg=axes)  # half precision near 5
        np.testing.assert_allclose(found.image.GetOrigin(), expected.image.GetOrigin(), atol=1e-9)


def test_orientation_is_the_one_that_is_named() -> None:
    """In RAS the first axis runs to the right, the second to the front; in LPS both the other way."""
    ras = volume_input(head(), None, VolumeSettings("RAS", (24, 24, 24), (1.0, 1.0, 1.5), centre="image")).array
    lps = volume_input(head(), None, VolumeSettings("LPS", (24, 24, 24), (1.0, 1.0, 1.5), centre="image")).array
    np.testing.assert_allclose(ras, lps[:, ::-1, ::-1], atol=4e-3)
    assert not np.allclose(ras, lps)


@given(
    axes=st.sampled_from(["LPS", "RAS", "SAL", "IPR"]),
    oblique=st.floats(-0.3, 0.3),
    spacing=st.floats(0.8, 2.0),
    centre=st.sampled_from(["head", "image"]),
)
@hypothesis_settings(max_examples=25, deadline=None)
def test_a_marked_voxel_stays_where_it_is(axes: str, oblique: float, spacing: float, centre: str) -> None:
    """In space the spot does not move, by more than a voxel of the new grid."""
    image = head(axes=axes, oblique=oblique)
    settings = VolumeSettings(size=(40, 40, 48), spacing=(spacing, spacing, 1.0), centre=centre, intensity="none")
    found = volume_input(image, None, settings).image
    array = sitk.GetArrayFromImage(found)
    brightest = np.array(np.unravel_index(array.argmax(), array.shape))[::-1]
    at = np.array(found.TransformIndexToPhysicalPoint([int(i) for i in brightest]))
    assert np.linalg.norm(at - spot_of(image)) < 1.75 * max(spacing, 1.5)


def test_the_heads_middle_is_the_grids() -> None:
    """A head off the image's middle is laid on the grid's; without that the image's middle is."""
    shifted = sitk.ConstantPad(head(None), [0, 0, 0], [14, 0, 0], 2.0)
    found = {
        centre: volume_input(shifted, None, VolumeSettings("LPS", (48, 24, 24), (1, 1, 1.5), centre=centre)).array
        for centre in ("head", "image")
    }
    middle = {name: np.argwhere(array > array.mean()).mean(axis=0)[2] for name, array in found.items()}
    assert middle["head"] == pytest.approx(23.5, abs=0.6)
    assert middle["image"] == pytest.approx(23.5 - 7, abs=1.0)


def test_intensities_do_not_depend_on_the_scanners_scale() -> None:
    """Gain and offset of a scanner leave z-scores and percentiles as they are; foreground has mean 0."""
    image = head()
    louder = sitk.Cast(image * 7.0 + 50.0, sitk.sitkFloat32)
    for intensity in ("z-score", "percentiles"):
        settings = VolumeSettings(spacing=(0, 0, 0), intensity=intensity)
        a, b = volume_input(image, None, settings).array, volume_input(louder, None, settings).array
        np.testing.assert_allclose(a, b, atol=5e-3)
    percentiles = volume_input(image, None, VolumeSettings(spacing=(0, 0, 0), intensity="percentiles")).array
    assert percentiles.min() == 0 and percentiles.max() == 1


def test_coarser_voxels_are_averages() -> None:
    """Noise falls as it does in a mean over the voxels merged, rather than being sampled."""
    noise = np.random.default_rng(1).normal(0, 1, (32, 32, 32)).astype(np.float32)
    noise[8:24, 8:24, 8:24] += 40
    image = sitk.GetImageFromArray(noise)
    coarse = volume_input(image, None, VolumeSettings(spacing=(4, 4, 4), intensity="none")).array
    assert coarse[3:5, 3:5, 3:5].std() < 0.35  # sampled it would be near 1


def test_padding_is_as_dark_as_air() -> None:
    """Voxels outside the image have its darkest value, in every kind of intensity."""
    for intensity in ("z-score", "percentiles", "none"):
        settings = VolumeSettings("LPS", (60, 60, 60), (1, 1, 1.5), centre="image", intensity=intensity)
        array = volume_input(head(), None, settings).array
        assert (array[0] == array.min()).all() and (array[:, :, -1] == array.min()).all()


def test_the_mask_lies_on_the_volume() -> None:
    """The mask is moved as the image is: of the marked block, whatever the axes."""
    for axes in ("LPS", "SAR"):
        image = head(axes=axes)
        mask = sitk.Cast(image > 250, sitk.sitkUInt8)
        found = volume_input(image, mask, VolumeSettings(size=(30, 32, 40), spacing=(1, 1, 1)))
        assert found.mask_array is not None and found.mask_array.dtype == np.uint8
        assert found.mask_array.shape == found.array.shape == (40, 32, 30)
        assert found.array[found.mask_array > 0].min() > np.percentile(found.array, 99)


def test_a_case_without_a_mask_is_measured_and_kept(tmp_path: Path) -> None:
    """No segmentation is asked for; a second run takes the same bits from the cache."""
    sitk.WriteImage(head(), tmp_path / "a.nrrd")
    entry = CaseEntry("a", "a", {"T1C": tmp_path / "a.nrrd"}, None, label="x")
    settings = measured(VolumeSettings(size=(16, 16, 16), spacing=(2, 2, 2)))
    runs = [measure_cohort([entry], settings, ENGINE, tmp_path / "cache") for _ in range(2)]
    runs.append(measure_cohort([entry], settings, ENGINE))
    first, second, fresh = (run.cases[0].first["T1C"] for run in runs)
    assert first.volume is not None and first.volume.dtype == np.float32 and first.volume.shape == (16, 16, 16)
    np.testing.assert_array_equal(second.volume, first.volume)
    np.testing.assert_array_equal(fresh.volume, first.volume)
    assert first.volume_mask is None and second.volume_mask is None and first.crop is None
    kept = next((tmp_path / "cache").glob("*.npz"))
    assert kept.stat().st_size < 16**3 * 2 + 2000  # half precision


def test_masks_are_kept_whole(tmp_path: Path) -> None:
    """A mask from the cache is the one measured; other settings are measured again."""
    image = head()
    sitk.WriteImage(image, tmp_path / "a.nrrd")
    sitk.WriteImage(sitk.Cast(image > 250, sitk.sitkUInt8), tmp_path / "m.nrrd")
    entry = CaseEntry("a", "a", {"T1C": tmp_path / "a.nrrd"}, tmp_path / "m.nrrd", label="x")
    settings = measured(VolumeSettings(size=(17, 16, 19), spacing=(1, 1, 1)))
    first, second = (measure_cohort([entry], settings, ENGINE, tmp_path / "cache").cases[0].first for _ in range(2))
    assert first["T1C"].volume_mask is not None and first["T1C"].volume_mask.sum() > 8
    np.testing.assert_array_equal(second["T1C"].volume_mask, first["T1C"].volume_mask)
    finer = measured(VolumeSettings(size=(17, 16, 20), spacing=(1, 1, 1)))
    assert measure_cohort([entry], finer, ENGINE, tmp_path / "cache").cases[0].first["T1C"].volume.shape[0] == 20


def test_the_outline_in_the_crop_is_kept_with_its_size(tmp_path: Path) -> None:
    """What a slice network sees has its outline beside it, in mm, measured or from the cache."""
    image = head()
    mask = sitk.Cast(image > 250, sitk.sitkUInt8)
    sitk.WriteImage(image, tmp_path / "a.nrrd")
    sitk.WriteImage(mask, tmp_path / "m.nrrd")
    entry = CaseEntry("a", "a", {"T1C": tmp_path / "a.nrrd"}, tmp_path / "m.nrrd", label="x")
    plain = Preparation(n4="none", intensity="none", spacing=(0.0, 0.0, 0.0))
    settings = MeasureSettings(("T1C",), plain, None, SliceSettings(size=96))
    first, second = (
        measure_cohort([entry], settings, ENGINE, tmp_path / "cache").cases[0].first["T1C"] for _ in range(2)
    )
    assert first.crop_mask is not None and first.crop_spacing is not None
    np.testing.assert_array_equal(second.crop_mask, first.crop_mask)
    assert second.crop_spacing == first.crop_spacing and second.crop.shape == first.crop_mask.shape == (96, 96)
    areas = sitk.GetArrayFromImage(sitk.DICOMOrient(mask, "LPS")).sum(axis=(1, 2)) * np.prod(image.GetSpacing()[:2])
    found = first.crop_mask.sum() * np.prod(first.crop_spacing)
    assert found == pytest.approx(areas.max(), rel=0.1)
    kept = next((tmp_path / "cache").glob("*.npz"))
    with np.load(kept) as stored:
        before = {name: stored[name] for name in stored.files if "crop_" not in name}
    np.savez(kept, **before)  # as it was kept before outlines were
    old = measure_cohort([entry], settings, ENGINE, tmp_path / "cache").cases[0].first["T1C"]
    assert old.crop_mask is None and old.crop_spacing is None and old.crop is not None


def test_caches_without_volumes_keep_their_keys() -> None:
    """Numbers measured before there were volumes are still found."""
    assert "volume=" not in repr(MeasureSettings(("T1C",), Preparation(), None))


def test_volumes_may_be_corrected_for_the_bias_field() -> None:
    """N4 runs where the preparation says so, and then changes the volume."""
    case = make_case("a", {"T1C": head()}, None)
    plain, corrected = (
        volume_of(case, "T1C", measured(VolumeSettings(size=(16, 16, 16)), n4)).array for n4 in ("none", "fast")
    )
    assert not np.array_equal(plain, corrected)


def with_values(change: dict[tuple[int, int, int], float]) -> sitk.Image:
    image = head()
    for at, value in change.items():
        image[at] = value
    return image


@pytest.mark.parametrize(
    ("image", "settings", "words"),
    [
        (head()[:, :, 5:6], {}, "no volume"),
        (with_values({(0, 0, 0): 1e6}), {"intensity": "none", "spacing": (0, 0, 0)}, "half precision"),
        (head(), {"needs_mask": True}, "has no mask"),
    ],
)
def test_unusable_images_are_refused(image: sitk.Image, settings: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        volume_input(image, None, VolumeSettings(**settings), "T1C")


def test_a_grid_of_absurd_size_is_refused() -> None:
    """A header that promises kilometres does not ask for the memory."""
    image = head()
    image.SetSpacing((100.0, 100.0, 100.0))
    with pytest.raises(InputError, match="too large"):
        volume_input(image, None, VolumeSettings(spacing=(1, 1, 1)))


@pytest.mark.parametrize("bad", [(float("nan"), "NaN"), (None, "same value")])
def test_broken_images_do_not_become_cases(bad: tuple) -> None:
    value, words = bad
    image = with_values({(3, 3, 3): value}) if value is not None else head() * 0
    with pytest.raises(InputError, match=words):
        make_case("a", {"T1C": image}, None)


def test_four_dimensions_do_not_become_a_case() -> None:
    with pytest.raises(InputError, match="4 dimensions"):
        make_case("a", {"T1C": sitk.Image([8, 8, 8, 3], sitk.sitkFloat32)}, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"orientation": "RAI"},
        {"size": (4, 64, 64)},
        {"size": (600, 64, 64)},
        {"size": (512, 512, 512)},
        {"spacing": (0.01, 1, 1)},
        {"spacing": (1, 1)},
        {"centre": "tumour"},
        {"intensity": "histogram"},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match="volume"):
        VolumeSettings(**wrong)


def test_a_mask_lost_on_the_grid(tmp_path: Path) -> None:
    """A tumour outside the grid is refused where it is needed, and no mask where it is not."""
    image = head()
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(image)
    mask[0, 0, 0] = mask[1, 0, 0] = 1
    small = {"size": (8, 8, 8), "spacing": (1.0, 1.0, 1.0)}
    assert volume_input(image, mask, VolumeSettings(**small)).mask is None
    with pytest.raises(InputError, match="nothing is left"):
        volume_input(image, mask, VolumeSettings(**small, needs_mask=True))


def test_tumour_and_volume_are_measured_together() -> None:
    """Radiomics' image and the volume come from one case; without an outline nothing of a tumour is prepared."""
    image = head()
    case = make_case("a", {"T1C": image}, sitk.Cast(image > 250, sitk.sitkUInt8))
    prepared, found = measure(case, measured(VolumeSettings(size=(16, 16, 16))), ENGINE)
    assert prepared == {} and found["T1C"].radiomics == {} and found["T1C"].volume is not None


def test_real_heads_and_limbs(data_dir: Path) -> None:
    """Sarcoma images of many grids come onto one; what is bright stays inside."""
    folder = data_dir / "sarcoma_mr_t1"
    images = sorted(folder.glob("*_t1.nii.gz"))[:2]
    entries = [CaseEntry(path.name, path.name, {"T1": path}, None) for path in images]
    volume = VolumeSettings(size=(24, 24, 24), spacing=(12, 12, 12))
    settings = MeasureSettings(("T1",), Preparation(n4="none"), None, volume=volume)
    cohort = measure_cohort(entries, settings, ENGINE)
    assert len(cohort.cases) == 2, cohort.failures
    for case in cohort.cases:
        array = case.first["T1"].volume
        assert array is not None and array.shape == (24, 24, 24)
        assert (array > -1).mean() > 0.005 and array.std() > 0.05  # a limb in a grid of 29 cm
