"""Typed MRML tables: numbers stay numbers, so that Slicer can sort and plot them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vtk


@dataclass(frozen=True)
class Column:
    """A table's column: all its values are texts, or all are numbers."""

    name: str
    values: Sequence[str] | Sequence[float]
    unit: str = ""
    description: str = ""


def add_table(scene: Any, name: str, columns: Sequence[Column]) -> Any:
    """A table node whose numeric columns are double, with units and descriptions."""
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    for column in columns:
        node.AddColumn(_array(column))
        if column.unit:
            node.SetColumnUnitLabel(column.name, column.unit)
        if column.description:
            node.SetColumnDescription(column.name, column.description)
    node.SetUseColumnTitleAsColumnHeader(True)
    return node


def prediction_table(scene: Any, prediction: Mapping[str, Any], name: str = "Prediction") -> Any:
    """Everything numeric of a prediction, a quantity a row: Quantity, Value (double, six digits), Unit, Meaning."""
    rows = _rows(prediction)
    quantities, values, units, meanings = (list(column) for column in zip(*rows, strict=True))
    node = add_table(
        scene,
        name,
        [
            Column("Quantity", quantities, description="what was computed"),
            Column("Value", as_stored(values), description="in the unit of the same row"),
            Column("Unit", units, description="empty for pure numbers"),
            Column("Meaning", meanings, description="how to read the value"),
        ],
    )
    node.SetDescription(f"Predicted: {prediction['predicted']}")
    return node


def as_stored(values: Iterable[float]) -> list[float]:
    """Values with the six significant digits that Slicer's table files keep: what is shown is what is saved."""
    return [float(f"{value:.6g}") for value in values]


def _rows(prediction: Mapping[str, Any]) -> list[tuple[str, float, str, str]]:
    predicted = prediction["predicted"]
    rows = [
        (f"Probability of {label}", float(p), "", "predicted class" if label == predicted else "")
        for label, p in prediction["probabilities"].items()
    ]
    interval = prediction.get("interval") or {}
    if interval:
        level = f"{100 * interval['level']:g} % interval of {prediction.get('positive', predicted)}"
        rows += [(f"Probability, {end} end", float(interval[end]), "", level) for end in ("low", "high")]
    if prediction.get("threshold") is not None:
        rows.append(("Threshold", float(prediction["threshold"]), "", f"from here on {prediction['positive']}"))
    scores = prediction.get("scores", {})
    rows += [(name, float(value), "", "score") for name, value in scores.items() if not isinstance(value, str)]
    for axis, points in prediction.get("nomogram_points", {}).items():
        level = f"for {scores[axis]}" if isinstance(scores.get(axis), str) else ""
        rows.append((f"Nomogram: {axis}", float(points), "points", "sum of all axes" if axis == "total" else level))
    for stage, seconds in prediction.get("provenance", {}).get("seconds", {}).items():
        rows.append((f"Time: {stage}", float(seconds), "s", "computing time"))
    return rows


def _array(column: Column) -> Any:
    texts = all(isinstance(value, str) for value in column.values) and len(column.values) > 0
    array = vtk.vtkStringArray() if texts else vtk.vtkDoubleArray()
    array.SetName(column.name)
    for value in column.values:
        array.InsertNextValue(value if texts else float(value))
    return array
