"""The multimodality signature from the command line, on a made cohort of CT, T1 and T2FS."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from FeatureExtractorLib.reading import read_case
from TumorClassifierLib.bundle import read_bundle
from TumorClassifierLib.classify import activation_methods, alignment_of, classify_case

pytestmark = pytest.mark.slow
Run = Callable[..., tuple[int, str, str]]

SETTINGS = """
modalities: [CT, T1, T2FS]
alignment: {reference: CT}
radiomics: RADIOMICS
backbones: [resnet18]
weights: ["seed:0"]
crop: {size: 64, margin: 0.0, view: bounding-box}
f_share: 0.3
sizes: [2, 4]
costs: [1.0, 10.0]
gammas: [1.0]
positive: sarcoma
folds: 3
repeats: 2
inner_folds: 2
"""


def write_case(folder: Path, i: int, rng: np.random.Generator) -> list[str]:
    """Three volumes; a sarcoma's texture is coarse in T1. T2FS has a grid of its own, a little to the side."""
    kind = ("lipoma", "sarcoma")[i % 2]
    z, y, x = np.mgrid[:4, :40, :40]
    mask = (np.hypot(y - rng.uniform(16, 24), x - rng.uniform(16, 24)) < rng.uniform(7, 10)) & (z > 0) & (z < 3)
    for modality, coarse in (("CT", 0.0), ("T1", 2.0 * (i % 2)), ("T2FS", 0.0), ("mask", None)):
        if coarse is None:
            values = mask.astype(np.uint8)
        else:
            texture = ndimage.gaussian_filter(rng.normal(size=mask.shape), (0, coarse, coarse))
            values = (rng.normal(0, 20, mask.shape) + mask * (50 + 90 * texture / texture.std())).astype(np.float32)
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((1.0, 1.0, 4.0))
        if modality == "T2FS":
            image = sitk.Resample(
                image, (44, 44, 4), sitk.Transform(), sitk.sitkLinear, (-1.0, -1.0, 0.0), (0.95, 0.95, 4.0)
            )
        sitk.WriteImage(image, str(folder / f"p{i}_{modality}.nrrd"))
    files = [f"p{i}_{name}.nrrd" for name in ("CT", "T1", "T2FS", "mask")]
    return [f"p{i}", *files, kind, str(round(40 + 10 * (i % 2) + 6 * rng.normal()))]


def write_cohort(folder: Path, patients: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    rows = [write_case(folder, i, rng) for i in range(patients)]
    with open(folder / "cohort.csv", "w", newline="") as stream:
        csv.writer(stream).writerows(
            [["case_id", "image_CT", "image_T1", "image_T2FS", "mask", "label", "age"], *rows]
        )
    return folder / "cohort.csv"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("multimodal"), 20, 1)


@pytest.fixture(scope="module", params=["original", "none"])
def model(request: pytest.FixtureRequest, made: Path, run_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "s.yaml").write_text(SETTINGS.replace("RADIOMICS", request.param))
    path = folder / f"{request.param}.tcmodel"
    code, _, err = run_cli(
        "train", "multimodal-signature", "--manifest", made, "--settings", folder / "s.yaml", "--out", path
    )
    assert code == 0, err
    return path


def signature_features(model: Path) -> list[str]:
    (one,) = read_bundle(model).documents["model"]["models"]
    return list(one["imaging"][one["best"]]["features"])


def classify(run_cli: Run, model: Path, made: Path, out: Path, modalities: tuple[str, ...]) -> tuple[int, str, str]:
    images = [part for name in modalities for part in ("--image", f"{name}={made.parent / f'p1_{name}.nrrd'}")]
    mask = ["--mask", made.parent / "p1_mask.nrrd"]
    return run_cli("classify", *images, *mask, "--model", model, "--out", out, "--clinical", "age=50", "--json")


