"""The volume recipe: it learns what is planted, keeps its bits, and lays its map where the network looked."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from FeatureExtractorLib.case import make_case
from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.progress import silent
from TumorClassifierLib.blocks import labels_of
from TumorClassifierLib.bundle import Bundle
from TumorClassifierLib.measures import CaseMeasures, Measures
from TumorClassifierLib.networks.curves import Epoch
from TumorClassifierLib.networks.volume3d import NetworkSettings
from TumorClassifierLib.networks.volume_augmentation import VolumeAugmentation
from TumorClassifierLib.recipes import volume_cnn
from TumorClassifierLib.recipes.volume_cnn import Settings, map_on
from TumorClassifierLib.recipes.volume_cnn_model import Fitted, VolumeTraining
from TumorClassifierLib.settings import plain, settings_of
from TumorClassifierLib.trust import TrustSettings, fit_trust
from TumorClassifierLib.whole_volume import VolumeSettings, volume_input

PLANTED = runpy.run_path(str(Path(__file__).with_name("planted_volumes.py")))
KINDS, SIDE = PLANTED["KINDS"], PLANTED["SIDE"]
planted_cases, planted_image = PLANTED["planted_cases"], PLANTED["planted_image"]

SMALL = Settings(
    grid=VolumeSettings(size=(SIDE,) * 3, spacing=(1.0, 1.0, 1.0)),
    network=NetworkSettings(width=4, depth=3),
    training=VolumeTraining(epochs=14, batch_size=4, learning_rate=0.01, dropout=0.0, threads=1),
    augmentation=VolumeAugmentation(shift=1),
    inner_folds=2,
    folds=2,
)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """Trained on 14 cases of each of three classes, healthy among them."""
    return volume_cnn.fit(planted_cases(14), KINDS, SMALL)


def bundle_of(fitted: Fitted, settings: Settings = SMALL) -> Bundle:
    documents, weights = volume_cnn.pack(fitted)
    manifest = {
        "recipe": "volume-cnn",
        "name": "planted",
        "version": "1",
        "classes": list(fitted.classes),
        "settings": plain(settings),
        "cohort": {"patients": 42, "cases": 42, "patients_by_class": dict.fromkeys(fitted.classes, 14)},
        "about": {},
        "metrics": {},
        "publication": "",
        "folds": 2,
        "warnings": [],
        "modalities": ["T1C"],
    }
    return Bundle(manifest, documents, weights, "")


def test_it_tells_three_classes_apart(fitted: Fitted) -> None:
    """Balls, rings and healthy heads that it has not seen."""
    unseen = planted_cases(10, first=50_000)
    found = volume_cnn.probabilities(fitted, unseen)
    assert list(found) == [volume_cnn.MAIN] and found[volume_cnn.MAIN].shape == (30, 3)
    np.testing.assert_allclose(found[volume_cnn.MAIN].sum(axis=1), 1, atol=1e-9)
    accuracy = (found[volume_cnn.MAIN].argmax(axis=1) == labels_of(unseen, KINDS)).mean()
    assert accuracy >= 0.95


def test_what_is_fitted(fitted: Fitted) -> None:
    """Three classes have no threshold; curves have every epoch."""
    assert fitted.threshold is None and fitted.nomograms == ()
    assert len(fitted.curves) == 14 and fitted.curves[-1].loss < fitted.curves[0].loss
    described = volume_cnn.describe(fitted)
    assert described["signatures"] == [] and described["nomograms"] == {}
    assert [epoch["epoch"] for epoch in described["curves"][volume_cnn.MAIN]] == list(range(1, 15))


def test_maps_of_unseen_cases_are_laid_beside_their_outlines(fitted: Fitted) -> None:
    """Of an outlined case the map of the class that it was called, on the grid of its mask; of another none."""
    cases = planted_cases(2, first=80_000)
    bare = [
        replace(case, first={m: replace(one, volume_mask=None) for m, one in case.first.items()}) for case in cases
    ]
    called = volume_cnn.probabilities(fitted, cases)[volume_cnn.MAIN].argmax(axis=1).tolist()
    assert volume_cnn.case_maps(fitted, SMALL, bare, called, silent) == [None] * len(cases)
    kept = replace(SMALL, grid=replace(SMALL.grid, spacing=(0.0, 2.0, 2.0)))
    assert volume_cnn.case_maps(fitted, kept, cases, called, silent) == [None] * len(cases)
    for case, made in zip(cases, volume_cnn.case_maps(fitted, SMALL, cases, called, silent), strict=True):
        outline = case.first["T1C"].volume_mask
        if outline is None:
            assert made is None
            continue
        assert made is not None and made.values.shape == outline.shape and made.spacing == SMALL.grid.spacing
        focus = made.focus()
        if focus is not None:
            inside = made.values[outline > 0].sum() / made.values.sum()
            assert focus["inside"] == pytest.approx(inside) == focus["mass_inside"]


def test_a_share_of_patients_can_choose_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set aside by patient, in every training; the curves then have both."""
    from TumorClassifierLib.networks import training

    sizes = []

    def train(network: Any, volumes: np.ndarray, y: np.ndarray, settings: Any, watched: Any, **others: Any) -> Any:
        sizes.append((len(y), len(watched[1])))
        assert set(y.tolist()) == set(watched[1].tolist()) == {0, 1, 2}
        return SimpleNamespace(model=network, curves=(Epoch(0.1, 1.0, 0.5, 1.2, 0.4),))

    monkeypatch.setattr(training, "train_classifier", train)
    watching = replace(SMALL, validation=0.25, training=replace(SMALL.training, patience=2))
    fitted = volume_cnn.fit(planted_cases(8), KINDS, watching)
    assert sizes[0] == (18, 6) and all(seen + aside in (24, 16, 12) for seen, aside in sizes)
    assert volume_cnn.describe(fitted)["curves"][volume_cnn.MAIN][0]["validation_loss"] == 1.2


