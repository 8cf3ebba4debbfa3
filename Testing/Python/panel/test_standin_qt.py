"""What Slicer's Qt refuses the stand-in refuses, and what Slicer only prints it records."""

import functools
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def qt(standin: Any) -> Any:
    import qt

    return qt


@pytest.fixture
def recorded(no_problems: Any) -> Any:
    """The problems so far; taking them is what keeps the test from failing."""
    return no_problems.take


def test_properties_are_attributes_and_not_functions(qt: Any) -> None:
    button = qt.QPushButton("Apply")
    assert button.text == "Apply"
    with pytest.raises(TypeError, match="'str' object is not callable"):
        button.text()
    button.text = 3
    button.enabled = 0
    assert (button.text, button.enabled) == ("3", False)
    button.setText("Run")
    button.name = "applyButton"
    assert (button.text, button.objectName, button.className()) == ("Run", "applyButton", "QPushButton")
    with pytest.raises(AttributeError):
        button.caption  # noqa: B018
    with pytest.raises(AttributeError, match="not writable"):
        button.width = 3


def test_an_attribute_that_qt_does_not_have_is_recorded(qt: Any, recorded: Any) -> None:
    button = qt.QPushButton()
    button.tooltip = "a typing error"
    assert "QPushButton.tooltip" in recorded()[0]


def test_an_unknown_signal_is_recorded_and_false(qt: Any, recorded: Any) -> None:
    button = qt.QPushButton()
    assert button.connect("clicked(bool)", lambda: None) is True
    assert button.connect("pushed()", lambda: None) is False
    assert qt.QSpinBox().connect("valueChanged(float)", lambda: None) is False
    assert recorded() == [
        "unknown signal: signal 'pushed()' does not exist on QPushButton",
        "unknown signal: signal 'valueChanged(float)' does not exist on QSpinBox",
    ]


def test_a_slot_gets_as_many_arguments_as_it_declares(qt: Any) -> None:
    button, got = qt.QPushButton(), []
    button.checkable = True
    button.connect("clicked(bool)", lambda: got.append("none"))
    button.connect("clicked(bool)", lambda on=None: got.append(on))
    button.connect("clicked(bool)", lambda *every: got.append(every))
    button.connect("clicked(bool)", functools.partial(got.append))
    button.connect("clicked()", lambda *every: got.append(every))
    button.click()
    assert got == ["none", True, (True,), True, ()]


def test_slots_are_disconnected_by_what_they_are(qt: Any) -> None:
    class Panel:
        clicks = 0

        def onClick(self) -> None:
            self.clicks += 1

    button, panel = qt.QPushButton(), Panel()
    button.clicked.connect(panel.onClick)
    assert button.disconnect("clicked(bool)", Panel().onClick) is False
    button.click()
    button.clicked.disconnect(panel.onClick)
    button.click()
    assert panel.clicks == 1


def test_an_exception_in_a_slot_is_recorded(qt: Any, recorded: Any) -> None:
    button = qt.QPushButton()
    button.connect("clicked()", lambda: {}["missing"])
    button.click()
    assert "KeyError: 'missing'" in recorded()[0]


def test_an_exception_in_an_observer_is_recorded(standin: Any, recorded: Any) -> None:
    node = standin.scene.AddNewNodeByClass("vtkMRMLTableNode")
    node.AddObserver("ModifiedEvent", lambda *_event: {}["missing"])
    node.Modified()
    assert "KeyError: 'missing'" in recorded()[0]


def test_enumerations_have_no_scope_and_are_integers(qt: Any) -> None:
    assert qt.Qt.Checked == 2
    assert qt.QMessageBox.Ok == 0x400
    label = qt.QLabel("x")
    label.alignment = qt.Qt.AlignRight | qt.Qt.AlignVCenter
    assert label.alignment == qt.Qt.AlignRight | qt.Qt.AlignVCenter
    with pytest.raises(AttributeError):
        qt.Qt.AlignmentFlag.AlignRight  # noqa: B018


def test_keyword_arguments_are_refused(qt: Any) -> None:
    with pytest.raises(TypeError, match="keyword"):
        qt.QLabel("x").setText(text="y")
    with pytest.raises(TypeError, match="keyword"):
        qt.QPushButton(text="y")


