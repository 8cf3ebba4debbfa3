"""Everything that a reader of a scene can see of it, as plain values: equal descriptions mean equal scenes.

Run as a program it opens a scene bundle in a process of its own: `python scene_description.py SCENE.mrb OUT.json`.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any


def describe(scene: Any) -> dict[str, Any]:
    """Volumes, segmentations, tables, texts, series, charts and markups by name, with their folders."""
    kinds = {
        "vtkMRMLScalarVolumeNode": _volume,
        "vtkMRMLSegmentationNode": _segmentation,
        "vtkMRMLTableNode": _table,
        "vtkMRMLTextNode": lambda node: {"text": node.GetText()},
        "vtkMRMLPlotSeriesNode": _series,
        "vtkMRMLPlotChartNode": _chart,
        "vtkMRMLColorLegendDisplayNode": _legend,
        "vtkMRMLMarkupsFiducialNode": _fiducials,
        "vtkMRMLMarkupsROINode": _box,
    }
    described = {}
    for kind, describe_one in kinds.items():
        for i in range(scene.GetNumberOfNodesByClass(kind)):
            node = scene.GetNthNodeByClass(i, kind)
            described[f"{kind} {node.GetName()}"] = {"in": _parents(scene, node), **describe_one(node)}
    return described


def _parents(scene: Any, node: Any) -> list[str]:
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item, names = hierarchy.GetItemByDataNode(node), []
    while item not in (hierarchy.GetInvalidItemID(), hierarchy.GetSceneItemID()):
        item = hierarchy.GetItemParent(item)
        names.append(hierarchy.GetItemName(item))
    return names


def _volume(node: Any) -> dict[str, Any]:
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    array = slicer.util.arrayFromVolume(node)
    display = node.GetDisplayNode()
    colours = display.GetColorNode()
    return {
        "voxels": [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()],
        "ijk_to_ras": [round(matrix.GetElement(i, j), 9) for i in range(4) for j in range(4)],
        "window": [display.GetAutoWindowLevel(), display.GetWindow(), display.GetLevel()],
        "threshold": [display.GetApplyThreshold(), display.GetLowerThreshold(), display.GetUpperThreshold()],
        "opacity": display.GetOpacity(),
        "colours": colours and [colours.GetName(), [_colour(colours, i) for i in range(colours.GetNumberOfColors())]],
    }


def _colour(colours: Any, i: int) -> list[float]:
    rgba = [0.0] * 4
    colours.GetColor(i, rgba)
    return [round(c, 6) for c in rgba]


def _segmentation(node: Any) -> dict[str, Any]:
    segmentation, segments = node.GetSegmentation(), {}
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        segments[segment_id] = {
            "name": segment.GetName(),
            "colour": [round(c, 4) for c in segment.GetColor()],
            "points": _points(node, segment_id),
        }
    return {"segments": segments, "fill": node.GetDisplayNode().GetVisibility2DFill()}


def _points(node: Any, segment_id: str) -> list[Any]:
    """How many voxels a segment has, and the mean and extremes of their positions (RAS, mm)."""
    import numpy as np
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    labelmap, matrix = slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
    node.GetBinaryLabelmapRepresentation(segment_id, labelmap)
    labelmap.GetImageToWorldMatrix(matrix)
    extent = labelmap.GetExtent()
    array = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(labelmap.GetDimensions()[::-1])
    ijk = np.argwhere(array)[:, ::-1] + extent[::2]
    to_world = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    points = ijk @ to_world[:3, :3].T + to_world[:3, 3]
    return [len(points), *(np.round(f(points, axis=0), 6).tolist() for f in (np.mean, np.min, np.max))]


def _table(node: Any) -> dict[str, Any]:
    table, columns = node.GetTable(), {}
    for i in range(table.GetNumberOfColumns()):
        column = table.GetColumn(i)
        name = column.GetName()
        columns[name] = {
            "type": column.GetDataTypeAsString(),
            "unit": node.GetColumnUnitLabel(name),
            "description": node.GetColumnDescription(name),
            "values": [column.GetValue(k) for k in range(column.GetNumberOfValues())],
        }
    return {"columns": columns, "description": node.GetDescription()}


def _series(node: Any) -> dict[str, Any]:
    return {
        "table": node.GetTableNode().GetName(),
        "columns": [node.GetXColumnName(), node.GetYColumnName(), node.GetLabelColumnName()],
        "style": [node.GetPlotTypeAsString(node.GetPlotType()), node.GetLineStyle(), node.GetMarkerStyle()],
        "marker_size": node.GetMarkerSize(),
        "colour": [round(c, 6) for c in node.GetColor()],
    }


def _chart(node: Any) -> dict[str, Any]:
    return {
        "title": node.GetTitle(),
        "axes": [node.GetXAxisTitle(), node.GetYAxisTitle(), node.GetYAxisRangeAuto(), list(node.GetYAxisRange())],
        "series": [node.GetNthPlotSeriesNode(i).GetName() for i in range(node.GetNumberOfPlotSeriesNodes())],
    }


def _legend(node: Any) -> dict[str, Any]:
    return {
        "title": node.GetTitleText(),
        "labels": [node.GetNumberOfLabels(), node.GetLabelFormat()],
        "place": [list(node.GetSize()), list(node.GetPosition())],
        "of": node.GetDisplayableNode().GetName(),
    }


def _fiducials(node: Any) -> dict[str, Any]:
    points = {}
    for i in range(node.GetNumberOfControlPoints()):
        position = [round(x, 3) for x in node.GetNthControlPointPositionWorld(i)]  # files keep three digits or more
        seen = node.GetNthControlPointVisibility(i)
        points[node.GetNthControlPointLabel(i)] = [position, seen, node.GetNthControlPointDescription(i)]
    return {"points": points, **_markup(node)}


def _box(node: Any) -> dict[str, Any]:
    matrix = node.GetObjectToNodeMatrix()
    axes = [round(matrix.GetElement(i, j), 3) for i in range(3) for j in range(3)]
    score = node.GetAttribute("TumorClassifier.Score")
    return {
        "place": [[round(x, 3) for x in given] for given in (node.GetCenter(), node.GetSize())],
        "axes": axes,
        "called": [node.GetAttribute("TumorClassifier.Class"), score],
        **_markup(node),
    }


def _markup(node: Any) -> dict[str, Any]:
    display, transform = node.GetDisplayNode(), node.GetParentTransformNode()
    return {
        "colour": [round(c, 4) for c in display.GetSelectedColor()],
        "under": transform and transform.GetName(),
        "style": [node.GetLocked(), display.GetGlyphTypeAsString(), round(display.GetFillOpacity(), 4)],
    }


def main(bundle: Path, out: Path) -> None:
    """Describe a bundle; fails when VTK complains while reading it."""
    from vtk_messages import captured

    from TumorClassifierLib.scene.headless import start
    from TumorClassifierLib.scene.storage import load_mrb

    scene = start().scene
    with captured() as window:
        load_mrb(scene, bundle)
    if window.GetOutput():
        sys.exit(window.GetOutput())
    out.write_text(json.dumps(describe(scene)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
