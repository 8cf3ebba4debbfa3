"""What a number was made of, so that it is known when it must be made again."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from .dicom_series import split_series
from .files import sha256_of_bytes, sha256_of_file
from .provenance import versions

DETACHED = (".mhd", ".nhdr")


def sha256_of_input(path: Path) -> str:
    """The SHA-256 of an image or mask; empty where it cannot be read, which reading it will explain.

    For a folder (a DICOM series, also as FOLDER#SERIES) of all that is in it, for a header with its voxels in another
    file (.mhd, .nhdr) of the files beside it that share its name.
    """
    path, _ = split_series(path)
    if os.path.isdir(path):
        files = sorted(file for file in path.rglob("*") if file.is_file())
    elif path.suffix.lower() in DETACHED:
        files = sorted(file for file in path.parent.glob("*") if file.name.startswith(f"{path.stem}."))
    else:
        files = []
    try:
        if not files:
            return sha256_of_file(path)
        return digest_of([[file.relative_to(path.parent).as_posix(), sha256_of_file(file)] for file in files])
    except OSError:
        return ""


def digest_of(content: Any) -> str:
    """The SHA-256 of plain JSON values; the order of names in mappings does not matter."""
    return sha256_of_bytes(json.dumps(content, sort_keys=True).encode())


@cache
def code_identity() -> dict[str, str]:
    """Versions of everything that can change a number, and a hash of this package's own source."""
    package = Path(__file__).parent
    sources = sorted(package.rglob("*.py"))
    own = digest_of([[file.relative_to(package).as_posix(), sha256_of_file(file)] for file in sources])
    return versions() | {"source of FeatureExtractorLib": own[:16]}
