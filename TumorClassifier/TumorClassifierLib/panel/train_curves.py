"""The curves of a training in hand: loss and accuracy by epoch, drawn on a picture with the panel's own colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import qt
from slicer.i18n import tr as _

WIDTH, HEIGHT = 440, 190  # pixels at the usual font size
TRAINING, VALIDATION = ("#2a70b8", "#c2571a"), ("#5aa2e6", "#e8894a")  # (on light, ...), (on dark, ...)
TICKS = 4


@dataclass
class Curves:
    """The epochs of each network in its order; a recipe trains one a fold, and one on all cases."""

    trainings: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)

    def add(self, data: Mapping[str, Any]) -> None:
        """Take up what the worker told of an epoch; one told again, after a resumed run, replaces itself."""
        epochs = self.trainings.setdefault(int(data["training"]), [])
        epochs[:] = [epoch for epoch in epochs if epoch["epoch"] < data["epoch"]]
        epochs.append(data)

    @property
    def latest(self) -> Sequence[Mapping[str, Any]]:
        """The epochs of the network that is trained now."""
        return self.trainings[max(self.trainings)] if self.trainings else ()


def draw(curves: Curves, widget: Any) -> Any:
    """A QPixmap of the latest network's curves in a widget's font and colours."""
    metrics = qt.QFontMetrics(widget.font)
    scale = max(1.0, metrics.height() / 16)
    width, height = int(WIDTH * scale), int(HEIGHT * scale)
    picture = qt.QPixmap(width, height)
    ground = widget.palette.color(qt.QPalette.Base)
    picture.fill(ground)
    painter = qt.QPainter()
    painter.begin(picture)
    try:
        painter.setRenderHint(qt.QPainter.Antialiasing, True)
        painter.setFont(widget.font)
        text = widget.palette.color(qt.QPalette.Text)
        colours = (TRAINING, VALIDATION)[ground.lightness() < 128]
        for i, (name, title) in enumerate((("loss", _("Loss")), ("accuracy", _("Accuracy")))):
            frame = _Frame(i * width / 2, 0, width / 2, height, metrics)
            _draw_one(painter, frame, curves.latest, name, title, text, colours)
    finally:
        painter.end()
    return picture


@dataclass(frozen=True)
class _Frame:
    """Where one chart lies, and how large letters are."""

    left: float
    top: float
    width: float
    height: float
    metrics: Any

    @property
    def area(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of what is between the axes."""
        line = self.metrics.height()
        return (
            self.left + self.metrics.boundingRect("0.000").width() + 14,
            self.top + 2.4 * line,
            self.left + self.width - 10,
            self.top + self.height - 2.3 * line,
        )


def _draw_one(
    painter: Any,
    frame: _Frame,
    epochs: Sequence[Mapping[str, Any]],
    name: str,
    title: str,
    text: Any,
    colours: tuple[str, str],
) -> None:
    lines = [
        (label, [(e["epoch"], e[key]) for e in epochs if e.get(key) is not None], qt.QColor(colour))
        for label, key, colour in (
            (_("training"), name, colours[0]),
            (_("validation"), f"validation_{name}", colours[1]),
        )
    ]
    left, top, right, bottom = frame.area
    values = [y for _label, points, _colour in lines for _x, y in points]
    low, high = (0.0, 1.0) if name == "accuracy" else (0.0, max([*values, 1e-6]) * 1.05)
    last = max([e["epoch"] for e in epochs], default=1)
    height = frame.metrics.height()

    def x_of(epoch: float) -> float:
        return left + (right - left) * ((epoch - 1) / max(last - 1, 1))

    def y_of(value: float) -> float:
        return bottom - (bottom - top) * (min(max(value, low), high) - low) / (high - low)

    grid = qt.QColor(text)
    grid.setAlpha(50)
    for i in range(TICKS + 1):
        value = low + (high - low) * i / TICKS
        painter.setPen(qt.QPen(qt.QBrush(grid), 1.0))
        painter.drawLine(qt.QPointF(left, y_of(value)), qt.QPointF(right, y_of(value)))
        painter.setPen(qt.QPen(qt.QBrush(text), 1.0))
        label = f"{value:.2f}"
        wide = frame.metrics.boundingRect(label).width()
        painter.drawText(qt.QPointF(left - wide - 7, y_of(value) + height / 3), label)
    painter.drawText(qt.QPointF(frame.left + 6, frame.top + height), title)
    painter.drawText(qt.QPointF(left, bottom + height + 2), "1")
    if last > 1:
        label = str(last)
        painter.drawText(qt.QPointF(right - frame.metrics.boundingRect(label).width(), bottom + height + 2), label)
    label = _("epoch")
    painter.drawText(
        qt.QPointF((left + right - frame.metrics.boundingRect(label).width()) / 2, bottom + height + 2), label
    )
    place = left
    for label, points, colour in lines:
        if not points:
            continue
        painter.setPen(qt.QPen(qt.QBrush(colour), 2.0))
        line = frame.top + 1.75 * height
        painter.drawLine(qt.QPointF(place, line), qt.QPointF(place + 14, line))
        for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
            painter.drawLine(qt.QPointF(x_of(x0), y_of(y0)), qt.QPointF(x_of(x1), y_of(y1)))
        painter.setBrush(qt.QBrush(colour))
        painter.drawEllipse(qt.QPointF(x_of(points[-1][0]), y_of(points[-1][1])), 2.5, 2.5)
        painter.setPen(qt.QPen(qt.QBrush(text), 1.0))
        painter.drawText(qt.QPointF(place + 19, frame.top + 2.05 * height), label)
        place += 30 + frame.metrics.boundingRect(label).width()
