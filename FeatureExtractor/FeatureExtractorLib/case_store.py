"""Finished cases of an unfinished cohort: a file for each, beside the table that they are to become."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files import atomic_path, sha256_of_bytes
from .table import FeatureRow


@dataclass(frozen=True)
class Finished:
    """A finished case: what its numbers were made of, by kind, and its rows."""

    made_of: Mapping[str, Any]
    rows: tuple[FeatureRow, ...]


class CaseStore:
    """A folder of finished cases; file names are hashes, so that they carry no identifier."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, case_id: str) -> Path:
        """Where a case is kept."""
        return self.folder / f"{sha256_of_bytes(case_id.encode())[:32]}.json"

    def read(self, case_id: str) -> Finished | None:
        """A finished case; None where there is none, or the file is damaged, as after a loss of power."""
        try:
            content = json.loads(self.path(case_id).read_text(encoding="utf-8"))
            rows = [
                FeatureRow(case_id, row["segment"], dict(zip(row["names"], row["values"], strict=True)), row["error"])
                for row in content["rows"]
            ]
            return Finished(content["made_of"], tuple(rows))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, case_id: str, case: Finished) -> None:
        """Keep a finished case, at once and whole; raises InputError where the folder cannot be written to."""
        rows = [
            {
                "segment": row.segment,
                "error": row.error,
                "names": list(row.features),
                "values": [float(value) for value in row.features.values()],
            }
            for row in case.rows
        ]
        # Python's own writing of NaN and infinity, which plain JSON does not have, is read back here only.
        text = json.dumps({"made_of": case.made_of, "rows": rows})
        with atomic_path(self.path(case_id)) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def remove(self) -> None:
        """Delete the folder and everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_if_empty(self) -> None:
        """Delete the folder when nothing was finished."""
        if self.folder.is_dir() and not any(self.folder.glob("[!.]*.json")):
            self.remove()
