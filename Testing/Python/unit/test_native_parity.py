"""The native engine against PyRadiomics: every feature, by name and order.

Agreement is 1e-6 of the value, 1e-5 for MCC, which comes from an eigenvalue;
values that are zero but for rounding agree within 1e-9, axis lengths and their ratios, which are roots, within 1e-7.
"""

import logging
import os
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.radiomics.engine import NUMERIC_DIAGNOSTICS
from FeatureExtractorLib.radiomics.native.engine import CLASSES, NativeEngine
from FeatureExtractorLib.radiomics.presets import RadiomicsSettings, load_settings, parse_settings

pytest.importorskip("radiomics", reason="PyRadiomics is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")

INTENSITY_CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm")
CASES = {
    "brain1": ("brain1_image.nrrd", "brain1_label.nrrd"),
    "brain2": ("brain2_image.nrrd", "brain2_label.nrrd"),
    "breast1": ("breast1_image.nrrd", "breast1_label.nrrd"),
    "prostate": ("prostate_phantom_subvolume.nrrd", "prostate_phantom_subvolume-label.nrrd"),
}

SARCOMAS = ["STS_008", "STS_024", "STS_025", "STS_042"]
if os.environ.get("TUMORCLASSIFIER_ALL_SARCOMAS"):  # takes many minutes
    OTHERS = (
        "001 003 005 006 011 012 013 014 015 016 017 020 021 022 023 028 030 032 036 038 040 043 046 048 049 050 051"
    )
    SARCOMAS += [f"STS_{number}" for number in OTHERS.split()]


