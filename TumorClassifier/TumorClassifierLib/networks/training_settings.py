"""How a network is trained: every number of the loop, and the learning rate at any moment."""

import math
from dataclasses import dataclass, field

import numpy as np

from FeatureExtractorLib.errors import InputError

from .augmentation import AugmentationSettings

SCHEDULES = ("none", "step", "cosine")
OPTIMIZERS = ("sgd", "adamw")
STEP_EPOCHS = 4
STEP_FACTOR = 0.9


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained; the defaults are those of Li et al. 2025 where the paper states them.

    optimizer: "sgd", or "adamw" (momentum is then its first beta). schedule: of the learning rate: "none", "step"
    (times step_factor every step_epochs epochs; 0.9 and 4 as Chen et al. 2022) or "cosine" (to 0 at the last batch,
    after a linear rise over the first epoch). class_weights: each class counts the same in the loss. frozen: stages,
    named as in the network ("trunk", "trunk.layer1"), that keep their weights and batch statistics. rates: pairs of
    a stage and its own learning rate; of several that fit the longest name counts. accumulation: batches whose
    gradients make one step. keep_best: of validated training keep the epoch of the lowest loss, else the last, so
    that validation images only watch. mixed_precision: 16-bit arithmetic where it is safe, on CUDA only. patience:
    stop after so many epochs without a lower validation loss; None never stops early. threads: of the processor; None
    leaves torch's own number (the same number gives the same bits).
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "none"
    dropout: float = 0.5
    augmentation: bool = True
    augment: AugmentationSettings = field(default_factory=AugmentationSettings)
    class_weights: bool = True
    seed: int = 0
    patience: int | None = None
    threads: int | None = None
    optimizer: str = "sgd"
    step_epochs: int = STEP_EPOCHS
    step_factor: float = STEP_FACTOR
    frozen: tuple[str, ...] = ()
    rates: tuple[tuple[str, float], ...] = ()
    accumulation: int = 1
    keep_best: bool = True
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "step_epochs", "step_factor", "accumulation"):
            if getattr(self, name) <= 0:
                raise InputError(f"The training setting {name} cannot be {getattr(self, name)}; it must be above 0.")
        for name in ("momentum", "weight_decay", "seed", "threads", "patience"):
            if (getattr(self, name) or 0) < 0:
                raise InputError(f"The training setting {name} cannot be {getattr(self, name)}; choose 0 or more.")
        for stage, rate in self.rates:
            if rate <= 0:
                raise InputError(f"The learning rate of {stage} cannot be {rate}; it must be above 0.")
        if self.schedule not in SCHEDULES:
            raise InputError(
                f"There is no learning rate schedule called {self.schedule!r}; choose one of {', '.join(SCHEDULES)}."
            )
        if self.optimizer not in OPTIMIZERS:
            raise InputError(f"There is no optimizer called {self.optimizer!r}; choose {' or '.join(OPTIMIZERS)}.")

    def rate_of(self, parameter: str) -> float:
        """The learning rate, before any schedule, of a parameter by its name in the network."""
        fitting = [(len(stage), rate) for stage, rate in self.rates if in_stage(parameter, stage)]
        return max(fitting)[1] if fitting else self.learning_rate

    def is_frozen(self, name: str) -> bool:
        """Whether a parameter or a part of the network, by its name, keeps its values."""
        return any(in_stage(name, stage) for stage in self.frozen)


def in_stage(name: str, stage: str) -> bool:
    """Whether a part of a network is the stage or lies in it."""
    return name == stage or name.startswith(f"{stage}.")


def learning_rate(settings: TrainingSettings, epoch: int, fraction: float, base: float | None = None) -> float:
    """The learning rate at `fraction` (0–1) of an epoch counted from 0; base: of a stage with a rate of its own."""
    rate = settings.learning_rate if base is None else base
    done = epoch + fraction
    if settings.schedule == "step":
        return rate * settings.step_factor ** (epoch // settings.step_epochs)
    if settings.schedule == "cosine":
        warm_up = min(1.0, (done + 0.1) / 1.1)
        return rate * warm_up * (1 + math.cos(math.pi * done / settings.epochs)) / 2
    return rate


def balanced_weights(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Weights n / (n_classes · n_c) that let every class count the same; float64 (n_classes,)."""
    return len(labels) / (n_classes * np.bincount(labels, minlength=n_classes))
