"""The native engine against the consensus of the Image Biomarker Standardisation Initiative.

Zwanenburg et al. 2020, Radiology 295(2):328-338; Testing/Tools/ibsi_comparison.py says what is compared, docs/ibsi.md
is the table that comes of it. Features without a counterpart in the reference (MCC, total energy, planar diameters)
are not compared.
"""

import runpy
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.stats import kurtosis

from FeatureExtractorLib.errors import GeometryError, InputError
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.native.definition import first_edge
from FeatureExtractorLib.radiomics.native.engine import NativeEngine
from FeatureExtractorLib.radiomics.native.resampling import resample_centred
from FeatureExtractorLib.radiomics.native.roi import discretise
from FeatureExtractorLib.radiomics.presets import IBSI_PRESETS, load_settings, parse_settings

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "Tools" / "ibsi_comparison.py"))
DATASETS = {dataset.name: dataset for dataset in TOOL["DATASETS"]}

REACHED = {
    "Digital phantom": (265, 262),
    "Configuration A": (152, 151),
    "Configuration B": (159, 69),
    "Configuration C": (159, 39),
    "Configuration D": (159, 30),
    "Configuration E": (159, 15),
}
"""How many values are within tolerance, by IBSI's definitions and by PyRadiomics': the former are all there are."""


@pytest.fixture(scope="module")
def folder(data_dir):
    if not (data_dir / "ibsi").is_dir():
        pytest.skip(f"no phantoms of the initiative in {data_dir}")
    return data_dir / "ibsi"


def outside(compared):
    return {c.feature.split()[-1] for c in compared if not c.within}


def test_digital_phantom(folder):
    compared = TOOL["compare"](DATASETS["Digital phantom"], folder)
    assert len(compared) == REACHED["Digital phantom"][0]
    assert outside(compared) == set()


def test_only_differences_of_definition_leave_the_tolerance_on_the_digital_phantom(folder):
    compared = TOOL["compare"](DATASETS["Digital phantom"], folder, "pyradiomics")
    assert outside(compared) == {"Kurtosis", "MinorAxisLength", "LeastAxisLength"}


@pytest.mark.parametrize("name", [name for name in REACHED if name.startswith("Configuration")])
def test_ct_phantom_gets_no_worse(folder, name):
    compared = TOOL["compare"](DATASETS[name], folder)
    assert len(compared) >= REACHED[name][0]
    assert outside(compared) == set()


@pytest.mark.parametrize("name", REACHED)
def test_the_page_says_what_is_reached(repository, name):
    page = (repository / "docs" / "ibsi.md").read_text(encoding="utf-8").splitlines()
    row = next(line for line in page if line.startswith(f"| {name} |"))
    _, compared, by_ibsi, by_pyradiomics = (int(cell) for cell in row.strip("| ").split(" | ")[1:])
    assert compared == REACHED[name][0]
    assert (by_ibsi, by_pyradiomics) == REACHED[name]


@pytest.mark.parametrize(
    ("text", "half"),
    [
        ("556", 0.5),
        ("0.698", 0.0005),
        ("0.03", 0.00005),
        ("367000", 500),
        ("125256", 0.5),
        ("-0.355", 0.0005),
        ("0", 0),
    ],
)
def test_rounding_of_published_numbers(text, half):
    assert TOOL["rounding"](text) == pytest.approx(half)


@pytest.fixture
def case():
    """A float image of small whole numbers and a ragged region with isolated voxels."""
    rng = np.random.default_rng(3)
    image = sitk.GetImageFromArray(rng.integers(0, 200, (8, 12, 14)).astype(np.float32))
    inside = np.zeros((8, 12, 14), np.uint8)
    inside[2:6, 3:9, 3:10] = rng.random((4, 6, 7)) < 0.4
    inside[0, 0, 0] = 1
    mask = sitk.GetImageFromArray(inside)
    for part in (image, mask):
        part.SetSpacing((1.0, 1.5, 3.0))
        part.SetOrigin((-20.0, 30.0, 5.0))
    return image, mask


