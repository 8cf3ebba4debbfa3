"""Correcting and classifying from the panel: results in place, cancelled runs, and scenes that change meanwhile."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

IMAGE_SIZE = (20, 18, 12)
MARKED = (13, 4, 9)  # voxel of the made images that is brighter than all others


@pytest.fixture
def panel(module: Callable[[str], Any]) -> Any:
    """The open panel."""
    return module("TumorClassifier").panel


@pytest.fixture
def made_worker(monkeypatch: pytest.MonkeyPatch) -> list["MadeJob"]:
    """Classification by a job of this process, which marks the brightest voxel of the image file that it is given."""
    jobs: list[MadeJob] = []

    def start(request: dict[str, Any], folder: Path, **_others: Any) -> MadeJob:
        jobs.append(MadeJob(request, folder))
        return jobs[-1]

    monkeypatch.setattr("TumorClassifierLib.panel.step_classify.start", start)
    return jobs


class MadeJob:
    """A worker's job without a process: it is done when `finish` was set, and cancelled when it is asked to be."""

    def __init__(self, request: dict[str, Any], folder: Path) -> None:
        self.request, self.folder, self.seconds = request, folder, 0.0
        self.finish, self.cancelled = False, False

    def poll(self) -> list[Any]:
        from TumorClassifierLib.worker import Event

        if self.cancelled:
            return [Event("cancelled")]
        if not self.finish:
            return [Event("progress", "reading", 0.5)]
        self._write()
        return [Event("done")]

    def cancel(self) -> None:
        self.cancelled = True

    def _write(self) -> None:
        import SimpleITK as sitk

        from TumorClassifierLib.result_files import write_result
        from TumorClassifierLib.results import ClassificationResult

        image = sitk.ReadImage(next(iter(self.request["images"].values())), sitk.sitkFloat64)
        cam = sitk.Cast(image >= float(sitk.GetArrayViewFromImage(image).max()), sitk.sitkFloat32)
        prediction = {
            "case": {"case_id": self.request["case_id"], "segment": self.request["segment"]},
            "model": {"name": "made", "version": "1", "sha256": "0" * 64},
            "classes": ["glioma", "meningioma"],
            "positive": "meningioma",
            "probabilities": {"glioma": 0.2, "meningioma": 0.8},
            "predicted": "meningioma",
            "threshold": 0.5,
            "scores": {},
            "by_class": {},
            "model_probabilities": {"made": {"glioma": 0.2, "meningioma": 0.8}},
            "nomogram_points": {},
            "interval": None,
            "prediction_set": {"classes": ["meningioma"], "level": 0.9, "text": "Only meningioma fits."},
            "contributions": [],
            "warnings": [],
            "provenance": {},
        }
        write_result(ClassificationResult(prediction, cam, {}, {}, {}), self.folder / "out")


def add_case(name: str = "head", direction: Any = None, spacing: Any = (1.0, 1.2, 3.0)) -> tuple[Any, Any]:
    """A volume with one marked voxel and a segmentation of the box around it."""
    import SimpleITK as sitk
    import slicer

    from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

    rng = np.random.default_rng(0)
    array = rng.uniform(50, 100, IMAGE_SIZE[::-1]).astype(np.float32)
    array[MARKED[::-1]] = 500
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((7.0, -20.0, 33.0))
    if direction is not None:
        image.SetDirection(np.ravel(direction).tolist())
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(image)
    mask[MARKED[0] - 3 : MARKED[0] + 4, MARKED[1] - 3 : MARKED[1] + 4, MARKED[2] - 2 : MARKED[2] + 3] = 1
    volume = add_volume(slicer.mrmlScene, image, name)
    return volume, add_segmentation(slicer.mrmlScene, mask, volume, f"{name} outline")


def brightest(volume: Any) -> np.ndarray:
    """Where in the world (RAS, mm) the largest voxel of a volume is."""
    import slicer
    import vtk

    array = slicer.util.arrayFromVolume(volume)
    k, j, i = np.unravel_index(int(array.argmax()), array.shape)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    point = matrix.MultiplyPoint([float(i), float(j), float(k), 1.0])[:3]
    to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(volume.GetParentTransformNode(), None, to_world)
    return np.array(to_world.TransformPoint(point))


def state(panel: Any, step: str) -> str:
    return str(getattr(panel.ui, f"{step}Step").text).partition("    ")[2]


def classified(panel: Any, standin: Any, jobs: list[MadeJob]) -> Any:
    """Classify by the made worker; returns the map's node."""
    panel.ui.classifyButton.click()
    jobs[-1].finish = True
    standin.wait(lambda: not panel.classifyStep.run.busy)
    found = standin.scene.GetNodesByClass("vtkMRMLScalarVolumeNode")
    nodes = [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]
    return [node for node in nodes if panel.isOwnVolume(node)][-1]


KINDS = ("vtkMRMLScalarVolumeNode", "vtkMRMLCommandLineModuleNode")


# --- correcting -------------------------------------------------------------------------------------------------


def test_the_fast_correction_is_put_beside_the_image_and_classified(
    panel: Any, standin: Any, made_worker: list[MadeJob]
) -> None:
    import slicer

    volume, _outline = add_case(spacing=(4.0, 4.0, 6.0))
    transform = standin.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    _outline.SetAndObserveTransformNodeID(transform.GetID())
    panel.chooseMissing()
    assert panel.ui.useCorrected.toolTip.startswith("Correct an image first")
    panel.ui.correctButton.click()
    assert panel.ui.correctButton.text == "Cancel"
    assert state(panel, "correct") == "… correcting"
    standin.wait(lambda: not panel.correctStep.run.busy, 60)
    assert state(panel, "correct") == "✓ corrected, not in use"  # the model corrects by itself
    panel.ui.useCorrected.checked = True
    assert state(panel, "correct") == "✓ corrected, in use"
    corrected = panel.correctStep.corrected()["T1C"]
    assert corrected.GetName() == "head corrected"
    assert corrected.GetParentTransformNode() is transform
    assert np.allclose(brightest(corrected), brightest(volume))
    assert not np.array_equal(slicer.util.arrayFromVolume(corrected), slicer.util.arrayFromVolume(volume))
    assert panel.imagesToClassify() == {"T1C": corrected}
    panel.ui.useCorrected.checked = False
    assert panel.imagesToClassify() == {"T1C": volume}
    assert state(panel, "correct") == "✓ corrected, not in use"
    panel.ui.useCorrected.checked = True
    assert np.allclose(brightest(classified(panel, standin, made_worker)), brightest(volume))


def test_the_slice_views_switch_between_original_and_corrected(panel: Any, standin: Any, window: Any) -> None:
    volume, _outline = add_case(spacing=(4.0, 4.0, 6.0))
    panel.chooseMissing()
    panel.ui.correctButton.click()
    standin.wait(lambda: not panel.correctStep.run.busy, 60)
    corrected = panel.correctStep.corrected()["T1C"]
    composite = standin.scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert composite.GetBackgroundVolumeID() == corrected.GetID()
    panel.ui.originalButton.click()
    assert composite.GetBackgroundVolumeID() == volume.GetID()
    panel.ui.originalButton.click()
    assert composite.GetBackgroundVolumeID() == corrected.GetID()


def test_slicers_own_correction_leaves_nothing_behind(panel: Any, standin: Any) -> None:
    volume, _outline = add_case()
    assert "brain-t1c-3class corrects every image by itself" in panel.ui.correctHint.text
    panel.parameterNode.model = "of another computer"
    assert "by itself" not in panel.ui.correctHint.text
    panel.parameterNode.model = "brain-t1c-3class"
    panel.chooseMissing()
    panel.ui.correctionMethod.currentIndex = 1
    panel.ui.correctButton.click()
    standin.wait(lambda: not panel.correctStep.run.busy, 60)
    assert state(panel, "correct") == "✓ corrected, not in use"
    assert np.allclose(brightest(panel.correctStep.corrected()["T1C"]), brightest(volume))
    assert [standin.scene.GetNumberOfNodesByClass(kind) for kind in KINDS] == [2, 0]
    display = panel.correctStep.corrected()["T1C"].GetDisplayNode()
    panel.ui.correctButton.click()
    standin.wait(lambda: not panel.correctStep.run.busy, 60)
    assert [standin.scene.GetNumberOfNodesByClass(kind) for kind in KINDS] == [2, 0]  # in the old one's place
    assert display.GetScene() is None


def test_a_corrected_image_is_taken_at_once_by_a_model_that_does_not_correct(panel: Any, standin: Any) -> None:
    add_case(spacing=(4.0, 4.0, 6.0))
    panel.chooseMissing()
    name = panel.modelName()
    panel.modelStep.summaries[name] = replace(panel.modelStep.summaries[name], corrects=False)
    panel.ui.correctButton.click()
    standin.wait(lambda: not panel.correctStep.run.busy, 60)
    assert state(panel, "correct") == "✓ corrected, in use"


def test_slicers_own_correction_is_cancelled(panel: Any, standin: Any) -> None:
    add_case()
    panel.chooseMissing()
    panel.ui.correctionMethod.currentIndex = 1
    before = standin.scene.GetNumberOfNodes()
    panel.ui.correctButton.click()
    panel.ui.correctButton.click()
    standin.wait(lambda: not panel.correctStep.run.busy, 60)
    assert panel.ui.correctLabel.text == "Cancelled."
    assert standin.scene.GetNumberOfNodes() == before


def test_a_failure_of_slicers_own_correction_is_said(panel: Any, standin: Any) -> None:
    add_case()
    panel.chooseMissing()
    panel.ui.correctionMethod.currentIndex = 1
    panel.ui.correctButton.click()
    for name in ("N4 input", "N4 output"):
        assert standin.scene.GetFirstNodeByName(name).GetHideFromEditors()  # so that nobody chooses them
    standin.scene.RemoveNode(standin.scene.GetFirstNodeByName("N4 input"))
    standin.wait(lambda: not panel.correctStep.run.busy, 60)
    assert panel.ui.correctLabel.text.startswith("N4ITKBiasFieldCorrection failed (")
    assert state(panel, "correct") == "– not corrected"
    assert [standin.scene.GetNumberOfNodesByClass(kind) for kind in KINDS] == [1, 0]


def test_without_slicers_module_its_method_is_grey_and_says_why(
    panel: Any, standin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import slicer

    monkeypatch.delattr(slicer.modules, "n4itkbiasfieldcorrection")
    add_case()
    panel.chooseMissing()
    assert panel.ui.correctButton.enabled
    panel.ui.correctionMethod.currentIndex = 1
    assert not panel.ui.correctButton.enabled
    assert "choose the fast method" in panel.ui.correctButton.toolTip


def test_a_corrected_copy_of_another_image_does_not_count(panel: Any, standin: Any) -> None:
    add_case(spacing=(4.0, 4.0, 6.0))
    panel.chooseMissing()
    panel.ui.correctButton.click()
    standin.wait(lambda: not panel.correctStep.run.busy, 60)
    other, _outline = add_case("other")
    panel.imageStep.selectors["T1C"].setCurrentNode(other)
    assert state(panel, "correct") == "– not corrected"
    assert panel.imagesToClassify() == {"T1C": other}


# --- classifying ------------------------------------------------------------------------------------------------


def test_two_runs_in_a_row_with_renamed_nodes(panel: Any, standin: Any, made_worker: list[MadeJob]) -> None:
    volume, outline = add_case()
    panel.chooseMissing()
    classified(panel, standin, made_worker)
    assert state(panel, "classify") == "✓ meningioma"
    assert not panel.ui.resultStep.collapsed
    volume.SetName("renamed")
    outline.SetName("redrawn")
    assert state(panel, "image") == "✓ renamed · T1C"
    second = classified(panel, standin, made_worker)
    assert "renamed" in second.GetName()
    assert made_worker[1].request["case_id"] == "renamed"
    assert made_worker[0].folder != made_worker[1].folder
    panel.ui.modelList.setCurrentRow(1)
    assert state(panel, "classify") == "○ ready"  # what was found is not what this model would find


def test_the_panel_grows_with_its_result(panel: Any, standin: Any, window: Any, made_worker: list[MadeJob]) -> None:
    import slicer

    window.moduleSelector().selectModule("TumorClassifier")
    standin.process(0.1)
    add_case()
    panel.chooseMissing()
    classified(panel, standin, made_worker)
    page, place = panel.ui.classifyTab._object, slicer.modules.tumorclassifier.widgetRepresentation()._object
    standin.wait(lambda: place.height() > page.minimumSizeHint().height(), 20)
    assert page.height() >= page.minimumSizeHint().height()


def test_no_file_is_named_after_a_patient(panel: Any, standin: Any, made_worker: list[MadeJob]) -> None:
    add_case("DOE^JOHN")
    panel.chooseMissing()
    panel.ui.classifyButton.click()
    request, folder = made_worker[0].request, made_worker[0].folder.parent
    assert request["case_id"] == "Case"
    assert "DOE" not in "".join(request["images"].values()) + request["mask"]
    written = [path.name for path in folder.rglob("*")]
    assert written and not [name for name in written if "DOE" in name]
    made_worker[0].finish = True
    standin.wait(lambda: not panel.classifyStep.run.busy)
    assert not folder.exists()  # images of a patient do not stay on the disk


ROTATED = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
TILTED = ROTATED @ np.array([[1.0, 0.0, 0.0], [0.0, 0.6, -0.8], [0.0, 0.8, 0.6]])


@pytest.mark.parametrize(
    ("direction", "transformed"),
    [
        (np.eye(3), False),
        (np.diag([-1.0, -1.0, 1.0]), False),
        (np.diag([1.0, -1.0, 1.0]), False),
        (np.diag([1.0, 1.0, -1.0]), True),
        (TILTED, False),
        (TILTED[:, [2, 0, 1]], True),
        (TILTED @ np.diag([-1.0, 1.0, 1.0]), False),
    ],
    ids=["straight", "turned", "flipped", "flipped-moved", "oblique", "oblique-permuted-moved", "oblique-flipped"],
)
def test_the_map_lies_where_the_image_says(
    panel: Any, standin: Any, made_worker: list[MadeJob], direction: np.ndarray, transformed: bool
) -> None:
    import vtk

    volume, outline = add_case(direction=direction, spacing=(0.7, 1.3, 4.0))
    if transformed:
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy([0.0, -1.0, 0.0, 12.0, 1.0, 0.0, 0.0, -30.0, 0.0, 0.0, 1.0, 5.0, 0.0, 0.0, 0.0, 1.0])
        node = standin.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        node.SetMatrixTransformToParent(matrix)
        volume.SetAndObserveTransformNodeID(node.GetID())
        outline.SetAndObserveTransformNodeID(node.GetID())
    panel.chooseMissing()
    cam = classified(panel, standin, made_worker)
    assert np.allclose(brightest(cam), brightest(volume), atol=1e-3)


def test_what_cannot_be_used_is_refused_in_a_sentence(panel: Any, standin: Any, made_worker: list[MadeJob]) -> None:
    volume, outline = add_case()
    panel.chooseMissing()
    grid = standin.scene.AddNewNodeByClass("vtkMRMLGridTransformNode")
    import vtk

    warp = vtk.vtkThinPlateSplineTransform()
    warp.SetBasisToR()
    points = vtk.vtkPoints()
    for point in ((0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50)):
        points.InsertNextPoint(point)
    warp.SetSourceLandmarks(points)
    moved = vtk.vtkPoints()
    moved.DeepCopy(points)
    moved.SetPoint(1, 60, 10, 0)
    warp.SetTargetLandmarks(moved)
    grid.SetAndObserveTransformToParent(warp)
    volume.SetAndObserveTransformNodeID(grid.GetID())
    panel.ui.classifyButton.click()
    standin.process()
    assert not made_worker
    assert "transform" in panel.ui.classifyLabel.text
    assert state(panel, "classify") == "! failed"
    volume.SetAndObserveTransformNodeID(None)
    classified(panel, standin, made_worker)
    assert state(panel, "classify") == "✓ meningioma"


def test_cancel_half_way_leaves_the_scene_as_it_was(panel: Any, standin: Any, made_worker: list[MadeJob]) -> None:
    add_case()
    panel.chooseMissing()
    before = standin.scene.GetNumberOfNodes()
    panel.ui.classifyButton.click()
    standin.process(0.2)
    assert (panel.ui.classifyButton.text, state(panel, "classify")) == ("Cancel", "… running")
    assert panel.ui.classifyProgress.value == 50
    assert panel.ui.classifyLabel.text.startswith("Reading the images")
    panel.ui.classifyButton.click()
    standin.wait(lambda: not panel.classifyStep.run.busy)
    assert state(panel, "classify") == "○ cancelled"
    assert panel.ui.classifyButton.text == "&Classify"
    assert standin.scene.GetNumberOfNodes() == before


@pytest.mark.parametrize("which", [0, 1], ids=["image", "segmentation"])
def test_removing_an_input_ends_the_run(panel: Any, standin: Any, made_worker: list[MadeJob], which: int) -> None:
    case = add_case()
    panel.chooseMissing()
    panel.ui.classifyButton.click()
    standin.scene.RemoveNode(case[which])
    assert made_worker[0].cancelled
    standin.wait(lambda: not panel.classifyStep.run.busy)
    assert state(panel, "classify") in ("○ cancelled", "○ not ready")


def test_closing_the_scene_ends_the_run(panel: Any, standin: Any, made_worker: list[MadeJob]) -> None:
    add_case()
    panel.chooseMissing()
    panel.ui.classifyButton.click()
    standin.scene.Clear()
    assert made_worker[0].cancelled
    standin.wait(lambda: not panel.classifyStep.run.busy)
    add_case("next")
    panel.chooseMissing()
    classified(panel, standin, made_worker)
    assert state(panel, "classify") == "✓ meningioma"


def test_a_result_that_comes_while_the_scene_closes_is_dropped(
    panel: Any, standin: Any, made_worker: list[MadeJob]
) -> None:
    add_case()
    panel.chooseMissing()
    panel.ui.classifyButton.click()
    made_worker[0].finish = True
    panel.classifyStep.run._poll()  # done, and its results are about to be taken in
    standin.scene.Clear()
    standin.wait(lambda: not panel.classifyStep.run.busy)
    assert standin.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert state(panel, "classify") == "○ not ready"


def test_a_failure_shows_its_sentence_and_keeps_the_log(
    panel: Any, standin: Any, made_worker: list[MadeJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    from TumorClassifierLib.worker import Event

    add_case()
    panel.chooseMissing()
    panel.ui.classifyButton.click()
    monkeypatch.setattr(made_worker[0], "poll", lambda: [Event("failed", text="It is broken.", details="line 7")])
    standin.wait(lambda: not panel.classifyStep.run.busy)
    assert panel.ui.classifyLabel.text == "It is broken."
    assert not panel.ui.detailsButton.isHidden()
    shown: list[Any] = []
    monkeypatch.setattr("TumorClassifierLib.panel.step_classify.show_details", lambda *given: shown.append(given))
    panel.ui.detailsButton.click()
    assert shown == [("It is broken.", "line 7", "Classification")]
    classified(panel, standin, made_worker)
    assert panel.ui.detailsButton.isHidden()


@pytest.fixture
def real_case(request: pytest.FixtureRequest, panel: Any) -> Iterator[str]:
    """brain1 where it is at hand, or the drawn head cut out around its tumour."""
    import SimpleITK as sitk
    import slicer

    from FeatureExtractorLib.phantom import head_phantom
    from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

    if request.param == "brain1":
        folder = request.getfixturevalue("data_dir") / "pyradiomics_cases"
        image, mask = (sitk.ReadImage(str(folder / f"brain1_{what}.nrrd")) for what in ("image", "label"))
        mask = sitk.Cast(mask > 0, sitk.sitkUInt8)
    else:
        image, mask = head_phantom()
        box = sitk.LabelShapeStatisticsImageFilter()
        box.Execute(mask)
        x, y, z, width, height, depth = box.GetBoundingBox(1)
        around = (slice(x - 12, x + width + 12), slice(y - 12, y + height + 12), slice(z - 3, z + depth + 3))
        image, mask = image[around], mask[around]
    volume = add_volume(slicer.mrmlScene, image, request.param)
    add_segmentation(slicer.mrmlScene, mask, volume, f"{request.param} outline")
    panel.chooseMissing()
    yield request.param


@pytest.mark.slow
@pytest.mark.parametrize("real_case", ["drawn head", "brain1"], indirect=True)
def test_a_case_is_classified_saved_closed_and_opened_again(
    panel: Any, standin: Any, real_case: str, tmp_path: Path
) -> None:
    from scene_description import describe

    from TumorClassifierLib.scene.storage import load_mrb, save_mrb

    stages = set()

    def ended() -> bool:
        stages.add(str(panel.ui.classifyLabel.text))
        return not panel.classifyStep.run.busy

    panel.ui.classifyButton.click()
    standin.wait(ended, 300)
    assert panel.classifyStep._failure == ("", "")
    assert any(text.startswith("Measuring radiomics features") for text in stages)
    found = state(panel, "classify")
    assert found in ("✓ glioma", "✓ meningioma", "✓ pituitary")
    before = describe(standin.scene)
    headers = [getattr(panel.ui, f"{step}Step").text for step in ("image", "segment", "model")]
    answer = panel.resultStep.kept.prediction
    save_mrb(standin.scene, tmp_path / "case.mrb")
    standin.scene.Clear()
    assert not panel.resultStep.kept
    load_mrb(standin.scene, tmp_path / "case.mrb")
    assert describe(standin.scene) == before
    assert [getattr(panel.ui, f"{step}Step").text for step in ("image", "segment", "model")] == headers
    assert panel.resultStep.kept.prediction == answer
    assert f"✓ {answer['predicted']}" == found


@pytest.mark.slow
def test_a_model_of_two_images_is_run_on_two_grids(
    panel: Any, standin: Any, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of the shipped model that ask for T1 as well; T1 is coarser and to the side, and only one resamples it."""
    import SimpleITK as sitk
    import slicer

    from FeatureExtractorLib.phantom import head_phantom
    from TumorClassifierLib.bundle import Bundle, read_bundle, write_bundle
    from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

    monkeypatch.setenv("TUMORCLASSIFIER_MODELS", str(tmp_path))
    shipped = read_bundle(repository / "TumorClassifier/Resources/Models/brain-t1c-3class.tcmodel")
    for name, reference in (("strict", ""), ("two", "T1C")):
        settings = {**shipped.manifest["settings"], "alignment": {"reference": reference, "register": "none"}}
        manifest = {**shipped.manifest, "name": name, "modalities": ["T1", "T1C"], "settings": settings}
        bundle = Bundle(manifest, shipped.documents, shipped.weights, shipped.card)
        write_bundle(bundle, tmp_path / f"{name}.tcmodel")
    panel.modelStep.read()
    panel.parameterNode.model = "strict"
    image, mask = head_phantom()
    coarse = sitk.Resample(
        image,
        [n // 2 for n in image.GetSize()],
        sitk.Transform(),
        sitk.sitkLinear,
        [x + 1.0 for x in image.GetOrigin()],
        [2 * s for s in image.GetSpacing()],
    )
    plain, enhanced = add_volume(slicer.mrmlScene, coarse, "t1"), add_volume(slicer.mrmlScene, image, "t1 gd")
    add_segmentation(slicer.mrmlScene, mask, enhanced, "outline")
    standin.process()
    assert panel.images() == {"T1": plain, "T1C": enhanced}
    assert panel.firstImage() is plain
    panel.ui.classifyButton.click()
    standin.wait(lambda: not panel.classifyStep.run.busy, 60)
    assert "differ in size" in panel.ui.classifyLabel.text
    assert state(panel, "classify") == "! failed"
    panel.parameterNode.model = "two"
    assert panel.firstImage() is enhanced  # on whose grid the outline is wanted
    panel.ui.classifyButton.click()
    standin.wait(lambda: not panel.classifyStep.run.busy, 60)
    assert panel.classifyStep._failure == ("", "")
    found = panel.resultStep.kept.prediction
    assert state(panel, "classify") == f"✓ {found['predicted']}"
    assert sum(found["probabilities"].values()) == pytest.approx(1.0)


@pytest.mark.slow
def test_cancelling_the_real_worker_ends_its_processes(panel: Any, standin: Any) -> None:
    add_case()
    panel.chooseMissing()
    panel.ui.classifyButton.click()
    process = panel.classifyStep.run._job._process
    standin.process(0.5)
    assert process.poll() is None
    panel.ui.classifyButton.click()
    standin.wait(lambda: not panel.classifyStep.run.busy, 20)
    assert process.poll() is not None
    assert state(panel, "classify") == "○ cancelled"
