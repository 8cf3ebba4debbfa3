"""Damaged files end in a sentence or in a right answer: never in a traceback, a hang or a half-written file."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.manifest import read_manifest
from FeatureExtractorLib.radiomics.presets import load_settings
from FeatureExtractorLib.reading import read_image, read_mask
from TumorClassifierLib.recipes.dtlr_model import Settings
from TumorClassifierLib.settings import read_settings

MUTANTS = 60  # of each kind
WORDS = (
    b"99999999",
    b"-1",
    b"0",
    b"nan",
    b"1e308",
    b"\xff\xfe",
    b"\x00",
    b"[[[[",
    b"sizes:",
    b"!!python/object",
    b"&a *a",
)


def volume(path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 900, (5, 7, 9)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))


def manifest(path: Path) -> None:
    lines = [
        "case_id,patient_id,image_T1C,mask,label,cohort,age",
        'a,p,"x.nrrd",m.nrrd,high,train,61',
        "b,q,y.nrrd,,low,,",
    ]
    path.write_text("\n".join(lines) + "\n")


def radiomics_settings(path: Path) -> None:
    path.write_text("imageType:\n  Original: {}\n  LoG: {sigma: [1.0, 2.0]}\nsetting:\n  binWidth: 25\n")


def recipe_settings(path: Path) -> None:
    path.write_text("preparation: {n4: none, spacing: [1.0, 1.0, 0.0]}\ntraining:\n  epochs: 3\nfolds: 2\n")


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "image.nrrd": (volume, read_image),
    "image.nii": (volume, read_image),
    "image.nii.gz": (volume, read_image),
    "mask.mha": (volume, read_mask),
    "cohort.csv": (manifest, read_manifest),
    "radiomics.yaml": (radiomics_settings, load_settings),
    "recipe.yaml": (recipe_settings, lambda path: read_settings(Settings, path)),
}


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """A copy with bits flipped, words put in, a piece cut out, doubled or lost at the end."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data)) if data else 0
        # Headers decide what happens, so half of all changes go there.
        place = min(place, rng.randrange(200)) if rng.random() < 0.5 else place
        kind = rng.randrange(5)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place:place] = rng.choice(WORDS)
        elif kind == 2:
            del data[place : place + rng.randint(1, 40)]
        elif kind == 3:
            data[place:place] = data[place : place + rng.randint(1, 60)]
        else:
            del data[rng.randrange(len(data) + 1) :]
    return bytes(data)


@pytest.mark.parametrize("name", KINDS)
def test_mutants_are_read_right_or_refused(name: str, tmp_path: Path) -> None:
    write, read = KINDS[name]
    good = tmp_path / "good" / name
    good.parent.mkdir()
    write(good)
    read(good)
    rng = random.Random(name)
    refused = 0
    for i in range(MUTANTS):
        bad = tmp_path / f"{i}-{name}"
        bad.write_bytes(mutated(good.read_bytes(), rng))
        try:
            read(bad)
        except InputError as error:
            refused += 1
            sentence = str(error)
            assert 20 < len(sentence) < 1500 and sentence.rstrip().endswith("."), sentence
            assert "Traceback" not in sentence and "\n" not in sentence, sentence
        bad.unlink()
    assert refused > MUTANTS // 10, "the mutants are too tame to show anything"
    assert [path.name for path in tmp_path.iterdir()] == ["good"]


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        (b"NDims = 3", b"NDims = 999999993", "dimensions"),  # crashes ITK
        (b"TransformMatrix = 1", b"TransformMatrix = 1e308", "axes"),  # keeps ITK busy for ever
        (b"DimSize = 9", b"DimSize = 999999", "too few even compressed"),
    ],
)
def test_what_would_crash_or_hang_the_library_is_refused_before(
    right: bytes, wrong: bytes, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "mask.mha"
    volume(path)
    path.write_bytes(path.read_bytes().replace(right, wrong))
    with pytest.raises(InputError, match=sentence):
        read_mask(path)
