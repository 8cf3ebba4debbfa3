"""The weighted fusion from the command line: train, evaluate, classify, with sequences and outlines missing."""

import copy
import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from FeatureExtractorLib.case import make_case
from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.manifest import read_manifest
from TumorClassifierLib.bundle import read_bundle
from TumorClassifierLib.classify import classify_case
from TumorClassifierLib.findings import Findings
from TumorClassifierLib.fusion import ABLATIONS
from TumorClassifierLib.recipes import weighted_fusion
from TumorClassifierLib.settings import settings_of
from TumorClassifierLib.training import train

Run = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.slow

SETTINGS = """
modalities: [T1, T2]
plane: axial
weights: seed:0
detector: {backbone: resnet14, deformable: false, image_size: 48, smallest_anchor: 8, proposals: 20,
           pyramid_width: 16, head_width: 32}
detector_training: {epochs: 1, batch_size: 8, learning_rate: 0.002, optimizer: adamw}
found: 0.02
classifier: {backbone: resnet14, slices: 4, size: 32, dropout: 0.0}
training: {epochs: 1, batch_size: 8, threads: 1, augmentation: false}
draws: 1
step: 0.2
positive: malignant
folds: 2
inner_folds: 2
"""


def planted(folder: Path, name: str, bright: bool, seed: int) -> tuple[Path, Path]:
    """A body of four slices with a bright or dark tumour in one of them."""
    rng = np.random.default_rng(seed)
    values = 100 + 5 * rng.normal(size=(4, 48, 48))
    values[:, :3] = values[:, -3:] = values[:, :, :3] = values[:, :, -3:] = 0
    mask = np.zeros(values.shape, dtype=np.uint8)
    x, y = rng.integers(4, 26, 2)
    mask[2, y : y + 16, x : x + 16] = 1
    values[mask > 0] = 250 if bright else 30
    paths = []
    for array, suffix in ((values.astype(np.float32), "image"), (mask, "mask")):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.8, 0.8, 4.0))
        image.SetOrigin((5.0, -7.0, 11.0))
        paths.append(folder / f"{name}_{suffix}.nrrd")
        sitk.WriteImage(image, paths[-1])
    return paths[0], paths[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fusion")
    (folder / "settings.yaml").write_text(SETTINGS)
    with (folder / "cohort.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case_id", "image_T1", "image_T2", "mask_T1", "mask_T2", "label", "age", "cohort"])
        for i in range(18):
            (t1, m1), (t2, m2) = (
                planted(folder, f"p{i}_{name}", i % 2 == 1, 2 * i + k) for k, name in enumerate("ab")
            )
            label, age = ("benign", "malignant")[i % 2], 30 + i + 30 * (i % 2)
            cohort = "train" if i < 16 else "test"
            files = [t1.name, "", m1.name, ""] if i == 6 else [t1.name, t2.name, m1.name, m2.name]
            writer.writerow([f"p{i}", *files, label, "" if i == 4 else age, cohort])
    return folder


@pytest.fixture(scope="module")
def model(folder: Path, run_cli: Run) -> Path:
    path = folder / "fusion.tcmodel"
    code, _, errors = run_cli(
        "train",
        "weighted-fusion",
        "--manifest",
        folder / "cohort.csv",
        "--settings",
        folder / "settings.yaml",
        "--out",
        path,
    )
    assert code == 0, errors
    return path


def test_the_model_says_how_it_weighs(model: Path) -> None:
    bundle = read_bundle(model)
    fusion = bundle.documents["description"]["fusion"]
    assert sum(fusion["weights"]) == pytest.approx(1)
    assert len(fusion["points"]) == 6
    assert sum(map(sum, fusion["ages"]["counts"])) == 15  # one age is not known
    inside, tested = bundle.documents["evaluation"]["cohorts"]
    assert (inside["patients"], tested["patients"]) == (16, 2)
    assert inside["main"] == "Det-Seq-Age"
    assert set(inside["metrics"]) == set(ABLATIONS)
    assert [row["name"] for row in fusion["ablations"]] == list(ABLATIONS)  # the rows of table 3
    for row in fusion["ablations"]:
        kept = ABLATIONS[row["name"]]
        assert row["weights"] == [w if there else 0 for w, there in zip(fusion["weights"], kept, strict=True)]
        assert row["accuracy"] == row["balanced_accuracy"] == pytest.approx(np.mean(row["recalls"]))  # 8 of each
    whole = fusion["ablations"][-1]
    best = max(point["balanced_accuracy"] for point in fusion["points"])
    assert whole["balanced_accuracy"] == pytest.approx(best)
    (age,) = bundle.manifest["clinical"]
    assert (age["name"], age["unit"]) == ("age", "years")
    assert "age (years)" in bundle.card
    _, fitted = weighted_fusion.unpack(bundle)
    documents, weights = weighted_fusion.pack(fitted)
    assert weights == bundle.weights
    assert json.loads(json.dumps(documents["model"])) == bundle.documents["model"]


