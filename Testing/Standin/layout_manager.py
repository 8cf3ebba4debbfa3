"""`slicer.app.layoutManager()` and Slicer's main window: a module's panel beside four views."""

from typing import Any

import pythonqt
import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal
from views import SliceView, ThreeDView

FOUR_UP = 3
SLICES = {"Red": ("Axial", "#f34a33"), "Green": ("Coronal", "#6eb04b"), "Yellow": ("Sagittal", "#edd54c")}
THREE_D_COLOUR = "#7a7fbf"


class _Canvas(QtWidgets.QLabel):
    """Shows what a view draws, soon after anything in it has changed."""

    def __init__(self, view: Any) -> None:
        super().__init__()
        self._view = view
        self.setMinimumSize(80, 80)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Ignored)
        self._later = QtCore.QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(20)
        self._later.timeout.connect(self.forceRender)
        view.group.AddObserver(vtk.vtkCommand.AnyEvent, lambda *_event: self.scheduleRender())
        view.logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_event: self.scheduleRender())

    def scheduleRender(self) -> None:
        if not self._later.isActive() and self.isVisible():
            self._later.start()

    def forceRender(self) -> None:
        pixels = self._view.pixels()
        height, width = pixels.shape[:2]
        image = QtGui.QImage(pixels.data, width, height, 3 * width, QtGui.QImage.Format.Format_RGB888)
        self.setPixmap(QtGui.QPixmap.fromImage(image.copy()))

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        self._view.resize(event.size().width(), event.size().height())
        self.scheduleRender()

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        super().showEvent(event)
        self._later.start()

    def renderWindow(self) -> Any:
        return self._view.window


class _ViewWidget(QtWidgets.QWidget):
    """A view below a coloured bar."""

    def __init__(self, view: Any, title: str, colour: str) -> None:
        super().__init__()
        self._view, self._canvas = view, _Canvas(view)
        self._bar = QtWidgets.QLabel(title)
        self._bar.setStyleSheet(f"background: {colour}; color: black; padding: 1px 6px;")
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._bar)
        layout.addWidget(self._canvas, 1)


class qMRMLSliceWidget(_ViewWidget):
    """A slice view."""

    def __init__(self, name: str) -> None:
        orientation, colour = SLICES[name]
        super().__init__(SliceView(name, orientation), f"{name[0]}", colour)
        self._view.logic.AddObserver(vtk.vtkCommand.ModifiedEvent, self._say)

    def _say(self, *_event: Any) -> None:
        offset = self._view.logic.GetSliceOffset()
        self._bar.setText(f"{self._view.node.GetName()[0]}   {self._view.node.GetOrientation()}   {offset:.2f} mm")

    def sliceLogic(self) -> Any:
        return self._view.logic

    def mrmlSliceNode(self) -> Any:
        return self._view.node

    def mrmlSliceCompositeNode(self) -> Any:
        return self._view.logic.GetSliceCompositeNode()

    def sliceView(self) -> Any:
        return self._canvas

    def sliceController(self) -> Any:
        return self

    def fitSliceToBackground(self) -> None:
        self._view.logic.FitSliceToBackground()


class qMRMLThreeDWidget(_ViewWidget):
    """A 3D view."""

    def __init__(self) -> None:
        super().__init__(ThreeDView("1"), "1", THREE_D_COLOUR)

    def threeDView(self) -> Any:
        return self._canvas

    def mrmlViewNode(self) -> Any:
        return self._view.node

    def resetFocalPoint(self) -> None:
        self._view.renderer.ResetCamera()
        self._canvas.scheduleRender()


class qSlicerLayoutManager(QtCore.QObject):
    """Four views, whatever layout is asked for; the number that was asked for is kept."""

    SIGNALS = {"layoutChanged(int)": "layoutChanged"}
    layoutChanged = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._slices = {name: qMRMLSliceWidget(name) for name in SLICES}
        self._three_d = qMRMLThreeDWidget()
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self._logic.GetLayoutNode().SetViewArrangement(FOUR_UP)
        self._logic.GetLayoutNode().AddObserver(vtk.vtkCommand.ModifiedEvent, self._tell)
        self._known = FOUR_UP
        self._viewport = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(self._viewport)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        places = [self._slices["Red"], self._three_d, self._slices["Green"], self._slices["Yellow"]]
        for i, widget in enumerate(places):
            grid.addWidget(widget, i // 2, i % 2)

    def _tell(self, *_event: Any) -> None:
        arrangement = self._logic.GetLayoutNode().GetViewArrangement()
        if arrangement != self._known:
            self._known = arrangement
            self.layoutChanged.emit(arrangement)

    def _set(self, arrangement: int) -> None:
        self._logic.GetLayoutNode().SetViewArrangement(arrangement)

    layout = Property(int, lambda self: self._logic.GetLayoutNode().GetViewArrangement(), _set)
    threeDViewCount = Property(int, lambda self: 1)
    tableViewCount = Property(int, lambda self: 0)
    plotViewCount = Property(int, lambda self: 0)

    def viewport(self) -> QtWidgets.QWidget:
        return self._viewport

    def layoutLogic(self) -> Any:
        return self._logic

    def sliceViewNames(self) -> list[str]:
        return list(self._slices)

    def sliceWidget(self, name: str) -> Any:
        return self._slices.get(name)

    def threeDWidget(self, _index: int) -> Any:
        return self._three_d

    def tableWidget(self, _index: int) -> None:
        """No view of tables."""

    def plotWidget(self, _index: int) -> None:
        """No view of charts."""

    def mrmlSliceLogics(self) -> Any:
        return slicer.app.applicationLogic().GetSliceLogics()

    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        self._three_d.resetFocalPoint()

    def pauseRender(self) -> None:
        """Views draw nothing until `resumeRender`."""

    def resumeRender(self) -> None:
        """Views draw again."""


class _ModuleSelector(QtWidgets.QComboBox):
    """Chooses the module that the main window shows."""

    def __init__(self, window: "qSlicerMainWindow") -> None:
        super().__init__()
        self._window = window

    def selectModule(self, name: str) -> None:
        self._window._show_module(name)

    selectedModule = Property(str, lambda self: self._window._shown)


class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The panel of one module on the left, the views on the right."""

    def __init__(self, layout_manager: qSlicerLayoutManager) -> None:
        super().__init__()
        self.setWindowTitle("Stand-in for 3D Slicer")
        self._shown = ""
        self._selector = _ModuleSelector(self)
        self._place = QtWidgets.QScrollArea()
        self._place.setWidgetResizable(True)
        self._place.setMinimumWidth(520)
        self._place.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        splitter = QtWidgets.QSplitter()
        splitter.addWidget(self._place)
        splitter.addWidget(layout_manager.viewport())
        splitter.setStretchFactor(1, 1)
        self.setCentralWidget(splitter)
        self.statusBar()

    def moduleSelector(self) -> Any:
        return self._selector

    def _show_module(self, name: str) -> None:
        shown = self._place.takeWidget()
        if shown is not None:
            shown.exit()
            shown.setParent(None)
        self._shown = ""
        module = getattr(slicer.modules, name.lower(), None)
        if module is not None and hasattr(module, "widgetRepresentation"):
            representation = pythonqt.unwrap(module.widgetRepresentation())
            self._place.setWidget(representation)
            representation.enter()
        self._shown = name
