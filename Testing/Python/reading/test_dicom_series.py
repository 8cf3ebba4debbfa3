"""DICOM series: the right voxels in the right place, or a sentence."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.reading import read_image

STORED = np.random.default_rng(0).integers(0, 4000, (5, 6, 8), dtype=np.uint16)
TURNED = tuple(
    float(v)
    for v in np.array(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.4, 0.9).GetMatrix()).reshape(3, 3)[:, :2].T.ravel()
)


def by_gdcm(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def assert_same(image: sitk.Image, other: sitk.Image) -> None:
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(other))
    for what in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(image, what)(), getattr(other, what)(), atol=1e-6)


def test_a_real_series_is_read_as_gdcm_reads_it(data_dir: Path) -> None:
    folder = data_dir / "dicom_prostate"
    image = read_image(folder)
    assert (image.GetSize(), image.GetPixelID()) == ((256, 256, 60), sitk.sitkUInt16)
    assert_same(image, by_gdcm(folder))


@pytest.mark.parametrize(
    "orientation",
    [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0), TURNED],
    ids=["axial", "sagittal", "flipped rows", "flipped columns", "oblique"],
)
@pytest.mark.parametrize("step", [3.0, -3.0])
def test_every_orientation_lands_where_its_headers_say(tmp_path: Path, series_writer, orientation, step) -> None:
    files = series_writer(tmp_path, STORED, orientation=orientation, offsets=[step * k for k in range(5)])
    image = read_image(tmp_path)
    assert_same(image, by_gdcm(tmp_path))
    np.testing.assert_allclose(np.linalg.det(np.array(image.GetDirection()).reshape(3, 3)), 1)
    for ds, pixels in zip(files, STORED, strict=True):
        for row, column in ((0, 0), (5, 0), (2, 7)):
            # PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1
            down, across = ds.PixelSpacing
            point = np.array(ds.ImagePositionPatient, float)
            point += np.array(ds.ImageOrientationPatient[:3], float) * across * column
            point += np.array(ds.ImageOrientationPatient[3:], float) * down * row
            index = image.TransformPhysicalPointToIndex(point.tolist())
            assert image[index] == pixels[row, column]


def test_rescaling_is_honoured(tmp_path: Path, series_writer) -> None:
    series_writer(tmp_path / "hu", STORED, rescale=[(1, -1024)])
    series_writer(tmp_path / "pet", STORED, rescale=[(0.5 + 0.1 * k, 0.25) for k in range(5)])
    series_writer(tmp_path / "signed", STORED.astype(np.int16) - 2000)
    units = read_image(tmp_path / "hu")
    assert units.GetPixelID() == sitk.sitkInt32
    np.testing.assert_array_equal(sitk.GetArrayFromImage(units), STORED.astype(int) - 1024)
    slopes = (0.5 + 0.1 * np.arange(5))[:, None, None]
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(read_image(tmp_path / "pet")), STORED * slopes + 0.25, rtol=1e-14
    )
    signed = sitk.GetArrayFromImage(read_image(tmp_path / "signed"))
    np.testing.assert_array_equal(signed, STORED.astype(int) - 2000)


def test_an_enhanced_file_is_the_series_it_was_made_of(tmp_path: Path, series_writer) -> None:
    from highdicom.legacy import LegacyConvertedEnhancedMRImage
    from pydicom.uid import generate_uid

    files = series_writer(
        tmp_path / "classic",
        STORED,
        orientation=TURNED,
        rescale=[(2, -7)],
        ImageType=["ORIGINAL", "PRIMARY"],
        BurnedInAnnotation="NO",
    )
    order = [files[k] for k in (3, 0, 4, 1, 2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        enhanced = LegacyConvertedEnhancedMRImage(order, generate_uid(), 7, generate_uid(), 1)
    enhanced.save_as(tmp_path / "enhanced.dcm")
    assert_same(read_image(tmp_path / "enhanced.dcm"), read_image(tmp_path / "classic"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(tmp_path / "classic")), STORED.astype(int) * 2 - 7)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"], ids=["RLE", "JPEG-LS"])
def test_compressed_slices_hold_the_same_values(tmp_path: Path, series_writer, syntax: str) -> None:
    series_writer(tmp_path / "plain", STORED)
    for k, ds in enumerate(series_writer(tmp_path / "packed", STORED)):
        ds.compress(syntax, generate_instance_uid=False)
        ds.save_as(tmp_path / "packed" / f"C{k}", enforce_file_format=True)
    for path in (tmp_path / "packed").glob("IM*"):
        path.unlink()
    assert_same(read_image(tmp_path / "packed"), read_image(tmp_path / "plain"))


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
@pytest.mark.parametrize("signed", [False, True])
def test_compressions_of_hospital_archives_are_read(
    tmp_path: Path, series_writer, compressor: str, signed: bool
) -> None:
    """JPEG lossless and JPEG 2000, which pydicom alone cannot decode; the rescaling must not be applied twice."""
    import pydicom

    stored = np.random.default_rng(0).integers(0, 4000, (3, 64, 80), dtype=np.uint16)
    stored = stored.astype(np.int16) - 1500 if signed else stored
    files = series_writer(tmp_path / "plain", stored, rescale=[(2, -1024)])
    (tmp_path / "packed").mkdir()
    writer = sitk.ImageFileWriter()
    writer.SetUseCompression(True)
    writer.SetCompressor(compressor)
    for k, (ds, pixels) in enumerate(zip(files, stored, strict=True)):
        writer.SetFileName(str(tmp_path / "slice.dcm"))
        writer.Execute(sitk.GetImageFromArray(pixels))
        packed = pydicom.dcmread(tmp_path / "slice.dcm")
        ds.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
        assert ds.file_meta.TransferSyntaxUID.is_encapsulated
        ds["PixelData"] = packed["PixelData"]
        ds.save_as(tmp_path / "packed" / f"{k}.dcm", enforce_file_format=True)
    assert_same(read_image(tmp_path / "packed"), read_image(tmp_path / "plain"))
    last = tmp_path / "packed" / "2.dcm"
    last.write_bytes(last.read_bytes()[:-60])
    with pytest.raises(InputError, match="damaged"):
        read_image(tmp_path / "packed")


def test_a_series_is_named_by_number_description_or_uid(tmp_path: Path, series_writer, identifiers) -> None:
    first = series_writer(tmp_path / "a", STORED, SeriesNumber=4, SeriesDescription="t1 post")
    series_writer(tmp_path / "b" / "c", STORED // 2, SeriesNumber=5, SeriesDescription="Mustermann t2/ax")
    for name in ("4", "t1 post", first[0].SeriesInstanceUID):
        assert_same(read_image(Path(f"{tmp_path}#{name}")), read_image(tmp_path / "a"))
    assert_same(read_image(Path(f"{tmp_path}#Mustermann t2/ax")), read_image(tmp_path / "b"))
    with pytest.raises(
        InputError, match=r"2 series \(it has: number 4 \"t1 post\" \(MR, 5 files\); number 5 \(MR"
    ) as two:
        read_image(tmp_path)
    with pytest.raises(InputError, match="no series '6'") as none:
        read_image(Path(f"{tmp_path}#6"))
    for error in (two, none):
        assert not [word for word in identifiers if word in str(error.value).lower()]


def test_a_copied_file_counts_once_and_other_objects_do_not(tmp_path: Path, series_writer, structure_writer) -> None:
    series_writer(tmp_path, STORED)
    expected = read_image(tmp_path)
    shutil.copy(tmp_path / "IM000", tmp_path / "copy")
    structure_writer(tmp_path / "rtstruct.dcm", {})
    (tmp_path / "README.txt").write_text("export of today")
    assert_same(read_image(tmp_path), expected)


def test_nothing_of_the_patient_is_in_the_volume(tmp_path: Path, series_writer, identifiers) -> None:
    series_writer(tmp_path / "dicom", STORED)
    image = read_image(tmp_path / "dicom")
    sitk.WriteImage(image, str(tmp_path / "out.nrrd"))
    text = (tmp_path / "out.nrrd").read_bytes().decode("latin-1").lower()
    assert "sizes: 8 6 5" in text and not [word for word in identifiers if word in text]


def test_what_would_be_a_wrong_volume_is_refused(tmp_path: Path, series_writer, identifiers) -> None:
    def folder(name: str, **options) -> Path:
        series_writer(tmp_path / name, STORED, **options)
        return tmp_path / name

    same = {"SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.77"}
    mixed = folder("mixed", **same)
    series_writer(mixed / "scout", STORED, orientation=(0, 1, 0, 0, 0, -1), **same)
    sizes = folder("sizes", **same)
    series_writer(sizes / "other", STORED[:, :4], offsets=[30, 33, 36, 39, 42], **same)
    gap = folder("gap", offsets=[0, 3, 6, 12, 15])
    echoes = folder("echoes", offsets=[0, 0, 3, 3, 6])
    uneven = folder("uneven", offsets=[0, 3, 6, 9.4, 12])
    tilted = folder("tilted", sideways=0.5)
    nowhere = folder("nowhere", PixelSpacing=None)
    colour = folder("colour", SamplesPerPixel=3)
    cut = folder("cut")
    (cut / "IM002").write_bytes((cut / "IM002").read_bytes()[:-30])
    headless = folder("headless")
    (headless / "IM002").write_bytes((headless / "IM002").read_bytes()[:700])
    empty = tmp_path / "empty"
    empty.mkdir()
    text = tmp_path / "text"
    text.mkdir()
    (text / "1.dcm").write_text("this is text")
    for path, sentence in {
        mixed: "mixes slices",
        sizes: "mixes slices",
        gap: "lacks 1 of 6 slices",
        echoes: "several images at the same place",
        uneven: "unevenly spaced",
        tilted: "shifted sideways",
        nowhere: "do not state their PixelSpacing",
        colour: "colour",
        cut: "is damaged",
        headless: "1 of the 5 DICOM files",
        empty: "no DICOM images",
        text: "no DICOM images",
        text / "1.dcm": "of a kind that cannot be read",
        tmp_path / "gone#3": "does not exist",
        tmp_path / ("x" * 300): "does not exist",
    }.items():
        with pytest.raises(InputError, match=sentence) as caught:
            read_image(path)
        assert not [word for word in identifiers if word in str(caught.value).lower()]


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.filterwarnings("error")
def test_no_damage_is_a_traceback(tmp_path: Path, series_writer, caplog, seed: int) -> None:
    """Random bytes in the header of one file: the series as it was, another value, or a sentence."""
    series_writer(tmp_path, STORED[:2])
    rng = np.random.default_rng(seed)
    path = tmp_path / "IM000"
    data = bytearray(path.read_bytes())
    for position in rng.integers(128, len(data) - STORED[0].nbytes, 1 + seed % 4):
        data[position] = rng.integers(256)
    path.write_bytes(data[: len(data) if seed % 3 else rng.integers(140, len(data))])
    try:
        image = read_image(tmp_path)
    except InputError as error:
        assert str(error).endswith(".") and "mustermann" not in str(error).lower()
    else:
        assert image.GetDimension() == 3
    assert caplog.text == ""
