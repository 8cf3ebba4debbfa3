"""A form of the clinical variables that a model asks for; empty fields count as not known."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from ..model_choice import ClinicalField


class ClinicalForm:
    """Fields in a form layout. changed() is called when the user fills in something."""

    def __init__(self, layout: Any, after: Any, changed: Callable[[], None]) -> None:
        """after: the widget from which the keyboard goes on to the first field."""
        self._layout, self._after = layout, after
        self._changed = changed
        self._fields: tuple[ClinicalField, ...] = ()
        self._filling = False
        self.editors: dict[str, Any] = {}

    def show(self, fields: Sequence[ClinicalField], values: Mapping[str, str]) -> None:
        """The form of these variables with these values."""
        self._filling = True
        if tuple(fields) != self._fields:
            self._make(fields)
        for field in self._fields:
            text, editor = values.get(field.name, ""), self.editors[field.name]
            if field.kind == "choice":
                index = editor.findData(text) if text else 0
                if editor.currentIndex != index:
                    editor.currentIndex = max(index, 0)
            elif editor.text != text:
                editor.text = text
        self._filling = False

    def values(self) -> dict[str, str]:
        """What is filled in."""
        found = {}
        for field in self._fields:
            editor = self.editors[field.name]
            text = editor.itemData(editor.currentIndex) if field.kind == "choice" else editor.text
            if text and text.strip():
                found[field.name] = text.strip()
        return found

    def _make(self, fields: Sequence[ClinicalField]) -> None:
        while self._layout.rowCount():
            self._layout.removeRow(0)
        self._fields, self.editors, before = tuple(fields), {}, self._after
        for field in fields:
            editor = self._chooser(field) if field.kind == "choice" else self._number(field)
            editor.objectName = f"clinical{field.name}"
            editor.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
            label = qt.QLabel(
                _("{variable}, {unit}:").format(variable=field.name, unit=field.unit)
                if field.unit
                else _("{variable}:").format(variable=field.name)
            )
            label.setBuddy(editor)
            label.toolTip = editor.toolTip
            self._layout.addRow(label, editor)
            qt.QWidget.setTabOrder(before, editor)
            self.editors[field.name] = before = editor

    def _chooser(self, field: ClinicalField) -> Any:
        box = qt.QComboBox()
        box.addItem(_("not known"), "")
        for level in field.levels:
            box.addItem(str(level), str(level))
        box.toolTip = _needed(field)
        box.connect("currentIndexChanged(int)", self._onChanged)
        return box

    def _number(self, field: ClinicalField) -> Any:
        line = qt.QLineEdit()
        line.placeholderText = _("not known")
        line.toolTip = _needed(field)
        if field.low is not None and field.high is not None:
            line.toolTip += " " + _("The model learnt from {low:g} to {high:g}.").format(
                low=field.low, high=field.high
            )
        line.connect("textChanged(QString)", self._onChanged)
        return line

    def _onChanged(self) -> None:
        if not self._filling:
            self._changed()


def _needed(field: ClinicalField) -> str:
    needed = _("The model needs this.") if field.required else _("The model can do without this.")
    return f"{needed} {field.unknown}".strip()


def typed_values(fields: Sequence[ClinicalField], values: Mapping[str, str]) -> dict[str, float | str]:
    """The values with numbers as numbers; a text that is none stays, for the model to say what it wants instead."""
    typed: dict[str, float | str] = {}
    for field in fields:
        if text := values.get(field.name, ""):
            number = number_of(text) if field.kind == "number" else None
            typed[field.name] = text if number is None else number
    return typed


def number_of(text: str) -> float | None:
    """A finite number as people write it, with a point or a comma; None for anything else."""
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
