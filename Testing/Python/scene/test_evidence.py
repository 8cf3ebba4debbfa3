"""Focal point, boxes, slices and embedding in the scene, saved, and opened again in another process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.explain.focus import focus_of
from TumorClassifierLib.findings import DetectedBox, Embedding, Findings, Slices
from TumorClassifierLib.results import ClassificationResult
from TumorClassifierLib.scene.case_charts import embedding_chart, slice_chart
from TumorClassifierLib.scene.explanation import Evidence, add_evidence, evidence_of
from TumorClassifierLib.scene.hierarchy import parent_name
from TumorClassifierLib.scene.markups import add_boxes, add_focus
from TumorClassifierLib.scene.results import show_result
from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

PREDICTION = {
    "case": {"case_id": "brain1"},
    "classes": ["low", "high"],
    "positive": "high",
    "probabilities": {"low": 0.25, "high": 0.75},
    "predicted": "high",
    "threshold": 0.5,
    "scores": {},
    "nomogram_points": {},
    "interval": None,
    "warnings": [],
    "provenance": {"seconds": {}},
}
POINTS = np.array([[0.5, -1.25], [2.0, 3.0], [-4.0, 0.125]])
LABELS, NAMES = ("low", "high", "low"), ("case 7", "case 12", "Ä-3")


def turned(spacing: tuple[float, float, float] = (0.7, 0.9, 2.5)) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """An oblique image, a tumour in it and a map that points to a known voxel: index (9, 6, 4)."""
    grid = np.indices((10, 16, 20))
    array = np.zeros((10, 16, 20), np.float32)
    array[4, 6, 9] = 1.0
    array[4, 6, 10] = 0.5
    mask = (((grid - np.array([5, 8, 9])[:, None, None, None]) ** 2).sum(0) < 12).astype(np.uint8)
    images = [sitk.GetImageFromArray(a) for a in (np.float32(grid[2]), mask, array)]
    for image in images:
        image.SetSpacing(spacing)
        image.SetOrigin((12.0, -30.0, 44.0))
        image.SetDirection(Rotation.from_rotvec([0.2, -0.5, 0.3]).as_matrix().ravel().tolist())
    return images[0], images[1], images[2]


def box_of(image: sitk.Image, label: str = "high", score: float = 0.875) -> DetectedBox:
    """Around the voxels 4…9, 5…8, 3…4, faces included."""
    axes = tuple(tuple(row) for row in np.reshape(image.GetDirection(), (3, 3)).tolist())
    size = np.array([6, 4, 2]) * image.GetSpacing()
    centre = image.TransformContinuousIndexToPhysicalPoint((6.5, 6.5, 3.5))
    return DetectedBox(centre, tuple(size.tolist()), label, score, axes)


def all_evidence(image: sitk.Image, mask: sitk.Image, cam: sitk.Image) -> Evidence:
    boxes = [box_of(image), box_of(image, "low", 0.25)]
    slices = Slices([7.5, 2.5, 5.0], {"low": [0.5, 0.9, 0.7], "high": [0.5, 0.1, 0.3]})
    return Evidence(focus_of(cam, mask), boxes, slices, Embedding(POINTS, LABELS, NAMES, (1.0, 1.5)))


def test_evidence_survives_saving_and_opening_in_another_process(scene: Any, tmp_path: Path, repository: Path) -> None:
    from scene_description import describe

    from TumorClassifierLib.scene.storage import save_mrb

    image, mask, cam = turned()
    volume = add_volume(scene, image, "made")
    segmentation = add_segmentation(scene, mask, volume, "outline")
    shown = show_result(scene, volume, segmentation, PREDICTION, cam, None, all_evidence(image, mask, cam))
    assert {parent_name(scene, node) for node in shown.nodes} == {"made: high"}
    assert len(shown.evidence) == 1 + 2 + (1 + 2 + 1) + (1 + 3 + 3)
    bundle, out = tmp_path / "made.mrb", tmp_path / "description.json"
    save_mrb(scene, bundle)

    program = repository / "Testing" / "Standin" / "scene_description.py"
    done = subprocess.run(
        [sys.executable, str(program), str(bundle), str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    opened, saved = json.loads(out.read_text(encoding="utf-8")), json.loads(json.dumps(describe(scene)))
    assert opened.keys() == saved.keys()
    assert {"vtkMRMLMarkupsFiducialNode Focal point", "vtkMRMLMarkupsROINode high 0.88"} <= saved.keys()
    for name in saved:
        assert opened[name] == saved[name], name


def test_focal_point_stands_on_the_maps_brightest_voxel(scene: Any) -> None:
    image, mask, cam = turned()
    volume = add_volume(scene, image, "made")
    focus = focus_of(cam, mask)
    assert focus is not None
    node = add_focus(scene, focus, volume)
    lps = np.array(node.GetNthControlPointPositionWorld(0)) * (-1, -1, 1)
    assert image.TransformPhysicalPointToIndex(lps.tolist()) == (9, 6, 4)
    between = np.array(node.GetNthControlPointPositionWorld(1)) * (-1, -1, 1)
    index = image.TransformPhysicalPointToContinuousIndex(between.tolist())
    assert index == pytest.approx((9 + 1 / 3, 6, 4), abs=1e-6)
    assert f"{focus['peak']['to_centre_mm']:.1f} mm from the tumour's centre" in node.GetNthControlPointDescription(0)
    assert "inside" in node.GetNthControlPointDescription(0)


def test_a_box_holds_the_voxels_that_it_was_made_of(scene: Any) -> None:
    """VTK's own test of inside and outside, for every voxel, in an image that stands askew."""
    image, _, _ = turned()
    volume = add_volume(scene, image, "made")
    (node,) = add_boxes(scene, [box_of(image)], volume)
    inside = []
    for index in np.ndindex(*image.GetSize()):
        lps = image.TransformIndexToPhysicalPoint([int(i) for i in index])
        if node.IsPointInROIWorld([-lps[0], -lps[1], lps[2]]):
            inside.append(index)
    assert inside == [(i, j, k) for i in range(4, 10) for j in range(5, 9) for k in range(3, 5)]
    assert (node.GetName(), node.GetAttribute("TumorClassifier.Class")) == ("high 0.88", "high")
    assert float(node.GetAttribute("TumorClassifier.Score")) == 0.875


