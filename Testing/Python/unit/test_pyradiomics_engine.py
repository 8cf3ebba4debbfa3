import ast
import csv
import logging
import math
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import EngineUnavailable, GeometryError, InputError
from FeatureExtractorLib.phantom import head_phantom
from FeatureExtractorLib.radiomics.engine import NUMERIC_DIAGNOSTICS, get_engine
from FeatureExtractorLib.radiomics.presets import load_settings, parse_settings
from FeatureExtractorLib.reading import read_image, read_mask
from FeatureExtractorLib.regions import maximum_area_slice

pytest.importorskip("radiomics", reason="PyRadiomics is not installed")

PRESETS = "FeatureExtractor/Resources/Presets"


@pytest.fixture(scope="module")
def engine():
    return get_engine("pyradiomics")


@pytest.fixture(scope="module")
def brain1(data_dir):
    folder = data_dir / "pyradiomics_cases"
    return read_image(folder / "brain1_image.nrrd"), read_mask(folder / "brain1_label.nrrd")


@pytest.fixture(scope="module")
def jpeg_slice(data_dir):
    folder, spacing = data_dir / "brain_t1c_slices", (0.49, 0.49, 6.0)
    return (
        read_image(folder / "images" / "22.jpg", spacing),
        read_mask(folder / "masks" / "22.png", slice_spacing=spacing),
    )


