"""The dry run: every case of the manifest, whether it can be used, and if not why."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

STATUS, CASE, FOUND = range(3)


class CheckTable:
    """Shows cases as the worker tells of them; a case has a class or a reason, so that both may use the same width."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._problems_only = False
        self._folder = ""
        self.cases = self.problems = 0

    def clear(self, folder: Path) -> None:
        """Forget the last run. folder: of the manifest, which the reasons need not repeat."""
        table = self._table
        self._folder = f"{folder}{os.sep}"
        self.cases = self.problems = 0
        table.clearContents()
        table.setRowCount(0)
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Status"), _("Case"), _("Class, or reason")])
        table.verticalHeader().hide()
        table.horizontalHeader().setStretchLastSection(True)
        table.visible = False

    def add(self, data: Mapping[str, Any]) -> None:
        """A case that was checked."""
        error = str(data.get("error") or "")
        usual = " · ".join(str(data[key]) for key in ("label", "cohort") if data.get(key))
        table = self._table
        row = self.problems if error else table.rowCount  # what needs attention stands first
        table.insertRow(row)
        self.cases += 1
        self.problems += bool(error)
        for column, text in (
            (STATUS, _("not usable") if error else _("ready")),
            (CASE, str(data["case"])),
            (FOUND, error.replace(self._folder, "") if error else usual),
        ):
            item = qt.QTableWidgetItem(text)
            item.setToolTip("\n".join(filter(None, (usual, error))) if error else text)
            table.setItem(row, column, item)
        table.setRowHidden(row, self._problems_only and not error)
        table.visible = True

    def finish(self) -> None:
        """All cases were told: make the columns fit, and a row as high as its reason is long."""
        for column in (STATUS, CASE):
            self._table.resizeColumnToContents(column)
        self._table.resizeRowsToContents()

    def showProblemsOnly(self, only: bool) -> None:
        """Hide the cases that are ready."""
        self._problems_only = only
        for row in range(self._table.rowCount):
            self._table.setRowHidden(row, only and row >= self.problems)

    def in_words(self) -> str:
        """What was found, in a sentence."""
        if not self.problems:
            return _("All {cases} cases can be used.").format(cases=self.cases)
        return _("{ready} of {cases} cases can be used; {problems} would be left out.").format(
            ready=self.cases - self.problems, cases=self.cases, problems=self.problems
        )
