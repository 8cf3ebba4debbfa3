"""Watching that reading a hostile file changes nothing and runs nothing."""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

WRITES = ("os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate", "os.remove", "os.rmdir", "os.chmod")
RUNS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class", "ctypes.dlopen")


@dataclass
class Watch:
    """What a block did to the outside, by the interpreter's own audit events."""

    events: list[str] = field(default_factory=list)
    on: bool = False

    def see(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.on:
            return
        writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writing or event in WRITES or event in RUNS:
            self.events.append(f"{event} {arguments[:2]}")


WATCH = Watch()
sys.addaudithook(WATCH.see)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """A machine of its own (home, store, temporary and working folder) on which every write is noted."""
    for name in ("home", "work", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TUMORCLASSIFIER_MODELS", str(tmp_path / "store" / "models"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path / "work")
    WATCH.events.clear()
    yield WATCH
    WATCH.on = False
