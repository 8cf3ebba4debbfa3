"""Dialogs that would wait for a user: they get the answers that a test has given, and none is ever waited for."""

from dataclasses import dataclass, field
from typing import Any

import problems
from PySide6 import QtWidgets

FILE_DIALOGS = ("getOpenFileName", "getSaveFileName", "getExistingDirectory", "getOpenFileNames")


@dataclass
class Questions:
    """`answers` (buttons of message boxes) and `files` are used up in turn; `asked` has the texts of all boxes."""

    asked: list[str] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    files: list[Any] = field(default_factory=list)

    def clear(self) -> None:
        """Forget everything; what was not used up is a mistake of the test."""
        if self.answers or self.files:
            problems.record("question", f"not asked for: {[*self.answers, *self.files]}")
        for kept in (self.asked, self.answers, self.files):
            kept.clear()

    def install(self) -> None:
        """Put these answers in the place of Qt's dialogs."""
        questions = self

        def box(self: QtWidgets.QMessageBox) -> int:
            questions.asked.append(self.text())
            return questions._next(questions.answers, self.text(), 0)

        def dialog(self: QtWidgets.QDialog) -> int:
            return questions._next(questions.answers, self.windowTitle() or type(self).__name__, 0)

        QtWidgets.QDialog.exec = dialog  # type: ignore[method-assign,assignment]
        QtWidgets.QMessageBox.exec = box  # type: ignore[method-assign,assignment]
        for name in FILE_DIALOGS:
            setattr(QtWidgets.QFileDialog, name, staticmethod(self._file_dialog(name)))

    def _file_dialog(self, name: str) -> Any:
        def answer(*_arguments: Any) -> Any:
            chosen = self._next(self.files, f"QFileDialog.{name}", [] if name.endswith("s") else "")
            return chosen if name == "getExistingDirectory" else (chosen, "")

        return answer

    def _next(self, given: list[Any], question: str, otherwise: Any) -> Any:
        if not given:
            problems.record("question", f"nobody answers: {question}")
            return otherwise
        return given.pop(0)
