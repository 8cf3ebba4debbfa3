"""What users send, who may send it, and growing from seeds: without a browser."""

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.web.guard import Guard, is_loopback, page_headers
from TumorClassifierLib.web.incoming import label_of, store_upload, unpack_series
from TumorClassifierLib.web.limits import IMAGE_SUFFIXES, Limits, suffix_of

DICOM = b"\0" * 128 + b"DICM" + b"x" * 100
LIMITS = Limits(upload_megabytes=1, files=3)


class Part:
    """A file of a request, as aiohttp gives it."""

    def __init__(self, filename: str, content: bytes) -> None:
        self.filename, self._content = filename, content

    async def read_chunk(self, size: int) -> bytes:
        piece, self._content = self._content[:size], self._content[size:]
        return piece


def send(folder: Path, kind: str, *files: tuple[str, bytes], kept: int = 0) -> dict[str, Any]:
    async def parts() -> AsyncIterator[Part]:
        for name, content in files:
            yield Part(name, content)

    upload = asyncio.run(store_upload(parts(), kind, folder, LIMITS, kept))
    about: dict[str, Any] = json.loads((folder / upload / "about.json").read_text())
    return {**about, "path": folder / upload / about["file"]}


def test_a_file_is_stored_under_a_name_of_our_own(tmp_path: Path) -> None:
    stored = send(tmp_path, "image", ("../../etc/passwd.NRRD", b"NRRD0004\n"))
    assert stored["path"].parent.parent == tmp_path and stored["path"].name == "upload.nrrd"
    assert stored["label"] == "passwd.NRRD"


@pytest.mark.parametrize(
    ("kind", "files", "words"),
    [
        ("image", [("a.exe", b"MZ")], "is of a kind that is not read here"),
        ("image", [("a.nrrd", b"GIF89a" + b"x" * 400)], "is no .nrrd file"),
        ("image", [("a.nii", b"NRRD0004")], "is no .nii file"),
        ("image", [("a.dcm", b"x" * 400)], "is no .dcm file"),
        ("image", [("a.nrrd", b"")], "empty"),
        ("image", [], "No file was sent"),
        ("image", [("a.nrrd", b"NRRD"), ("b.nrrd", b"NRRD")], "Several files"),
        ("image", [("a.nrrd", b"NRRD" + b"x" * (1 << 20))], "larger than allowed"),
        ("segmentation", [("a.zip", b"PK\x03\x04")], "is of a kind that is not read here"),
        ("folder", [("a", DICOM)] * 4, "more than 3 files"),
        ("folder", [("a.txt", b"hello")], "no DICOM files"),
    ],
)
def test_what_cannot_be_read_is_refused_and_not_kept(
    tmp_path: Path, kind: str, files: list[tuple[str, bytes]], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        send(tmp_path, kind, *files)
    assert list(tmp_path.iterdir()) == []


def test_what_a_session_has_already_counts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="larger than allowed"):
        send(tmp_path, "image", ("a.nrrd", b"NRRD" + b"x" * 1000), kept=LIMITS.kept_bytes - 500)


def test_a_dicom_folder_keeps_no_names(tmp_path: Path) -> None:
    stored = send(tmp_path, "folder", ("Doe^John/1.dcm", DICOM), ("DICOMDIR.txt", b"x"), ("Doe^John/2.dcm", DICOM))
    assert sorted(file.name for file in stored["path"].iterdir()) == ["00001.dcm", "00003.dcm"]
    assert stored["label"] == "DICOM series"


