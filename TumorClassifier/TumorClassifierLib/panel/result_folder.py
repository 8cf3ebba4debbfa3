"""Folders for the files of runs, which go when the panel does."""

import shutil
import tempfile
from pathlib import Path

import slicer


class RunFolder:
    """A new folder for every run, all in one that is removed at the end."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def new(self) -> Path:
        """An empty folder; those of earlier runs are removed."""
        self.remove()
        self._folder = Path(tempfile.mkdtemp(prefix="TumorClassifier-", dir=slicer.app.temporaryPath))
        return self._folder

    def remove(self) -> None:
        """Remove what the last run left."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
