"""The form of a recipe's settings: a tree of groups with an editor on every row, and what the chosen one means."""

import json
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import atomic_path

from ..settings import plain, read_settings
from .train_settings import Field, checked, form_of, leaves, nested, text_of, value_of

FIELD_ROLE = 256  # Qt.UserRole: which field a row is of


class SettingsForm:
    """Edits a settings dataclass in a QTreeWidget; `changed` is called after every edit."""

    def __init__(self, tree: Any, explanation: Any, changed: Callable[[], None]) -> None:
        self._tree, self._explanation, self._changed = tree, explanation, changed
        self._settings: type | None = None
        self._fields: list[Field] = []
        self._rows: list[Any] = []
        self._editors: list[Any] = []
        self._filling = False
        tree.header().setStretchLastSection(True)
        tree.connect("currentItemChanged(QTreeWidgetItem*,QTreeWidgetItem*)", self._onRow)

    def show(self, settings: type, given: Mapping[str, Any] | None = None) -> None:
        """Show the settings of a recipe; given: what differs from the defaults, groups within."""
        self._filling = True
        self._settings = settings
        self._fields, self._rows, self._editors = [], [], []
        self._tree.clear()
        values = plain(checked(settings, given or {}))
        for field in form_of(settings()):
            self._add(self._tree.invisibleRootItem(), field, values[field.name])
        self._tree.resizeColumnToContents(0)
        self._tree.setColumnWidth(0, min(self._tree.columnWidth(0) + 12, 220))
        self._filling = False
        self._explain(None)
        self._mark()

    def values(self) -> dict[str, Any]:
        """What differs from the defaults, groups within; raises InputError for text that is no value."""
        values: dict[tuple[str, ...], Any] = {}
        left_out: list[tuple[str, ...]] = []
        for field, editor in zip(self._fields, self._editors, strict=True):
            if any(field.path[: len(path)] == path for path in left_out):
                continue
            if field.fields:
                if field.optional and not editor.checked:
                    left_out.append(field.path)
                    if field.default:
                        values[field.path] = None
                continue
            value = _value(field, editor)
            if text_of(value) != text_of(field.default):
                values[field.path] = value
        return nested(values)

    def settings(self) -> Any:
        """The whole settings; raises InputError where the recipe refuses them."""
        assert self._settings is not None
        return checked(self._settings, self.values())

    def problem(self) -> str:
        """Why the settings cannot be used, in a sentence; "" where they can."""
        if self._settings is None:
            return _("Choose a recipe first.")
        try:
            self.settings()
        except InputError as error:
            return str(error)
        return ""

    def reset(self) -> None:
        """Put every setting back to its default."""
        if self._settings is not None:
            self.show(self._settings)
            self._changed()

    def load(self, path: Path) -> None:
        """Show what a settings file says; raises InputError where the recipe refuses it."""
        assert self._settings is not None
        try:
            given = plain(read_settings(self._settings, path))
        except ImportError:
            given = _read_json(path)
        self.show(self._settings, given)
        self._changed()

    def save(self, path: Path) -> None:
        """Write what differs from the defaults as a settings file; raises InputError where that cannot be done."""
        with atomic_path(path) as temporary:
            temporary.write_text("\n".join(_yaml(self.values())) + "\n", encoding="utf-8")

    def filter(self, text: str) -> None:
        """Show only the rows whose name or explanation contains the text, with their groups."""
        wanted = text.strip().lower()
        hits = [wanted in f"{'.'.join(f.path)} {f.label} {f.explanation}".lower() for f in self._fields]
        for field, row in zip(self._fields, self._rows, strict=True):
            inside = any(
                hit and other.path[: len(field.path)] == field.path
                for hit, other in zip(hits, self._fields, strict=True)
            )
            above = any(
                hit and field.path[: len(other.path)] == other.path
                for hit, other in zip(hits, self._fields, strict=True)
            )
            row.setHidden(not (inside or above))
            if field.fields:
                row.setExpanded(bool(wanted) and inside)

    # --- rows ---------------------------------------------------------------------------------------------------

    def _add(self, parent: Any, field: Field, value: Any) -> None:
        row = qt.QTreeWidgetItem(parent)
        row.setText(0, field.label)
        row.setToolTip(0, _plain_tip(field))
        row.setData(0, FIELD_ROLE, len(self._fields))
        editor = self._editor(field, value)
        self._fields.append(field)
        self._rows.append(row)
        self._editors.append(editor)
        if editor is not None:
            editor.toolTip = _plain_tip(field)
            editor.objectName = "setting." + ".".join(field.path)
            self._tree.setItemWidget(row, 1, editor)
        for part in field.fields:
            known = value if isinstance(value, Mapping) else {}
            self._add(row, part, known.get(part.name, part.default))

    def _editor(self, field: Field, value: Any) -> Any | None:
        if field.fields and not field.optional:
            return None
        if field.fields or field.kind is bool:
            editor = qt.QCheckBox()
            editor.text = _("used") if field.fields else ""
            editor.checked = value is not None if field.fields else bool(value)
            editor.connect("toggled(bool)", self._onEdited)
            return editor
        if field.choices:
            editor = qt.QComboBox()
            editor.editable = field.free
            editor.addItems(list(field.choices))
            editor.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
            editor.minimumContentsLength = 6
            editor.focusPolicy = qt.Qt.StrongFocus
            if field.free:
                editor.setEditText(text_of(value))
            else:
                editor.currentIndex = field.choices.index(value)
            editor.connect("currentTextChanged(QString)", self._onEdited)
            return editor
        editor = qt.QLineEdit()
        editor.text = text_of(value)
        editor.placeholderText = _("empty")
        editor.connect("textChanged(QString)", self._onEdited)
        return editor

    def _onEdited(self) -> None:
        if not self._filling:
            self._mark()
            self._changed()

    def _onRow(self, row: Any) -> None:
        if not self._filling:
            self._explain(row)

    def _explain(self, row: Any) -> None:
        index = row.data(0, FIELD_ROLE) if row is not None else None
        if index is None:
            self._explanation.text = _("Choose a setting to read what it means.")
            return
        field = self._fields[int(index)]
        told = escape(".".join(field.path))
        words = escape(field.explanation)
        if field.fields:
            self._explanation.text = f"<b>{told}</b><br>{words}"
            return
        default = text_of(field.default) or _("empty")
        kind = escape(_("{kind}; by default {default}").format(kind=field.kind_in_words, default=default))
        self._explanation.text = f"<b>{told}</b>: {kind}<br>{words}"

    def _mark(self) -> None:
        """Bold what differs from the defaults; slanted and bold what is no value at all."""
        for field, row, editor in zip(self._fields, self._rows, self._editors, strict=True):
            differs, wrong = False, False
            if field.fields:
                differs = field.optional and bool(editor.checked) != bool(field.default)
            else:
                try:
                    differs = text_of(_value(field, editor)) != text_of(field.default)
                except InputError:
                    differs = wrong = True
            font = row.font(0)
            font.setBold(differs)
            font.setItalic(wrong)
            row.setFont(0, font)


def recipe_fields(settings: type) -> list[Field]:
    """Every single setting of a recipe."""
    return leaves(form_of(settings()))


def _value(field: Field, editor: Any) -> Any:
    if field.kind is bool:
        return bool(editor.checked)
    return value_of(field, editor.currentText if field.choices else editor.text)


def _plain_tip(field: Field) -> str:
    return f"{'.'.join(field.path)}: {field.explanation}" if field.explanation else ".".join(field.path)


def _read_json(path: Path) -> dict[str, Any]:
    """A settings file where no YAML reader is installed: those that this form wrote as JSON."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            _("{path} cannot be read without the package PyYAML; install it, or fill in the form.").format(path=path)
        ) from error
    if not isinstance(given, dict):
        raise InputError(_("{path} does not hold names and values.").format(path=path))
    return given


def _yaml(values: Mapping[str, Any], indent: str = "") -> list[str]:
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{name}:", *_yaml(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name}: {json.dumps(value, ensure_ascii=False)}")
    return lines or [f"{indent}{{}}"]