def test_a_model_file_keeps_every_bit(fitted: Fitted) -> None:
    unseen = planted_cases(3, first=60_000)
    settings, kept = volume_cnn.unpack(bundle_of(fitted))
    assert settings == SMALL
    for name, P in volume_cnn.probabilities(fitted, unseen).items():
        np.testing.assert_array_equal(volume_cnn.probabilities(kept, unseen)[name], P)
    assert volume_cnn.pack(kept) == volume_cnn.pack(fitted)


def test_a_model_file_of_other_parts_is_refused(fitted: Fitted) -> None:
    good = bundle_of(fitted)
    other = replace(SMALL, network=NetworkSettings(width=6, depth=3))
    with pytest.raises(BundleRejected, match="not for this network"):
        volume_cnn.unpack(bundle_of(fitted, other))
    with pytest.raises(BundleRejected, match="lacks its fitted numbers"):
        volume_cnn.unpack(replace(good, weights={}))
    for name in ("trust", "curves"):
        document = {key: value for key, value in good.documents["model"].items() if key != name}
        with pytest.raises(BundleRejected, match="damaged"):
            volume_cnn.unpack(replace(good, documents={"model": document}))


def test_an_outline_changes_no_answer(fitted: Fitted) -> None:
    """The mask is for the overlap alone; without one there is none."""
    image, mask = planted_image("ball", 70_001)
    bundle = bundle_of(fitted)
    alone, outlined = (volume_cnn.classify(make_case("a", {"T1C": image}, m), bundle).prediction for m in (None, mask))
    assert alone["probabilities"] == outlined["probabilities"]
    assert "focus" not in alone
    assert 0 <= outlined["focus"]["dice"] <= 1 and 0 <= outlined["focus"]["inside"] <= 1
    assert alone["interval"] is None and alone["scores"] == {} and alone["nomogram_points"] == {}
    other = volume_cnn.classify(make_case("a", {"T1C": image}, None), bundle, activation="grad-cam++")
    assert other.prediction["probabilities"] == alone["probabilities"] and other.cam is not None
    assert alone["map"] == {"class": alone["predicted"], "method": "grad-cam"}
    for target in fitted.classes:
        of_class = volume_cnn.classify(make_case("a", {"T1C": image}, None), bundle, target=target)
        assert of_class.prediction["map"] == {"class": target, "method": "grad-cam"}
        assert of_class.prediction["predicted"] == alone["predicted"]
    assert volume_cnn.activations(bundle) == ("grad-cam", "grad-cam++", "smooth-grad-cam++")
    assert alone["provenance"]["engine"] is None and alone["threshold"] is None


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SAL"])
def test_the_map_lies_over_the_input_however_it_is_stored(fitted: Fitted, axes: str) -> None:
    """The same head stored otherwise has the same answer and, in space, the same map."""
    bundle = bundle_of(fitted)
    image = planted_image("ring", 70_002)[0]
    plainly = volume_cnn.classify(make_case("a", {"T1C": image}, None), bundle)
    stored = volume_cnn.classify(make_case("a", {"T1C": sitk.DICOMOrient(image, axes)}, None), bundle)
    assert plainly.cam is not None and stored.cam is not None
    assert stored.cam.GetDirection() == sitk.DICOMOrient(image, axes).GetDirection()
    assert sitk.GetArrayFromImage(plainly.cam).max() == pytest.approx(1.0)
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(stored.cam, "LPS"))
    np.testing.assert_allclose(back, sitk.GetArrayFromImage(plainly.cam), atol=0.02)
    assert stored.prediction["probabilities"] == pytest.approx(plainly.prediction["probabilities"], abs=2e-3)


