"""`extract` of a case whose modalities lie on different grids."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def case(tmp_path: Path) -> list[object]:
    """Options for two modalities of one made object, the second on coarser voxels and 6 mm to the side."""
    z, y, x = np.mgrid[:36, :48, :44].astype(float)
    inside = ((z - 18) / 13) ** 2 + ((y - 23) / 18) ** 2 + ((x - 20) / 14) ** 2 < 1
    part = ((z - 15) / 6) ** 2 + ((y - 30) / 5) ** 2 + ((x - 22) / 7) ** 2 < 1
    rng = np.random.default_rng(0)
    first, second = (
        sitk.GetImageFromArray(ndimage.gaussian_filter(100 + a * inside + b * part + rng.normal(0, 3, x.shape), 0.6))
        for a, b in ((80.0, 90.0), (120.0, -60.0))
    )
    second = sitk.BinShrink(second, (2, 2, 1))
    second.SetOrigin([o + s for o, s in zip(second.GetOrigin(), (6.0, 0.0, 0.0), strict=True)])
    for name, image in (("t1", first), ("t2", second), ("mask", sitk.GetImageFromArray(part.astype(np.uint8)))):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
    images = ["--image", f"T1={tmp_path / 't1.nrrd'}", "--image", f"T2={tmp_path / 't2.nrrd'}"]
    return [*images, "--mask", tmp_path / "mask.nrrd"]


def test_different_grids_need_a_word(case: list[object], run_cli: Run, tmp_path: Path) -> None:
    out = tmp_path / "features.csv"
    code, _, err = run_cli("extract", *case, "--out", out)
    assert code == 1 and "T1 image and the T2 image of case unnamed differ in size" in err
    code, _, err = run_cli("extract", *case, "--out", out, "--register", "elastic")
    assert code == 1 and "no registration called 'elastic'" in err
    code, _, err = run_cli("extract", *case, "--out", out, "--reference", "CT")
    assert code == 1 and "no CT image to be the reference" in err
    code, _, err = run_cli("extract", *case, "--out", out, "--intensity", "loud")
    assert code == 1 and "intensity cannot be 'loud'" in err
    assert not out.exists()


def test_registration_measures_the_same_tissue_and_leaves_its_transform(
    case: list[object], run_cli: Run, tmp_path: Path
) -> None:
    from FeatureExtractorLib.table import read_table

    means = {}
    second = tmp_path / "t2.nrrd"
    for name, options in (
        ("resliced", ["--reference", "T1"]),
        ("registered", ["--register", "rigid"]),
        ("in place", ["--reference", "T1"]),
    ):
        if name == "in place":
            image = sitk.ReadImage(str(second))
            image.SetOrigin([o - s for o, s in zip(image.GetOrigin(), (6.0, 0.0, 0.0), strict=True)])
            sitk.WriteImage(image, str(second))
        out = tmp_path / f"{name}.csv"
        code, _, err = run_cli("extract", *case, "--out", out, *options)
        assert code == 0, err
        table = read_table(out)
        values = dict(zip(table.names, table.values[0], strict=True))
        assert values["T1.original_shape_VoxelVolume"] == values["T2.original_shape_VoxelVolume"]
        means[name] = values["T2.original_firstorder_Mean"]
    assert abs(means["registered"] - means["in place"]) < 1.5 < 20 < abs(means["resliced"] - means["in place"])
    assert not (tmp_path / "resliced-transforms").exists()
    (file,) = (tmp_path / "registered-transforms").iterdir()
    moved = sitk.ReadTransform(str(file)).TransformPoint((20.0, 23.0, 18.0))
    np.testing.assert_allclose(moved, (26.0, 23.0, 18.0), atol=0.7)
