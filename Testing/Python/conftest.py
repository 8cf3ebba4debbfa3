"""Fixtures that every test may ask for."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout under test."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real images and cohorts; tests that need them are skipped, with the reason, where there are none."""
    chosen = os.environ.get("TUMORCLASSIFIER_TEST_DATA")
    folder = Path(chosen) if chosen else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set TUMORCLASSIFIER_TEST_DATA to a folder that has them")
    return folder


@pytest.fixture(scope="session")
def run_cli() -> Callable[..., tuple[int, str, str]]:
    """Run `tumorclassifier` with arguments in this process: exit code, standard output, standard error."""
    import contextlib
    import io
    import sys

    from TumorClassifierLib.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        before = sys.argv
        sys.argv = ["tumorclassifier", *map(str, arguments)]
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main()
                code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            sys.argv = before
        return code, out.getvalue(), err.getvalue()

    return run