def test_axes_of_the_other_hand_are_the_same_box(scene: Any) -> None:
    image, _, _ = turned()
    volume = add_volume(scene, image, "made")
    box = box_of(image)
    flipped = tuple((row[0], row[1], -row[2]) for row in box.axes)
    one, other = add_boxes(scene, [box, DetectedBox(box.centre, box.size, "high", 0.5, flipped)], volume)
    corners = [np.zeros(6), np.zeros(6)]
    for node, bounds in zip((one, other), corners, strict=True):
        node.GetBounds(bounds)
        matrix = node.GetObjectToNodeMatrix()
        assert matrix.Determinant() == pytest.approx(1.0)
    np.testing.assert_allclose(*corners, atol=1e-6)


def test_markups_stand_under_the_images_transform(scene: Any) -> None:
    image, mask, cam = turned()
    volume = add_volume(scene, image, "made")
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    focus = focus_of(cam, mask)
    assert focus is not None
    nodes = [add_focus(scene, focus, volume), *add_boxes(scene, [box_of(image)], volume)]
    assert {node.GetTransformNodeID() for node in nodes} == {transform.GetID()}


def test_slices_are_drawn_in_order_of_their_position(scene: Any) -> None:
    chart = slice_chart(scene, [7.5, 2.5, 5.0], {"low": [0.5, 0.9, 0.7], "high": [0.5, 0.1, 0.3]})
    table = chart.table.GetTable()
    columns = {table.GetColumnName(c): [table.GetColumn(c).GetValue(i) for i in range(3)] for c in range(3)}
    assert columns == {
        "Position": [2.5, 5.0, 7.5],
        "Probability of low": [0.9, 0.7, 0.5],
        "Probability of high": [0.1, 0.3, 0.5],
    }
    assert chart.table.GetColumnUnitLabel("Position") == "mm"
    for series, label in zip(chart.series, ("low", "high"), strict=True):
        assert (series.GetXColumnName(), series.GetYColumnName()) == ("Position", f"Probability of {label}")
        assert series.GetLineStyle() == series.LineStyleSolid
    assert chart.chart.GetXAxisTitle() == "Slice position (mm)"
    assert tuple(chart.chart.GetYAxisRange()) == (0.0, 1.0)