def test_a_trained_model_judges_every_imaging_model_and_says_which_gave_the_signature(model: Path) -> None:
    bundle = read_bundle(model)
    assert bundle.manifest["modalities"] == ["CT", "T1", "T2FS"] and bundle.manifest["repeats"] == 2
    metrics = bundle.manifest["metrics"]
    assert set(metrics) >= {"nomogram", "signature", "resnet18 CT", "resnet18 T1", "resnet18 CT+T1+T2FS"}
    assert ("radiomics T1" in metrics) == (model.stem == "original")
    if model.stem == "original":  # radiomics of T1 tells coarse from fine out of fold, those of CT cannot
        assert metrics["radiomics T1"]["auc"]["value"] > 0.9 > metrics["radiomics CT"]["auc"]["value"]
        assert metrics["nomogram"]["auc"]["value"] > 0.8
    chosen = [one["name"] for one in bundle.documents["description"]["imaging"] if one["chosen"]]
    assert len(chosen) == 1
    assert "resnet18 (random weights, seed 0)" in bundle.manifest["networks"]


def test_a_case_is_classified_and_a_deep_signature_is_shown_on_the_image(
    model: Path, made: Path, run_cli: Run, tmp_path: Path
) -> None:
    code, out, err = classify(run_cli, model, made, tmp_path / "out", ("CT", "T1", "T2FS"))
    assert code == 0, err
    prediction = json.loads(out)
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-12)
    assert "Signature" in prediction["scores"] and {"nomogram", "signature"} <= set(prediction["model_probabilities"])
    assert set(signature_features(model)) <= {item["feature"] for item in prediction["contributions"]}
    deep = any(".resnet18_" in feature for feature in signature_features(model))
    cam = tmp_path / "out" / "cam.nrrd"
    assert cam.is_file() == deep
    bundle, images = read_bundle(model), {m: made.parent / f"p1_{m}.nrrd" for m in ("CT", "T1", "T2FS")}
    assert activation_methods(bundle) == (("grad-cam",) if deep else ())
    assert prediction["map"] == ({"class": prediction["predicted"], "method": "grad-cam"} if deep else None)
    if deep:
        mask = made.parent / "p1_mask.nrrd"
        clinical: dict[str, float | str | None] = {"age": 50.0}
        case = read_case(images, mask, case_id="p1", clinical=clinical, alignment=alignment_of(bundle))
        maps = [classify_case(case, bundle, target=name).cam for name in prediction["classes"]]
        first, second = (sitk.GetArrayFromImage(one) for one in maps if one is not None)
        assert not np.any((first > 0) & (second > 0)), "of two classes what speaks for one speaks against the other"
        assert "focus" in prediction or not sitk.GetArrayFromImage(sitk.ReadImage(str(cam))).any()
        volume, mask = sitk.ReadImage(str(cam)), sitk.ReadImage(str(made.parent / "p1_mask.nrrd"))
        values, inside = sitk.GetArrayFromImage(volume), sitk.GetArrayFromImage(mask) > 0
        assert values.shape == inside.shape and values.min() == 0 and values.max() in (0, 1)
        assert values[[0, 3]].max() <= values[1:3].max()


def test_a_case_without_a_needed_image_is_refused_in_a_sentence(
    model: Path, made: Path, run_cli: Run, tmp_path: Path
) -> None:
    needed = {feature.split(".")[0] for feature in signature_features(model)}
    lacking = next(name for name in ("T1", "T2FS", "CT") if name in needed)
    others = tuple(name for name in ("CT", "T1", "T2FS") if name != lacking)
    code, _, err = classify(run_cli, model, made, tmp_path / "out", others)
    assert code == 1 and f"has no {lacking} image" in err and "Traceback" not in err


def test_evaluation_gives_metrics_of_every_model(model: Path, run_cli: Run, tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path, 12, 7)
    (tmp_path / "p3_T1.nrrd").unlink()
    code, out, err = run_cli("evaluate", model, "--manifest", manifest, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["cases"] == 11 and "p3_T1.nrrd" in result["failures"]["p3"]
    assert set(result["metrics"]) >= {"nomogram", "signature", "resnet18 T1"}