@pytest.mark.parametrize("name", ["Slot", "Property", "pyqtSignal", "QtCore", "QNothing"])
def test_what_slicers_qt_does_not_have(qt: Any, name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(qt, name)


def test_dialogs_get_the_answers_that_a_test_gives(qt: Any, standin: Any, recorded: Any) -> None:
    import slicer

    standin.questions.files = ["folder/x.nrrd", "folder"]
    assert qt.QFileDialog.getOpenFileName(None, "Open", "") == "folder/x.nrrd"
    assert qt.QFileDialog.getExistingDirectory(None, "Folder", "") == "folder"
    slicer.util.confirmYesNoDisplay("Remove the model?")
    assert standin.questions.asked == [], "while Slicer runs its tests nothing is asked"
    standin.testing(False)
    standin.questions.answers = [qt.QMessageBox.No, qt.QMessageBox.Yes]
    assert not slicer.util.confirmYesNoDisplay("Remove the model?")
    assert slicer.util.confirmYesNoDisplay("Remove the model?")
    assert standin.questions.asked == ["Remove the model?"] * 2
    assert recorded() == []
    assert qt.QFileDialog.getSaveFileName(None, "Save", "") == ""
    assert recorded() == ["question: nobody answers: QFileDialog.getSaveFileName"]


def test_a_deleted_object_is_a_value_error(qt: Any) -> None:
    label = qt.QLabel("x")
    label.delete()
    with pytest.raises(ValueError, match="deleted"):
        label.text  # noqa: B018


def test_the_same_object_is_the_same_in_python(qt: Any) -> None:
    parent = qt.QWidget()
    layout, button = qt.QVBoxLayout(parent), qt.QPushButton()
    layout.addWidget(button)
    assert layout.itemAt(0).widget() is button and button.parent() is parent
    assert type(parent.findChild(qt.QPushButton)) is qt.QPushButton
    assert isinstance(button, qt.QWidget)


def test_widgets_of_slicer_are_not_instances_of_qwidget(qt: Any) -> None:
    import slicer

    widget = slicer.qMRMLWidget()
    assert widget.isWidgetType() and not isinstance(widget, qt.QWidget)


def test_a_ui_file_with_mistakes_is_recorded(standin: Any, recorded: Any, tmp_path: Path) -> None:
    import slicer

    good = (Path(__file__).parent / "modules" / "Resources" / "UI" / "Sample.ui").read_text(encoding="utf-8")
    bad = good.replace('name="singleStep"', 'name="stepSize"').replace("<receiver>input", "<receiver>output")
    (tmp_path / "bad.ui").write_text(bad, encoding="utf-8")
    slicer.util.loadUI(str(tmp_path / "bad.ui"))
    first, second = recorded()
    assert first == "unknown property: ctkSliderWidget thresholdSlider has no stepSize"
    assert "outputSelector" in second
    with pytest.raises(RuntimeError, match="not found"):
        slicer.util.loadUI(str(tmp_path / "none.ui"))


def test_unknown_modules_and_declined_packages(standin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer
    from slicer.packaging import pip_check, pip_ensure

    with pytest.raises(AttributeError):
        slicer.modules.nosuchmodule  # noqa: B018
    assert pip_check("numpy>=2") and not pip_check("no-such-package>=1")
    pip_ensure(["numpy>=2"])
    monkeypatch.setattr(standin.packaging, "asked", [])
    pip_ensure(["no-such-package>=1"])
    assert standin.packaging.asked == [["no-such-package>=1"]]
    monkeypatch.setattr(standin.packaging, "declines", True)
    with pytest.raises(RuntimeError, match="User declined package installation"):
        pip_ensure(["no-such-package>=1"])


@pytest.mark.skipif("TUMORCLASSIFIER_SLICER_SOURCES" in os.environ, reason="Slicer itself does not look for this")
def test_a_filled_in_text_is_not_translatable(standin: Any, recorded: Any) -> None:
    from slicer.i18n import tr as _

    assert _("{count} cases") == "{count} cases"
    assert recorded() == []
    _("{0.5} cases")
    assert "not a plain placeholder" in recorded()[0]


def test_settings_lie_in_a_temporary_place(qt: Any, standin: Any) -> None:
    settings = qt.QSettings()
    settings.setValue("TumorClassifier/x", 3)
    assert str(standin.folder) in settings.fileName()
    assert int(standin.application.settings().value("TumorClassifier/x")) == 3


def test_n4_runs_as_slicers_command_line_module(standin: Any) -> None:
    import slicer
    from slicer import cli

    from FeatureExtractorLib.phantom import head_phantom
    from TumorClassifierLib.scene.volumes import add_volume

    source = add_volume(standin.scene, head_phantom()[0], "T1C")
    output = standin.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "corrected")
    module = slicer.modules.n4itkbiasfieldcorrection
    node = cli.run(module, None, {"inputImageName": source, "outputImageName": output})
    standin.wait(lambda: node.GetStatus() & node.Completed)
    assert not node.GetStatus() & node.ErrorsMask
    assert output.GetImageData().GetDimensions() == source.GetImageData().GetDimensions()
    failed = cli.runSync(module, None, {"inputImageName": source})
    assert failed.GetStatus() & failed.ErrorsMask and failed.GetErrorText()
    stopped = cli.run(module, None, {"inputImageName": source, "outputImageName": output})
    stopped.Cancel()
    standin.process(0.05)
    assert stopped.GetStatus() == stopped.Cancelled