def pyradiomics(image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> dict[str, float]:
    """What PyRadiomics itself returns, without the diagnostics that are not numbers."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.ERROR)
    result = RadiomicsFeatureExtractor(settings.to_dict()).execute(image, mask)
    chosen = {n: v for n, v in result.items() if n in NUMERIC_DIAGNOSTICS or not n.startswith("diagnostics_")}
    return {name: complex(np.asarray(value).item()).real for name, value in chosen.items()}


def check(image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> dict[str, float]:
    ours, theirs = NativeEngine().extract(image, mask, settings), pyradiomics(image, mask, settings)
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        relative = 1e-5 if name.endswith("_MCC") else 1e-6
        absolute = 1e-7 if name.endswith(("AxisLength", "Elongation", "Flatness")) else 1e-9
        assert ours[name] == pytest.approx(value, rel=relative, abs=absolute, nan_ok=True), name
    return ours


def settings_of(setting, image_types=None, classes=None) -> RadiomicsSettings:
    content = {"setting": {"binWidth": 25} | setting, "imageType": image_types, "featureClass": classes}
    return parse_settings("test", content)


@pytest.fixture(scope="module")
def small():
    """A noisy float image of anisotropic voxels and a ragged region that touches the border."""
    rng = np.random.default_rng(1)
    image = sitk.GetImageFromArray(rng.normal(100, 60, (7, 12, 14)).astype(np.float32))
    inside = np.zeros((7, 12, 14), np.uint8)
    inside[:5, 2:, 1:10] = rng.random((5, 10, 9)) < 0.6
    mask = sitk.GetImageFromArray(inside)
    for part in (image, mask):
        part.SetSpacing((1.0, 1.5, 3.0))
        part.SetOrigin((-20.0, 30.0, 5.0))
    return image, mask


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_feature_of_preset_dtlr_on_pyradiomics_cases(data_dir, name):
    image, label = (sitk.ReadImage(str(data_dir / "pyradiomics_cases" / file)) for file in CASES[name])
    features = check(image, sitk.Cast(label == 1, sitk.sitkUInt8), load_settings("dtlr"))
    assert len(features) == 1143


@pytest.mark.slow
@pytest.mark.parametrize("patient", SARCOMAS)
def test_every_feature_of_preset_dtlr_on_sarcomas(data_dir, patient):
    folder = data_dir / "sarcoma_mr_t1"
    image, label = (sitk.ReadImage(str(folder / f"{patient}_{kind}.nii.gz")) for kind in ("t1", "mask"))
    mask = sitk.Cast(label > 0, sitk.sitkUInt8)
    mask.CopyInformation(image)
    check(image, mask, load_settings("dtlr"))


@pytest.mark.parametrize("preset", ["original", "original-wavelet", "dtlr"])
def test_presets_on_a_region_at_the_border(small, preset):
    check(*small, load_settings(preset))


def test_preset_for_one_slice(small):
    image, mask = small
    array = sitk.GetArrayFromImage(mask)
    array[[i for i in range(len(array)) if i != 2]] = 0
    single = sitk.GetImageFromArray(array)
    single.CopyInformation(mask)
    features = check(image, single, load_settings("original-wavelet-2d"))
    assert sum("shape2D" in name for name in features) == 9


@pytest.mark.parametrize("pixel_type", [sitk.sitkInt16, sitk.sitkFloat32, sitk.sitkFloat64])
def test_every_filter(small, pixel_type):
    image, mask = small
    filters = ("Original", "Square", "SquareRoot", "Logarithm", "Exponential", "Gradient")
    types = dict.fromkeys(filters) | {
        "LoG": {"sigma": [1, 2.5]},
        "Wavelet": {"wavelet": "db2", "level": 2, "start_level": 1, "binWidth": 10},
    }
    check(sitk.Cast(image, pixel_type), mask, settings_of({}, types))


@pytest.mark.parametrize(
    "setting",
    [
        {"binCount": 16},
        {"binWidth": 7.5},
        {"distances": [1, 2], "gldm_a": 1},
        {"force2D": True},
        {"force2D": True, "force2Ddimension": 2},
        {"symmetricalGLCM": False},
        {"weightingNorm": "euclidean"},
        {"weightingNorm": "manhattan"},
        {"weightingNorm": "infinity"},
        {"weightingNorm": "no_weighting"},
        {"resegmentRange": [50, 150]},
        {"resegmentRange": [-1, 2], "resegmentMode": "sigma", "resegmentShape": True},
        {"resegmentRange": [0.4], "resegmentMode": "relative"},
        {"normalize": True, "normalizeScale": 100.0, "removeOutliers": 2.0},
        {"preCrop": True, "padDistance": 2},
        {"resampledPixelSpacing": [2.0, 2.0, 2.0], "interpolator": "sitkBSpline"},
        {"resampledPixelSpacing": [1.0, 1.0, 0.0], "interpolator": "sitkLinear", "padDistance": 3},
        {"resampledPixelSpacing": [1.0, 1.5, 3.0], "interpolator": "sitkBSpline", "padDistance": 1},
        {"voxelArrayShift": 300},
    ],
    ids=str,
)
def test_settings(small, setting):
    types = {"Original": None, "Wavelet": None}
    check(*small, settings_of(setting, types, dict.fromkeys((*INTENSITY_CLASSES, "shape"))))


def test_int16_is_rounded_when_resampled(small):
    image, mask = small
    check(sitk.Cast(image, sitk.sitkInt16), mask, load_settings("dtlr"))


def test_features_by_name_and_those_left_out_otherwise(small):
    classes = {
        "shape": ["Compactness1", "Compactness2", "SphericalDisproportion", "Sphericity"],
        "glcm": ["Idm", "Contrast"],
        "firstorder": ["StandardDeviation", "Mean"],
    }
    assert len(check(*small, settings_of({}, None, classes))) == 8


def test_a_mask_of_another_grid_is_moved_when_the_settings_say_so(small):
    image, mask = small
    cropped = mask[1:11, 1:12, 0:6]
    check(image, cropped, settings_of({"correctMask": True}, None, dict.fromkeys((*INTENSITY_CLASSES, "shape"))))


@pytest.mark.parametrize("voxels", [[(3, 3, 3), (3, 3, 4)], [(1, 1, 1), (3, 5, 7)], [(1, 1, 1), (1, 2, 2), (3, 3, 3)]])
@pytest.mark.parametrize("flat", [False, True])
def test_regions_of_hardly_any_voxels(small, voxels, flat):
    image = small[0]
    inside = np.zeros(image.GetSize()[::-1], np.uint8)
    inside[tuple(np.transpose(voxels))] = 1
    mask = sitk.GetImageFromArray(inside)
    mask.CopyInformation(image)
    if flat:
        array = np.where(inside > 0, np.float32(5), sitk.GetArrayFromImage(image))
        image = sitk.GetImageFromArray(array)
        image.CopyInformation(mask)
    check(image, mask, settings_of({"minimumROIDimensions": 1}, None, dict.fromkeys((*INTENSITY_CLASSES, "shape"))))


def test_mesh_of_every_cube_is_that_of_pyradiomics():
    from radiomics import cShape

    from FeatureExtractorLib.radiomics.native.marching_cubes import surface

    spacing = np.array([3.0, 0.7, 1.1])
    for case in range(1, 256):
        corners = np.array([case >> bit & 1 for bit in range(8)], bool).reshape(2, 2, 2)
        mask = np.pad(corners, 1)
        area, volume, _ = cShape.calculate_coefficients(mask, spacing)
        assert surface(mask, spacing) == pytest.approx((area, volume), rel=1e-12), case


def test_local_binary_pattern_is_scikit_images(small):
    feature = pytest.importorskip("skimage.feature", reason="scikit-image is not installed")
    from FeatureExtractorLib.radiomics.native.local_binary_pattern import local_binary_pattern

    plane = np.random.default_rng(0).integers(0, 6, (31, 27)).astype(np.int16)
    for method in ("default", "ror", "uniform", "var"):
        for samples, radius in ((8, 1), (12, 2.3), (5, 1.5)):
            expected = feature.local_binary_pattern(plane, samples, radius, method)
            np.testing.assert_allclose(local_binary_pattern(plane, samples, radius, method), expected)


@pytest.fixture
def lbp_3d_of_pyradiomics(monkeypatch):
    """PyRadiomics finds scipy's functions by the names they had in its time."""
    pytest.importorskip("trimesh", reason="trimesh is not installed")
    import scipy.ndimage
    import scipy.special

    def sph_harm(m, n, azimuth, polar):
        return scipy.special.sph_harm_y(n, m, polar, azimuth)

    monkeypatch.setattr(scipy.special, "sph_harm", sph_harm, raising=False)
    monkeypatch.setitem(sys.modules, "scipy.ndimage.interpolation", scipy.ndimage)


def check_lbp_3d(image, mask, own):
    """As `check`; levels that are equal but for rounding may lie on either side of the percentiles of one feature."""
    first_order = [name for name in CLASSES["firstorder"].chosen(None) if name != "RobustMeanAbsoluteDeviation"]
    classes = {"firstorder": first_order, "glcm": None, "glszm": None}
    found = check(image, mask, settings_of({"binWidth": 0.1}, {"LBP3D": own}, classes))
    assert {name.split("_")[0] for name in found} == {f"lbp-3D-m{n + 1}" for n in range(own.get("lbp3DLevels", 2))} | {
        "lbp-3D-k"
    }


@pytest.mark.parametrize(
    "own",
    [{}, {"lbp3DLevels": 4, "lbp3DIcosphereRadius": 1.7, "lbp3DIcosphereSubdivision": 2}]
    + [{"lbp3DLevels": 2, "lbp3DIcosphereSubdivision": 0}],
    ids=str,
)
@pytest.mark.usefixtures("lbp_3d_of_pyradiomics")
def test_local_binary_patterns_in_3d(small, own):
    image, mask = small
    for kind in (sitk.sitkFloat32, sitk.sitkInt16):
        check_lbp_3d(sitk.Cast(image, kind), mask, own)


@pytest.mark.usefixtures("lbp_3d_of_pyradiomics")
def test_local_binary_patterns_in_3d_of_a_breast(data_dir):
    image, label = (sitk.ReadImage(str(data_dir / "pyradiomics_cases" / file)) for file in CASES["breast1"])
    check_lbp_3d(image, sitk.Cast(label == 1, sitk.sitkUInt8), {})


@pytest.mark.parametrize("subdivisions", [0, 1, 3])
def test_points_of_a_sphere_are_those_of_trimesh(subdivisions):
    creation = pytest.importorskip("trimesh.creation", reason="trimesh is not installed")
    from FeatureExtractorLib.radiomics.native.local_binary_pattern_3d import sphere

    for radius in (1.0, 2.6):
        assert np.array_equal(sphere(radius, subdivisions), creation.icosphere(subdivisions, radius).vertices)
