"""Images that no network can use, through the command line, for recipes that see slices, volumes and sequences."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from TumorClassifierLib.bundle import Bundle, read_bundle, write_bundle
from TumorClassifierLib.fusion import GridPoint, WeightSearch
from TumorClassifierLib.networks.detection import DetectorShape, build_detector
from TumorClassifierLib.networks.sequence import SequenceShape, build_sequence_classifier
from TumorClassifierLib.networks.volume3d import NetworkSettings, build_volume_network
from TumorClassifierLib.recipes import volume_cnn, volume_cnn_model, weighted_fusion, weighted_fusion_model
from TumorClassifierLib.recipes.weighted_fusion_steps import Framework
from TumorClassifierLib.settings import plain
from TumorClassifierLib.trust import TrustSettings, fit_trust
from TumorClassifierLib.whole_volume import VolumeSettings

Run = Callable[..., tuple[int, str, str]]
CLASSES = ("low", "high")
GRID = VolumeSettings(size=(16, 16, 16), spacing=(3.0, 3.0, 3.0))
VOLUME = volume_cnn.Settings(grid=GRID, network=NetworkSettings(width=4, depth=2))
FUSION = weighted_fusion.Settings(
    modalities=("T1C",),
    plane="axial",
    weights="seed:0",
    detector=DetectorShape("resnet14", False, 48, 8, 20, 16, 32),
    classifier=SequenceShape("resnet14", 4, 32, dropout=0.0),
)


def written(path: Path, recipe: str, settings: Any, packed: tuple[dict[str, Any], dict[str, bytes]]) -> Path:
    manifest = {
        "recipe": recipe,
        "name": path.stem,
        "version": "1",
        "classes": list(CLASSES),
        "positive": CLASSES[1],
        "modalities": ["T1C"],
        "settings": plain(settings),
        "radiomics": None,
        "cohort": {"patients": 2, "cases": 2, "patients_by_class": dict.fromkeys(CLASSES, 1)},
        "about": {},
        "metrics": {},
        "publication": "",
        "folds": 2,
        "warnings": [],
    }
    write_bundle(Bundle(manifest, packed[0], packed[1], "# made"), path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Untrained models of volumes and of sequences."""
    folder = tmp_path_factory.mktemp("models")
    y, P = np.arange(20) % 2, np.linspace(0.1, 0.9, 20)
    patients = np.array([f"p{i}" for i in range(20)])
    trust = fit_trust(np.column_stack([1 - P, P]), y, patients, np.empty((20, 0)), (), TrustSettings(), 0, CLASSES)
    network = build_volume_network(2, VOLUME.network)
    volume = volume_cnn_model.Fitted(CLASSES, network, trust, 0.5, (), None, ())
    weights = (0.4, 0.4, 0.2)
    framework = Framework(
        build_detector(2, FUSION.detector),
        build_sequence_classifier(2, FUSION.classifier),
        None,
        np.array([0.5, 0.5]),
        WeightSearch(weights, (GridPoint(weights, 0.5, 0.7),)),
        None,
        0.3,
        FUSION.classifier,
    )
    fusion = weighted_fusion_model.Fitted(CLASSES, framework, FUSION, trust, 0.5, (), (), ())
    return {
        "volume-cnn": written(folder / "volume.tcmodel", "volume-cnn", VOLUME, volume_cnn.pack(volume)),
        "weighted-fusion": written(folder / "fusion.tcmodel", "weighted-fusion", FUSION, weighted_fusion.pack(fusion)),
    }


def image_of(array: np.ndarray, path: Path) -> Path:
    image = sitk.GetImageFromArray(array, isVector=False)
    sitk.WriteImage(image, str(path))
    return path


def head(size: tuple[int, ...] = (12, 20, 20)) -> np.ndarray:
    return np.random.default_rng(0).normal(300, 40, size).astype(np.float32)


def with_nan(array: np.ndarray) -> np.ndarray:
    array[5, 5, 5] = np.nan
    return array


def promise(path: Path) -> Path:
    """A header of 16 GB with a kilobyte behind it."""
    head = "NRRD0004\ntype: double\ndimension: 3\nsizes: 2000 1000 1000\nencoding: raw\nendian: little\n\n"
    path.write_bytes(head.encode() + bytes(1000))
    return path


SPOILT: dict[str, tuple[Callable[[Path], Path], str]] = {
    "one slice": (lambda path: image_of(head((1, 20, 20)), path), "no volume"),
    "4D": (lambda path: image_of(head((2, 6, 20, 20)), path), "4 dimensions"),
    "NaN": (lambda path: image_of(with_nan(head()), path), "NaN"),
    "16 GB": (promise, "16 GB|15 GB"),
    "zeros": (lambda path: image_of(0 * head(), path), "same value"),
}


