"""A small scripted module in the form of Slicer's template, for the tests of the stand-in."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import qt
import slicer
import vtk
from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, Default, Minimum, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Correction(Enum):
    NONE = "none"
    FAST = "fast"

    @staticmethod
    def label(member: "Correction") -> str:
        return {Correction.NONE: "None", Correction.FAST: "Fast N4"}[member]


@parameterNodeWrapper
class SampleParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    either: vtkMRMLScalarVolumeNode | vtkMRMLSegmentationNode | None
    labels: vtkMRMLLabelMapVolumeNode
    threshold: Annotated[float, WithinRange(0, 1)] = 0.25
    count: Annotated[int, Minimum(1), Default(3)]
    preset: Annotated[str, Choice(["original", "full"])] = "original"
    correction: Correction = Correction.FAST
    name: str = "tumour"
    invert: bool = False
    folder: Path = Path("results")
    classes: list[str]


class Sample(ScriptedLoadableModule):
    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.parent.title = _("Sample")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.contributors = ["Nobody"]


class SampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.parameters: Any = None
        self.guiTag: Any = None
        self.applied = 0
        self.cleaned = False

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/Sample.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SampleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.connectParameters()

    def connectParameters(self) -> None:
        self.disconnectParameters()
        self.parameters = self.logic.getParameterNode()
        self.guiTag = self.parameters.connectGui(self.ui)
        self.addObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
        self.checkCanApply()

    def disconnectParameters(self) -> None:
        if self.parameters is not None:
            self.parameters.disconnectGui(self.guiTag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
            self.parameters = None

    def checkCanApply(self, caller: Any = None, event: Any = None) -> None:
        can = self.parameters is not None and self.parameters.inputVolume is not None
        self.ui.applyButton.enabled = can
        self.ui.applyButton.toolTip = _("Apply") if can else _("Choose a volume first.")

    def onStartClose(self, caller: Any, event: Any) -> None:
        self.disconnectParameters()

    def onEndClose(self, caller: Any, event: Any) -> None:
        if self.parent.isEntered:
            self.connectParameters()

    def onApply(self) -> None:
        self.applied += 1

    def cleanup(self) -> None:
        self.disconnectParameters()
        self.removeObservers()
        self.cleaned = True


class SampleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self) -> Any:
        return SampleParameterNode(super().getParameterNode())


class SampleTest(ScriptedLoadableModuleTest):
    ran = 0

    def test_nothing(self) -> None:
        type(self).ran += 1
        assert qt.QLabel("x").text == "x"