def test_it_is_evaluated(model: Path, folder: Path, run_cli: Run) -> None:
    code, out, errors = run_cli("evaluate", model, "--manifest", folder / "cohort.csv", "--json")
    assert code == 0, errors
    assert json.loads(out)["patients"] == 18


def test_a_case_without_outline_and_of_one_sequence(model: Path, folder: Path, run_cli: Run) -> None:
    out, image = folder / "result", folder / "p1_a_image.nrrd"
    code, _, errors = run_cli("classify", "--image", f"T1={image}", "--model", model, "--out", out)
    assert code == 0, errors
    prediction = json.loads((out / "prediction.json").read_text())
    codes = [warning["code"] for warning in prediction["warnings"]]
    assert "sequence-missing" in codes and "incomplete-evidence" in codes  # no T2, no age
    assert set(prediction["model_probabilities"]) == set(ABLATIONS)
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert list(prediction["votes"]["sequences"]) == ["T1"]
    read, cam = sitk.ReadImage(image), sitk.ReadImage(out / "cam.nrrd")
    assert cam.GetSize() == read.GetSize() and cam.GetOrigin() == read.GetOrigin()
    assert (out / "report.html").is_file()
    low, high = (np.array(read.TransformContinuousIndexToPhysicalPoint(at)) for at in ((-0.5,) * 3, (47.5, 47.5, 3.5)))
    assert prediction["map"] == {"class": prediction["predicted"], "method": "grad-cam"} and "focus" not in prediction
    for box in prediction["boxes"]:
        corners = np.array(box["corners"])
        assert corners.shape == (4, 3)
        assert np.all((corners >= low - 1e-3) & (corners <= high + 1e-3))  # within the image, in mm
        assert sum(box["probabilities"].values()) == pytest.approx(1)


def test_boxes_and_slices_lie_where_the_image_is(model: Path, folder: Path) -> None:
    bundle, image = read_bundle(model), sitk.ReadImage(folder / "p1_a_image.nrrd")
    mask = sitk.Cast(sitk.ReadImage(folder / "p1_a_mask.nrrd"), sitk.sitkUInt8)
    result = classify_case(make_case("c", {"T1": image}, mask), bundle, activation="grad-cam++", target="benign")
    told, found = result.prediction["boxes"], result.findings
    assert result.prediction["map"] == {"class": "benign", "method": "grad-cam++"}
    assert len(found.boxes) == len(told) > 0
    for box, corners in zip(found.boxes, (np.array(one["corners"]) for one in told), strict=True):
        assert box.centre == pytest.approx(corners.mean(axis=0))
        assert box.size[:2] == pytest.approx(np.ptp(corners, axis=0)[:2]) and box.size[2] == 4.0
        assert box.label in ("benign", "malignant") and 0 < box.score <= 1
    assert found.slices is not None
    assert found.slices.positions_mm == pytest.approx([11.0, 15.0, 19.0, 23.0])  # axial: the superior coordinate
    P = np.array([found.slices.probabilities[name] for name in ("benign", "malignant")])
    assert P.shape == (2, 4) and P.sum(axis=0) == pytest.approx(np.ones(4))
    assert found == Findings.from_json(json.loads(json.dumps(found.to_json())))
    assert {name: len(curve) for name, curve in bundle.documents["description"]["curves"].items()} == {
        "detector": 1,
        "sequence classifier": 1,
    }


