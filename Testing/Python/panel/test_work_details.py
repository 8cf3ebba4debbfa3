"""What the panels do with errors that nobody foresaw, and with a worker that still runs when they go."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from FeatureExtractorLib.errors import InputError


@pytest.fixture
def panel(module: Callable[..., Any], standin: Any) -> Any:
    """The panel with the sample data."""
    opened = module("TumorClassifier").panel
    opened.ui.sampleDataButton.click()
    standin.process()
    return opened


def test_a_correction_that_fails_has_a_log(panel: Any, standin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from TumorClassifierLib.panel import correction_run

    def broken(*given: Any) -> None:
        raise RuntimeError("the image is damaged")

    button = panel.correctStep.run.details.button
    assert button.isHidden()
    monkeypatch.setattr(correction_run, "image_of", broken)
    panel.ui.correctButton.click()
    assert "Something unforeseen happened (the image is damaged)" in panel.ui.correctLabel.text
    assert not button.isHidden() and panel.ui.correctButton.text != "Cancel"
    below = panel.ui.correctLabel.parentWidget().layout()
    assert below.indexOf(button) == below.indexOf(panel.ui.correctLabel) + 1


def test_images_that_cannot_be_written_are_a_sentence(
    panel: Any, standin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import SimpleITK as sitk

    def full(*given: Any, **named: Any) -> None:
        raise RuntimeError("no space left on device")

    monkeypatch.setattr(sitk, "WriteImage", full)
    panel.ui.correctButton.click()
    assert "no space left on device); free some space" in panel.ui.correctLabel.text
    assert panel.correctStep.run.details.button.isHidden()  # there is no log that would say more
    with pytest.raises(InputError, match="free some space"):
        panel.correctStep.onStart()


def test_a_panel_that_goes_leaves_no_files_of_its_worker(panel: Any, standin: Any) -> None:
    panel.ui.correctButton.click()
    job, folder = panel.correctStep.correction._job, panel._folder
    assert job.running and list(folder.rglob("image.nrrd"))
    panel.cleanup()
    deadline = time.monotonic() + 20.0  # a busy machine is slow; else it has ended already
    while job.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not folder.exists()
