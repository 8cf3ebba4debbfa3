"""The table of every number of a result: its scores, then the features that were measured."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

import qt
from slicer.i18n import tr as _

from ..feature_words import feature_in_words
from ..report.numbers import DASH
from ..scene.feature_units import feature_unit
from ..scene.tables import as_stored

Row = tuple[str, float, str, str]  # name, value, unit, meaning


def fill(widget: Any, table_node: Any | None, features: Mapping[str, float]) -> None:
    """Show the rows of a prediction's table and, below them, its features."""
    rows: list[Row] = [*_rows_of(table_node), *_rows_of_features(features)]
    widget.sortingEnabled = False  # or rows would wander while they are filled in
    widget.clearContents()
    widget.setColumnCount(4)
    widget.setHorizontalHeaderLabels([_("Name"), _("Value"), _("Unit"), _("Meaning")])
    widget.setRowCount(len(rows))
    for i, row in enumerate(rows):
        cells: tuple[str | float, ...] = row
        for j, cell in enumerate(cells):
            widget.setItem(i, j, _item(cell))
    widget.verticalHeader().hide()
    header = widget.horizontalHeader()
    header.setStretchLastSection(True)
    widget.resizeColumnsToContents()
    widget.setColumnWidth(0, min(widget.columnWidth(0), 200))
    header.setSortIndicator(-1, qt.Qt.AscendingOrder)  # in the order of the result until a heading is clicked
    widget.sortingEnabled = True


def show_matching(widget: Any, text: str) -> None:
    """Hide the rows that do not contain the text in any column."""
    wanted = text.strip().lower()
    for i in range(widget.rowCount):
        cells = [widget.item(i, j) for j in range(widget.columnCount)]
        found = any(wanted in cell.text().lower() or wanted in cell.toolTip().lower() for cell in cells if cell)
        widget.setRowHidden(i, not found)


def _item(cell: str | float) -> Any:
    item = qt.QTableWidgetItem()
    if isinstance(cell, str):
        item.setText(cell)
        item.setToolTip(cell)
    elif isfinite(cell):
        item.setData(qt.Qt.DisplayRole, as_stored([cell])[0])  # a number, so that sorting is by size
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    else:
        item.setText(DASH)
        item.setToolTip(_("Not defined for this tumour."))
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    return item


def _rows_of(table_node: Any | None) -> Iterator[Row]:
    table = table_node.GetTable() if table_node is not None else None
    if table is None or table.GetNumberOfColumns() < 4:
        return
    for i in range(table.GetNumberOfRows()):
        name, value, unit, meaning = (table.GetValue(i, j) for j in range(4))
        yield name.ToString(), value.ToDouble(), unit.ToString(), meaning.ToString()


def _rows_of_features(features: Mapping[str, float]) -> Iterator[Row]:
    for name, value in features.items():
        yield name, value, feature_unit(name.partition(".")[2]), feature_in_words(name)
