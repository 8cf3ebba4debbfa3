"""A made cohort and a model trained on it, small enough for every machine."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

SETTINGS = """
preparation: {n4: none, intensity: none, region: slice, spacing: [1.0, 1.0, 0.0]}
radiomics: original-wavelet-2d
crop: {size: 32}
backbone: resnet18
weights: seed:0
training: {epochs: 1, batch_size: 8, dropout: 0.0, threads: 1}
positive: high
folds: 2
inner_folds: 2
"""

CohortMaker = Callable[..., Path]


LABELS = ("low", "high", "very high")


def write_case(folder: Path, name: str, rng: np.random.Generator, coarse: float) -> None:
    """A volume with one round tumour, whose texture is smoothed over `coarse` pixels, and its mask."""
    z, y, x = np.mgrid[:4, :40, :40]
    centre = rng.uniform(16, 24, 2)
    mask = (np.hypot(y - centre[0], x - centre[1]) < rng.uniform(7, 10)) & (z > 0) & (z < 3)
    texture = ndimage.gaussian_filter(rng.normal(size=mask.shape), (0, coarse, coarse))
    values = rng.normal(300, 20, mask.shape) + mask * (250 + 90 * texture / texture.std())
    for array, kind in ((values.astype(np.float32), "image"), (mask.astype(np.uint8), "mask")):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1.0, 1.0, 4.0))
        sitk.WriteImage(image, str(folder / f"{name}_{kind}.nrrd"))


@pytest.fixture(scope="session")
def make_cohort(tmp_path_factory: pytest.TempPathFactory) -> CohortMaker:
    """A function that writes a cohort and returns its manifest; each class has its share of the patients."""

    def make(
        patients: int, seed: int = 0, separable: bool = True, shuffle: int | None = None, classes: int = 2
    ) -> Path:
        folder = tmp_path_factory.mktemp("cohort")
        rng = np.random.default_rng(seed)
        rows = []
        for i in range(patients):
            grade = i % classes
            write_case(folder, f"p{i}", rng, coarse=2.0**grade - 1 if separable else 0.0)
            rows.append([f"p{i}", f"p{i}_image.nrrd", f"p{i}_mask.nrrd", LABELS[grade], 40 + 2 * i])
        if shuffle is not None:
            order = np.random.default_rng(shuffle).permutation(patients)
            rows = [[*row[:3], rows[j][3], row[4]] for row, j in zip(rows, order, strict=True)]
        with open(folder / "cohort.csv", "w", newline="") as stream:
            csv.writer(stream).writerows([["case_id", "image_T1C", "mask", "label", "age"], *rows])
        return folder / "cohort.csv"

    return make


@pytest.fixture(scope="session")
def settings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of the recipe that train within seconds."""
    path = tmp_path_factory.mktemp("settings") / "settings.yaml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture(scope="session")
def trained(
    make_cohort: CohortMaker,
    settings_file: Path,
    run_cli: Callable[..., tuple[int, str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A model trained on a made cohort of 16 patients by the command line."""
    path = tmp_path_factory.mktemp("model") / "made.tcmodel"
    code, _, err = run_cli(
        "train", "dtlr-nomogram", "--manifest", make_cohort(16), "--out", path, "--settings", settings_file
    )
    assert code == 0, err
    return path
