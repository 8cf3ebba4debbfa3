"""The nomogram as plot series, against the model that it draws."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from TumorClassifierLib.nomogram import FactorTerm, Nomogram, NumericTerm
from TumorClassifierLib.scene.feature_units import feature_unit
from TumorClassifierLib.scene.nomogram_view import nomogram_axes, nomogram_chart
from TumorClassifierLib.scene.tables import Column, add_table, as_stored

NOMOGRAM = Nomogram.from_linear(
    -2.5,
    [
        NumericTerm("Age", 0.031, 22.0, 81.0, "years"),
        FactorTerm("Sex", ("female", "male"), (0.0, 0.42)),
        NumericTerm("Rad-score", 1.7, -1.2, 2.4),
    ],
)
PATIENT = {"Age": 57.0, "Sex": "male", "Rad-score": 0.9}


def test_ticks_stand_at_their_points() -> None:
    axes = {axis.name: axis for axis in nomogram_axes(NOMOGRAM.to_json())}
    assert list(axes) == ["Points", "Age", "Sex", "Rad-score", "Total points", "Probability"]
    assert axes["Sex"].ticks == ("female", "male")
    assert axes["Age"].ticks[0].endswith(" years")
    assert axes["Rad-score"].positions[-1] == pytest.approx(100.0)
    for position, tick in zip(axes["Age"].positions, axes["Age"].ticks, strict=True):
        term = NOMOGRAM.terms[0]
        assert position == pytest.approx(NOMOGRAM.points_of(term, float(tick.split()[0])))


def test_probability_is_read_below_its_total() -> None:
    """A ruler laid down from a total must hit the probability that the model gives."""
    axes = {axis.name: axis for axis in nomogram_axes(NOMOGRAM.to_json())}
    totals = [float(tick) for tick in axes["Total points"].ticks]
    for position, tick in zip(axes["Probability"].positions, axes["Probability"].ticks, strict=True):
        total = np.interp(position, axes["Total points"].positions, totals)
        assert NOMOGRAM.probability_at(total) == pytest.approx(float(tick), abs=1e-9)


def test_patient_is_marked_on_every_row(scene: Any) -> None:
    points = {**NOMOGRAM.points(PATIENT), "total": NOMOGRAM.total_points(PATIENT)}
    made = nomogram_chart(scene, NOMOGRAM.to_json(), points)
    patient = made.series[-1]
    table = patient.GetTableNode().GetTable()
    x, y = table.GetColumnByName(patient.GetXColumnName()), table.GetColumnByName(patient.GetYColumnName())
    assert x.GetDataTypeAsString() == y.GetDataTypeAsString() == "double"
    by_row = {y.GetValue(i): x.GetValue(i) for i in range(x.GetNumberOfValues())}
    assert by_row[5.0] == pytest.approx(points["Age"], rel=1e-5)
    assert by_row[4.0] == pytest.approx(points["Sex"], rel=1e-5)
    assert by_row[3.0] == pytest.approx(points["Rad-score"], rel=1e-5)
    longest = NOMOGRAM.to_json()["total"]["ticks"][-1]
    assert by_row[2.0] == pytest.approx(points["total"] / longest * 100, rel=1e-5)
    assert made.chart.GetNumberOfPlotSeriesNodes() == len(made.series) == 7


def test_chart_without_a_patient(scene: Any) -> None:
    made = nomogram_chart(scene, NOMOGRAM.to_json())
    assert [series.GetName() for series in made.series][-1] == "Probability"
    assert len({made.table.GetTable().GetColumn(i).GetNumberOfValues() for i in range(18)}) == 1


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_stored_values_survive_six_digits(value: float) -> None:
    (stored,) = as_stored([value])
    assert as_stored([stored]) == [stored]
    assert stored == pytest.approx(value, rel=5.1e-6, abs=1e-300)


def test_columns_are_typed_and_have_units(scene: Any) -> None:
    node = add_table(scene, "t", [Column("a", ["x", "y"]), Column("b", [1, 2.5], "mm", "a length"), Column("c", [])])
    assert [node.GetTable().GetColumn(i).GetDataTypeAsString() for i in range(3)] == ["string", "double", "double"]
    assert node.GetColumnUnitLabel("b") == "mm"
    assert node.GetColumnDescription("b") == "a length"


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("original_shape_MeshVolume", "mm³"),
        ("original_shape_SurfaceVolumeRatio", "1/mm"),
        ("original_shape2D_Perimeter", "mm"),
        ("original_shape_Sphericity", ""),
        ("wavelet-HHL_glcm_Contrast", ""),
        ("original_firstorder_Mean", ""),
        ("resnet50_17", ""),
    ],
)
def test_units_of_features(name: str, unit: str) -> None:
    assert feature_unit(name) == unit
