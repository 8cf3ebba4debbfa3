"""The numeric widgets of CTK and MRML: one number, or a range of numbers."""

from typing import Any

from PySide6 import QtCore, QtWidgets
from PySide6.QtCore import Property, Signal
from widget_parts import known, parent_of, row, stored

STEPS = 10_000  # of a slider between its ends


class _Number(QtWidgets.QWidget):
    """A number within bounds, rounded to its decimals; a slider, a spin box, or both."""

    SIGNALS = {
        "valueChanged(double)": "valueChanged",
        "valueIsChanging(double)": "valueIsChanging",
        "rangeChanged(double,double)": "rangeChanged",
        "decimalsChanged(int)": "decimalsChanged",
    }
    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    rangeChanged = Signal(float, float)
    decimalsChanged = Signal(int)
    HAS_SLIDER = HAS_SPIN_BOX = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self._value, self._low, self._high = 0.0, 0.0, 99.0
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, STEPS)
        self._spin_box = QtWidgets.QDoubleSpinBox()
        row(self, self._slider, self._spin_box)
        self._slider.setVisible(self.HAS_SLIDER)
        self._spin_box.setVisible(self.HAS_SPIN_BOX)
        self.setFocusProxy(self._spin_box if self.HAS_SPIN_BOX else self._slider)
        self._slider.valueChanged.connect(self._slid)
        self._spin_box.valueChanged.connect(self._set)
        self._show()

    def _slid(self, step: int) -> None:
        self._set(self._low + (self._high - self._low) * step / STEPS)

    def _set(self, value: float) -> None:
        value = min(max(float(value), self._low), self._high)
        if self.HAS_SPIN_BOX:
            value = round(value, self.property("decimals"))
        changed, self._value = value != self._value, value
        self._show()
        if changed:
            self.valueIsChanging.emit(value)
            self.valueChanged.emit(value)

    def _show(self) -> None:
        blocked = [QtCore.QSignalBlocker(part) for part in (self._slider, self._spin_box)]
        self._spin_box.setRange(self._low, self._high)
        self._spin_box.setValue(self._value)
        if self._high > self._low:
            self._slider.setValue(round(STEPS * (self._value - self._low) / (self._high - self._low)))
        del blocked

    def _bound(self, low: float, high: float) -> None:
        if (low, high) != (self._low, self._high):
            self._low, self._high = float(low), float(high)
            self.rangeChanged.emit(low, high)
        self._set(self._value)

    def setRange(self, low: float, high: float) -> None:
        self._bound(low, max(low, high))

    value = Property(float, lambda self: self._value, _set)
    minimum = Property(float, lambda s: s._low, lambda s, low: s._bound(low, max(low, s._high)))
    maximum = Property(float, lambda s: s._high, lambda s, high: s._bound(min(high, s._low), high))
    decimals = stored(int, 2, lambda self, n: (self._spin_box.setDecimals(n), self.decimalsChanged.emit(n)))
    singleStep = stored(float, 1.0, lambda self, step: self._spin_box.setSingleStep(step))
    pageStep = stored(float, 10.0)
    prefix = stored(str, "", lambda self, text: self._spin_box.setPrefix(text))
    suffix = stored(str, "", lambda self, text: self._spin_box.setSuffix(text))
    tracking = stored(bool, True)
    spinBoxVisible = stored(bool, True, lambda self, on: self._spin_box.setVisible(on))
    orientation = stored(int, 1)
    quantity = stored(str, "")
    unitAwareProperties = stored(int, 0)


@known
class ctkSliderWidget(_Number):
    """A slider and a spin box."""


@known
class ctkDoubleSlider(_Number):
    """A slider of real numbers."""

    HAS_SPIN_BOX = False


@known
class ctkDoubleSpinBox(_Number):
    """A spin box of real numbers."""

    HAS_SLIDER = False
    editingFinished = Signal()
    SIGNALS = {"editingFinished()": "editingFinished"}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._spin_box.editingFinished.connect(self.editingFinished)


@known
class qMRMLSliderWidget(ctkSliderWidget):
    """A slider that knows the scene's units; here it does not."""

    def setMRMLScene(self, scene: Any) -> None:
        """The scene whose units it would use."""


@known
class qMRMLSpinBox(ctkDoubleSpinBox):
    """A spin box that knows the scene's units; here it does not."""

    def setMRMLScene(self, scene: Any) -> None:
        """The scene whose units it would use."""


@known
class ctkRangeWidget(QtWidgets.QWidget):
    """Two numbers, the lower and the upper one, within bounds."""

    SIGNALS = {
        "valuesChanged(double,double)": "valuesChanged",
        "minimumValueChanged(double)": "minimumValueChanged",
        "maximumValueChanged(double)": "maximumValueChanged",
        "rangeChanged(double,double)": "rangeChanged",
    }
    valuesChanged = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)
    rangeChanged = Signal(float, float)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(parent_of(arguments))
        self._bounds, self._values = (0.0, 99.0), (0.0, 99.0)
        self._low, self._high = QtWidgets.QDoubleSpinBox(), QtWidgets.QDoubleSpinBox()
        row(self, self._low, self._high)
        self._low.valueChanged.connect(lambda value: self.setValues(value, self._values[1]))
        self._high.valueChanged.connect(lambda value: self.setValues(self._values[0], value))
        self._show()

    def setRange(self, low: float, high: float) -> None:
        self._bounds = (float(low), float(max(low, high)))
        self.rangeChanged.emit(*self._bounds)
        self.setValues(*self._values)

    def setValues(self, low: float, high: float) -> None:
        before = self._values
        low, high = sorted(min(max(float(v), self._bounds[0]), self._bounds[1]) for v in (low, high))
        self._values = (low, high)
        self._show()
        if before[0] != low:
            self.minimumValueChanged.emit(low)
        if before[1] != high:
            self.maximumValueChanged.emit(high)
        if before != self._values:
            self.valuesChanged.emit(low, high)

    def _show(self) -> None:
        for part, value in ((self._low, self._values[0]), (self._high, self._values[1])):
            blocked = QtCore.QSignalBlocker(part)
            part.setRange(*self._bounds)
            part.setValue(value)
            del blocked

    minimum = Property(float, lambda s: s._bounds[0], lambda s, low: s.setRange(low, max(low, s._bounds[1])))
    maximum = Property(float, lambda s: s._bounds[1], lambda s, high: s.setRange(min(high, s._bounds[0]), high))
    minimumValue = Property(float, lambda s: s._values[0], lambda s, low: s.setValues(low, s._values[1]))
    maximumValue = Property(float, lambda s: s._values[1], lambda s, high: s.setValues(s._values[0], high))
    decimals = stored(int, 2, lambda self, n: (self._low.setDecimals(n), self._high.setDecimals(n)))
    singleStep = stored(float, 1.0)
    suffix = stored(str, "")


@known
class ctkDoubleRangeSlider(ctkRangeWidget):
    """Two numbers on one slider."""


@known
class qMRMLRangeWidget(ctkRangeWidget):
    """A range that knows the scene's units; here it does not."""

    def setMRMLScene(self, scene: Any) -> None:
        """The scene whose units it would use."""