def _direct(image, mask, params) -> dict[str, float]:
    """PyRadiomics as its own users call it."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    result = RadiomicsFeatureExtractor(params).execute(image, mask)
    return {
        name: float(np.real(value))
        for name, value in result.items()
        if not name.startswith("diagnostics_") or isinstance(value, (int, float))
    }


def _same(ours: dict[str, float], theirs: dict[str, float]) -> None:
    assert list(ours) == list(theirs)
    different = [n for n in ours if ours[n] != theirs[n] and not (math.isnan(ours[n]) and math.isnan(theirs[n]))]
    assert different == []


@pytest.mark.parametrize(("preset", "count"), [("original", 107), ("original-wavelet", 851), ("dtlr", 1143)])
def test_equals_a_direct_call_with_the_same_file(engine, brain1, repository, preset, count):
    image, mask = brain1
    ours = engine.extract(image, mask, load_settings(preset))
    theirs = _direct(image, mask, str(repository / PRESETS / f"{preset}.yaml"))
    if preset != "dtlr":
        theirs = {name: value for name, value in theirs.items() if not name.startswith("diagnostics_")}
    _same(ours, theirs)
    assert len(ours) == count
    assert all(type(value) is float for value in ours.values())


def test_dtlr_has_the_thirteen_numeric_diagnostics_first(engine, brain1):
    names = list(engine.extract(*brain1, load_settings("dtlr")))
    assert tuple(names[:13]) == NUMERIC_DIAGNOSTICS
    assert not any(name.startswith("diagnostics_") for name in names[13:])


CLASSES = ("firstorder", "shape", "glcm", "gldm", "glrlm", "glszm", "ngtdm")


@pytest.mark.parametrize("case", ["brain1", "brain2", "breast1"])
def test_meets_pyradiomics_own_baselines(engine, data_dir, case):
    folder = data_dir / "pyradiomics_cases"
    image, mask = read_image(folder / f"{case}_image.nrrd"), read_mask(folder / f"{case}_label.nrrd")
    compared = 0
    for feature_class in CLASSES:
        with open(folder / "baseline" / f"baseline_{feature_class}.csv", newline="", encoding="utf-8") as stream:
            baseline = {row["featureName"]: row[case] for row in csv.DictReader(stream)}
        settings = parse_settings(
            "baseline",
            {
                "imageType": ast.literal_eval(baseline["diagnostics_Configuration_EnabledImageTypes"]),
                "setting": ast.literal_eval(baseline["diagnostics_Configuration_Settings"]),
                "featureClass": {feature_class: []},
            },
        )
        expected = {name: float(v) for name, v in baseline.items() if name.startswith("original_")}
        features = engine.extract(image, mask, settings)
        for name in set(features) & set(expected):
            assert features[name] == pytest.approx(expected[name], rel=0.03), name
            compared += 1
    assert compared >= 100


def test_the_2d_preset_measures_a_single_slice_image(engine, jpeg_slice):
    image, mask = jpeg_slice
    assert image.GetSize()[2] == 1
    features = engine.extract(image, mask, load_settings("original-wavelet-2d"))
    assert len(features) == 474
    prefixes = {name.split("_")[0] for name in features}
    assert prefixes == {"original", "wavelet-LL", "wavelet-LH", "wavelet-HL", "wavelet-HH"}
    area = np.count_nonzero(sitk.GetArrayViewFromImage(mask)) * 0.49**2
    assert features["original_shape2D_PixelSurface"] == pytest.approx(area, rel=0.02)
    inside = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(mask) > 0]
    assert features["original_firstorder_Mean"] == pytest.approx(inside.mean(), rel=0.02)


def test_in_plane_resampling_of_one_slice_equals_the_slice_of_a_stack(engine, jpeg_slice):
    """A cubic B-spline needs a few voxels along every axis; here shown to do right by one."""
    image, mask = jpeg_slice
    settings = load_settings("original-wavelet-2d")
    stack = sitk.Tile([image] * 9, (1, 1, 9))
    only_middle = sitk.Tile([mask * (k == 4) for k in range(9)], (1, 1, 9))
    alone, middle = (engine.extract(i, m, settings) for i, m in ((image, mask), (stack, only_middle)))
    assert list(alone) == list(middle)
    np.testing.assert_allclose(list(alone.values()), list(middle.values()), rtol=1e-9)


def test_the_2d_preset_measures_a_slice_of_a_volume(engine, brain1):
    image, mask = brain1
    k = maximum_area_slice(mask)
    features = engine.extract(image[:, :, k : k + 1], mask[:, :, k : k + 1], load_settings("original-wavelet-2d"))
    assert len(features) == 474
    inside = sitk.GetArrayViewFromImage(image)[k][sitk.GetArrayViewFromImage(mask)[k] > 0]
    assert features["original_firstorder_Mean"] == pytest.approx(inside.mean(), rel=0.02)
    assert np.isfinite(list(features.values())).all()


def test_a_2d_preset_refuses_a_volume(engine, brain1):
    with pytest.raises(InputError, match="more than 1"):
        engine.extract(*brain1, load_settings("original-wavelet-2d"))


def test_log_on_a_single_slice_is_refused_not_skipped(engine, jpeg_slice):
    with pytest.raises(InputError, match=r"LoG \(sigma 1 mm\).*2D preset"):
        engine.extract(*jpeg_slice, load_settings("dtlr"))


def test_undefined_features_are_nan_and_complex_ones_real(engine, monkeypatch):
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    image, mask = head_phantom(0)
    raw = {"original_glcm_MCC": np.complex128(0.5 + 1e-12j), "original_a": np.array(np.nan), "original_b": 1 + 0.1j}
    monkeypatch.setattr(RadiomicsFeatureExtractor, "execute", lambda *arguments: raw)
    features = engine.extract(image, mask, load_settings("original"))
    assert features["original_glcm_MCC"] == 0.5
    assert math.isnan(features["original_a"])
    assert math.isnan(features["original_b"])


@pytest.fixture(scope="module")
def odd(data_dir):
    folder = data_dir / "odd_masks"
    return read_image(folder / "img.nii.gz"), folder


@pytest.mark.parametrize("name", ["seg_one_label", "seg_single_slice", "seg_dilated_10mm", "seg_two_labels"])
def test_odd_but_usable_masks_are_measured(engine, odd, name):
    image, folder = odd
    assert len(engine.extract(image, read_mask(folder / f"{name}.nii.gz"), load_settings("original"))) == 107


def test_an_empty_mask_file_is_refused(engine, odd):
    image, folder = odd
    with pytest.raises(InputError, match="is empty; outline the tumour"):
        engine.extract(image, read_mask(folder / "seg_empty.nii.gz"), load_settings("original"))


@pytest.mark.parametrize("name", ["seg_multilabel.nrrd", "seg_two_labels.nii.gz"])
def test_labels_are_measured_one_at_a_time(engine, odd, name):
    image, folder = odd
    settings = parse_settings("volume", {"featureClass": {"shape": ["VoxelVolume"]}})
    both, one, two = (
        engine.extract(image, read_mask(folder / name, segment), settings)["original_shape_VoxelVolume"]
        for segment in ("", "1", "2")
    )
    assert both == pytest.approx(one + two)
    with pytest.raises(InputError, match="no segment '3'"):
        read_mask(folder / name, "3")
    with pytest.raises(InputError, match="binary volume"):
        engine.extract(image, sitk.ReadImage(str(folder / name)), settings)


def _made(mask_voxels, image_value=None, mask_type=np.uint8):
    image = sitk.GetImageFromArray(
        np.full((8, 8, 8), image_value, np.float32)
        if image_value is not None
        else np.random.default_rng(0).normal(100, 30, (8, 8, 8)).astype(np.float32)
    )
    mask = np.zeros((8, 8, 8), mask_type)
    mask[mask_voxels] = 1
    return image, mask


BOX = np.s_[2:6, 2:6, 2:6]


@pytest.mark.parametrize(
    ("voxels", "image_value", "reason"),
    [
        (np.s_[:0], None, "is empty"),
        (np.s_[3, 3, 3], None, "a single voxel"),
        (np.s_[3, 3, 2:6], None, "too few dimensions"),
        (BOX, 0.0, r"same value everywhere \(0"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(engine, voxels, image_value, reason):
    image, mask = _made(voxels, image_value)
    with pytest.raises(InputError, match=reason) as caught:
        engine.extract(image, sitk.GetImageFromArray(mask), load_settings("original"))
    assert "\n" not in str(caught.value)


def test_a_mask_that_fills_the_image_is_refused_for_what_it_is(engine):
    image, mask = _made(np.s_[:])
    with pytest.raises(InputError, match="fills its whole volume"):
        engine.extract(image, sitk.GetImageFromArray(mask), load_settings("original"))


def test_a_mask_on_another_grid_is_corrected_where_the_settings_say_so(engine):
    image, inside = _made(BOX)
    mask = sitk.GetImageFromArray(inside)
    settings = {"featureClass": {"firstorder": ["Mean"]}, "setting": {"correctMask": True}}
    expected = engine.extract(image, mask, parse_settings("plain", {**settings, "setting": {}}))
    assert engine.extract(image, mask[1:7, 1:8, 0:7], parse_settings("corrected", settings)) == expected


def test_masks_and_images_with_nan_are_refused(engine, tmp_path):
    image, mask = _made(BOX, mask_type=np.float32)
    mask[0, 0, 0] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / "mask.nrrd"))
    with pytest.raises(InputError, match="NaN"):
        read_mask(tmp_path / "mask.nrrd")
    with pytest.raises(InputError, match="binary volume"):
        engine.extract(image, sitk.GetImageFromArray(mask), load_settings("original"))
    values = sitk.GetArrayFromImage(image)
    values[4, 4, 4] = np.nan
    with pytest.raises(InputError, match="NaN or infinite"):
        engine.extract(sitk.GetImageFromArray(values), _box_mask(image), load_settings("original"))


def _box_mask(image: sitk.Image) -> sitk.Image:
    array = np.zeros(image.GetSize()[::-1], np.uint8)
    array[BOX] = 1
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(image)
    return mask


def test_a_mask_on_another_grid_is_refused_and_rounding_forgiven(engine):
    image, _ = _made(BOX)
    mask = _box_mask(image)
    mask.SetOrigin((0.0, 0.0, 1e-5))
    assert len(engine.extract(image, mask, load_settings("original"))) == 107
    mask.SetOrigin((0.0, 0.0, 1.0))
    with pytest.raises(GeometryError, match="1 mm apart"):
        engine.extract(image, mask, load_settings("original"))


def test_an_unknown_feature_name_is_refused(engine):
    image, _ = _made(BOX)
    settings = parse_settings("mine", {"featureClass": {"glcm": ["Contrst"]}})
    with pytest.raises(InputError, match="Contrst"):
        engine.extract(image, _box_mask(image), settings)


def test_the_process_is_left_as_it_was_and_the_log_is_quiet(engine, caplog):
    image, _ = _made(BOX)
    before = sitk.ProcessObject.GetGlobalDefaultCoordinateTolerance()
    settings = parse_settings("mine", {"setting": {"geometryTolerance": 0.5}})
    with caplog.at_level(logging.INFO):
        engine.extract(image, _box_mask(image), settings)
    assert sitk.ProcessObject.GetGlobalDefaultCoordinateTolerance() == before
    assert [r.getMessage() for r in caplog.records if "symmetrical" in r.getMessage()] == []
    assert not any(r.levelno < logging.WARNING for r in caplog.records if r.name.startswith("radiomics"))


def test_engines_by_name(monkeypatch):
    assert get_engine("auto").name == get_engine("pyradiomics").name == "pyradiomics"
    assert get_engine("pyradiomics").version == "3.0.1"
    with pytest.raises(InputError, match="'fast' is unknown; choose one of auto, pyradiomics, native"):
        get_engine("fast")
    monkeypatch.setitem(sys.modules, "radiomics", None)
    with pytest.raises(EngineUnavailable, match="not installed"):
        get_engine("pyradiomics")
