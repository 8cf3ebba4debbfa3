"""Rad-score and DTL-score: the fine-tuned network and the two signatures of the DTLR nomogram."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.progress import Progress, silent

from ..blocks import agreed_deep_features, crops_of, deep_columns, deep_features, matrix
from ..folds import grouped_folds
from ..measures import CaseMeasures
from ..signature import fit_signature
from .dtlr_model import Scores, Settings

if TYPE_CHECKING:
    from torch import nn

SCORES = ("Rad-score", "DTL-score")


def fit_scores(
    cases: Sequence[CaseMeasures],
    y: np.ndarray,
    patients: np.ndarray,
    names: Sequence[str],
    settings: Settings,
    stage: str,
    progress: Progress,
) -> tuple[Scores, dict[str, dict[str, int]]]:
    """Steps 3 to 5: fine-tune the network, then select and weigh radiomics and deep features."""
    network = fine_tune(cases, y, settings, stage, progress)
    radiomics = fit_signature(matrix(cases, names), y, names, patients, seed=settings.seed, spearman=settings.spearman)
    pooled, deep_names = agreed_deep_features(network, cases, settings.icc)
    deep = fit_signature(pooled, y, deep_names, patients, seed=settings.seed, spearman=settings.spearman)
    flow = {
        "radiomics": {"stable": len(names), "selected": len(radiomics.features)},
        "deep": {"stable": len(deep_names), "selected": len(deep.features)},
    }
    return Scores(network, radiomics, deep), flow


def cross_fitted_scores(
    cases: Sequence[CaseMeasures],
    y: np.ndarray,
    patients: np.ndarray,
    names: Sequence[str],
    settings: Settings,
    progress: Progress = silent,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n, 2) Rad-score and DTL-score of each case from a fit that has not seen its patient, and warnings."""
    folds = grouped_folds(y, patients, settings.inner_folds, settings.seed)
    held_out = np.empty((len(cases), len(SCORES)))
    for i, (train, test) in enumerate(folds.splits):
        part = [cases[j] for j in train]
        stage = f"network, inner fold {i + 1}/{len(folds.splits)}"
        scores, _ = fit_scores(part, y[train], patients[train], names, settings, stage, progress)
        held_out[test] = both_scores(scores, [cases[j] for j in test])
    return held_out, folds.warnings


def both_scores(scores: Scores, cases: Sequence[CaseMeasures]) -> np.ndarray:
    """(n, 2) Rad-score and DTL-score of cases."""
    radiomics = scores.radiomics.score(matrix(cases, scores.radiomics.features))
    deep = scores.deep.score(deep_features(scores.network, cases)[:, deep_columns(scores.deep.features)])
    return np.column_stack([radiomics, deep])


def fine_tune(
    cases: Sequence[CaseMeasures], y: np.ndarray, settings: Settings, stage: str, progress: Progress
) -> "nn.Sequential":
    """Step 3: train the network on these cases; its weights are rounded as the model file will hold them."""
    from FeatureExtractorLib.deep.backbones import parse_weights
    from FeatureExtractorLib.deep.features import choose_device

    from ..networks.resnet2d import build_classifier
    from ..networks.state import rounded
    from ..networks.training import train_classifier

    weights = parse_weights(settings.weights)
    network = build_classifier(settings.backbone, 2, settings.training.dropout, weights).to(choose_device("auto"))
    training = replace(settings.training, seed=settings.seed)

    def told(_: str, fraction: float) -> None:
        progress(stage, fraction)

    result = train_classifier(network, crops_of(cases), y, training, progress=told)
    return rounded(result.model.cpu())
