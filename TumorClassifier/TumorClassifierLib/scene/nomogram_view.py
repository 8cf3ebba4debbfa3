"""A nomogram as plot series, one an axis, so that it lives in the scene and is saved with it.

Slicer has no nomogram of its own. Here every axis is a row of the chart, the first on top; x is points, 0 to 100. The
total stands on the same width: its x is its share of the longest total, times 100.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .charts import Chart
from .tables import Column, add_table, as_stored

AXIS_COLOUR = (0.25, 0.25, 0.25)
PATIENT_COLOUR = (0.85, 0.15, 0.10)
WIDTH = 100.0
PIXEL_MM = 0.1  # a picture of 2000 pixels is as wide as a head


@dataclass(frozen=True)
class Axis:
    """One row: where its ticks stand (0 to 100) and what is written at them."""

    name: str
    positions: tuple[float, ...]
    ticks: tuple[str, ...]


def nomogram_chart(scene: Any, nomogram: Mapping[str, Any], points: Mapping[str, float] | None = None) -> Chart:
    """The chart of a nomogram's JSON form, with the patient's points marked where they are given.

    points: by axis name, with "total". The label of each mark, seen when pointing at it, is the tick's value.
    """
    axes = nomogram_axes(nomogram)
    columns = [column for row, axis in enumerate(axes) for column in _columns(axis, len(axes) - row, _longest(axes))]
    if points:
        columns += _columns_of_patient(nomogram, points, axes)
    table = add_table(scene, "Nomogram table", columns)
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Nomogram")
    series = [_add_series(scene, table, axis.name, AXIS_COLOUR) for axis in axes]
    if points:
        series.append(_add_series(scene, table, "This patient", PATIENT_COLOUR))
        series[-1].SetLineStyle(series[-1].LineStyleNone)
        series[-1].SetMarkerStyle(series[-1].MarkerStyleDiamond)
        series[-1].SetMarkerSize(14.0)
    for one in series:
        chart.AddAndObservePlotSeriesNodeID(one.GetID())
    chart.SetTitle("Nomogram: " + ", ".join(axis.name for axis in axes) + " (from top to bottom)")
    chart.SetXAxisTitle("Points")
    chart.SetYAxisTitleVisibility(False)
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(0.0, len(axes) + 1.0)
    return Chart(chart, tuple(series), table)


def nomogram_figure(scene: Any, nomogram: Mapping[str, Any], values: Mapping[str, float | str]) -> Any | None:
    """The printed form of a nomogram as a colour picture node, upright in the axial view; None without matplotlib.

    values: the patient's, by axis name; marked where every axis has one.
    """
    if find_spec("matplotlib") is None:
        return None
    import vtk

    from ..nomogram import Nomogram
    from ..nomogram_figure import draw_nomogram

    whole = all(axis["name"] in values for axis in nomogram["axes"])
    with TemporaryDirectory() as folder:
        path = draw_nomogram(Nomogram.from_json(nomogram), Path(folder) / "nomogram.png", values if whole else None)
        reader = vtk.vtkPNGReader()
        reader.SetFileName(str(path))
        colours = vtk.vtkImageExtractComponents()  # the figure is opaque
        colours.SetComponents(0, 1, 2)
        colours.SetInputConnection(reader.GetOutputPort())
        colours.Update()
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Nomogram (figure)")
    picture = vtk.vtkImageData()
    picture.DeepCopy(colours.GetOutput())
    picture.SetSpacing(1.0, 1.0, 1.0)
    node.SetAndObserveImageData(picture)
    node.SetIJKToRASDirections(-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    node.SetSpacing(PIXEL_MM, PIXEL_MM, PIXEL_MM)
    node.CreateDefaultDisplayNodes()
    return node


def nomogram_axes(nomogram: Mapping[str, Any]) -> list[Axis]:
    """Points, every variable, total points and probability, in the order in which a nomogram is read."""
    units = {term["name"]: term.get("unit", "") for term in nomogram["terms"]}
    scale = WIDTH / nomogram["total"]["ticks"][-1]
    axes = [_axis("Points", [10.0 * i for i in range(11)], [10.0 * i for i in range(11)])]
    for axis in nomogram["axes"]:
        axes.append(_axis(axis["name"], axis["points"], axis["ticks"], units.get(axis["name"], "")))
    totals = nomogram["total"]["ticks"]
    axes.append(_axis("Total points", [scale * total for total in totals], totals))
    probability = nomogram["probability"]
    if probability["ticks"]:
        positions = [scale * total for total in probability["totals"]]
        axes.append(_axis(nomogram.get("outcome", "Probability"), positions, probability["ticks"]))
    return axes


def _axis(name: str, positions: list[float], ticks: list[Any], unit: str = "") -> Axis:
    texts = [f"{tick:g} {unit}".strip() if isinstance(tick, int | float) else str(tick) for tick in ticks]
    return Axis(name, tuple(positions), tuple(texts))


def _longest(axes: list[Axis]) -> int:
    return max(len(axis.ticks) for axis in axes)


def _columns(axis: Axis, row: int, length: int) -> list[Column]:
    """x, y and label columns of one axis; its last tick is repeated, unseen, since columns must be equally long."""
    padding = length - len(axis.ticks)
    positions = [*axis.positions, *[axis.positions[-1]] * padding]
    return [
        Column(_x(axis.name), as_stored(positions), "points"),
        Column(_y(axis.name), [float(row)] * length),
        Column(_label(axis.name), [*axis.ticks, *[axis.ticks[-1]] * padding]),
    ]


def _columns_of_patient(nomogram: Mapping[str, Any], points: Mapping[str, float], axes: list[Axis]) -> list[Column]:
    """The patient's marks: a diamond on each variable's row and one on the total's."""
    row = {axis.name: len(axes) - i for i, axis in enumerate(axes)}
    scale = WIDTH / nomogram["total"]["ticks"][-1]
    marks = [(value, row[name], f"{value:.1f} points") for name, value in points.items() if name in row]
    if "total" in points:
        marks.append((scale * points["total"], row["Total points"], f"{points['total']:.1f} points in all"))
    marks += [marks[-1]] * (_longest(axes) - len(marks))
    return [
        Column(_x("This patient"), as_stored(mark[0] for mark in marks), "points"),
        Column(_y("This patient"), [float(mark[1]) for mark in marks]),
        Column(_label("This patient"), [mark[2] for mark in marks]),
    ]


def _add_series(scene: Any, table: Any, name: str, colour: tuple[float, float, float]) -> Any:
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeScatter)
    series.SetXColumnName(_x(name))
    series.SetYColumnName(_y(name))
    series.SetLabelColumnName(_label(name))
    series.SetLineStyle(series.LineStyleSolid)
    series.SetMarkerStyle(series.MarkerStyleSquare)
    series.SetMarkerSize(6.0)
    series.SetColor(*colour)
    return series


def _x(name: str) -> str:
    return f"{name}: points"


def _y(name: str) -> str:
    return f"{name}: row"


def _label(name: str) -> str:
    return f"{name}: tick"
