"""The modules' own self-tests, as Slicer runs them, on the headless scene."""

import unittest
from types import SimpleNamespace
from typing import Any

import pytest

MODULES = ("TumorClassifier", "FeatureExtractor")


@pytest.mark.parametrize("name", MODULES)
def test_self_test_passes(name: str, slicer_module: Any, scene: Any) -> None:
    module = slicer_module(name)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(getattr(module, f"{name}Test"))
    result = unittest.TestResult()
    suite.run(result)
    assert result.testsRun >= 2
    assert not [trace for _case, trace in (*result.errors, *result.failures)]
    assert {reason for _case, reason in result.skipped} <= {"There are no windows here, so there is no panel."}


@pytest.mark.parametrize("name", MODULES)
def test_module_describes_itself_as_slicers_generic_test_asks(name: str, slicer_module: Any) -> None:
    parent = SimpleNamespace()
    getattr(slicer_module(name), name)(parent)
    for field in ("title", "categories", "contributors", "helpText", "acknowledgementText"):
        assert getattr(parent, field), field


def test_helpers_of_a_self_test_are_not_taken_for_tests(slicer_module: Any) -> None:
    """Slicer runs every attribute with "test" in its name; only methods meant as tests may have it."""
    for name in MODULES:
        own = vars(getattr(slicer_module(name), f"{name}Test"))
        assert all(key.startswith("test_") for key in own if "test" in key.lower() and not key.startswith("__"))
