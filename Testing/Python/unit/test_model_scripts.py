"""The scripts that make the manifests which the shipped models are trained from."""

import csv
import importlib
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from FeatureExtractorLib.manifest import Manifest, read_manifest
from TumorClassifierLib.networks.boxes import boxes_of_mask
from TumorClassifierLib.networks.detection import Found
from TumorClassifierLib.networks.detector_training import LabelledSlice

SCRIPTS = Path(__file__).parents[3] / "scripts" / "models"


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("brain_t1c_detector")


def made(script: str, *arguments: object) -> None:
    subprocess.run([sys.executable, SCRIPTS / script, *map(str, arguments)], check=True, capture_output=True)


def slices_of(manifest: Manifest) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for entry in manifest.entries:
        found[entry.patient_id] += 1
    return found


def test_every_slice_is_taken_and_patients_are_held_back_whole(data_dir: Path, tmp_path: Path) -> None:
    data = data_dir / "brain_t1c_slices"
    made("brain_t1c_manifest.py", data, tmp_path / "all.csv", "glioma", "meningioma", "pituitary")
    manifest = read_manifest(tmp_path / "all.csv")
    with open(data / "slices.csv", newline="", encoding="utf-8") as stream:
        rows = {row["slice"]: row for row in csv.DictReader(stream)}
    assert {e.case_id: (e.patient_id, e.label) for e in manifest.entries} == {
        name: (row["patient"], row["class"]) for name, row in rows.items()
    }
    patients: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in manifest.entries:
        patients[str(entry.label), entry.cohort].add(entry.patient_id)
    assert {key: len(names) for key, names in patients.items()} == {
        (label, cohort): n
        for label in ("glioma", "meningioma", "pituitary")
        for cohort, n in (("train", 32), ("test", 8))
    }
    assert len(slices_of(manifest)) == 120  # nobody is in both


@pytest.mark.slow
def test_at_most_some_slices_of_the_same_patients(data_dir: Path, tmp_path: Path) -> None:
    data = data_dir / "brain_t1c_slices"
    for name, more in (("all.csv", ()), ("few.csv", ("--at-most", 4))):
        made("brain_t1c_manifest.py", data, tmp_path / name, "meningioma", *more)
    every, few = (read_manifest(tmp_path / name) for name in ("all.csv", "few.csv"))
    counts = slices_of(every)
    assert slices_of(few) == {patient: min(4, n) for patient, n in counts.items()}
    cohorts = [{e.patient_id: e.cohort for e in manifest.entries} for manifest in (every, few)]
    assert cohorts[0] == cohorts[1]


@pytest.mark.slow
def test_slices_are_stacked_with_their_masks(data_dir: Path, tmp_path: Path) -> None:
    data, out = data_dir / "brain_t1c_slices", tmp_path / "sequences"
    made("brain_t1c_sequences.py", data, out, "meningioma", "pituitary", "--patients", 2, "--slices", 5)
    manifest = read_manifest(out / "manifest.csv")
    assert [e.label for e in manifest.entries].count("meningioma") == 2 and len(manifest.entries) == 4
    for entry in manifest.entries:
        case = entry.read()
        assert 4 <= case.image("T1C").GetSize()[2] <= 5
        assert case.image("T1C").GetSpacing() == pytest.approx((0.49, 0.49, 6.0))
        assert case.required_mask("T1C").GetSize() == case.image("T1C").GetSize()
        age = entry.clinical["age_made"]
        assert isinstance(age, float | int) and 20 <= age <= 80


def test_boxes_turn_with_their_slice(detector: ModuleType) -> None:
    mask = np.zeros((20, 20), dtype=np.float32)
    mask[2:5, 4:12] = mask[10:19, 1:3] = 1
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        one = detector.turned(LabelledSlice(mask, boxes_of_mask(mask), 1), rng)
        assert sorted(one.boxes.tolist()) == sorted(boxes_of_mask(one.image).tolist())
        seen.add(one.image.tobytes())
    assert len(seen) == 8


def test_recall_by_hand(detector: ModuleType) -> None:
    image, box = np.zeros((20, 20), np.float32), np.array([[0.0, 0.0, 10.0, 10.0]])
    half, far = np.array([[0.0, 0.0, 10.0, 6.0]]), np.array([[15.0, 15.0, 20.0, 20.0]])
    places = (half, np.concatenate([far, box]))
    found = [Found(boxes, np.ones(len(boxes)), np.zeros(len(boxes), int)) for boxes in places]
    test = [LabelledSlice(image, box, 0)] * 2
    assert detector.recall(found, test, ["a", "b"], 1) == (0.5, 0.0, 1.0)
    assert detector.recall(found, test, ["a", "b"], 2) == (1.0, 1.0, 1.0)
