"""What the result step lets the worker do: other maps, the report, DICOM. With the shipped model on the drawn head."""

import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import SimpleITK as sitk

MADE = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("made_results.py"))))
MODEL = "meningioma-vs-glioma"


@pytest.fixture
def step(module: Callable[[str], Any]) -> Any:
    """The open panel's sixth step."""
    return module("TumorClassifier").panel.resultStep


@pytest.fixture(scope="session")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the worker leaves of the head phantom, classified by the shipped two-class model."""
    from FeatureExtractorLib.phantom import head_phantom
    from TumorClassifierLib.worker import start

    folder = tmp_path_factory.mktemp("classified")
    for image, name in zip(head_phantom(), ("image", "mask"), strict=True):
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
    request = {
        "work": "classify",
        "model": MODEL,
        "images": {"T1C": str(folder / "image.nrrd")},
        "mask": str(folder / "mask.nrrd"),
        "case_id": "Phantom",
    }
    job = start(request, folder / "run")
    events = []
    while job.running:
        events += job.poll()
    events += job.poll()
    assert events[-1].kind == "done", events[-1]
    return job.out


def shown(step: Any, scene: Any, classified: Path) -> Any:
    """Show the classified phantom; returns its volume."""
    from FeatureExtractorLib.phantom import head_phantom
    from TumorClassifierLib.scene.case_nodes import show_in_scene
    from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

    image, mask = head_phantom()
    volume = add_volume(scene, image, "Phantom")
    segmentation = add_segmentation(scene, mask, volume, "Outline")
    found, result = show_in_scene(classified, volume, segmentation)
    step.show(found, result, volume, MADE.inputs_of(volume, segmentation))
    return volume


def map_values(step: Any) -> Any:
    import slicer

    return slicer.util.arrayFromVolume(step.kept.shownMap).copy()


@pytest.mark.slow
def test_the_map_of_another_class_is_drawn_and_kept(step: Any, standin: Any, classified: Path, window: Any) -> None:
    volume = shown(step, standin.scene, classified)
    called, first = step.kept.prediction["predicted"], map_values(step)
    other = next(name for name in step.kept.prediction["classes"] if name != called)
    assert step.ui.mapClassBox.currentText == called and step.ui.mapMethodBox.currentText == "Grad-CAM"

    step.ui.mapClassBox.currentIndex = step.kept.prediction["classes"].index(other)
    step.ui.drawMapButton.click()
    assert step.ui.drawMapButton.text == "Cancel"
    step.ui.drawMapButton.click()
    standin.wait(lambda: not step.map.run.busy, 60)
    assert step.ui.mapStatus.text == "Cancelled." and len(step.kept.maps) == 1

    step.ui.drawMapButton.click()
    standin.wait(lambda: not step.map.run.busy, 180)
    assert len(step.kept.maps) == 2, step.ui.mapStatus.text
    assert f"map for {other}" in step.ui.mapHint.text and f"was called {called}" in step.ui.mapHint.text
    assert not (map_values(step) == first).all()
    for i in range(standin.scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        composite = standin.scene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode")
        assert composite.GetBackgroundVolumeID() == volume.GetID()
        assert composite.GetForegroundVolumeID() == step.kept.shownMap.GetID()
    assert step.kept.prediction["predicted"] == called  # a map changes no answer

    step.ui.mapClassBox.currentIndex = step.kept.prediction["classes"].index(called)
    assert (map_values(step) == first).all()  # it is there already


@pytest.mark.slow
def test_closing_the_scene_ends_the_drawing(step: Any, standin: Any, classified: Path) -> None:
    shown(step, standin.scene, classified)
    step.ui.mapMethodBox.currentIndex = 1
    step.ui.drawMapButton.click()
    standin.scene.Clear(0)
    standin.wait(lambda: not step.map.run.busy, 60)
    assert step.kept is None and not step.ui.emptyLabel.isHidden()


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".html", ".pdf"])
def test_the_report_is_saved(ending: str, step: Any, standin: Any, classified: Path, tmp_path: Path) -> None:
    if ending == ".pdf":
        pytest.importorskip("reportlab")
    shown(step, standin.scene, classified)
    path = tmp_path / f"report{ending}"
    step.exports.report.onStart = lambda: step.exports.saveReport(path)
    step.ui.saveReportButton.click()
    assert "other export" in step.ui.dicomButton.toolTip or not step.ui.dicomButton.enabled
    standin.wait(lambda: not step.exports.report.busy, 120)
    assert path.name in step.ui.exportStatus.text
    content = path.read_bytes()
    if ending == ".html":
        assert b"For research use only" in content and step.kept.prediction["predicted"].encode() in content
        again = (classified / "report.html").read_text(encoding="utf-8")
        assert len(content) == pytest.approx(len(again.encode()), rel=0.2)
    else:
        assert content.startswith(b"%PDF")


@pytest.mark.slow
def test_dicom_is_written_beside_its_series(
    step: Any, standin: Any, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("highdicom")
    import pydicom
    import slicer

    files = sorted(path for path in (data_dir / "dicom_prostate").rglob("*.dcm"))
    by_uid: dict[str, str] = {}
    series = None
    for path in files:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if header.Modality != "MR" or series not in (None, header.SeriesInstanceUID):
            continue
        series = header.SeriesInstanceUID
        by_uid[str(header.SOPInstanceUID)] = str(path)
    assert by_uid
    reader = sitk.ImageSeriesReader()
    folder = Path(next(iter(by_uid.values()))).parent
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), series))
    image = reader.Execute()
    shown_, result, volume, segmentation = MADE.shown_case(standin.scene, image=image)
    volume.SetAttribute("DICOM.instanceUIDs", " ".join(by_uid))
    monkeypatch.setattr(
        slicer, "dicomDatabase", SimpleNamespace(fileForInstance=lambda uid: by_uid.get(uid, "")), raising=False
    )
    step.show(shown_, result, volume, MADE.inputs_of(volume, segmentation))
    assert step.ui.dicomButton.enabled
    step.exports.dicom.onStart = lambda: step.exports.exportDicom(tmp_path)
    step.ui.dicomButton.click()
    standin.wait(lambda: not step.exports.dicom.busy, 120)
    assert "segment.dcm and report.dcm" in step.ui.exportStatus.text, step.ui.exportStatus.text
    segment, report = (pydicom.dcmread(tmp_path / name) for name in ("segment.dcm", "report.dcm"))
    source = pydicom.dcmread(next(iter(by_uid.values())), stop_before_pixels=True)
    assert (segment.Modality, report.Modality) == ("SEG", "SR")
    for written in (segment, report):
        assert written.StudyInstanceUID == source.StudyInstanceUID
        assert written.PatientID == source.PatientID