@pytest.mark.parametrize("recipe", ["volume-cnn", "weighted-fusion"])
@pytest.mark.parametrize("name", SPOILT)
def test_an_image_that_cannot_be_used_is_one_sentence(
    name: str, recipe: str, models: dict[str, Path], run_cli: Run, tmp_path: Path
) -> None:
    spoil, words = SPOILT[name]
    image = spoil(tmp_path / "bad.nrrd")
    code, out, err = run_cli(
        "classify", "--image", f"T1C={image}", "--model", models[recipe], "--out", tmp_path / "out"
    )
    assert (code, out) == (1, ""), err
    assert re.search(words, err) and err.count("\n") == 1 and "unforeseen" not in err
    assert not (tmp_path / "out").exists()


def test_a_good_image_is_classified_by_both(models: dict[str, Path], run_cli: Run, tmp_path: Path) -> None:
    image = image_of(head(), tmp_path / "good.nrrd")
    for recipe, model in models.items():
        code, _, err = run_cli("classify", "--image", f"T1C={image}", "--model", model, "--out", tmp_path / recipe)
        assert code == 0, err
        assert (tmp_path / recipe / "prediction.json").is_file()


@pytest.mark.parametrize("name", ["4D", "NaN", "16 GB"])
def test_a_model_of_slices_says_the_same(name: str, trained: Path, make_cohort, run_cli: Run, tmp_path: Path) -> None:
    spoil, words = SPOILT[name]
    folder = make_cohort(2, seed=31).parent
    image = spoil(tmp_path / "bad.nrrd")
    code, out, err = run_cli(
        *("classify", "--image", f"T1C={image}", "--mask", folder / "p1_mask.nrrd"),
        *("--model", trained, "--out", tmp_path / "out"),
    )
    assert (code, out) == (1, ""), err
    assert re.search(words, err) and err.count("\n") == 1 and "unforeseen" not in err


def test_labels_that_are_no_classes_of_the_model_are_named(
    models: dict[str, Path], trained: Path, make_cohort, run_cli: Run, tmp_path: Path
) -> None:
    manifest = make_cohort(4, seed=3)
    manifest.write_text(manifest.read_text().replace("high", "very bad"))
    for model in (trained, models["volume-cnn"]):
        code, _, err = run_cli("evaluate", model, "--manifest", manifest)
        assert code == 1 and "'very bad'" in err and "low, high" in err and err.count("\n") == 1
    settings = tmp_path / "settings.yaml"
    settings.write_text("positive: worse\n")
    code, _, err = run_cli(
        *("train", "volume-cnn", "--manifest", make_cohort(16), "--settings", settings),
        *("--out", tmp_path / "m.tcmodel"),
    )
    assert code == 1 and "'worse' is not in the manifest; choose high or low" in err


@pytest.mark.parametrize("recipe", ["volume-cnn", "weighted-fusion"])
def test_weights_of_another_architecture_are_refused(
    recipe: str, models: dict[str, Path], run_cli: Run, tmp_path: Path
) -> None:
    bundle = read_bundle(models[recipe])
    other = {
        "volume-cnn": {"network": plain(NetworkSettings(width=8, depth=2))},
        "weighted-fusion": {"classifier": plain(SequenceShape("resnet18", 4, 32, dropout=0.0))},
    }[recipe]
    manifest = {**bundle.manifest, "settings": {**bundle.manifest["settings"], **other}}
    path = tmp_path / "other.tcmodel"
    write_bundle(replace(bundle, manifest=manifest), path)
    image = image_of(head(), tmp_path / "good.nrrd")
    code, _, err = run_cli("classify", "--image", f"T1C={image}", "--model", path, "--out", tmp_path / "out")
    assert code == 1 and "not for this network" in err and err.count("\n") == 1


def test_published_weights_of_another_architecture_are_refused(run_cli: Run, make_cohort, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"conv1.weight": torch.zeros(3, 3)}, str(tmp_path / "other.safetensors"))
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f"weights: file:{tmp_path / 'other.safetensors'}\nbackbone: resnet18\ncrop: {{size: 32}}\n"
        "preparation: {n4: none}\nfolds: 2\ninner_folds: 2\n"
    )
    code, _, err = run_cli(
        *("train", "resnet-transfer", "--manifest", make_cohort(16), "--settings", settings),
        *("--out", tmp_path / "m.tcmodel"),
    )
    assert code == 1 and err.count("\n") == 1 and "unforeseen" not in err, err
    assert "resnet18" in err or "not for" in err
