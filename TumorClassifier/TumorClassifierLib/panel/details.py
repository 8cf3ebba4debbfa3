"""One sentence on what went wrong; the log is behind "Details", to be copied into a report."""

import platform
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.provenance import package_version

LONGEST_LOG = 100_000  # characters that a window shows without delay


class Details:
    """A button that shows the log of what failed last, and hides while nothing has; several runs may share it.

    title: of its window. It stands below the label that has the sentence, in the same layout, unless one is given.
    """

    def __init__(self, label: Any, title: str, button: Any | None = None) -> None:
        self.title = title
        self._failure = ("", "")
        self.button = button if button is not None else _button_below(label)
        self.button.text = _("Details…")
        self.button.toolTip = _("Show the log of what failed, to be copied into a report.")
        self.button.visible = False
        self.button.connect("clicked()", self.show)

    def keep(self, sentence: str, details: str) -> None:
        """What failed, and its log; without a log there is nothing to show."""
        self._failure = (sentence, details)
        self.button.visible = bool(details)

    def show(self) -> None:
        """As a click on the button."""
        show_details(*self._failure, self.title)


def _button_below(label: Any) -> Any:
    button = qt.QPushButton(label.parentWidget())
    button.objectName = f"{label.objectName}Details"
    found = _layout_of(label.parentWidget().layout(), label)
    if found is not None:
        found.insertWidget(found.indexOf(label) + 1, button)
    return button


def _layout_of(layout: Any, widget: Any) -> Any | None:
    """The box layout within `layout` that has the widget."""
    if layout is None:
        return None
    if layout.indexOf(widget) >= 0:
        return layout if hasattr(layout, "insertWidget") else None
    inner = (layout.itemAt(i).layout() for i in range(layout.count()))
    return next((found for one in inner if one is not None and (found := _layout_of(one, widget))), None)


def show_details(sentence: str, details: str, title: str = "") -> None:
    """A window with the sentence, the log and a button that copies both; in tests it is not shown."""
    text = report_of(sentence, details)
    if slicer.app.testingEnabled():
        return
    dialog = details_dialog(text, sentence, title)
    dialog.exec_()


def details_dialog(text: str, sentence: str, title: str = "") -> Any:
    """The window of `show_details`; its part `copyButton` copies `text`."""
    dialog = qt.QDialog(slicer.util.mainWindow())
    dialog.setWindowTitle(title or _("Details"))
    dialog.resize(720, 480)
    layout = qt.QVBoxLayout(dialog)
    label = qt.QLabel(sentence)
    label.wordWrap = True
    layout.addWidget(label)
    log = qt.QPlainTextEdit()
    log.plainText = text.removeprefix(sentence).lstrip()  # it stands above
    log.setFont(qt.QFontDatabase.systemFont(qt.QFontDatabase.FixedFont))
    log.readOnly = True
    log.lineWrapMode = qt.QPlainTextEdit.NoWrap
    layout.addWidget(log)
    row = qt.QHBoxLayout()
    layout.addLayout(row)
    copy = qt.QPushButton(_("Copy"))
    copy.objectName = "copyButton"
    copy.toolTip = _("Copy the sentence and the log, to send them with a report. Look whether they name a patient.")
    copy.connect("clicked()", lambda: qt.QApplication.clipboard().setText(text))
    close = qt.QPushButton(_("Close"))
    close.objectName = "closeButton"
    close.toolTip = _("Close this window.")
    close.connect("clicked()", dialog.accept)
    close.default = True
    row.addWidget(copy)
    row.addStretch(1)
    row.addWidget(close)
    return dialog


def report_of(sentence: str, details: str) -> str:
    """Sentence, versions and log as a text to be sent."""
    versions = ", ".join(
        f"{name} {package_version(name) or '–'}" for name in ("numpy", "scipy", "SimpleITK", "torch", "pyradiomics")
    )
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    log = details if len(details) <= LONGEST_LOG else f"…{details[-LONGEST_LOG:]}"
    return "\n\n".join(part for part in (sentence, f"{system}\n{versions}", log.strip()) if part)
