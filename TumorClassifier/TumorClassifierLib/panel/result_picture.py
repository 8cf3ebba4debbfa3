"""Pictures in the panel: as wide as the panel is, and at full size in a window of their own."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import qt
import slicer
import vtk

FIT_MS = 200  # a panel's width is looked at so often while a picture is shown
SLACK = 4  # pixels of width that are not worth another scaling


class FittedPicture:
    """A label whose picture is never wider than the label, and never blown up."""

    def __init__(self, label: Any) -> None:
        self._label = label
        self._picture: Any | None = None
        self._width = 0
        self._window: Any | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(FIT_MS)
        self._timer.connect("timeout()", self.fit)

    @property
    def there(self) -> bool:
        """Whether there is a picture."""
        return self._picture is not None

    def show(self, picture: Any | None) -> None:
        """Show a QPixmap, or nothing."""
        self.close()
        self._picture, self._width = (picture if picture is not None and not picture.isNull() else None), 0
        self._label.visible = self.there
        if self._picture is None:
            self._timer.stop()
            self._label.clear()
            self._label.minimumHeight = 0
        else:
            self.fit()
            self._timer.start()

    def fit(self) -> None:
        """Scale to the width that the label has now."""
        if self._picture is None:
            return
        width = min(self._label.width, self._picture.width())
        if width > 0 and abs(width - self._width) >= SLACK:
            self._width = width
            scaled = self._picture.scaledToWidth(width, qt.Qt.SmoothTransformation)
            self._label.setPixmap(scaled)
            self._label.minimumHeight = scaled.height()  # else a scrolled panel shows only the top of it
            self._label.updateGeometry()
            if self._label.parentWidget().layout() is not None:
                self._label.parentWidget().layout().activate()  # or what is below is painted on it once

    def enlarge(self, title: str) -> None:
        """Show it at its full size in a window that may stay open."""
        self.close()
        if self._picture is None:
            return
        window = qt.QDialog(slicer.util.mainWindow() or self._label.window())
        window.windowTitle = title
        label, area, layout = qt.QLabel(), qt.QScrollArea(), qt.QVBoxLayout(window)
        label.setPixmap(self._picture)
        area.setWidget(label)
        layout.addWidget(area)
        window.resize(min(1200, self._picture.width() + 60), min(800, self._picture.height() + 60))
        window.show()
        self._window = window

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window.deleteLater()
            self._window = None

    def cleanup(self) -> None:
        """Stop looking at the panel's width."""
        self._timer.stop()
        self.close()


def picture_of_file(path: Path) -> Any:
    """A PNG as a QPixmap, which is null where it cannot be read."""
    return qt.QPixmap(str(path))


def picture_of_node(node: Any | None) -> Any | None:
    """The colour picture that a vector volume holds, as a QPixmap; None without one."""
    data = node.GetImageData() if node is not None else None
    if data is None or data.GetNumberOfPoints() == 0:
        return None
    with TemporaryDirectory() as folder:  # a file is the one way that needs no conversion of bytes
        path = Path(folder) / "picture.png"
        writer = vtk.vtkPNGWriter()
        writer.SetInputData(data)
        writer.SetFileName(str(path))
        writer.Write()
        return picture_of_file(path)
