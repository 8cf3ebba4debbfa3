"""Masks of several segments: found, chosen, and each measured by itself."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from FeatureExtractorLib.cohort import extract_cohort
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.extraction import ExtractionSettings, extract_features
from FeatureExtractorLib.manifest import CaseEntry, read_manifest
from FeatureExtractorLib.reading import read_mask, segments_of
from FeatureExtractorLib.segments import Segment, choose, keys_of
from FeatureExtractorLib.table import FeatureTable, read_table

SETTINGS = ExtractionSettings(engine="native")
STORED = np.random.default_rng(0).integers(0, 900, (7, 20, 24), dtype=np.uint16)


def labels() -> np.ndarray:
    values = np.zeros(STORED.shape, dtype=np.uint8)
    values[1:6, 3:15, 8:20], values[2:5, 4:9, 5:12], values[3:5, 10:13, 9:14] = 4, 1, 2
    return values


def written(path: Path, array: np.ndarray, **header: str) -> Path:
    image = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
    image.SetSpacing((0.75, 0.5, 3.0))
    for key, value in header.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path))
    return path


def entry(image: Path, mask: Path | None, segment: str) -> CaseEntry:
    return CaseEntry("one", "one", {"T2": image}, mask, segment=segment)


def assert_rows_are_those_of_each_segment(table: FeatureTable, image: Path, mask: Path, keys: list[str]) -> None:
    assert [key[:3] for key in table.keys] == [("one", key, "ok") for key in keys]
    for i, key in enumerate(keys):
        single = extract_features([entry(image, mask, key)], SETTINGS)
        np.testing.assert_array_equal(single.values[0], table.values[i])
        assert not [j for j in range(i) if np.array_equal(table.values[i], table.values[j])]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_three_segments_of_a_label_map_give_three_rows(tmp_path: Path, suffix: str) -> None:
    image, mask = written(tmp_path / f"i{suffix}", STORED), written(tmp_path / f"m{suffix}", labels())
    assert segments_of(mask) == (Segment(1), Segment(2), Segment(4))
    table = extract_features([entry(image, mask, "*")], SETTINGS)
    assert_rows_are_those_of_each_segment(table, image, mask, ["1", "2", "4"])


def test_segments_of_slicer_are_named_and_may_overlap(tmp_path: Path) -> None:
    whole = (labels() > 0).astype(np.uint8)
    header = {
        "Segment0_Name": "Whole tumour", "Segment0_LabelValue": "1", "Segment0_Layer": "0",
        "Segment1_Name": "Core", "Segment1_LabelValue": "1", "Segment1_Layer": "1",
        "Segment2_Name": "Rim", "Segment2_LabelValue": "4", "Segment2_Layer": "1",
        "Segment3_Name": "Odd", "Segment3_LabelValue": "many",
    }  # fmt: skip
    mask = written(tmp_path / "m.seg.nrrd", np.stack([whole, labels()], axis=-1), **header)
    image = written(tmp_path / "i.nrrd", STORED)
    assert [(s.name, s.number, s.layer) for s in segments_of(mask)] == [
        ("Whole tumour", 1, 0), ("Core", 1, 1), ("Rim", 4, 1), ("", 2, 1)
    ]  # fmt: skip
    for name, expected in {"Whole tumour": whole, "Core": labels() == 1, "4": labels() == 4, "": whole}.items():
        np.testing.assert_array_equal(sitk.GetArrayFromImage(read_mask(mask, name)), expected)
    with pytest.raises(InputError, match="has 2 segments '1'"):
        read_mask(mask, "1")
    table = extract_features([entry(image, mask, "*")], SETTINGS)
    assert_rows_are_those_of_each_segment(table, image, mask, ["Whole tumour", "Core", "Rim", "2"])


def test_segments_of_dicom_give_a_row_each_in_a_cohort(
    tmp_path: Path, series_writer, seg_writer, structure_writer, identifiers
) -> None:
    files = series_writer(tmp_path / "study" / "t2", STORED, SeriesNumber=3)
    series_writer(tmp_path / "study" / "t1", STORED // 2, SeriesNumber=4)
    masks = {"Core": labels() == 1, "Rim": labels() == 4, "Node": labels() == 2}
    seg_writer(tmp_path / "seg.dcm", files, {name: mask.astype(np.uint8) for name, mask in masks.items()})
    square = np.array([[4.3, 3.2], [15.6, 3.2], [15.6, 12.7], [4.3, 12.7]])

    def contours(scale: float) -> list[np.ndarray]:
        # The made series lies at (-40, 10, 5) with pixels of 0.75 × 0.5 mm and slices 3 mm apart.
        return [
            np.column_stack([square * scale * [0.75, 0.5] + [-40, 10], np.full(4, 5 + 3.0 * k)]) for k in (2, 3, 4)
        ]

    structure_writer(tmp_path / "rt.dcm", {"GTV": contours(1), "CTV": contours(1.2), "Void": []})
    (tmp_path / "cohort.csv").write_text(
        "case_id,image_T2,mask,segment\nseg,study#3,seg.dcm,*\nrt,study#3,rt.dcm,*\nlost,study,seg.dcm,*\n"
    )
    manifest = read_manifest(tmp_path / "cohort.csv")
    extract_cohort(manifest.entries, SETTINGS, tmp_path / "out.csv")
    table = read_table(tmp_path / "out.csv")
    rows = [key[:3] for key in table.keys]
    assert rows[:3] == [("seg", "Core", "ok"), ("seg", "Rim", "ok"), ("seg", "Node", "ok")]
    assert rows[3:6] == [("rt", "GTV", "ok"), ("rt", "CTV", "ok"), ("rt", "Void", "failed")]
    assert len(rows) == 9 and {row[2] for row in rows[6:]} == {"failed"}
    volume = table.values[:, table.names.index("T2.original_shape_VoxelVolume")]
    voxel = 0.75 * 0.5 * 3
    np.testing.assert_allclose(volume[:3], [mask.sum() * voxel for mask in masks.values()])
    np.testing.assert_allclose(volume[3:5], np.array([11 * 9, 13 * 12]) * 3 * voxel)
    assert len(np.unique(volume[:5])) == 5
    text = (tmp_path / "out.csv").read_text().lower() + (tmp_path / "out.csv.json").read_text().lower()
    assert not [word for word in identifiers if word in text]


def test_a_changed_file_of_a_named_series_changes_the_hash(tmp_path: Path, series_writer) -> None:
    from FeatureExtractorLib.fingerprint import sha256_of_input

    series_writer(tmp_path / "t2", STORED)
    before = [sha256_of_input(path) for path in (tmp_path / "t2", Path(f"{tmp_path / 't2'}#1"))]
    with open(tmp_path / "t2" / "IM003", "r+b") as stream:
        stream.seek(-2, 2)
        stream.write(b"\x07\x07")
    after = [sha256_of_input(path) for path in (tmp_path / "t2", Path(f"{tmp_path / 't2'}#1"))]
    assert all(before) and all(after) and not set(before) & set(after)


def test_what_has_no_segments_is_one_row_with_the_reason(tmp_path: Path) -> None:
    image = written(tmp_path / "i.nrrd", STORED)
    empty = written(tmp_path / "empty.nrrd", labels() * 0)
    picture = written(tmp_path / "picture.nrrd", np.arange(STORED.size, dtype=np.float32).reshape(STORED.shape))
    channels = written(tmp_path / "channels.nrrd", np.stack([labels()] * 3, axis=-1))
    for mask, sentence in {
        empty: "nothing but background",
        picture: "more than a mask has",
        channels: "3 values a voxel",
        tmp_path / "gone.nrrd": "does not exist",
        None: "no tumour mask",
    }.items():
        table = extract_features([entry(image, mask, "*")], SETTINGS)
        assert [key[:3] for key in table.keys] == [("one", "*", "failed")] and sentence in table.keys[0][3]
    with pytest.raises(InputError, match="not asked for one segment .it has: 1, 2, 4"):
        read_mask(written(tmp_path / "m.nrrd", labels()), "*")


def test_real_multi_label_masks(data_dir: Path) -> None:
    mask = data_dir / "odd_masks" / "seg_multilabel.nrrd"
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(mask)))
    segments = segments_of(mask)
    assert {segment.number for segment in segments} >= set(np.unique(values[values > 0]).tolist())
    for key, segment in zip(keys_of(segments), segments, strict=True):
        chosen = sitk.GetArrayFromImage(read_mask(mask, key))
        np.testing.assert_array_equal(chosen, values == segment.number)


NAMES = st.sampled_from(["", "Core", "Rim", "Node"])


@given(st.lists(st.tuples(st.integers(1, 9), NAMES), unique_by=lambda pair: pair[0], min_size=1))
def test_every_key_leads_back_to_its_segment(pairs: list[tuple[int, str]]) -> None:
    segments = [Segment(number, name) for number, name in pairs]
    keys = keys_of(segments)
    assert len(set(keys)) == len(keys)
    for key, segment in zip(keys, segments, strict=True):
        assert choose(segments, key, Path("mask")) == (segment,)
    assert choose(segments, "", Path("mask")) == tuple(segments)