def test_points_of_the_embedding_carry_their_cases_names(scene: Any) -> None:
    scatter = embedding_chart(scene, POINTS, LABELS, NAMES, (1.0, 1.5))
    found = {}
    for series, table in zip(scatter.series, scatter.tables, strict=True):
        assert series.GetTableNode() is table
        assert series.GetPlotType() == series.PlotTypeScatter
        assert series.GetLineStyle() == series.LineStyleNone
        columns = table.GetTable()
        names = columns.GetColumnByName(series.GetLabelColumnName())
        x, y = (columns.GetColumnByName(c) for c in (series.GetXColumnName(), series.GetYColumnName()))
        for i in range(columns.GetNumberOfRows()):
            found[names.GetValue(i)] = (series.GetName(), x.GetValue(i), y.GetValue(i))
    assert found == {
        "case 7": ("low", 0.5, -1.25),
        "Ä-3": ("low", -4.0, 0.125),
        "case 12": ("high", 2.0, 3.0),
        "This case": ("This case", 1.0, 1.5),
    }
    assert scatter.chart.GetNumberOfPlotSeriesNodes() == 3
    assert len({tuple(series.GetColor()) for series in scatter.series}) == 3


def test_without_evidence_nothing_is_added(scene: Any) -> None:
    image, _, _ = turned()
    volume = add_volume(scene, image, "made")
    before = scene.GetNumberOfNodes()
    assert add_evidence(scene, Evidence(), volume) == ()
    bare = ClassificationResult(PREDICTION, None, {}, {}, {})
    assert add_evidence(scene, evidence_of(bare), volume) == ()
    assert scene.GetNumberOfNodes() == before


def test_evidence_is_what_the_result_says() -> None:
    image, mask, cam = turned()
    slices = Slices((7.5, 2.5), {"low": (0.5, 0.9), "high": (0.5, 0.1)})
    lying = Embedding(((0.5, -1.25), (2.0, 3.0)), ("low", "high"), ("case 7", "Ä-3"), (1.0, 1.5))
    found = Findings((box_of(image),), slices, lying)
    focus = focus_of(cam, mask)
    result = ClassificationResult({**PREDICTION, "focus": focus}, cam, {}, {}, {}, found)
    assert evidence_of(result) == Evidence(focus, (box_of(image),), slices, lying)
    again = Findings.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    assert Findings.from_json(json.loads(json.dumps(Findings().to_json()))) == Findings()


def test_what_cannot_be_drawn_is_refused(scene: Any) -> None:
    with pytest.raises(InputError, match="2 values for 3 slices"):
        slice_chart(scene, [1.0, 2.0, 3.0], {"low": [0.5, 0.5]})
    with pytest.raises(InputError, match="no class"):
        slice_chart(scene, [1.0], {})
    with pytest.raises(InputError, match="a name a case"):
        embedding_chart(scene, POINTS, LABELS, NAMES[:2])
    with pytest.raises(InputError, match="not finite"):
        embedding_chart(scene, POINTS * np.nan, LABELS, NAMES)
    with pytest.raises(InputError, match="lengths above 0"):
        DetectedBox((0.0, 0.0, 0.0), (1.0, 0.0, 2.0), "high", 0.5)
    with pytest.raises(InputError, match="right angles"):
        DetectedBox((0.0, 0.0, 0.0), (1.0, 1.0, 2.0), "high", 0.5, ((1.0, 1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
