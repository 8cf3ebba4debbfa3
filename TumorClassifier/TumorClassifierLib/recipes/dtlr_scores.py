"""Rad-score and DTL-score: the fine-tuned network and, for each class, the two signatures of the DTLR nomogram."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.progress import Progress, silent

from ..blocks import agreed_deep_features, crops_of, deep_columns, deep_features, deep_name, matrix
from ..folds import Folds
from ..measures import CaseMeasures
from ..signature import SignatureScore, fit_signature
from ..svm import SvmModel, fit_svm
from .class_nomogram import one_against_rest
from .dtlr_model import Settings

if TYPE_CHECKING:
    from torch import nn

    from ..networks.curves import Epoch

SCORES = ("Rad-score", "DTL-score")
BLOCKS = ("radiomics", "deep")


@dataclass(frozen=True)
class Scores:
    """What turns measures into the two scores of every class.

    stable: how many deep features the readers agree on. curves: of the network's training.
    """

    network: "nn.Sequential"
    radiomics: tuple[SignatureScore, ...]
    deep: tuple[SignatureScore, ...]
    stable: int
    curves: "tuple[Epoch, ...]" = ()


@dataclass(frozen=True)
class HeldOut:
    """Of every class, of cases that the fit behind them has not seen.

    scores: (classes, n, 2) Rad-score and DTL-score. decisions: per block (classes, n) of the SVM models.
    """

    scores: np.ndarray
    decisions: dict[str, np.ndarray]


def fit_scores(
    cases: Sequence[CaseMeasures],
    y: np.ndarray,
    patients: np.ndarray,
    names: Sequence[str],
    classes: Sequence[str],
    settings: Settings,
    stage: str,
    progress: Progress,
) -> tuple[Scores, np.ndarray]:
    """Steps 3 to 5: fine-tune the network, then select and weigh radiomics and deep features for each class.

    y: (n,) index into `classes`. names: the radiomics features that may be used. Returns also the (n, width) pooled
    features of these cases.
    """
    network, curves = fine_tune(cases, y, len(classes), settings, stage, progress)
    pooled = deep_features(network, cases, settings.modality)
    columns = agreed_deep_features(
        pooled, cases, settings.icc, lambda part: deep_features(network, part, settings.modality)
    )
    X, deep_names = matrix(cases, names), [deep_name(i) for i in columns]
    fitted: dict[str, list[SignatureScore]] = {block: [] for block in BLOCKS}
    for y_class in one_against_rest(y, classes):
        for block, values, columns_of in (("radiomics", X, names), ("deep", pooled[:, columns], deep_names)):
            fitted[block].append(
                fit_signature(values, y_class, columns_of, patients, seed=settings.seed, spearman=settings.spearman)
            )
    return Scores(network, tuple(fitted["radiomics"]), tuple(fitted["deep"]), len(columns), curves), pooled


def fit_svms(
    scores: Scores,
    cases: Sequence[CaseMeasures],
    pooled: np.ndarray,
    y: np.ndarray,
    patients: np.ndarray,
    classes: Sequence[str],
    settings: Settings,
) -> list[dict[str, SvmModel]]:
    """Step 7 for every class: SVM models of the features that its two signatures selected."""
    found = []
    for i, y_class in enumerate(one_against_rest(y, classes)):
        names = {"radiomics": scores.radiomics[i].features, "deep": scores.deep[i].features}
        inputs = svm_inputs(scores, cases, pooled, i)
        found.append(
            {block: fit_svm(X, y_class, patients, names[block], seed=settings.seed) for block, X in inputs.items()}
        )
    return found


def cross_fit(
    cases: Sequence[CaseMeasures],
    y: np.ndarray,
    patients: np.ndarray,
    names: Sequence[str],
    classes: Sequence[str],
    settings: Settings,
    folds: Folds,
    progress: Progress = silent,
) -> HeldOut:
    """Scores and SVM decisions of each case from fits, network included, that have not seen its patient."""
    models = len(one_against_rest(y, classes))
    held_out = np.empty((models, len(cases), len(SCORES)))
    decisions = {block: np.empty((models, len(cases))) for block in BLOCKS}
    for i, (train, test) in enumerate(folds.splits):
        part, others = [cases[j] for j in train], [cases[j] for j in test]
        stage = f"network, inner fold {i + 1}/{len(folds.splits)}"
        scores, seen = fit_scores(part, y[train], patients[train], names, classes, settings, stage, progress)
        pooled = deep_features(scores.network, others, settings.modality)
        held_out[:, test] = both_scores(scores, others, pooled)
        for m, svm in enumerate(fit_svms(scores, part, seen, y[train], patients[train], classes, settings)):
            for block, X in svm_inputs(scores, others, pooled, m).items():
                decisions[block][m, test] = svm[block].decision(X)
    return HeldOut(held_out, decisions)


def svm_inputs(scores: Scores, cases: Sequence[CaseMeasures], pooled: np.ndarray, model: int) -> dict[str, np.ndarray]:
    """Per block (n, features) what a class's SVM models take; pooled: (n, width) of these cases."""
    return {
        "radiomics": matrix(cases, scores.radiomics[model].features),
        "deep": pooled[:, deep_columns(scores.deep[model].features)],
    }


def both_scores(scores: Scores, cases: Sequence[CaseMeasures], pooled: np.ndarray) -> np.ndarray:
    """(classes, n, 2) Rad-score and DTL-score of cases; pooled: (n, width) of these cases."""
    return np.stack(
        [
            np.column_stack(
                [
                    radiomics.score(matrix(cases, radiomics.features)),
                    deep.score(pooled[:, deep_columns(deep.features)]),
                ]
            )
            for radiomics, deep in zip(scores.radiomics, scores.deep, strict=True)
        ]
    )


def fine_tune(
    cases: Sequence[CaseMeasures], y: np.ndarray, n_classes: int, settings: Settings, stage: str, progress: Progress
) -> "tuple[nn.Sequential, tuple[Epoch, ...]]":
    """Step 3: train the network on these cases; its weights are rounded as the model file will hold them."""
    from FeatureExtractorLib.deep.backbones import parse_weights
    from FeatureExtractorLib.deep.features import choose_device

    from ..networks.resnet2d import build_classifier
    from ..networks.state import rounded
    from ..networks.training import train_classifier

    weights = parse_weights(settings.weights)
    network = build_classifier(settings.backbone, n_classes, settings.training.dropout, weights)
    training = replace(settings.training, seed=settings.seed)

    def told(words: str, fraction: float) -> None:
        progress(words.replace("training", stage, 1), fraction)

    images = crops_of(cases, settings.modality)
    result = train_classifier(network.to(choose_device("auto")), images, y, training, progress=told)
    return rounded(result.model.cpu()), result.curves