@given(
    axes=st.sampled_from(["LPS", "RAS", "SAL", "IPR"]),
    oblique=st.floats(-0.4, 0.4),
    thickness=st.floats(1.0, 3.0),
    spot=st.tuples(*[st.integers(6, 13)] * 3),
)
@hypothesis_settings(max_examples=20, deadline=None)
def test_a_marked_voxel_of_the_map_is_found_again(
    axes: str, oblique: float, thickness: float, spot: tuple[int, int, int]
) -> None:
    """A map that points at a bright voxel of the network's grid points at it in the input, oblique or not."""
    array = np.ones((20, 20, 20), dtype=np.float32)
    array[4:16, 4:16, 4:16] = 100
    array[spot[2], spot[1], spot[0]] = 200
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.0, 1.2, thickness))
    image.SetOrigin((-30.0, 12.0, 5.0))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), oblique, -oblique / 2, oblique / 3).GetMatrix())
    at = np.array(image.TransformIndexToPhysicalPoint(spot))
    image = sitk.DICOMOrient(image, axes)
    whole = volume_input(image, None, VolumeSettings(size=(24, 24, 60), spacing=(1, 1, 1), intensity="none"))
    values = np.zeros(whole.array.shape, dtype=np.float32)
    values.flat[whole.array.argmax()] = 0.3
    cam = map_on(values, whole.image, image)
    assert cam.GetSize() == image.GetSize() and cam.GetPixelID() == sitk.sitkFloat32
    found = sitk.GetArrayFromImage(cam)
    assert found.max() == pytest.approx(1.0)
    k, j, i = np.unravel_index(found.argmax(), found.shape)
    there = np.array(cam.TransformIndexToPhysicalPoint((int(i), int(j), int(k))))
    assert np.linalg.norm(there - at) < 1.9  # a voxel along each axis, where two are equally near


def test_patches_are_trained_and_averaged() -> None:
    """A network that sees patches alone still answers for whole volumes."""
    settings = replace(SMALL, patch=(16, 16, 12), training=replace(SMALL.training, epochs=2))
    cases = planted_cases(4, ("ball", "healthy"))
    fitted = volume_cnn.fit(cases, ("healthy", "ball"), settings)
    P = volume_cnn.probabilities(fitted, cases)[volume_cnn.MAIN]
    assert P.shape == (8, 2) and np.isfinite(P).all()
    assert fitted.threshold is not None and 0 <= fitted.threshold <= 1
    kept = volume_cnn.unpack(bundle_of(fitted, settings))[1]
    np.testing.assert_array_equal(volume_cnn.probabilities(kept, cases)[volume_cnn.MAIN], P)


def test_trust_needs_no_features() -> None:
    """Calibration and prediction sets are fitted, no case is called unlike the others, and files keep it."""
    rng = np.random.default_rng(0)
    P = rng.dirichlet((1, 1), 40)
    y = (rng.random(40) < P[:, 1]).astype(np.int64)
    patients = np.array([f"p{i}" for i in range(40)])
    trust = fit_trust(P, y, patients, np.empty((40, 0)), (), TrustSettings("platt"))
    assert trust.warnings({}) == [] and trust.novelty.features == ()
    assert type(trust).from_json(trust.to_json()) == trust
    np.testing.assert_allclose(trust.calibrated(P).sum(axis=1), 1)


def test_volumes_of_different_sizes_are_refused() -> None:
    cases = [
        CaseMeasures(f"c{n}", f"p{n}", "ball", {}, {"T1C": Measures(MappingProxyType({}), volume=np.zeros((n,) * 3))})
        for n in (8, 9)
    ]
    with pytest.raises(InputError, match="one size"):
        volume_cnn.volumes_of(cases)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"grid": VolumeSettings()}, "grid.size"),
        ({"patch": (200, 16, 16)}, "larger than the grid"),
        ({"patch": (8, 8, 8)}, "too small"),
        ({"n4": "strong"}, "n4"),
        ({"threshold": "best"}, "threshold"),
        ({"activation": "guided-grad-cam"}, "leak|plain ReLUs"),
        ({"activation": "heat"}, "activation"),
        ({"folds": 1}, "folds"),
        ({"training": VolumeTraining(patience=3)}, "patience"),
        ({"validation": 0.7}, "share of validation"),
        ({"training": VolumeTraining(seed=3)}, "seed"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Settings(**wrong)


def test_settings_given_in_part_keep_the_recipes_own() -> None:
    """A file that names the epochs alone changes nothing else of the training."""
    read = settings_of(Settings, {"training": {"epochs": 5}, "grid": {"size": [32, 32, 32], "spacing": [4, 4, 4]}})
    assert read.training == VolumeTraining(epochs=5) and read.training.optimizer == "adamw"
    assert settings_of(Settings, plain(SMALL)) == SMALL
