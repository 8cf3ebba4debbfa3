"""FeatureExtractor's own self-test, as Slicer runs it, with its panel on the stand-in."""

import sys
import unittest
from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.slow
def test_the_self_test_passes_with_its_panel(module: Callable[..., Any]) -> None:
    assert not module("FeatureExtractor", shown=False).parent.isEntered
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(sys.modules["FeatureExtractor"].FeatureExtractorTest)
    result = unittest.TestResult()
    suite.run(result)
    assert [trace for _case, trace in (*result.errors, *result.failures)] == []
    assert result.testsRun >= 4
    skipped = [reason for _case, reason in result.skipped]
    assert all(reason.startswith("Not installed: ") for reason in skipped)
    if skipped:
        pytest.skip(skipped[0])
