"""Charts of a prediction: the probability of each class and the points of each nomogram axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .tables import Column, add_table, as_stored

BAR_COLOUR = (0.16, 0.44, 0.72)


@dataclass(frozen=True)
class Chart:
    """A chart with the series and the table that it draws."""

    chart: Any
    series: tuple[Any, ...]
    table: Any

    @property
    def nodes(self) -> tuple[Any, ...]:
        """Every node of the chart."""
        return (self.chart, *self.series, self.table)


def probability_chart(scene: Any, prediction: Mapping[str, Any]) -> Chart:
    """A bar for the probability of each class, from 0 to 1."""
    probabilities = prediction["probabilities"]
    made = _bar_chart(
        scene, "Class probabilities", list(probabilities), list(probabilities.values()), "Probability", ""
    )
    made.chart.SetYAxisRangeAuto(False)
    made.chart.SetYAxisRange(0.0, 1.0)
    return made


def points_chart(scene: Any, prediction: Mapping[str, Any]) -> Chart:
    """A bar for the points that each nomogram axis gives this patient; the total is left to the title."""
    points = dict(prediction["nomogram_points"])
    total = points.pop("total", sum(points.values()))
    made = _bar_chart(scene, "Nomogram points", list(points), list(points.values()), "Points", "points")
    made.chart.SetTitle(f"Nomogram points, {total:.0f} in all")
    return made


def _bar_chart(
    scene: Any, title: str, labels: Sequence[str], values: Sequence[float], quantity: str, unit: str
) -> Chart:
    table = add_table(scene, f"{title} table", [Column("Label", labels), Column(quantity, as_stored(values), unit)])
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", quantity)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeBar)
    series.SetLabelColumnName("Label")
    series.SetYColumnName(quantity)
    series.SetColor(*BAR_COLOUR)
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", title)
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(title)
    chart.SetYAxisTitle(quantity)
    chart.SetXAxisTitleVisibility(False)
    chart.SetLegendVisibility(False)
    return Chart(chart, (series,), table)
