"""The imaging models of the multimodality signature: fitted on a training part, chosen there, and cross-fitted."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from FeatureExtractorLib.progress import Progress, silent

from ..folds import Folds
from ..measures import CaseMeasures
from ..nested import as_model, choose, fit_chosen
from ..svm import SvmModel, recalibrated
from .class_nomogram import one_against_rest
from .multimodal_blocks import Block, blocks_of
from .multimodal_features import columns_of
from .multimodal_model import Settings


@dataclass(frozen=True)
class Imaging:
    """One class's imaging models by block, and the block with the highest AUC on inner folds."""

    models: Mapping[str, SvmModel]
    best: str

    @property
    def signature(self) -> SvmModel:
        """The machine whose decision is the signature."""
        return self.models[self.best]


@dataclass(frozen=True)
class HeldOut:
    """Of every class, decisions on cases that nothing behind them has seen.

    signature: (classes, n) of the block that each training part chose. decisions: per block (classes, n), NaN where a
    training part had no such block.
    """

    signature: np.ndarray
    decisions: Mapping[str, np.ndarray]


def fit_imaging(
    blocks: Mapping[str, Block],
    y: np.ndarray,
    patients: np.ndarray,
    settings: Settings,
    stage: str = "selection",
    progress: Progress = silent,
) -> Imaging:
    """For each block the settings that inner folds choose and a machine on all cases; and the best block.

    y: (n,) 0/1. Blocks are independent of each other and fitted side by side: the solver runs without Python's lock.
    Raises InputError as `choose`.
    """

    def one(block: Block) -> SvmModel:
        choice = choose(block.X, y, patients, settings.search, settings.seed)
        return as_model(fit_chosen(block.X, y, choice, settings.search), choice, y, block.names)

    models: dict[str, SvmModel] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            for name, model in zip(blocks, pool.map(one, blocks.values()), strict=True):
                models[name] = model
                progress(stage, len(models) / len(blocks))
        except BaseException:  # a cancelled run does not wait for blocks that have not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    best = max(models, key=lambda name: round(models[name].auc, 12))  # of equals the first
    return Imaging(models, best)


def cross_fit(
    cases: Sequence[CaseMeasures],
    y: np.ndarray,
    patients: np.ndarray,
    classes: Sequence[str],
    settings: Settings,
    folds: Folds,
    progress: Progress = silent,
) -> HeldOut:
    """Decisions on each case by fits that have not seen its patient, from readers' agreement to the chosen block.

    y: (n,) index into `classes`. What inner folds have chosen cannot be judged on these very folds: the best of many
    blocks and settings looks better there than it is.
    """
    truths = one_against_rest(y, classes)
    signature = np.empty((len(truths), len(cases)))
    decisions: dict[str, np.ndarray] = {}
    for i, (train, test) in enumerate(folds.splits):
        part, others = [cases[j] for j in train], [cases[j] for j in test]
        blocks, _ = blocks_of(part, settings)
        for m, y_class in enumerate(truths):
            stage = f"cross-fitting, fold {i + 1}/{len(folds.splits)}"
            imaging = fit_imaging(blocks, y_class[train], patients[train], settings, stage, progress)
            for name, model in imaging.models.items():
                row = decisions.setdefault(name, np.full(signature.shape, np.nan))
                row[m, test] = model.decision(columns_of(others, model.features))
            signature[m, test] = decisions[imaging.best][m, test]
    return HeldOut(signature, decisions)


def calibrated(imaging: Imaging, held_out: HeldOut, m: int, y: np.ndarray) -> dict[str, SvmModel]:
    """Class m's machines with Platt's sigmoid fitted to cross-fitted decisions, where every fold had the block."""
    found = {}
    for name, model in imaging.models.items():
        decisions = held_out.decisions[name][m] if name in held_out.decisions else np.full(len(y), np.nan)
        whole = np.isfinite(decisions).all()
        found[name] = recalibrated(model, decisions, y) if whole else model
    return found
