"""What users send: stored under names of our own, within limits, and looked at before anything reads it."""

import json
import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from FeatureExtractorLib.errors import InputError

from .limits import IMAGE_SUFFIXES, MEGABYTE, SEGMENTATION_SUFFIXES, Limits, suffix_of

KINDS = ("image", "segmentation", "folder")
PIECE = 1 << 20
MOST_INFLATED = 100  # a series of slices packs ten times at best
LABEL_LETTERS = 60
GZIP, NRRD, META, NIFTI = b"\x1f\x8b", b"NRRD", b"ObjectType", (b"n+1\0", b"ni1\0")


async def store_upload(parts: AsyncIterator[Any], kind: str, folder: Path, limits: Limits, kept: int) -> str:
    """Store the files of a request below `folder`; returns the upload's name, which the session opens.

    parts: of aiohttp's multipart reader. kind: one of KINDS. kept: bytes that the session has already. The folder
    holds "about.json" (kind, label, file) and the file, or the series of DICOM files. Raises InputError with a
    sentence, and leaves nothing then; the sentence names the file as the user calls it, and for DICOM does not.
    """
    name = uuid4().hex
    place = folder / name
    place.mkdir(parents=True)
    try:
        about = await _store(parts, kind, place, limits, min(limits.upload_bytes, limits.kept_bytes - kept))
        (place / "about.json").write_text(json.dumps({"kind": kind, **about}), encoding="utf-8")
    except BaseException:
        remove(place)
        raise
    return name


async def _store(parts: AsyncIterator[Any], kind: str, place: Path, limits: Limits, room: int) -> dict[str, str]:
    if kind == "folder":
        return await _store_series(parts, place, limits, room)
    allowed = IMAGE_SUFFIXES if kind == "image" else SEGMENTATION_SUFFIXES
    stored: dict[str, str] | None = None
    async for part in parts:
        if not part.filename:
            continue
        if stored is not None:
            raise InputError("Several files were sent; choose one, or a zip file or folder of a DICOM series.")
        called = label_of(part.filename)
        suffix = suffix_of(part.filename, allowed)
        if not suffix:
            raise InputError(f"{called} is of a kind that is not read here; choose one of {', '.join(allowed)}.")
        file = place / f"upload{suffix}"
        await _write(part, file, room, limits)
        check_beginning(file, suffix, called)
        if suffix == ".zip":
            unpack_series(file, place / "series", limits)
            file.unlink()
            stored = {"file": "series", "label": "DICOM series"}
        else:
            stored = {"file": file.name, "label": "DICOM file" if suffix == ".dcm" else called}
    if stored is None:
        raise InputError("No file was sent; choose one.")
    return stored


async def _store_series(parts: AsyncIterator[Any], place: Path, limits: Limits, room: int) -> dict[str, str]:
    series = place / "series"
    series.mkdir()
    count = 0
    async for part in parts:
        if not part.filename:
            continue
        count += 1
        if count > limits.files:
            raise InputError(f"The folder has more than {limits.files} files; choose the folder of one series.")
        file = series / f"{count:05d}.dcm"
        room -= await _write(part, file, room, limits)
        if not _is_dicom(file):
            file.unlink()  # such as DICOMDIR or a picture beside the series
    if not any(series.iterdir()):
        raise InputError("The folder holds no DICOM files; choose the folder of a DICOM series.")
    return {"file": "series", "label": "DICOM series"}


async def _write(part: Any, file: Path, room: int, limits: Limits) -> int:
    written = 0
    with open(file, "wb") as stream:
        while piece := await part.read_chunk(PIECE):
            written += len(piece)
            if written > room:
                raise InputError(
                    f"The upload is larger than allowed ({limits.upload_megabytes} MB at once, "
                    f"{limits.kept_megabytes} MB in a session); choose a smaller one."
                )
            stream.write(piece)
    if not written:
        raise InputError("The file is empty; choose another.")
    return written


def check_beginning(file: Path, suffix: str, called: str) -> None:
    """Raises InputError where a file does not begin as its kind does; readers check the rest."""
    with open(file, "rb") as stream:
        head = stream.read(352)
    fits = {
        ".nrrd": head.startswith(NRRD),
        ".nii": head[344:348] in NIFTI,
        ".nii.gz": head.startswith(GZIP),
        ".mha": META in head,
        ".zip": head.startswith(b"PK\x03\x04"),
        ".dcm": head[128:132] == b"DICM",
    }
    if not fits[suffix]:
        raise InputError(f"{called} is no {suffix} file, whatever its name says; export it again.")


def unpack_series(file: Path, folder: Path, limits: Limits) -> None:
    """Unpack the DICOM files of a zip file into numbered files.

    Raises InputError for a file that is no zip, too large unpacked, or with too many, encrypted or linked members.
    """
    folder.mkdir()
    left = limits.upload_bytes * 2
    try:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > limits.files:
                raise InputError(f"The zip file has more than {limits.files} files; zip the folder of one series.")
            for number, member in enumerate(members, 1):
                _check_member(member, left)
                left -= _unpack(archive, member, folder / f"{number:05d}.dcm", left)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError("The zip file is damaged, or packed as is not read here; zip the folder again.") from error
    if not any(folder.iterdir()):
        raise InputError("The zip file holds no DICOM files; zip the folder of a DICOM series.")


def _check_member(member: zipfile.ZipInfo, left: int) -> None:
    if member.flag_bits & 1:
        raise InputError("The zip file is encrypted; zip the folder without a password.")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise InputError("The zip file has links or devices in it; zip the plain files of a DICOM series.")
    if member.file_size > max(1, member.compress_size) * MOST_INFLATED and member.file_size > MEGABYTE:
        raise InputError("The zip file unpacks to far more than it should; zip the folder again.")
    if member.file_size > left:
        raise InputError("The zip file is too large unpacked; zip one series only.")


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path, left: int) -> int:
    """Bytes written; the header's size is not believed."""
    written = 0
    with archive.open(member) as source, open(file, "wb") as target:
        while piece := source.read(PIECE):
            written += len(piece)
            if written > left:
                raise InputError("The zip file is too large unpacked; zip one series only.")
            target.write(piece)
    if not _is_dicom(file):
        file.unlink()
    return written


def _is_dicom(file: Path) -> bool:
    with open(file, "rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def label_of(name: str) -> str:
    """A file's name as it may be shown: its last part, printable, not long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(letter for letter in last if letter.isprintable())
    return shown if len(shown) <= LABEL_LETTERS else f"{shown[: LABEL_LETTERS - 1]}…"


def remove(folder: Path) -> None:
    """Remove a folder and what is in it."""
    shutil.rmtree(folder, ignore_errors=True)
