"""Training the networks of the transfer-learning recipe: one a modality, cross-fitted and whole."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from FeatureExtractorLib.agreement import intraclass_correlation
from FeatureExtractorLib.deep.backbones import parse_weights
from FeatureExtractorLib.progress import Progress

from ..blocks import crops_of
from ..folds import Folds
from ..measures import CaseMeasures, frozen_network
from ..networks.curves import curves_json
from ..networks.frozen import POOLED, train_head
from ..networks.resnet2d import build_classifier, build_head, with_head
from ..networks.state import rounded
from ..networks.training import train_classifier
from .resnet_transfer_model import Settings

if TYPE_CHECKING:
    from torch import nn

    from ..networks.curves import Epoch

FORM = "ICC(2,1)"


@dataclass(frozen=True)
class Trained:
    """A modality's network with what was learned on the way.

    network: the whole classifier, or its head where the trunk is frozen. logits: (n, K) of each case by a network
    that had not seen its patient. curves: of the whole training and of the first split's, with validation. features:
    (n, width) pooled, by a network that had not seen the first split's validation patients.
    """

    network: "nn.Sequential"
    logits: np.ndarray
    curves: dict[str, list[dict[str, Any]]]
    features: np.ndarray


def fit_modality(
    cases: Sequence[CaseMeasures],
    y: np.ndarray,
    n_classes: int,
    modality: str,
    name: str,
    folds: Folds,
    settings: Settings,
    progress: Progress,
) -> Trained:
    """Train on all cases, and once without each fold; raises InputError as `train_classifier`."""
    crops = crops_of(cases, modality)
    copies = _copies(crops, settings, progress)
    everyone = np.arange(len(cases))
    logits = np.empty((len(cases), n_classes))
    curves: dict[str, list[dict[str, Any]]] = {}
    features = np.empty(0)
    for i, (train, test) in enumerate(folds.splits):
        stage = f"{name}, inner fold {i + 1}/{len(folds.splits)}"
        watched, found = _train(crops, copies, y, train, test, n_classes, settings, stage, progress)
        logits[test] = logits_of(watched, crops[test], settings)
        if i == 0:
            curves[f"{name}, {len(train)}:{len(test)}"] = curves_json(found)
            features = pooled_of(watched, crops, settings)
    network, found = _train(crops, copies, y, everyone, None, n_classes, settings, name, progress)
    return Trained(network, logits, {name: curves_json(found), **curves}, features)


def logits_of(network: "nn.Sequential", crops: np.ndarray, settings: Settings) -> np.ndarray:
    """(n, K) float64 outputs for crops (n, 3, size, size); a frozen trunk's features are pooled once a process."""
    from ..networks.inputs import batch_outputs

    if settings.only_head:
        return batch_outputs(network, network, pooled_of(network, crops, settings))
    return batch_outputs(network, network, crops)


def pooled_of(network: "nn.Sequential", crops: np.ndarray, settings: Settings) -> np.ndarray:
    """(n, width) float32 pooled features of crops."""
    if settings.only_head:
        return POOLED.of(_frozen(settings), _frozen_name(settings), crops)[0]
    from FeatureExtractorLib.deep.features import pooled_features

    return pooled_features(network, crops).astype(np.float32)


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    """(n, K) softmax of logits, rows that sum to 1."""
    from scipy.special import softmax

    return np.asarray(softmax(logits, axis=1))


def readers_agreement(
    network: "nn.Sequential", cases: Sequence[CaseMeasures], modality: str, settings: Settings
) -> dict[str, Any] | None:
    """ICC between two readers' outlines of the same tumours: of pooled features and of the network's evidence.

    None with fewer than two cases outlined twice. Two readers are compared; one reader twice by `agree`.
    """
    twice = [case for case in cases if case.second is not None]
    if len(twice) < 2:
        return None
    other = [replace(case, first=case.second) for case in twice if case.second is not None]
    pairs = [crops_of(part, modality) for part in (twice, other)]
    pooled = np.stack([pooled_of(network, crops, settings) for crops in pairs], axis=1).astype(np.float64)
    of_features = intraclass_correlation(pooled, FORM).icc
    known = of_features[np.isfinite(of_features)]
    evidence = [logits_of(network, crops, settings) for crops in pairs]
    margins = np.stack([one[:, -1:] - one[:, :1] for one in evidence], axis=1)
    found = intraclass_correlation(margins, FORM)
    values = (float(found.icc[0]), float(found.low[0]), float(found.high[0]))
    return {
        "form": FORM,
        "cases": len(twice),
        "threshold": settings.icc,
        "features": {
            "number": int(known.size),
            "median": float(np.median(known)) if known.size else None,
            "share_good": float((known > settings.icc).mean()) if known.size else None,
        },
        "evidence": dict(zip(("value", "low", "high"), values, strict=True)) if np.isfinite(values).all() else None,
    }


def _train(
    crops: np.ndarray,
    copies: np.ndarray | None,
    y: np.ndarray,
    train: np.ndarray,
    watched: np.ndarray | None,
    n_classes: int,
    settings: Settings,
    stage: str,
    progress: Progress,
) -> "tuple[nn.Sequential, tuple[Epoch, ...]]":
    """A network of the `train` rows; watched: rows of which the curves tell, and which decide nothing."""
    training = replace(settings.training, seed=settings.seed)

    def told(words: str, fraction: float) -> None:
        progress(words.replace("training", stage, 1), fraction)

    if copies is not None:
        trunk = _frozen(settings)
        head = build_head(settings.backbone, n_classes, training.dropout).to(next(trunk.parameters()).device)
        seen = [copy[train] for copy in (copies[1:] if len(copies) > 1 else copies)]
        validation = None if watched is None else (copies[0][watched], y[watched])
        of_head = train_head(with_head(trunk, head), seen, y[train], training, validation, told)
        return of_head.model.get_submodule("head"), of_head.curves  # type: ignore[return-value]
    from FeatureExtractorLib.deep.features import choose_device

    weights = parse_weights(settings.weights)
    network = build_classifier(settings.backbone, n_classes, training.dropout, weights).to(choose_device("auto"))
    result = train_classifier(
        network,
        crops[train],
        y[train],
        training,
        None if watched is None else (crops[watched], y[watched]),
        told,
        settings.augmentation if training.augmentation else None,
    )
    return rounded(result.model.cpu()), result.curves


def _copies(crops: np.ndarray, settings: Settings, progress: Progress) -> np.ndarray | None:
    """(1 + copies, n, width) features of the images and of their augmented copies; None where the trunk is trained."""
    if not settings.only_head:
        return None
    augmentation = settings.augmentation if settings.training.augmentation else None
    name = _frozen_name(settings)
    return POOLED.of(_frozen(settings), name, crops, augmentation, settings.copies, settings.seed, progress)


def _frozen(settings: Settings) -> "nn.Sequential":
    return frozen_network(settings.backbone, settings.weights)


def _frozen_name(settings: Settings) -> str:
    return f"{settings.backbone} {parse_weights(settings.weights)}"
