"""Charts of what a network says slice by slice, and of where a case lies among others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from .charts import Chart
from .tables import Column, add_table, as_stored

COLOURS = (
    (0.0, 0.447, 0.698),
    (0.835, 0.369, 0.0),
    (0.0, 0.62, 0.451),
    (0.8, 0.475, 0.655),
    (0.902, 0.624, 0.0),
    (0.337, 0.706, 0.914),
)  # Okabe & Ito, for all eyes
POSITION = "Position"
CASE, FIRST, SECOND = "Case", "Axis 1", "Axis 2"
THIS_CASE = "This case"


@dataclass(frozen=True)
class Scatter:
    """A chart with a series and a table for each kind of points."""

    chart: Any
    series: tuple[Any, ...]
    tables: tuple[Any, ...]

    @property
    def nodes(self) -> tuple[Any, ...]:
        """Every node of the chart."""
        return (self.chart, *self.series, *self.tables)


def slice_chart(scene: Any, positions_mm: Sequence[float], probabilities: Mapping[str, Sequence[float]]) -> Chart:
    """A line a class: its probability in each slice, over the slices' positions in mm.

    Raises InputError when a class has not as many values as there are slices, or there is no class.
    """
    for label, values in probabilities.items():
        if len(values) != len(positions_mm):
            raise InputError(f"{label} has {len(values)} values for {len(positions_mm)} slices; give one a slice.")
    if not probabilities:
        raise InputError("There is no class to draw slice by slice; give the probabilities of one or more.")
    order = np.argsort(np.asarray(positions_mm, dtype=np.float64), kind="stable")
    columns = [Column(POSITION, as_stored(np.asarray(positions_mm)[order].tolist()), "mm", "of the slice")]
    for label, values in probabilities.items():
        stored = as_stored(np.asarray(values, dtype=np.float64)[order].tolist())
        columns.append(Column(f"Probability of {label}", stored, "", "in this slice alone"))
    table = add_table(scene, "Probability by slice table", columns)
    series = []
    for k, label in enumerate(probabilities):
        column = f"Probability of {label}"
        one = _series(scene, column, table, POSITION, column, k)
        one.SetPlotType(one.PlotTypeScatter)  # of numbers on both axes; the line is the series' style
        one.SetLineStyle(one.LineStyleSolid)
        one.SetMarkerStyle(one.MarkerStyleCircle)
        series.append(one)
    chart = _chart(scene, "Probability by slice", "Slice position (mm)", "Probability", series)
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(0.0, 1.0)
    chart.SetLegendVisibility(len(series) > 1)
    return Chart(chart, tuple(series), table)


def embedding_chart(
    scene: Any,
    points: np.ndarray,
    labels: Sequence[str],
    names: Sequence[str],
    case: tuple[float, float] | None = None,
    title: str = "Cases by what the network sees",
) -> Scatter:
    """A point a case, a colour a class, each carrying its case's name; and where this case lies, as a cross.

    points: (n, 2), from t-SNE for instance. labels, names: (n,) classes and case names. case: this case's point.
    Raises InputError when their lengths differ or a point is not finite.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.shape != (len(labels), 2) or len(names) != len(labels):
        raise InputError(
            f"The chart got points of the shape {points.shape}, {len(labels)} classes and {len(names)} names; "
            "give two numbers, a class and a name a case."
        )
    if not np.isfinite(points).all():
        raise InputError("A case's point is not finite; leave it out.")
    series, tables = [], []
    for k, label in enumerate(dict.fromkeys(labels)):
        own = [i for i, given in enumerate(labels) if given == label]
        one, table = _points(scene, label, points[own], [names[i] for i in own], k)
        one.SetMarkerStyle(one.MarkerStyleCircle)
        series.append(one)
        tables.append(table)
    if case is not None:
        one, table = _points(scene, THIS_CASE, np.array([case]), [THIS_CASE], 0)
        one.SetColor(0.0, 0.0, 0.0)
        one.SetMarkerStyle(one.MarkerStyleCross)
        one.SetMarkerSize(14)
        series.append(one)
        tables.append(table)
    return Scatter(_chart(scene, title, FIRST, SECOND, series), tuple(series), tuple(tables))


def _points(scene: Any, label: str, xy: np.ndarray, cases: Sequence[str], colour: int) -> tuple[Any, Any]:
    columns = [Column(CASE, cases)] + [
        Column(name, as_stored(xy[:, axis].tolist())) for axis, name in enumerate((FIRST, SECOND))
    ]
    table = add_table(scene, f"Cases: {label}", columns)
    series = _series(scene, label, table, FIRST, SECOND, colour)
    series.SetPlotType(series.PlotTypeScatter)
    series.SetLineStyle(series.LineStyleNone)
    series.SetMarkerSize(8)
    series.SetLabelColumnName(CASE)
    return series, table


def _series(scene: Any, name: str, table: Any, x: str, y: str, colour: int) -> Any:
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(x)
    series.SetYColumnName(y)
    series.SetColor(*COLOURS[colour % len(COLOURS)])
    return series


def _chart(scene: Any, title: str, x: str, y: str, series: Sequence[Any]) -> Any:
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", title)
    for one in series:
        chart.AddAndObservePlotSeriesNodeID(one.GetID())
    chart.SetTitle(title)
    chart.SetXAxisTitle(x)
    chart.SetYAxisTitle(y)
    return chart