def both(case, setting, classes):
    """Features by PyRadiomics' and by IBSI's definitions."""
    contents = ({"setting": {**setting, "definition": d}, "featureClass": classes} for d in ("pyradiomics", "ibsi"))
    return [NativeEngine().extract(*case, parse_settings("test", content)) for content in contents]


def test_kurtosis_is_zero_for_a_normal_distribution(case):
    theirs, ibsi = both(case, {}, {"firstorder": ["Kurtosis"]})
    values = sitk.GetArrayFromImage(case[0])[sitk.GetArrayFromImage(case[1]) > 0].astype(float)
    assert ibsi["original_firstorder_Kurtosis"] == pytest.approx(kurtosis(values), rel=1e-12)
    assert theirs["original_firstorder_Kurtosis"] == pytest.approx(kurtosis(values, fisher=False), rel=1e-12)


def test_axes_are_those_of_the_unbiased_covariance(case):
    _, ibsi = both(case, {}, {"shape": ["MajorAxisLength", "LeastAxisLength"]})
    points = np.argwhere(sitk.GetArrayFromImage(case[1])) * np.array([3.0, 1.5, 1.0])
    least, _, major = 4 * np.sqrt(np.linalg.eigvalsh(np.cov(points.T)))
    assert list(ibsi.values()) == pytest.approx([major, least], rel=1e-10)


def test_isolated_voxels_do_not_count_in_tone_differences(case):
    image, mask = case
    alone = sitk.GetArrayFromImage(mask)
    assert alone[0, 0, 0] == 1
    alone[0, 0, 0] = 0
    without = sitk.GetImageFromArray(alone)
    without.CopyInformation(mask)
    setting = {"binWidth": 25, "resegmentRange": [0, 200]}
    _, counted = both(case, setting, {"ngtdm": []})
    _, left_out = both((image, without), setting, {"ngtdm": []})
    assert counted == pytest.approx(left_out, rel=1e-12)
    theirs, _ = both(case, setting, {"ngtdm": ["Coarseness"]})
    assert theirs["original_ngtdm_Coarseness"] != pytest.approx(counted["original_ngtdm_Coarseness"], rel=1e-6)


def test_a_region_of_isolated_voxels_has_no_tone(case):
    image, mask = case
    scattered = np.zeros(sitk.GetArrayFromImage(mask).shape, np.uint8)
    scattered[::3, ::3, ::3] = 1
    alone = sitk.GetImageFromArray(scattered)
    alone.CopyInformation(mask)
    _, ibsi = both((image, alone), {}, {"ngtdm": []})
    assert np.isfinite(list(ibsi.values())).all()


@pytest.mark.parametrize(
    ("settings", "as_acquired", "edge"),
    [
        ({"definition": "ibsi"}, True, -73.0),
        ({"definition": "ibsi", "resegmentRange": [-1000, 400]}, True, -1000.0),
        ({"definition": "ibsi", "resegmentRange": [-1000, 400]}, False, -73.0),
        ({"definition": "ibsi", "resegmentRange": [-3, 3], "resegmentMode": "sigma"}, True, -73.0),
        ({"resegmentRange": [-1000, 400]}, True, None),
    ],
)
def test_where_bins_of_fixed_width_begin(settings, as_acquired, edge):
    assert first_edge(np.array([-73, 12]), settings, as_acquired) == edge


def test_bins_count_from_the_first_edge():
    values = np.array([-100.0, -76.0, -75.0, 0.0, 24.9])
    assert discretise(values, 25, start=-150.0).tolist() == [3, 3, 4, 7, 7]
    assert discretise(values.astype(np.int16), 25, start=-100.0).tolist() == [1, 1, 2, 5, 5]


def test_resampled_grid_shares_the_centre_and_whole_intensities_stay_whole(case):
    image, mask = case
    setting = {"resampledPixelSpacing": [2.5, 2, 2.2], "interpolator": "sitkLinear"}
    values, inside = resample_centred(image, mask, setting)
    assert values.GetSize() == inside.GetSize() == (6, 9, 11)
    centres = [i.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in i.GetSize()]) for i in (image, values)]
    assert centres[1] == pytest.approx(centres[0], abs=1e-9)
    array = sitk.GetArrayFromImage(values)
    assert np.array_equal(array, np.rint(array))
    fractions, _ = resample_centred(image + 0.25, mask, setting)
    assert not np.array_equal(sitk.GetArrayFromImage(fractions), np.rint(sitk.GetArrayFromImage(fractions)))


