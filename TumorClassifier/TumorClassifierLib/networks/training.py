"""One training loop for every network of ours: seeded, bit-repeatable, to be cancelled and taken up again."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from FeatureExtractorLib.deep.backbones import seeded
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.pace import duration
from FeatureExtractorLib.progress import Progress, silent

from .augmentation import augment
from .checkpoint import Standing, current_folder, fingerprint, load_standing, save_standing
from .curves import Epoch, tell_epoch
from .inputs import as_batch, as_targets, batch_outputs, check_inputs
from .optimisation import Optimisation
from .training_settings import TrainingSettings, balanced_weights, learning_rate

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor, nn

__all__ = ["Augment", "Epoch", "TrainingResult", "TrainingSettings", "balanced_weights", "learning_rate"]
__all__ += ["train_classifier"]

Augment = Callable[["Tensor", "Generator"], "Tensor"]
Inputs = np.ndarray | Sequence[np.ndarray]
M = TypeVar("M", bound="nn.Module")


@dataclass(frozen=True)
class TrainingResult(Generic[M]):
    """The trained network, in evaluation mode, with the weights of `best_epoch` (counted from 0)."""

    model: M
    curves: tuple[Epoch, ...]
    best_epoch: int


def train_classifier(
    model: M,
    images: Inputs,
    labels: np.ndarray,
    settings: TrainingSettings | None = None,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    progress: Progress = silent,
    augmentation: Augment | None = None,
    checkpoint: Path | None = None,
) -> TrainingResult[M]:
    """Train a copy of a classifier by cross entropy; the given one is not changed.

    model: any network whose output is (n, K) logits, on the device to train on. images: float32, (n, 3, rows,
    columns) in 0–1 for slices, (n, channels, z, y, x) or (n, features); or k augmented copies of them, of which epoch
    e takes number e mod k. labels: (n,) class indices. The last epoch's weights are kept, or, with validation
    (images, labels), those of the lowest validation loss unless the settings say otherwise. augmentation: of a batch,
    in place of the one for slices that the settings describe. checkpoint: a folder to go on from after a kill, see
    `checkpoint`. The same seed, threads and machine give the same bits, interrupted or not. `progress` is called at
    every batch and may raise Cancelled. Raises InputError for labels that do not fit, a class without images, early
    stopping without validation images, a stage that the network has not, or a loss that is no longer finite.
    """
    import torch

    settings = settings or TrainingSettings()
    copies = (images,) if isinstance(images, np.ndarray) else tuple(images)
    for each in copies:
        check_inputs(each)
    model = copy.deepcopy(model)
    n_classes = batch_outputs(model, model, copies[0][:1]).shape[1]
    for each in copies:
        _check_labels(each, labels, n_classes)
    if validation is not None:
        check_inputs(validation[0])
        _check_labels(*validation, n_classes, every_class=False)
    elif settings.patience is not None:
        raise InputError("Early stopping needs validation images; give some or set patience to none.")

    if augmentation is None and settings.augmentation:
        augmentation = _of_slices(settings)
    device = next(model.parameters()).device
    weights = balanced_weights(labels, n_classes) if settings.class_weights else np.ones(n_classes)
    with _repeatable(settings, device):
        folder = checkpoint or current_folder()
        if folder is not None:
            arrays = [*copies, labels, *(validation or ())]
            described = {"settings": asdict(settings), "augmentation": _named(augmentation)}
            folder = folder / fingerprint(model, arrays, described, device.type, torch.get_num_threads())
        run = _Run(model, copies, np.asarray(labels), weights, settings, augmentation, folder)
        run.train(validation, progress)
    # As a loaded network lies in memory, so that it computes the same bits.
    model = model.eval().requires_grad_(True).to(memory_format=torch.contiguous_format)
    return TrainingResult(model, tuple(run.standing.curves), run.standing.best)


class _Run:
    """One training: the network with all that changes while it is trained."""

    def __init__(
        self,
        model: "nn.Module",
        copies: tuple[np.ndarray, ...],
        labels: np.ndarray,
        class_weights: np.ndarray,
        settings: TrainingSettings,
        augmentation: Augment | None,
        folder: Path | None,
    ) -> None:
        import torch

        slices = copies[0].ndim == 4
        self.model = model.to(memory_format=torch.channels_last) if slices else model
        self.copies, self.labels, self.settings = copies, labels, settings
        self.augmentation, self.folder = augmentation, folder
        self.device = next(model.parameters()).device
        self.class_weights = class_weights
        weight = torch.tensor(class_weights, dtype=torch.float32, device=self.device)
        self.criterion = torch.nn.CrossEntropyLoss(weight)
        self.optimisation = Optimisation(self.model, settings)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.standing = Standing()
        self.resumed = 0

    def train(self, validation: tuple[np.ndarray, np.ndarray] | None, progress: Progress) -> None:
        """From where the checkpoint stands to the last epoch or until patience ends."""
        self._resume()
        reached, started = self.standing, time.monotonic()
        while len(reached.curves) < self.settings.epochs and not self._out_of_patience():
            epoch = len(reached.curves)
            rate = learning_rate(self.settings, epoch, 0.0)
            loss, accuracy = self._epoch(epoch, progress, started)
            if validation is None:
                reached.curves.append(Epoch(rate, loss, accuracy))
                reached.best = epoch
            else:
                checked = self._validated(*validation)
                reached.curves.append(Epoch(rate, loss, accuracy, *checked))
                if checked[0] < reached.best_loss:
                    state = {n: t.clone() for n, t in self.optimisation.changing().items()}
                    reached.best, reached.best_loss, reached.best_state = epoch, checked[0], state
            self._save()
            tell_epoch(reached.curves)
        if not self.settings.keep_best:
            reached.best = len(reached.curves) - 1
        elif reached.best_state is not None:
            self.model.load_state_dict(reached.best_state, strict=False)
        progress("training", 1.0)

    def _epoch(self, epoch: int, progress: Progress, started: float) -> tuple[float, float]:
        """Mean loss and accuracy of the batches as they were trained on."""
        steps = _steps(len(self.labels), self.settings.batch_size, self.settings.accumulation, self.generator)
        count = sum(map(len, steps))
        images = self.copies[epoch % len(self.copies)]
        total, correct, seen, done = 0.0, 0, 0, 0
        self.optimisation.train_mode()
        for step in steps:
            weights = [self.class_weights[self.labels[batch]].sum() for batch in step]
            for batch, weight in zip(step, weights, strict=True):
                fraction = done / count
                progress(*self._told(epoch, fraction, total / seen if seen else None, started))
                if batch is step[0]:
                    self.optimisation.set_rates(epoch, fraction)
                inputs, targets = as_batch(images[batch], self.device), as_targets(self.labels[batch], self.device)
                if self.augmentation is not None:
                    inputs = self.augmentation(inputs, self.generator)
                with self.optimisation.precision():
                    logits = self.model(inputs)
                    loss = self.criterion(logits, targets)
                share = 1.0 if len(step) == 1 else weight / sum(weights)
                self.optimisation.backward(loss, share, first=batch is step[0])
                if batch is step[-1]:
                    self.optimisation.step()
                if not math.isfinite(value := loss.item()):
                    raise InputError(
                        f"The training loss is no longer finite in epoch {epoch + 1}; lower the learning rate "
                        f"({self.settings.learning_rate})."
                    )
                total += value * len(batch)
                correct += int((logits.argmax(1) == targets).sum())
                seen, done = seen + len(batch), done + 1
        return total / len(self.labels), correct / len(self.labels)

    def _told(self, epoch: int, fraction: float, loss: float | None, started: float) -> tuple[str, float]:
        """The stage with loss and remaining time, and the share that is done."""
        words = [f"epoch {epoch + 1} of {self.settings.epochs}"]
        if loss is None and self.standing.curves:
            loss = self.standing.curves[-1].loss
        if loss is not None:
            words.append(f"loss {loss:.3f}")
        done = epoch + fraction - self.resumed
        if done > 0:
            seconds = (time.monotonic() - started) / done * (self.settings.epochs - epoch - fraction)
            words.append(f"{duration(seconds)} left")
        return f"training · {', '.join(words)}", (epoch + fraction) / self.settings.epochs

    def _validated(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Loss and accuracy of images that are not trained on."""
        import torch

        logits = torch.from_numpy(batch_outputs(self.model, self.model, images))
        targets = as_targets(labels, "cpu")
        loss = copy.deepcopy(self.criterion).to("cpu", torch.float64)(logits, targets)
        return loss.item(), float((logits.argmax(1) == targets).double().mean())

    def _out_of_patience(self) -> bool:
        behind = len(self.standing.curves) - 1 - self.standing.best
        return self.settings.patience is not None and behind > 0 and behind >= self.settings.patience

    def _save(self) -> None:
        import torch

        if self.folder is None:
            return
        tensors = {"random.order": self.generator.get_state(), "random.torch": torch.get_rng_state()}
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        tensors |= self.optimisation.state()
        save_standing(self.folder, self.standing, tensors, {"scale": self.optimisation.scale()})

    def _resume(self) -> None:
        """Everything as it was after the last finished epoch, where there is a checkpoint."""
        import torch

        kept = load_standing(self.folder) if self.folder is not None else None
        if kept is None:
            return
        self.standing, tensors, document = kept
        self.resumed = len(self.standing.curves)
        self.generator.set_state(tensors["random.order"])
        torch.set_rng_state(tensors["random.torch"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        self.optimisation.restore(tensors, document["scale"])


def _steps(n: int, batch_size: int, accumulation: int, generator: "Generator") -> list[list[np.ndarray]]:
    """A random order cut into steps of `accumulation` batches, all nearly equal, so that none is a single image."""
    import torch

    order = torch.randperm(n, generator=generator).numpy()
    steps = np.array_split(order, math.ceil(n / (batch_size * accumulation)))
    return [np.array_split(step, math.ceil(len(step) / batch_size)) for step in steps]


def _of_slices(settings: TrainingSettings) -> Augment:
    def of_slices(images: "Tensor", generator: "Generator") -> "Tensor":
        return augment(images, generator, settings.augment)

    return of_slices


def _named(augmentation: Augment | None) -> str:
    """What tells one augmentation from another in every process: a function by its name, an object by its values."""
    return str(getattr(augmentation, "__qualname__", repr(augmentation)))


@contextmanager
def _repeatable(settings: TrainingSettings, device: "torch.device") -> Iterator[None]:
    """Dropout seeded, cuDNN deterministic and the number of threads as asked; all restored afterwards."""
    import torch

    threads = torch.get_num_threads()
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, threads)
        torch.set_num_threads(settings.threads or threads)
        stack.enter_context(seeded(settings.seed, device))
        stack.enter_context(torch.backends.cudnn.flags(benchmark=False, deterministic=True))
        yield


def _check_labels(images: np.ndarray, labels: np.ndarray, n_classes: int, every_class: bool = True) -> None:
    labels = np.asarray(labels)
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise InputError(f"{len(images)} images need as many integer labels, not {labels.dtype} {labels.shape}.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise InputError(
            f"Labels run from {labels.min()} to {labels.max()}; give class indices from 0 to {n_classes - 1}."
        )
    missing = sorted(set(range(n_classes)) - set(labels.tolist()))
    if every_class and missing:
        raise InputError(f"No training image has the label {missing[0]}; add some or train with fewer classes.")
