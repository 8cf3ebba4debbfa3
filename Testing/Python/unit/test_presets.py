import dataclasses
import json

import pytest
import yaml

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.radiomics.presets import PRESETS, load_settings, parse_settings


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name):
    settings = load_settings(name)
    assert settings.name == name
    assert dataclasses.asdict(settings)["name"] == name
    assert parse_settings(name, json.loads(json.dumps(settings.to_dict()))) == settings


def test_dtlr_says_what_the_paper_says():
    settings = load_settings("dtlr")
    assert settings.setting["binWidth"] == 25
    assert settings.setting["resampledPixelSpacing"] == [1, 1, 1]
    assert settings.image_types["LoG"]["sigma"] == [1.0, 2.0, 3.0]
    assert settings.diagnostics


def test_a_users_file_is_accepted(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "imageType:\n  Original: {}\n  LoG: {sigma: [3.0, 5.0], binWidth: 10}\n"
        "featureClass:\n  shape:\n  firstorder: [Mean, Energy]\n  glcm: []\n"
        "setting:\n  binWidth: 25\n  label: 1\n  interpolator: sitkLinear\n  resampledPixelSpacing:\n"
        "  weightingNorm:\n  voxelArrayShift: 300\n"
    )
    settings = load_settings(path)
    assert settings.name == "mine"
    assert settings.feature_classes == {"shape": (), "firstorder": ("Mean", "Energy"), "glcm": ()}
    assert settings.image_types["LoG"] == {"sigma": [3.0, 5.0], "binWidth": 10}
    assert not settings.diagnostics


def test_an_empty_file_means_everything_of_the_original_image(tmp_path):
    (tmp_path / "empty.yaml").write_text("setting: {}\n")
    settings = load_settings(tmp_path / "empty.yaml")
    assert settings.feature_classes is None
    assert list(settings.image_types) == ["Original"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("settings: {}", "unknown section 'settings'"),
        ("voxelSetting: {kernelRadius: 2}", "unknown section 'voxelSetting'"),
        ("setting: {binwidth: 25}", "unknown setting 'binwidth'"),
        ("imageType: {Original: {sigmas: [1]}}", "unknown setting 'sigmas'"),
        ("imageType: {Log: {}}", "unknown image type 'Log'"),
        ("featureClass: {texture: []}", "unknown feature class 'texture'"),
        ("featureClass: {glcm: Contrast}", "'Contrast' for the class glcm"),
        ("setting: {binWidth: -1}", "sets binWidth to -1, but it must be a number above zero"),
        ("setting: {binWidth: yes}", "sets binWidth to True"),
        ("setting: {resampledPixelSpacing: [1, 1]}", "three lengths in mm"),
        ("setting: {interpolator: cubic}", "sets interpolator to 'cubic'"),
        ("setting: {label: 2}", "sets label to 2"),
        ("imageType: {LoG: {}}", "LoG without a sigma"),
        ("featureClass: {shape2D: }", "shape2D without force2D"),
        ("- a\n- b", "does not hold names and values"),
        ("{1: 2}", "does not hold names and values"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, named):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_settings(path)
    assert named in str(caught.value)
    assert "wrong.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_never_run_code(tmp_path):
    path = tmp_path / "evil.yaml"
    path.write_text("setting: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(InputError, match="cannot be read as YAML"):
        load_settings(path)


def test_a_missing_preset_is_answered_with_the_list():
    with pytest.raises(InputError, match="neither a settings file nor a preset; choose one of original, "):
        load_settings("orignal")


def test_every_setting_of_pyradiomics_schema_is_known():
    radiomics = pytest.importorskip("radiomics")
    from FeatureExtractorLib.radiomics.presets import FEATURE_CLASSES, IMAGE_TYPES, SETTINGS

    schema_file, _ = radiomics.getParameterValidationFiles()
    with open(schema_file, encoding="utf-8") as stream:
        schema = yaml.safe_load(stream)
    assert set(SETTINGS) == set(schema["mapping"]["setting"]["mapping"])
    assert set(IMAGE_TYPES) == set(radiomics.getImageTypes())
    assert set(FEATURE_CLASSES) == set(radiomics.getFeatureClasses())