def test_a_held_out_case_moves_nothing(model: Path, folder: Path) -> None:
    """Other images and other labels of the held-out cases: the same weights λ, networks and ages, to the last bit."""
    whole = read_manifest(folder / "cohort.csv")
    held = whole.of_cohort("test")
    other = [
        dataclasses.replace(one, images={"T1": last.images["T2"], "T2": last.images["T1"]}, label=last.label)
        for one, last in zip(held, held[::-1], strict=True)
    ]
    changed = dataclasses.replace(whole, entries=(*whole.of_cohort("train"), *other))
    settings = settings_of(weighted_fusion.Settings, yaml.safe_load(SETTINGS))
    second, first = train("weighted-fusion", changed, settings, name="fusion")[0], read_bundle(model)
    assert json.loads(json.dumps(second.documents["model"])) == first.documents["model"]
    assert second.weights == first.weights
    inside, tested = (
        [bundle.documents["evaluation"]["cohorts"][i]["probabilities"] for bundle in (first, second)] for i in (0, 1)
    )
    assert inside[0] == inside[1]
    assert tested[0] != tested[1]  # what was changed was looked at


def test_a_training_case_may_lack_a_sequence(model: Path) -> None:
    bundle = read_bundle(model)
    told = "1 of 16 training cases have no T2 image; they counted with the sequences that they have."
    assert told in bundle.manifest["warnings"] and told in bundle.card
    assert bundle.manifest["cohort"]["cases"] == 16 and bundle.manifest["cohort"]["failures"] == 0


def test_a_case_of_no_sequence_is_refused(model: Path, folder: Path, run_cli: Run) -> None:
    code, _, errors = run_cli(
        "classify", "--image", f"CT={folder / 'p1_a_image.nrrd'}", "--model", model, "--out", folder / "none"
    )
    assert code == 1
    assert "none of T1, T2" in errors


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("shares",), [0.5, 0.6]),
        (("shares",), [1.0]),
        (("search", "weights"), [0.5, 0.5]),
        (("search", "weights"), [0.6, 0.6, -0.2]),
        (("search", "points"), [{"weights": [1, 0, 0]}]),
        (("ages", "edges"), [20.0, 10.0]),
        (("ages", "counts"), [[1, 1]]),
        (("ages", "pseudo_count"), -1.0),
        (("threshold",), 2.0),
        (("threshold",), None),
        (("trust",), {}),
    ],
)
def test_a_model_file_of_other_numbers_is_refused(model: Path, place: tuple[str, ...], value: object) -> None:
    bundle = read_bundle(model)
    document = copy.deepcopy(bundle.documents["model"])
    inner = document
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    with pytest.raises(BundleRejected):
        weighted_fusion.unpack(dataclasses.replace(bundle, documents={**bundle.documents, "model": document}))


def test_a_model_file_without_its_networks_is_refused(model: Path) -> None:
    bundle = read_bundle(model)
    one = {"detector": bundle.weights["detector"]}
    swapped = {"detector": bundle.weights["classifier"], "classifier": bundle.weights["detector"]}
    for weights in ({}, one, swapped):
        with pytest.raises(BundleRejected):
            weighted_fusion.unpack(dataclasses.replace(bundle, weights=weights))


def test_the_age_counts_where_it_is_given(model: Path, folder: Path) -> None:
    bundle, image = read_bundle(model), sitk.ReadImage(folder / "p1_a_image.nrrd")
    given = [
        weighted_fusion.classify(make_case("c", {"T1": image}, None, clinical={"age": age}), bundle).prediction
        for age in (None, 35.0, 75.0)
    ]
    P = [one["model_probabilities"]["Det-Age"]["malignant"] for one in given]
    assert P[1] < P[2]  # the planted malignant patients are the older ones
    assert P[0] != P[1]
    for name in ("Det", "Seq", "Det-Seq"):
        assert given[0]["model_probabilities"][name] == given[2]["model_probabilities"][name]
    codes = [[warning["code"] for warning in one["warnings"]] for one in given]
    assert not any("clinical-value-unused" in one for one in codes)
    with pytest.raises(InputError, match="age of case c is 'old'"):
        weighted_fusion.classify(make_case("c", {"T1": image}, None, clinical={"age": "old"}), bundle)
