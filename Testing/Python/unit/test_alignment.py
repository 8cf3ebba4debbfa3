"""Several modalities on one grid: what is carried along, what stays, what is refused."""

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from FeatureExtractorLib.alignment import Alignment, align
from FeatureExtractorLib.case import make_case, same_geometry
from FeatureExtractorLib.errors import GeometryError, InputError
from FeatureExtractorLib.extraction import ExtractionSettings, extract_features, input_hashes
from FeatureExtractorLib.manifest import read_manifest
from FeatureExtractorLib.reading import read_case
from FeatureExtractorLib.transforms import write_transforms

FINE, COARSE = ((40, 40, 30), (1.0, 1.0, 1.5)), ((24, 22, 18), (1.9, 2.0, 2.6))


def field(size, spacing, origin=(0.0, 0.0, 0.0), sign=1.0) -> sitk.Image:
    """A smooth scene of physical space on any grid: a bright ball of 8 mm at (18, 20, 22) on a slope."""
    z, y, x = np.meshgrid(
        *(np.arange(n) * s + o for n, s, o in zip(size[::-1], spacing[::-1], origin[::-1], strict=True)), indexing="ij"
    )
    ball = 1 / (1 + np.exp(np.sqrt((x - 18) ** 2 + (y - 20) ** 2 + (z - 22) ** 2) - 8))
    image = sitk.GetImageFromArray((100 + sign * (80 * ball + 0.3 * x - 0.2 * y)).astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def ball_of(image: sitk.Image) -> sitk.Image:
    """The ball's mask on the grid of an image of `field` with sign 1."""
    values = sitk.GetArrayFromImage(field(image.GetSize(), image.GetSpacing(), image.GetOrigin()))
    y, x = np.mgrid[: values.shape[1], : values.shape[2]]
    slope = 0.3 * (x * image.GetSpacing()[0] + image.GetOrigin()[0])
    slope = slope - 0.2 * (y * image.GetSpacing()[1] + image.GetOrigin()[1])
    mask = sitk.GetImageFromArray((values - slope - 100 > 40).astype(np.uint8))
    mask.CopyInformation(image)
    return mask


def volume_ml(mask: sitk.Image) -> float:
    return float(sitk.GetArrayViewFromImage(mask).sum() * np.prod(mask.GetSpacing()) / 1000)


@settings(max_examples=10, deadline=None)
@given(st.tuples(*[st.floats(-2, 2)] * 3))
def test_reslicing_puts_everything_where_the_scanner_saw_it(origin):
    fine, coarse = field(*FINE), field(*COARSE, origin, sign=-1)
    found = align({"T2": coarse, "T1": fine}, None, {"T2": ball_of(coarse)}, Alignment(reference="T1"), "p")
    assert list(found.images) == ["T1", "T2"] and found.images["T1"] is fine and not found.transforms
    resliced, expected = (sitk.GetArrayFromImage(i) for i in (found.images["T2"], field(*FINE, sign=-1)))
    inside = ndimage.binary_erosion(sitk.GetArrayFromImage(ball_of(fine)), iterations=2)
    np.testing.assert_allclose(resliced[inside], expected[inside], atol=1.5)
    values = sitk.GetArrayViewFromImage(coarse)
    assert resliced.min() >= values.min() and resliced.max() <= values.max()
    mask = found.masks["T2"]
    assert same_geometry(mask, fine) and mask.GetPixelID() == sitk.sitkUInt8
    assert volume_ml(mask) == pytest.approx(volume_ml(ball_of(fine)), rel=0.25)


def test_a_shared_grid_is_left_as_it_is():
    first, second = field(*FINE), field(*FINE, sign=-1)
    found = align({"T1": first, "T2": second}, ball_of(first), {}, Alignment(reference="T1"), "p")
    assert found.images["T2"] is second


def test_registration_carries_image_and_mask_along():
    reference, other = field(*FINE), field(*COARSE, sign=-1)
    mask = ball_of(other)
    for volume in (other, mask):
        volume.SetOrigin((7.0, -5.0, 4.0))  # the patient lay elsewhere
    found = align({"T1": reference, "T2": other}, None, {"T2": mask}, Alignment("rigid"), "p")
    case = make_case("p", found.images, found.mask, masks=found.masks, transforms=found.transforms)
    assert list(case.transforms) == ["T2"]
    moved = sitk.GetArrayFromImage(case.required_mask("T2"))
    truth = sitk.GetArrayFromImage(ball_of(reference))
    assert 2 * (moved & truth).sum() / (moved.sum() + truth.sum()) > 0.85
    assert case.required_mask("T1") is case.mask is case.masks["T2"], "the only mask serves every modality"


def test_masks_of_their_own_need_no_common_grid():
    fine, coarse = field(*FINE), field(*COARSE)
    masks = {"T1": ball_of(fine), "T2": ball_of(coarse)}
    case = make_case("p", {"T1": fine, "T2": coarse}, None, masks=masks)
    assert case.required_mask("T2") is masks["T2"] and case.required_mask() is masks["T1"]
    with pytest.raises(GeometryError, match="T1 image and the T2 image of case p differ in size"):
        make_case("p", {"T1": fine, "T2": coarse}, masks["T1"])
    with pytest.raises(GeometryError, match="T1 image and the mask of case p differ in size"):
        make_case("p", {"T1": fine, "T2": coarse}, None, masks={"T2": masks["T2"]})
    with pytest.raises(GeometryError, match="T2 image and the mask of T2"):
        make_case("p", {"T1": fine, "T2": coarse}, None, masks={"T2": masks["T1"]})
    with pytest.raises(InputError, match="mask of FLAIR but no FLAIR image"):
        make_case("p", {"T1": fine}, None, masks={"FLAIR": masks["T1"]})


def test_what_cannot_be_aligned_is_refused():
    fine, coarse = field(*FINE), field(*COARSE)
    with pytest.raises(InputError, match="no registration called 'elastic'"):
        Alignment("elastic")
    with pytest.raises(InputError, match="no CT image to be the reference .it has: T1"):
        align({"T1": fine}, None, {}, Alignment(reference="CT"), "p")
    with pytest.raises(GeometryError, match="mask_<MODALITY> if drawn on another"):
        align({"T1": fine, "T2": coarse}, ball_of(coarse), {}, Alignment("rigid"), "p")
    with pytest.raises(InputError, match="The T2 image of case p: An image of 24×22×1 voxels is too thin"):
        align({"T1": fine, "T2": coarse[:, :, 4:5]}, None, {}, Alignment("rigid"), "p")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two cases whose T2 has a grid and a mask of its own; the second has the T1 mask only."""
    for name, image in (("t1", field(*FINE)), ("t2", field(*COARSE, (1.0, 2.0, -1.0), sign=-1))):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
        sitk.WriteImage(ball_of(image), str(tmp_path / f"{name}_mask.nrrd"))
    rows = [
        ["case_id", "image_T1", "image_T2", "mask_T1", "mask_T2", "age"],
        ["a/b", "t1.nrrd", "t2.nrrd", "t1_mask.nrrd", "t2_mask.nrrd", "50"],
        ["c", "t1.nrrd", "t2.nrrd", "t1_mask.nrrd", "", "60"],
    ]
    with open(tmp_path / "cohort.csv", "w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return tmp_path / "cohort.csv"


def test_a_manifest_names_masks_by_modality(manifest: Path):
    read = read_manifest(manifest)
    first, second = read.entries
    assert read.numeric == ("age",) and not read.levels
    assert list(first.masks) == ["T1", "T2"] and list(second.masks) == ["T1"]
    assert list(input_hashes(first)) == ["T1", "T2", "mask_T1", "mask_T2"]
    assert first.read().required_mask("T2").GetSize() == COARSE[0]
    with pytest.raises(GeometryError, match="differ in size"):
        second.read()
    resliced = second.read(alignment=Alignment(reference="T1"))
    assert resliced.required_mask("T2").GetSize() == resliced.image("T2").GetSize() == FINE[0]
    assert set(resliced.hashes) == {"T1", "T2", "mask_T1"}
    with pytest.raises(InputError, match="mask of FLAIR but no FLAIR image"):
        read_case({"T1": first.images["T1"]}, None, masks={"FLAIR": first.masks["T1"]})
    text = manifest.read_text()
    manifest.write_text(text.replace("mask_T2", "mask_T2w"))
    with pytest.raises(InputError, match="column mask_T2w but no image_T2w"):
        read_manifest(manifest)


def test_extraction_registers_and_keeps_the_transforms(manifest: Path, tmp_path: Path):
    entries = read_manifest(manifest).entries
    plain = extract_features(entries, ExtractionSettings())
    assert [key[2] for key in plain.keys] == ["ok", "failed"]
    folder = tmp_path / "transforms"
    chosen = ExtractionSettings(alignment=Alignment("rigid", "T1"), transforms=str(folder), intensity="peak")
    table = extract_features(entries, chosen)
    assert [key[2] for key in table.keys] == ["ok", "ok"], table.keys
    assert table.metadata["settings"]["alignment"] == {"register": "rigid", "reference": "T1"}
    column = {name: table.values[:, j] for j, name in enumerate(table.names)}
    # the second case's T2 is measured in the T1 mask, now on one grid
    assert column["T2.original_shape_MeshVolume"][1] == column["T1.original_shape_MeshVolume"][1]
    files = sorted(path.name for path in folder.iterdir())
    assert len(files) == 2 and files[1] == "c_T2.tfm" and files[0].startswith("a_b-")
    read = sitk.ReadTransform(str(folder / "c_T2.tfm"))
    written = entries[1].read(alignment=chosen.alignment)
    assert read.GetParameters() == written.transforms["T2"].GetParameters()
    assert write_transforms(entries[0].read(), folder) == (), "nothing was registered"


@pytest.mark.parametrize("unknown", [{"intensity": "loud"}, {"n4": "slow"}])
def test_unknown_settings_are_refused_before_anything_is_read(unknown):
    with pytest.raises(InputError, match=f"setting {next(iter(unknown))} cannot be"):
        ExtractionSettings(**unknown)
