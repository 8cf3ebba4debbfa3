"""Fixtures that every test may ask for."""

import os
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
