"""Writing that never leaves half a file, and hashes of what was read."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import InputError


def sha256_of_bytes(data: bytes) -> str:
    """The SHA-256 of some bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file, read in pieces, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def readable_write_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into a sentence about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise InputError(
                f"{path} was not written because the disk is full; free some space or choose another folder."
            ) from error
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); choose a folder you may write to."
        ) from error


def check_can_write(path: Path) -> None:
    """Raises InputError where `path` cannot be written, to be asked before long work; creates nothing."""
    path = Path(path)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it.")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written because of {folder}; choose a folder you may write to.")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, with its suffix, that takes its place when the block succeeds.

    When the block raises, the temporary file is removed and `path` stays as it was.
    Raises InputError when the folder cannot be written to or the disk is full.
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    with readable_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=suffix)
        os.close(handle)
    temporary = Path(name)
    try:
        with readable_write_errors(path):
            yield temporary
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files move into `folder` together when the block succeeds.

    Files of the same names are replaced, others stay. When the block raises, `folder` is as it was before.
    Raises InputError when the folder cannot be written to or the disk is full.
    """
    folder = Path(folder)
    existing = folder.parent
    while not existing.exists():
        existing = existing.parent
    existed = folder.exists()
    with readable_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".unfinished-"))
    try:
        with readable_write_errors(folder):
            yield temporary
            for item in sorted(temporary.iterdir()):
                target = folder / item.name
                if target.is_dir():
                    raise InputError(f"{target} is a folder where a file is to be written; choose another folder.")
                os.replace(item, target)
    except InputError as error:  # of a file in the temporary folder, whose name says nothing to the user
        raise type(error)(str(error).replace(str(temporary), str(folder))) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not existed:
            _remove_empty(folder, until=existing)


@contextmanager
def copied_to(path: Path, name: str = "") -> Iterator[Path]:
    """A path in the system's temporary folder, copied to `path` when the block succeeds; name: by default the same.

    For libraries that write files themselves and do not say plainly when a disk is full: the copy does, as OSError.
    """
    with tempfile.TemporaryDirectory(prefix="tumorclassifier-") as folder:
        unfinished = Path(folder) / (name or Path(path).name)
        yield unfinished
        shutil.copyfile(unfinished, path)


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text; raises InputError as `atomic_path` does."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json_atomically(path: Path, content: Any) -> None:
    """Write JSON with sorted keys; NaN and infinity are refused with ValueError."""
    write_text_atomically(path, json_text(content))


def json_text(content: Any) -> str:
    """JSON with sorted keys and a final line end; equal content gives equal text."""
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _remove_empty(folder: Path, until: Path) -> None:
    """Remove `folder` and its parents below `until` while they are empty."""
    while folder != until:
        try:
            folder.rmdir()
        except OSError:  # not empty: the block wrote something into it
            return
        folder = folder.parent
