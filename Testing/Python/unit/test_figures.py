"""ROC, calibration and decision-curve figures: written whole, repeatably, with the right numbers in them."""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.evaluation.discrimination import auc
from TumorClassifierLib.evaluation.figures import draw_calibration, draw_decision_curve, draw_roc

FIGURES = (draw_roc, draw_calibration, draw_decision_curve)


def cohort() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    return y, {name: 1 / (1 + np.exp(-rng.normal(size=80) - gain * (y - 0.5))) for name, gain in (("A", 1), ("B", 3))}


@pytest.mark.parametrize("draw", FIGURES)
def test_figures_are_repeatable(draw: Callable, tmp_path: Path) -> None:
    y, models = cohort()
    before = dict(matplotlib.rcParams)
    first = draw(y, models, tmp_path / "first.svg").read_bytes()
    assert draw(y, models, tmp_path / "second.svg").read_bytes() == first
    assert draw(y, models, tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
    other = draw(1 - y, models, tmp_path / "third.svg").read_bytes()
    assert other != first


@pytest.mark.parametrize("draw", FIGURES)
def test_what_cannot_be_drawn_is_refused_and_leaves_no_file(draw: Callable, tmp_path: Path) -> None:
    y, models = cohort()
    with pytest.raises(InputError, match="one to 7 models"):
        draw(y, {}, tmp_path / "none.svg")
    with pytest.raises(InputError, match="one class"):
        draw(np.ones(80), models, tmp_path / "none.svg")
    with pytest.raises(InputError, match="suffix"):
        draw(y, models, tmp_path / "none.bmp")
    assert not list(tmp_path.iterdir())


def test_the_roc_legend_tells_each_area(tmp_path: Path) -> None:
    y, models = cohort()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        text = draw_roc(y, models, tmp_path / "roc.svg").read_text()
    for name, score in models.items():
        assert f"{name} {auc(y, score):.3f} (" in text
