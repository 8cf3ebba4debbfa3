"""How training went, epoch by epoch: numbers and a figure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from FeatureExtractorLib.errors import InputError

from ..figure_file import COLOURS, house_style, save_figure


@dataclass(frozen=True)
class Epoch:
    """One epoch's figures; the learning rate is that of its first batch, validation is None without such images."""

    learning_rate: float
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


Listener = Callable[[int, Epoch], None]
"""Called after every epoch with its number, counted from 1."""

_listener: ContextVar[Listener | None] = ContextVar("epochs", default=None)


@contextmanager
def epochs_told_to(listener: Listener) -> Iterator[None]:
    """Inside the block, `listener` hears of every epoch of every training; a host's business, so round the recipes."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell_epoch(curves: Sequence[Epoch]) -> None:
    """Tell whoever listens of the last epoch."""
    if (listener := _listener.get()) is not None:
        listener(len(curves), curves[-1])


def curves_json(curves: Sequence[Epoch]) -> list[dict[str, Any]]:
    """Plain JSON: per epoch, counted from 1, its figures."""
    return [{"epoch": i + 1, **asdict(epoch)} for i, epoch in enumerate(curves)]


def draw_curves(curves: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Write loss and accuracy by epoch, of training and, where there was one, of validation; returns the path.

    curves: from `curves_json`, or of a detector: the parts of its loss are drawn in place of an accuracy. Raises
    InputError without an epoch and at a suffix other than .svg, .png and .pdf.
    """
    from matplotlib.figure import Figure

    if not curves:
        raise InputError("There is no epoch to draw; train for one at least.")
    epochs = [epoch["epoch"] for epoch in curves]
    with house_style():
        figure = Figure(figsize=(6.4, 2.6), layout="constrained")
        for axes, (what, lines) in zip(figure.subplots(1, 2), _lines(curves[0]).items(), strict=True):
            for colour, (name, key) in enumerate(lines.items()):
                values = [epoch.get(key) for epoch in curves]
                if None not in values:
                    marker = "o" if len(values) == 1 else ""
                    axes.plot(epochs, values, color=COLOURS[colour % len(COLOURS)], label=name, marker=marker)
            axes.set(xlabel="Epoch", ylabel=what)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend()
        return save_figure(figure, path)


def _lines(epoch: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The two panels by name, each with its lines: legend and key."""
    loss = {"training": "loss", "validation": "validation_loss"}
    if "accuracy" in epoch:
        return {"Loss": loss, "Accuracy": {"training": "accuracy", "validation": "validation_accuracy"}}
    parts = [key for key in epoch if key not in ("epoch", "learning_rate", *loss.values())]
    return {"Loss": loss, "Parts of the loss": {key.removeprefix("loss_").replace("_", " "): key for key in parts}}