def test_a_voxel_that_is_half_inside_belongs_to_the_region():
    image = sitk.GetImageFromArray(np.zeros((8, 6, 6), np.int16))
    inside = np.zeros((8, 6, 6), np.uint8)
    inside[2:5, 1:5, 1:5] = 1
    mask = sitk.GetImageFromArray(inside)
    for part in (image, mask):
        part.SetSpacing((1.0, 1.0, 3.0))
    _, found = resample_centred(image, mask, {"resampledPixelSpacing": [0, 0, 2], "interpolator": "sitkLinear"})
    planes = sitk.GetArrayFromImage(found).any(axis=(1, 2))
    # Old slice numbers at which the new ones lie; one of them halfway out of the region.
    at = (np.arange(len(planes)) - (len(planes) - 1) / 2) * 2 / 3 + 3.5
    assert planes.tolist() == (np.interp(at, np.arange(8), inside[:, 2, 2]) >= 0.5 - 1e-9).tolist()
    assert np.isclose(at, 4.5).any()


def test_resampling_refuses_a_mask_that_reaches_out(case):
    image, mask = case
    with pytest.raises(GeometryError, match="reaches out of the image"):
        resample_centred(image[3:, :, :], mask, {"resampledPixelSpacing": [2, 2, 2]})


def test_outliers_are_left_out_after_the_range(case):
    image, mask = case
    values = sitk.GetArrayFromImage(image)[sitk.GetArrayFromImage(mask) > 0].astype(float)
    kept = values[values <= 150]
    kept = kept[np.abs(kept - kept.mean()) <= 1.2 * kept.std()]
    setting = {"resegmentRange": [0, 150], "resegmentSigma": 1.2}
    _, ibsi = both(case, setting, {"firstorder": ["Mean", "Minimum", "Maximum"]})
    assert list(ibsi.values()) == pytest.approx([kept.mean(), kept.min(), kept.max()], rel=1e-12)


def test_filtered_images_are_binned_from_their_own_minimum(case):
    content = {
        "setting": {"definition": "ibsi", "resegmentRange": [-1000, 400], "binWidth": 5},
        "imageType": {"Original": None, "Gradient": None},
        "featureClass": {"glcm": ["JointAverage"]},
    }
    features = NativeEngine().extract(*case, parse_settings("test", content))
    assert features["original_glcm_JointAverage"] > 200
    assert features["gradient_glcm_JointAverage"] < 100


@pytest.mark.parametrize("name", IBSI_PRESETS)
def test_presets_of_the_configurations_measure_anything(case, name):
    features = NativeEngine().extract(*case, load_settings(name))
    assert sum(not n.startswith("diagnostics_") for n in features) == 107
    assert get_engine("auto", load_settings(name)).name == "native"


def test_pyradiomics_refuses_what_it_does_not_have(case):
    pytest.importorskip("radiomics", reason="PyRadiomics is not installed")
    engine = get_engine("pyradiomics")
    with pytest.raises(InputError, match="ibsi-c in definition and resegmentSigma; choose the engine native"):
        engine.extract(*case, load_settings("ibsi-c"))
    neutral = parse_settings(
        "mine", {"setting": {"definition": "pyradiomics"}, "featureClass": {"firstorder": ["Mean"]}}
    )
    assert get_engine("auto", neutral).name == "pyradiomics"
    assert engine.extract(*case, neutral) == pytest.approx(NativeEngine().extract(*case, neutral))


def test_an_unknown_definition_is_refused():
    with pytest.raises(InputError, match="sets definition to 'IBSI', but it must be one of pyradiomics, ibsi"):
        parse_settings("mine", {"setting": {"definition": "IBSI"}})
