"""The tables of the results step: filled from a view, sorted by numbers, filtered by words."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import qt
from slicer.i18n import tr as _

from TumorClassifierLib.feature_words import feature_in_words
from TumorClassifierLib.scene.feature_units import feature_unit

from .feature_names import FeatureName, matches
from .measured import Overlap
from .view import Outcome, ResultView

LINES_SHOWN = 9  # of the small tables, before they scroll
WIDEST = 28  # letters of a column; the rest is in the tooltip
NARROWEST = 14  # letters of a feature's name where all numbers are to be seen
WIDEST_NUMBER = 14
USUAL_WIDTH = 54  # letters of a row in a panel that nobody has widened


def prepare(table: Any, sortable: bool) -> None:
    """What all three have in common: read only, whole rows selected."""
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
    table.setAlternatingRowColors(True)
    table.setWordWrap(not sortable)
    table.setSortingEnabled(sortable)
    table.verticalHeader().setVisible(False)
    table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 6)
    table.horizontalHeader().setHighlightSections(False)
    table.horizontalHeader().setTextElideMode(qt.Qt.ElideMiddle)


def fill_outcomes(table: Any, outcomes: Sequence[Outcome], first: str) -> None:
    """A row a segment or case, those that failed first; hidden where there is nothing to say."""
    ordered = sorted(outcomes, key=lambda outcome: not outcome.failed)
    _start(table, [first, _("Result")], len(ordered))
    for i, outcome in enumerate(ordered):
        icon = qt.QStyle.SP_MessageBoxWarning if outcome.failed else qt.QStyle.SP_DialogApplyButton
        name = _item(outcome.name)
        name.setIcon(table.style().standardIcon(icon))
        table.setItem(i, 0, name)
        table.setItem(i, 1, _item(outcome.text))
    _finish(table, [(outcome.name, outcome.text) for outcome in ordered])


def fill_overlaps(table: Any, overlaps: Sequence[Overlap]) -> None:
    """A row a segment that two readers outlined."""
    _start(table, [_("Outline"), _("Dice"), _("Hausdorff (mm)"), _("95 % (mm)")], len(overlaps))
    for i, overlap in enumerate(overlaps):
        table.setItem(i, 0, _item(overlap.name))
        if overlap.error:
            table.setItem(i, 1, _item(overlap.error))
            table.setSpan(i, 1, 1, 3)
            continue
        for j, number in enumerate((overlap.dice, overlap.hausdorff, overlap.hausdorff_95), start=1):
            table.setItem(i, j, _number(number, "%.3f"))
    _finish(table, [(overlap.name, overlap.error) for overlap in overlaps])


def fill_values(table: Any, view: ResultView, width: int) -> None:
    """A row a feature: its name taken apart, as far as features differ in it, then its numbers.

    width: of the place for the table, pixels; what other columns leave of it is for the features' names.
    """
    parts_of = [_("Feature"), _("Class"), _("Type"), _("Image")]
    names = [(name.feature, name.family, name.image_type, name.image) for name in view.features]
    shown = [k for k in range(len(parts_of)) if k < 2 or len({name[k] for name in names}) > 1]
    heads = [parts_of[k] for k in shown]
    titles = [*heads, *(column.title for column in view.columns)]
    table.setSortingEnabled(False)
    _start(table, titles, len(view.features))
    for j, column in enumerate(view.columns, start=len(heads)):
        table.horizontalHeaderItem(j).setToolTip("\n".join(filter(None, (column.title, column.meaning))))
    for i, name in enumerate(view.features):
        words = feature_in_words(name.full)
        unit = feature_unit(name.full.partition(".")[2] or name.full)
        tip = f"{name.full}: {words}" + (f" ({unit})" if unit else "")
        for j, k in enumerate(shown):
            item = _item(names[i][k])
            item.setToolTip(tip)
            item.setData(qt.Qt.UserRole, i)
            table.setItem(i, j, item)
        for j, column in enumerate(view.columns, start=len(heads)):
            item = _number(column.values[i])
            item.setToolTip(tip)
            table.setItem(i, j, item)
    table.setSortingEnabled(True)
    table.resizeColumnsToContents()
    letter = table.fontMetrics().averageCharWidth()
    whole = table.columnWidth(0)
    for j in range(len(titles)):
        widest = WIDEST if j < len(heads) else WIDEST_NUMBER
        table.setColumnWidth(j, min(table.columnWidth(j), widest * letter))
    others = sum(table.columnWidth(j) for j in range(1, len(titles)))
    left = width - others
    if left >= NARROWEST * letter:  # else numbers have to be scrolled to anyway
        table.setColumnWidth(0, min(whole, left))
    table.setTextElideMode(qt.Qt.ElideMiddle)  # names often differ at the end


def apply_filter(table: Any, features: Sequence[FeatureName], words: str) -> int:
    """Hide the rows that have not all of the words; returns how many are left."""
    shown = 0
    for i in range(table.rowCount):
        hit = matches(features[_index(table, i)], words)
        table.setRowHidden(i, not hit)
        shown += hit
    return shown


def selected_features(table: Any, features: Sequence[FeatureName]) -> list[str]:
    """Full names of the selected rows that are not filtered away, from top to bottom."""
    rows = sorted({index.row() for index in table.selectionModel().selectedRows()})
    return [features[_index(table, row)].full for row in rows if not table.isRowHidden(row)]


def _index(table: Any, row: int) -> int:
    """Where a row's feature stands in the view: rows are sorted as the user likes."""
    return int(table.item(row, 0).data(qt.Qt.UserRole))


def _start(table: Any, titles: Sequence[str], rows: int) -> None:
    table.clear()
    table.clearSpans()
    table.setColumnCount(len(titles))
    table.setRowCount(rows)
    table.setHorizontalHeaderLabels(list(titles))


def _finish(table: Any, texts: Sequence[tuple[str, str]]) -> None:
    """As wide as the panel, and as high as its rows, up to a few lines. texts: name and words of each row."""
    table.setVisible(table.rowCount > 0)
    letter, line = table.fontMetrics().averageCharWidth(), table.verticalHeader().defaultSectionSize
    table.resizeColumnsToContents()
    table.horizontalHeader().setSectionResizeMode(table.columnCount - 1, qt.QHeaderView.Stretch)
    table.setColumnWidth(0, min(table.columnWidth(0), WIDEST * letter))
    # Rows follow the width that the panel turns out to have; until it is shown, their lines are guessed.
    table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    name = min(max((len(first) for first, _second in texts), default=1), WIDEST - 4)
    lines = sum(max(1, ceil(len(first) / name), ceil(len(second) / (USUAL_WIDTH - name))) for first, second in texts)
    height = (min(lines, LINES_SHOWN) + 1) * line + 2 * table.frameWidth + 4
    table.setMinimumHeight(height)
    table.setMaximumHeight(height)


def _item(text: str) -> Any:
    item = qt.QTableWidgetItem(text)
    item.setToolTip(text)
    return item


def _number(value: float, form: str = "%.6g") -> Any:
    """Some digits, sorted as a number; nothing where there is none."""
    item = qt.QTableWidgetItem()
    if value == value:
        item.setData(qt.Qt.DisplayRole, float(form % value))
    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    return item
