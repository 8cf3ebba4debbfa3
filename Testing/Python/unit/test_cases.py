"""Cases, manifests, tables and files: what is refused, and that nothing half-written stays."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from FeatureExtractorLib.case import make_case
from FeatureExtractorLib.errors import GeometryError, InputError
from FeatureExtractorLib.files import atomic_folder, atomic_path
from FeatureExtractorLib.manifest import read_manifest
from FeatureExtractorLib.phantom import head_phantom
from FeatureExtractorLib.reading import read_case, read_image, read_mask
from FeatureExtractorLib.table import FeatureRow, read_table, table_of, write_table


def image_of(array: np.ndarray, spacing: tuple[float, ...] = (1.0, 1.0, 2.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


@pytest.fixture
def image() -> sitk.Image:
    return image_of(np.random.default_rng(0).normal(100, 10, (6, 8, 9)).astype(np.float32))


@pytest.fixture
def mask(image: sitk.Image) -> sitk.Image:
    array = np.zeros((6, 8, 9), dtype=np.uint8)
    array[2:4, 3:6, 3:6] = 1
    return image_of(array)


def test_phantom_is_the_same_every_time_and_has_a_tumour() -> None:
    (first, mask), (second, _) = head_phantom(1), head_phantom(1)
    assert first.GetSize() == (256, 256, 32)
    assert sitk.Hash(first) == sitk.Hash(second) != sitk.Hash(head_phantom(2)[0])
    make_case("phantom", {"T1C": first}, mask)
    tumour = sitk.GetArrayFromImage(mask) > 0
    values = sitk.GetArrayFromImage(first)
    assert 2_000 < tumour.sum() < 20_000
    assert values[tumour].max() > 1.3 * np.median(values[values > 250])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: a * 0, "is empty"),
        (lambda a: np.eye(1, a.size, 5, dtype=np.uint8).reshape(a.shape), "single voxel"),
        (lambda a: a * 3, "must be a binary volume"),
    ],
)
def test_useless_masks_are_refused(image: sitk.Image, mask: sitk.Image, change, sentence: str) -> None:
    changed = image_of(change(sitk.GetArrayFromImage(mask)))
    with pytest.raises(InputError, match=sentence):
        make_case("x", {"T1C": image}, changed)


def test_useless_images_are_refused(mask: sitk.Image) -> None:
    with pytest.raises(InputError, match="same value everywhere"):
        make_case("x", {"T1C": image_of(np.zeros((6, 8, 9), dtype=np.float32))}, mask)
    with pytest.raises(InputError, match="NaN"):
        make_case("x", {"T1C": image_of(np.full((6, 8, 9), np.nan, dtype=np.float32))}, mask)
    with pytest.raises(InputError, match="no image"):
        make_case("x", {}, mask)


@pytest.mark.parametrize("difference", ["size", "spacing", "origin", "direction"])
def test_other_geometry_is_refused(image: sitk.Image, mask: sitk.Image, difference: str) -> None:
    if difference == "size":
        mask = mask[:, :, 1:]
    if difference == "spacing":
        mask.SetSpacing((1, 1, 2.1))
    if difference == "origin":
        mask.SetOrigin((0, 0.5, 0))
    if difference == "direction":
        mask.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    with pytest.raises(GeometryError, match="resample the mask"):
        make_case("x", {"T1C": image}, mask)


def test_rounding_of_file_formats_is_no_other_geometry(image: sitk.Image, mask: sitk.Image) -> None:
    mask.SetSpacing((1 + 1e-6, 1, 2))
    mask.SetOrigin((1e-5, 0, 0))
    assert make_case("x", {"T1C": image}, mask).mask is mask


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".nii", ".mha"])
def test_what_is_written_is_read(tmp_path: Path, image: sitk.Image, mask: sitk.Image, suffix: str) -> None:
    sitk.WriteImage(image, str(tmp_path / f"image{suffix}"))
    sitk.WriteImage(mask, str(tmp_path / f"mask{suffix}"))
    case = read_case({"T1C": tmp_path / f"image{suffix}"}, tmp_path / f"mask{suffix}", case_id="one")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(case.image("T1C")), sitk.GetArrayFromImage(image))
    assert sitk.GetArrayFromImage(case.required_mask()).sum() == 18
    assert set(case.hashes) == {"T1C", "mask"}


def test_segments_are_chosen_by_value_and_by_name(tmp_path: Path, image: sitk.Image) -> None:
    labels = np.zeros((6, 8, 9), dtype=np.uint8)
    labels[2, 2:5, 2:5], labels[3, 2:4, 2:4] = 1, 2
    volume = image_of(labels)
    for key, value in {"Segment0_Name": "tumour", "Segment0_LabelValue": "2"}.items():
        volume.SetMetaData(key, value)
    path = tmp_path / "labels.seg.nrrd"
    sitk.WriteImage(volume, str(path))
    sizes = {
        segment: int(sitk.GetArrayFromImage(read_mask(path, segment)).sum()) for segment in ("", "1", "2", "tumour")
    }
    assert sizes == {"": 13, "1": 9, "2": 4, "tumour": 4}
    with pytest.raises(InputError, match="no segment 'oedema' .it has: tumour, 1, 2"):
        read_mask(path, "oedema")


def test_files_that_are_no_images_are_refused(tmp_path: Path, mask: sitk.Image) -> None:
    text = tmp_path / "text.nrrd"
    text.write_text("this is text")
    whole = tmp_path / "whole.nrrd"
    sitk.WriteImage(image_of(np.random.default_rng(0).normal(size=(30, 30, 30))), str(whole))
    cut = tmp_path / "cut.nrrd"
    cut.write_bytes(whole.read_bytes()[:5000])
    promise = tmp_path / "promise.nrrd"
    promise.write_bytes(
        b"NRRD0004\ntype: double\ndimension: 3\nsizes: 2000 2000 2000\nencoding: raw\nendian: little\n\n" + b"0" * 99
    )
    short = tmp_path / "short.nrrd"
    short.write_bytes(promise.read_bytes().replace(b"2000 2000 2000", b"200 200 200"))
    nan = tmp_path / "nan.nrrd"
    sitk.WriteImage(image_of(np.full((6, 8, 9), np.nan, dtype=np.float32)), str(nan))
    for path, sentence in {
        tmp_path / "nothing.nrrd": "does not exist",
        tmp_path: "is not a file",
        text: "cannot be read as .nrrd",
        cut: "cannot be read as .nrrd",
        promise: "60 GB",
        short: "too few even compressed",
        Path(__file__): "of a kind that cannot be read",
    }.items():
        with pytest.raises(InputError, match=sentence):
            read_image(path)
    with pytest.raises(InputError, match="holds NaN"):
        read_mask(nan)


def test_slices_become_volumes_of_one_slice(tmp_path: Path) -> None:
    path = tmp_path / "slice.png"
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(12, dtype=np.uint8).reshape(3, 4)), str(path))
    image = read_image(path, (0.5, 0.5, 6.0))
    assert (image.GetSize(), image.GetSpacing()) == ((4, 3, 1), (0.5, 0.5, 6.0))


def write_manifest(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_manifest_columns(tmp_path: Path) -> None:
    manifest = read_manifest(
        write_manifest(
            tmp_path / "cohort.csv",
            "case_id,patient_id,image_T1C,image_T2,mask,label,cohort,age,sex",
            'a1,a,i/a1.nrrd,,a.nrrd,high,train,61.5,"F"',
            "a2,a,i/a2.nrrd,i/t2.nrrd,a.nrrd,high,train,NA,F",
            "b,,i/b.nrrd,,b.nrrd,low,test,40,M",
        )
    )
    assert manifest.modalities == ("T1C", "T2")
    assert manifest.classes == ("high", "low")
    assert (manifest.numeric, dict(manifest.levels)) == (("age",), {"sex": ("F", "M")})
    first, second, third = manifest.entries
    assert dict(first.clinical) == {"age": 61.5, "sex": "F"} and second.clinical["age"] is None
    assert third.patient_id == "b" and manifest.of_cohort("test") == (third,)
    assert first.images["T1C"] == tmp_path / "i" / "a1.nrrd"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["case_id,mask", "a,b"], "no image_<MODALITY> column"),
        (["case_id,image_T1C", "a,x", "a,y"], "case a twice"),
        (["case_id,patient_id,image_T1C,cohort", "a,p,x,train", "b,p,y,test"], "two cohorts"),
        (["case_id,image_T1C,cohort", "a,x,trian"], "'trian' is unknown"),
        (["case_id,image_T1C", "a,x,y"], "3 values for 2 columns"),
        (["case_id,image_T1C"], "no case"),
        (["case_id,image_T1C", ",x"], "no case_id"),
        (["case_id,image_T1C", "a,"], "no image"),
        (["case_id,image_T1C,case_id", "a,x,a"], "twice"),
    ],
)
def test_broken_manifests_are_refused(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_manifest(write_manifest(tmp_path / "cohort.csv", *lines))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_manifest_reader(raw: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cohort.csv"
        path.write_bytes(raw)
        with pytest.raises(InputError):
            read_manifest(path)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_tables_come_back_to_the_last_bit(tmp_path: Path, suffix: str) -> None:
    rows = [
        FeatureRow("a", "1", {"T1C.x": 0.1 + 0.2, "T1C.y": -1e-300}),
        FeatureRow("b", "1", error="The mask is empty, draw one."),
        FeatureRow("c", "2", {"T1C.x": np.nan, "T1C.z": 3.0}),
    ]
    table = table_of(rows, {"settings": {"binWidth": 25}})
    write_table(table, tmp_path / f"t{suffix}")
    back = read_table(tmp_path / f"t{suffix}")
    assert (back.keys, back.names, dict(back.metadata)) == (table.keys, table.names, dict(table.metadata))
    np.testing.assert_array_equal(back.values, table.values)
    assert [key[2] for key in back.keys] == ["ok", "failed", "ok"]


def test_unfinished_writing_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(ValueError, match="stop"), atomic_path(target) as temporary:
        temporary.write_text("new")
        raise ValueError("stop")
    folder = tmp_path / "deep" / "out"
    with pytest.raises(ValueError, match="stop"), atomic_folder(folder) as unfinished:
        (unfinished / "one.txt").write_text("1")
        raise ValueError("stop")
    assert target.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file.txt"]


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="disk is full"), atomic_path(tmp_path / "x.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []
