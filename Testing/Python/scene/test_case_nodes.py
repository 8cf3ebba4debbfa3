"""A case goes from nodes to files and its result back to nodes, and every voxel stays where it was."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import vtk
from scipy.spatial.transform import Rotation

from FeatureExtractorLib.case import same_geometry
from FeatureExtractorLib.errors import GeometryError, InputError
from FeatureExtractorLib.reading import read_case, read_image, read_mask, segments_of
from TumorClassifierLib.findings import DetectedBox, Findings
from TumorClassifierLib.result_files import read_result, write_result
from TumorClassifierLib.results import ClassificationResult
from TumorClassifierLib.scene.case_nodes import show_in_scene, tumour_segment, write_case
from TumorClassifierLib.scene.volumes import add_segment, add_segmentation, add_volume, image_of, linear_between

OBLIQUE = Rotation.from_euler("xyz", [17, -23, 41], degrees=True).as_matrix()
GRIDS = {
    "axis-aligned": np.eye(3),
    "oblique": OBLIQUE,
    "flipped": np.diag([1.0, -1.0, -1.0]),
    "left-handed": OBLIQUE @ np.diag([1.0, -1.0, 1.0]),
}
SPACING = (0.7, 1.1, 3.3)
SIZE = (15, 12, 9)
MARK = (11, 3, 7)  # x, y, z
PREDICTION = {
    "case": "made",
    "classes": ["low", "high"],
    "positive": "high",
    "probabilities": {"low": 0.2, "high": 0.8},
    "predicted": "high",
}


def marked(direction: np.ndarray) -> tuple[sitk.Image, sitk.Image]:
    """An image of noise with one bright voxel, and a mask of that voxel and its neighbour."""
    values = np.random.default_rng(0).normal(100, 5, SIZE[::-1]).astype(np.float32)
    values[MARK[::-1]] = 1000.0
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[MARK[2], MARK[1], MARK[0] : MARK[0] + 2] = 1
    images = [sitk.GetImageFromArray(array) for array in (values, mask)]
    for image in images:
        image.SetSpacing(SPACING)
        image.SetOrigin((-12.5, 30.25, 7.125))
        image.SetDirection(direction.ravel().tolist())
    return images[0], images[1]


def place_of_brightest(node: Any) -> np.ndarray:
    """Where the brightest voxel of a volume node lies in the world (RAS, mm), transforms included."""
    image = image_of(node)
    z, y, x = np.unravel_index(sitk.GetArrayViewFromImage(image).argmax(), image.GetSize()[::-1])
    lps = image.TransformIndexToPhysicalPoint((int(x), int(y), int(z)))
    world = [0.0, 0.0, 0.0]
    node.TransformPointToWorld([-lps[0], -lps[1], lps[2]], world)
    return np.array(world)


def moved_by(scene: Any, name: str, angles: tuple[float, float, float], by: tuple[float, float, float]) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    values = np.eye(4)
    values[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    values[:3, 3] = by
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(values.ravel().tolist())
    node.SetMatrixTransformToParent(matrix)
    return node


def as_seen(image: sitk.Image, transform: Any) -> sitk.Image:
    """The image with the geometry that it has in the world under a transform."""
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToParent(matrix)
    values = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    values = to_lps @ values @ to_lps
    seen = sitk.Image(image)
    seen.SetDirection((values[:3, :3] @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    seen.SetOrigin((values[:3, :3] @ image.GetOrigin() + values[:3, 3]).tolist())
    return seen


@pytest.mark.parametrize("direction", GRIDS.values(), ids=GRIDS)
def test_what_is_written_is_what_the_scene_holds(scene: Any, tmp_path: Path, direction: np.ndarray) -> None:
    image, mask = marked(direction)
    volume = add_volume(scene, image, "Doe^Jane 1950-01-01")
    outline = add_segmentation(scene, mask, volume, "Jane's outline", "whole\ntumour")
    segment_id = outline.GetSegmentation().GetNthSegmentID(0)
    parts = write_case({"T1 C/é": volume}, outline, segment_id, tmp_path / "case")
    assert list(parts["images"]) == ["T1 C/é"] and parts["segment"] == "whole tumour"
    names = sorted(path.name for path in (tmp_path / "case").iterdir())
    assert names == ["image_1_T1_C__.nrrd", "mask.nrrd"]
    assert [segment.name for segment in segments_of(Path(parts["mask"]))] == ["whole tumour"]
    written, drawn = read_image(Path(parts["images"]["T1 C/é"])), read_mask(Path(parts["mask"]), "whole tumour")
    assert same_geometry(written, drawn)
    array = sitk.GetArrayFromImage(written)
    assert array.dtype == np.float32
    z, y, x = (int(i) for i in np.unravel_index(array.argmax(), array.shape))
    assert sitk.GetArrayViewFromImage(drawn)[z, y, x] == 1
    there = written.TransformIndexToPhysicalPoint((x, y, z))
    np.testing.assert_allclose(there, image.TransformIndexToPhysicalPoint(MARK), atol=1e-9)


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("direction", GRIDS.values(), ids=GRIDS)
def test_the_map_lies_where_the_voxel_was_marked(
    scene: Any, tmp_path: Path, direction: np.ndarray, away: bool
) -> None:
    """A transform above the image, none or another above the outline: the map's peak is on the bright voxel."""
    image, mask = marked(direction)
    volume = add_volume(scene, image, "image")
    volume.SetAndObserveTransformNodeID(moved_by(scene, "moved", (10, 20, -30), (5, -40, 12)).GetID())
    # Drawn over the image where it is seen, in the world, and then moved away from there with a way back.
    drawn = as_seen(mask, volume.GetParentTransformNode())
    outline = add_segmentation(scene, drawn, add_volume(scene, drawn, "seen"), "outline")
    if away:
        back = moved_by(scene, "away", (-35, 5, 60), (100, 2, 3))
        back.Inverse()
        drawn = as_seen(drawn, back)
        back.Inverse()
        outline = add_segmentation(scene, drawn, add_volume(scene, drawn, "seen"), "outline")
        outline.SetAndObserveTransformNodeID(back.GetID())
    before = scene.GetNumberOfNodes()
    parts = write_case({"T1C": volume}, outline, outline.GetSegmentation().GetNthSegmentID(0), tmp_path / "case")
    assert scene.GetNumberOfNodes() == before
    case = read_case({"T1C": Path(parts["images"]["T1C"])}, Path(parts["mask"]), segment=parts["segment"])
    tumour = sitk.GetArrayViewFromImage(case.required_mask())
    assert tumour.sum() == 2
    bright = sitk.GetArrayFromImage(case.image("T1C"))
    assert tumour[np.unravel_index(bright.argmax(), bright.shape)] == 1

    cam = sitk.GetImageFromArray((bright / bright.max()).astype(np.float32))
    cam.CopyInformation(case.image("T1C"))
    lying = tuple(map(float, case.image("T1C").TransformIndexToPhysicalPoint((0, 0, 0))))
    box = DetectedBox(lying, (2.0, 2.0, 2.0), "high", 0.9)
    result = ClassificationResult(PREDICTION, cam, {}, {}, {"T1C.a": 1.0, "T1C.b": float("nan")}, Findings((box,)))
    write_result(result, tmp_path / "out")
    shown, read = show_in_scene(tmp_path / "out", volume, outline)
    assert read.prediction["predicted"] == "high" and np.isnan(read.features["T1C.b"])
    np.testing.assert_allclose(place_of_brightest(shown.cam), place_of_brightest(volume), atol=1e-6)
    (roi,) = shown.evidence
    assert roi.GetParentTransformNode() is volume.GetParentTransformNode()


def test_what_stands_under_another_linear_transform_is_written_as_it_lies(scene: Any, tmp_path: Path) -> None:
    image, mask = marked(OBLIQUE)
    first, second = add_volume(scene, image, "first"), add_volume(scene, image, "second")
    second.SetAndObserveTransformNodeID(moved_by(scene, "moved", (0, 0, 90), (3.0, 0.0, 0.0)).GetID())
    kept = image_of(second)
    parts = write_case({"T1C": first, "T2": second}, None, "", tmp_path / "case")
    assert parts["mask"] is None
    found = read_image(Path(parts["images"]["T2"]))
    at = found.TransformIndexToPhysicalPoint(MARK)
    np.testing.assert_allclose([-at[0], -at[1], at[2]], place_of_brightest(second), atol=1e-6)
    assert same_geometry(image_of(second), kept)
    np.testing.assert_allclose(linear_between(second, first), np.linalg.inv(linear_between(first, second)), atol=1e-12)

    outline = add_segmentation(scene, mask, first, "drawn on the first")
    segment_id = outline.GetSegmentation().GetNthSegmentID(0)
    outline.SetAndObserveTransformNodeID(second.GetTransformNodeID())
    first.SetAndObserveTransformNodeID(None)
    with pytest.raises(GeometryError, match="outside first|lies outside"):
        away = moved_by(scene, "far away", (0, 0, 0), (500.0, 0.0, 0.0))
        outline.SetAndObserveTransformNodeID(away.GetID())
        write_case({"T1C": first}, outline, segment_id, tmp_path / "away")


def test_what_cannot_be_written_is_refused_in_a_sentence(scene: Any, tmp_path: Path) -> None:
    image, mask = marked(np.eye(3))
    volume = add_volume(scene, image, "image")
    outline = add_segmentation(scene, mask, volume, "outline")
    segment_id = outline.GetSegmentation().GetNthSegmentID(0)
    with pytest.raises(InputError, match="No image is chosen"):
        write_case({}, None, "", tmp_path)
    bent = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "bent")
    outline.SetAndObserveTransformNodeID(bent.GetID())
    with pytest.raises(GeometryError, match="bent is not linear; harden it"):
        write_case({"T1C": volume}, outline, segment_id, tmp_path)
    flat = moved_by(scene, "flat", (0, 0, 0), (0.0, 0.0, 0.0))
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 2, 0.0)
    flat.SetMatrixTransformToParent(matrix)
    outline.SetAndObserveTransformNodeID(flat.GetID())
    with pytest.raises(GeometryError, match="leaves nothing of its space"):
        write_case({"T1C": volume}, outline, segment_id, tmp_path)
    sheared = vtk.vtkMatrix4x4()
    sheared.SetElement(0, 1, 0.3)
    flat.SetMatrixTransformToParent(sheared)
    other = add_volume(scene, image, "other")
    other.SetAndObserveTransformNodeID(flat.GetID())
    with pytest.raises(InputError, match="slanted axes"):
        write_case({"T1C": volume, "T2": other}, None, "", tmp_path)
    scene.RemoveNode(volume)
    write_result(ClassificationResult(PREDICTION, None, {}, {}, {}), tmp_path / "out")
    with pytest.raises(InputError, match="no longer in the scene"):
        show_in_scene(tmp_path / "out", volume)


def test_a_result_survives_the_files_and_damage_is_told(tmp_path: Path) -> None:
    image, _ = marked(OBLIQUE)
    cam = sitk.Cast(image / 1000.0, sitk.sitkFloat32)
    nomogram = {"intercept": 1.0, "terms": []}
    result = ClassificationResult(PREDICTION, cam, {"high": nomogram}, {"high": {"age": 3.0}}, {"T1C.x": 0.1})
    write_result(result, tmp_path)
    read = read_result(tmp_path)
    assert read.prediction == PREDICTION and read.nomogram == nomogram and read.values == {"age": 3.0}
    assert read.features == {"T1C.x": 0.1} and read.findings == Findings()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read.cam), sitk.GetArrayFromImage(cam))
    write_result(replace(result, cam=None), tmp_path)
    assert read_result(tmp_path).cam is None
    (tmp_path / "nomogram.json").write_text("{}")
    with pytest.raises(InputError, match="does not hold a whole result.*nomograms"):
        read_result(tmp_path)
    (tmp_path / "findings.json").write_text('{"a": NaN}')
    with pytest.raises(InputError, match="findings.json cannot be read"):
        read_result(tmp_path)
    (tmp_path / "prediction.json").unlink()
    with pytest.raises(InputError, match="prediction.json is missing"):
        read_result(tmp_path)


def test_the_tumour_is_found_by_terminology_then_by_name_then_alone(scene: Any) -> None:
    image, mask = marked(np.eye(3))
    volume = add_volume(scene, image, "image")
    assert tumour_segment(None) == ""
    node = add_segmentation(scene, mask, volume, "outline", "Region 1")
    segmentation = node.GetSegmentation()
    first = segmentation.GetNthSegmentID(0)
    assert tumour_segment(node) == first  # the only one
    second = add_segment(node, mask, "Brain")
    assert tumour_segment(node) == ""
    oedema = add_segment(node, mask, "peritumoral edema")
    assert tumour_segment(node) == ""
    lesion = add_segment(node, mask, "Old LESION")
    assert tumour_segment(node) == lesion
    core = add_segment(node, mask, "Tumor core")
    assert tumour_segment(node) == core
    whole = add_segment(node, mask, "WHOLE TUMOUR")
    assert tumour_segment(node) == whole

    def called(segment_id: str, code: str, meaning: str) -> None:
        segment = segmentation.GetSegment(segment_id)
        entry = f"list~SCT^49755003^Morphologically Altered Structure~SCT^{code}^{meaning}~^^~body~^^~^^"
        segment.SetTag(segment.GetTerminologyEntryTagName(), entry)

    called(oedema, "79654002", "Edema")
    assert tumour_segment(node) == whole
    called(second, "4147007", "Mass")
    assert tumour_segment(node) == second
    called(first, "108369006", "Neoplasm")
    assert tumour_segment(node) == first
