"""What was measured, in the scene: a table beside the image, the whole result as text, and charts of features."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.table import KEY_COLUMNS, FeatureTable
from TumorClassifierLib.scene.charts import Chart
from TumorClassifierLib.scene.feature_units import feature_unit
from TumorClassifierLib.scene.hierarchy import place_beside
from TumorClassifierLib.scene.tables import Column, add_table, as_stored

from .columns import extra_columns
from .feature_names import parse_feature
from .measured import Measured
from .results import Result, text_of

MOST_BARS = 24
LABEL = "Feature"


def add_feature_table(scene: Any, volume_node: Any | None, measured: Measured) -> Any:
    """A table node, beside the image where there is one: what each row is, and a column of numbers for every segment.

    A segment that failed has an empty column that says why; the reasons are in the table's description too.
    """
    names = [parse_feature(name) for name in measured.names]
    columns = [Column("Name", [name.full for name in names])]
    if len({name.image for name in names}) > 1:
        columns.append(Column("Image", [name.image for name in names]))
    columns += [
        Column("Image type", [name.image_type for name in names]),
        Column("Class", [name.family for name in names]),
        Column("Feature", [name.feature for name in names]),
        Column("Unit", [feature_unit(name.full.partition(".")[2] or name.full) for name in names]),
    ]
    titles = measured.titles()
    for segment in measured.segments:
        values = [segment.features.get(name.full, float("nan")) for name in names]
        columns.append(Column(titles[segment.key], values, description=segment.error or measured.note))
    columns += [Column(extra.title, extra.values, extra.unit, extra.meaning) for extra in extra_columns(measured)]
    table = add_table(scene, scene.GenerateUniqueName(_name(volume_node, measured)), columns)
    reasons = [f"{titles[segment.key]}: {segment.error}" for segment in measured.failed]
    table.SetDescription("\n".join([measured.note, *reasons]))
    if volume_node is not None:
        place_beside(scene, table, volume_node)
    return table


def add_result_text(scene: Any, volume_node: Any | None, result: Result) -> Any:
    """A text node with every digit, the settings and the reasons; a table's file keeps six digits."""
    name = scene.GenerateUniqueName(f"{_name(volume_node, result)} (JSON)")
    node = scene.AddNewNodeByClass("vtkMRMLTextNode", name)
    node.SetText(text_of(result))
    if volume_node is not None:
        place_beside(scene, node, volume_node)
    return node


def add_file_table(scene: Any, features: FeatureTable, name: str) -> Any:
    """A table node of a feature table that was written to a file: a row a case and segment, a column a feature."""
    keys = zip(*features.keys, strict=True)
    columns = [Column(title, list(values)) for title, values in zip(KEY_COLUMNS, keys, strict=True)]
    columns += [Column(title, features.values[:, j].tolist()) for j, title in enumerate(features.names)]
    return add_table(scene, scene.GenerateUniqueName(name), columns)


def add_feature_chart(scene: Any, neighbour: Any | None, measured: Measured, names: Sequence[str]) -> Chart:
    """Bars of some features, a colour a segment, in a chart beside `neighbour`.

    One feature is drawn in its own unit. Several have different units, so each is drawn as a share of the largest
    segment's value. Raises InputError for no feature, too many, or none that is a number anywhere.
    """
    segments = measured.succeeded
    if not names or len(names) > MOST_BARS:
        raise InputError(f"{len(names)} features cannot be drawn as bars; choose between 1 and {MOST_BARS}.")
    values = {segment.key: [segment.features.get(name, float("nan")) for name in names] for segment in segments}
    alone = len(names) == 1
    shown = values if alone else _shares(values)
    if not any(number == number for numbers in shown.values() for number in numbers):
        raise InputError("The chosen features are not numbers in any segment; choose others.")
    short = names[0].partition(".")[2] or names[0]
    unit = feature_unit(short) if alone else ""
    title = names[0] if alone else f"{len(names)} features of {measured.case}"
    titles = measured.titles()
    columns = [Column(titles[key], as_stored(_drawn(numbers)), unit) for key, numbers in shown.items()]
    table = add_table(scene, scene.GenerateUniqueName(f"{title} chart"), [Column(LABEL, list(names)), *columns])
    series = [_bars(scene, table, titles[segment.key], segment.colour) for segment in segments]
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", scene.GenerateUniqueName(title))
    for one in series:
        chart.AddAndObservePlotSeriesNodeID(one.GetID())
    chart.SetTitle(title)
    feature = parse_feature(names[0]).feature
    axis = f"{feature} ({unit})" if unit else feature
    chart.SetYAxisTitle(axis if alone else "Share of the largest segment's value")
    chart.SetXAxisTitleVisibility(False)
    chart.SetLegendVisibility(len(series) > 1)
    made = Chart(chart, tuple(series), table)
    for node in made.nodes if neighbour is not None else ():
        place_beside(scene, node, neighbour)
    return made


def _name(volume_node: Any | None, result: Result) -> str:
    """What the nodes of a result are called: after the image, the case or the list's table."""
    if volume_node is not None:
        return f"{volume_node.GetName()} features"
    case = result.case if isinstance(result, Measured) else Path(str(result.document["table"])).stem
    return f"{case} features"


def _bars(scene: Any, table: Any, column: str, colour: tuple[float, float, float]) -> Any:
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeBar)
    series.SetLabelColumnName(LABEL)
    series.SetYColumnName(column)
    series.SetColor(*colour)
    return series


def _shares(values: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Each feature divided by its largest magnitude in any segment; 0 where it is 0 everywhere."""
    largest = [max((abs(x) for x in feature if x == x), default=0.0) for feature in zip(*values.values(), strict=True)]
    return {
        key: [x / top if top > 0 else (0.0 if x == x else x) for x, top in zip(numbers, largest, strict=True)]
        for key, numbers in values.items()
    }


def _drawn(numbers: Sequence[float]) -> list[float]:
    """A bar of no height where there is no number: a plot cannot leave one out."""
    return [x if x == x and abs(x) != float("inf") else 0.0 for x in numbers]
