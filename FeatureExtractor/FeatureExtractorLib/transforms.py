"""What registration found, as files that ITK and Slicer read."""

import re
from pathlib import Path

import SimpleITK as sitk

from .case import Case
from .files import atomic_path, sha256_of_bytes


def write_transforms(case: Case, folder: Path) -> tuple[Path, ...]:
    """Write `<case>_<modality>.tfm` for each registered image of a case; raises InputError as `atomic_path`.

    Slicer reads such a file as the transform that lays the image over the reference modality.
    """
    files = []
    for modality, transform in case.transforms.items():
        path = folder / f"{_file_name(case.case_id)}_{_file_name(modality)}.tfm"
        with atomic_path(path) as temporary:
            sitk.WriteTransform(transform, str(temporary))
        files.append(path)
    return tuple(files)


def _file_name(text: str) -> str:
    """The text where it can be a file's name, otherwise what can, told apart by a hash."""
    name = re.sub(r"[^\w.-]", "_", text)
    return name if name == text else f"{name}-{sha256_of_bytes(text.encode())[:8]}"