def zipped(path: Path, members: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


def test_a_zip_file_gives_numbered_dicom_files_and_nothing_else(tmp_path: Path) -> None:
    members = {"../../outside.dcm": DICOM, "/absolute.dcm": DICOM, "notes.txt": b"Doe^John"}
    unpack_series(zipped(tmp_path / "a.zip", members), tmp_path / "series", LIMITS)
    assert sorted(file.name for file in (tmp_path / "series").iterdir()) == ["00001.dcm", "00002.dcm"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.zip", "series"]


@pytest.mark.parametrize(
    ("members", "mode", "words"),
    [
        ({"bomb.dcm": DICOM + b"\0" * (30 << 20)}, 0, "far more than it should"),
        ({"link.dcm": b"/etc/passwd"}, 0o120777, "links or devices"),
        ({f"{i}.dcm": DICOM for i in range(4)}, 0, "more than 3 files"),
        ({"notes.txt": b"hello"}, 0, "no DICOM files"),
    ],
)
def test_hostile_zip_files_are_refused(tmp_path: Path, members: dict[str, bytes], mode: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        unpack_series(zipped(tmp_path / "a.zip", members, mode), tmp_path / "series", LIMITS)


def test_a_damaged_zip_file_is_refused(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "a.zip", {"1.dcm": DICOM + bytes(range(256)) * 40}).read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:60] + b"\xff" * 40 + whole[100:])
    with pytest.raises(InputError, match="damaged"):
        unpack_series(tmp_path / "a.zip", tmp_path / "series", LIMITS)


def test_labels_are_printable_and_short() -> None:
    assert label_of("C:\\scans\\a\x00\x1b[31m.nrrd") == "a[31m.nrrd"
    assert len(label_of("x" * 500)) == 60


def test_the_longest_suffix_counts() -> None:
    assert suffix_of("Brain.NII.GZ", IMAGE_SUFFIXES) == ".nii.gz"
    assert suffix_of("brain.gz", IMAGE_SUFFIXES) == ""


def test_only_loopback_goes_without_a_token() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        assert is_loopback(host) and Guard(host).token == ""
    for host in ("0.0.0.0", "192.168.1.4", "example.org", "::"):
        guard = Guard(host)
        assert len(guard.token) >= 32 and guard.knows(guard.token)
        assert not guard.knows("") and not guard.knows(guard.token[:-1])
    assert Guard("0.0.0.0").token != Guard("0.0.0.0").token


def test_other_names_for_this_machine_and_other_pages_are_refused() -> None:
    guard = Guard("127.0.0.1")
    assert guard.accepts_host("localhost:8090") and guard.accepts_host("127.0.0.1:8090")
    assert not guard.accepts_host("evil.example:8090")
    assert guard.same_origin({"Origin": "http://localhost:8090"}, "localhost:8090")
    assert not guard.same_origin({"Origin": "http://evil.example"}, "localhost:8090")
    assert not guard.same_origin({"Origin": "null"}, "localhost:8090")
    assert not guard.same_origin({}, "localhost:8090")
    assert not guard.may_begin({"Sec-Fetch-Mode": "no-cors"}) and guard.may_begin({"Sec-Fetch-Mode": "navigate"})


def test_a_page_loads_nothing_from_elsewhere() -> None:
    policy = page_headers("<script>go()</script><script src='x.js'></script>")["Content-Security-Policy"]
    assert policy.count("sha256-") == 1 and "default-src 'none'" in policy and "connect-src 'self';" in policy
    assert "http" not in policy and "*" not in policy


def grown(inside: np.ndarray, outside: np.ndarray, image: np.ndarray) -> np.ndarray:
    from TumorClassifierLib.web.seeds import grow_from_seeds

    masks = [sitk.GetImageFromArray(array.astype(np.uint8)) for array in (inside, outside)]
    return sitk.GetArrayFromImage(grow_from_seeds(sitk.GetImageFromArray(image), *masks)).astype(bool)


def test_a_bright_ball_grows_from_two_strokes_in_one_slice() -> None:
    pytest.importorskip("slicer")
    k, j, i = np.indices((40, 48, 48))
    far = np.sqrt((k - 20) ** 2 + (j - 24) ** 2 + (i - 24) ** 2)
    ball = far < 9
    image = np.where(ball, 100.0, 20.0).astype(np.float32) + np.random.default_rng(0).normal(0, 2, ball.shape)
    ring = (np.abs(np.hypot(j - 24, i - 24) - 14) < 1.5) & (k == 20)
    found = grown((far < 3) & (k == 20), ring, image.astype(np.float32))
    assert 2 * (found & ball).sum() / (found.sum() + ball.sum()) > 0.95
    assert not found[:6].any() and not found[34:].any()


@pytest.mark.parametrize(("lacking", "words"), [(0, "no stroke inside"), (1, "no stroke outside")])
def test_growing_needs_both_strokes(lacking: int, words: str) -> None:
    pytest.importorskip("slicer")
    strokes = [np.zeros((5, 8, 8), bool), np.zeros((5, 8, 8), bool)]
    strokes[1 - lacking][2, 2, 2] = True
    with pytest.raises(InputError, match=words):
        grown(*strokes, np.zeros((5, 8, 8), np.float32))
