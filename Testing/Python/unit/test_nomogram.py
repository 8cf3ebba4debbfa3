"""The nomogram's arithmetic is the model's, and its drawing is legible and repeatable."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from FeatureExtractorLib.errors import BundleRejected, InputError
from TumorClassifierLib.clinical import clinical_variables, encode_clinical
from TumorClassifierLib.nomogram import FactorTerm, Nomogram, NumericTerm, numeric_term, pretty
from TumorClassifierLib.nomogram_figure import LABEL_SIZE, draw_nomogram, lay_out, text_width
from TumorClassifierLib.regression import fit_logistic

weights = st.floats(-5, 5).filter(lambda w: w == 0 or abs(w) > 1e-3)
numeric = st.builds(
    lambda name, w, low, width: NumericTerm(name, w, low, low + width),
    st.sampled_from(["Age", "Rad-score", "DTL-score"]),
    weights,
    st.floats(-100, 100),
    st.floats(0.01, 200),
)
factor = st.builds(
    lambda name, ws, texts: FactorTerm(name, tuple(texts[: len(ws) + 1]), (0.0, *ws)),
    st.sampled_from(["Sex", "Peritumoral edema of the tumour's surroundings"]),
    st.lists(weights, min_size=1, max_size=4),
    st.lists(st.text("abcdefghij ", min_size=1, max_size=40), min_size=5, max_size=5, unique=True),
)
terms = st.lists(st.one_of(numeric, factor), min_size=1, max_size=4, unique_by=lambda term: term.name).filter(
    lambda ts: any(np.ptp([t.effect(tick) for tick in t.ticks]) > 1e-3 for t in ts)
)


def example() -> Nomogram:
    return Nomogram.from_linear(
        -4.1,
        [
            FactorTerm("Sex", ("female", "male"), (0.0, 0.6)),
            NumericTerm("Age", -0.02, 22, 84, "years"),
            NumericTerm("Rad-score", 5.2, 0.02, 0.98),
        ],
        "Probability of high grade",
    )


@given(terms, st.floats(-6, 6), st.data())
def test_reading_off_the_points_is_the_model(parts: list, intercept: float, data: st.DataObject) -> None:
    nomogram = Nomogram.from_linear(intercept, parts)
    values = {
        term.name: data.draw(st.sampled_from(term.ticks) if isinstance(term, FactorTerm) else st.floats(-100, 300))
        for term in parts
    }
    linear = intercept + sum(term.effect(values[term.name]) for term in parts)
    assert nomogram.probability(values) == pytest.approx(float(expit(linear)), abs=1e-12)
    on_axis = [nomogram.points_of(term, tick) for term in parts for tick in term.ticks]
    assert min(on_axis) == pytest.approx(0, abs=1e-9)
    assert max(on_axis) == pytest.approx(100, abs=1e-9)
    restored = Nomogram.from_json(json.loads(json.dumps(nomogram.to_json(), allow_nan=False)))
    assert restored == nomogram
    assert restored.probability(values) == nomogram.probability(values)


@given(numeric.filter(lambda term: term.coefficient != 0), st.floats(-100, 300), st.floats(1e-3, 50))
def test_points_rise_with_the_value_when_the_coefficient_is_positive(
    term: NumericTerm, value: float, step: float
) -> None:
    nomogram = Nomogram.from_linear(0, [term])
    difference = nomogram.points_of(term, value + step) - nomogram.points_of(term, value)
    assert np.sign(difference) == np.sign(term.coefficient)
    assert nomogram.probability_at(50) <= nomogram.probability_at(60)
    for p in nomogram.probability_ticks():
        assert nomogram.probability_at(nomogram.total_at(p)) == pytest.approx(p, abs=1e-9)


def test_scale_by_hand() -> None:
    nomogram = example()
    assert [term.ticks[0] for term in nomogram.terms] == ["female", 20, 0]
    assert nomogram.widest_range == 5.2  # Rad-score from 0 to 1
    points = nomogram.points({"Sex": "male", "Age": 90, "Rad-score": 0.5})
    assert points == pytest.approx({"Sex": 60 / 5.2, "Age": 0, "Rad-score": 50})
    assert nomogram.zero_points == pytest.approx(-4.1 - 0.02 * 90)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_cover_the_range(low: float, width: float) -> None:
    high = low + width
    if width < 1e-6 * abs(low):
        return
    ticks = np.array(pretty(low, high))
    step = np.diff(ticks)
    assert ticks[0] <= low + 1e-8 * width
    assert ticks[-1] >= high - 1e-8 * width
    assert 3 <= len(ticks) <= 11
    assert step == pytest.approx(step[0], rel=1e-6)
    assert round(step[0] / 10 ** np.floor(np.log10(step[0] * (1 + 1e-9))), 6) in (1, 2, 5)


def test_from_regression_reads_as_the_regression_does() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"age": float(rng.integers(20, 80)), "site": str(rng.choice(["arm", "leg", "trunk"]))} for _ in range(120)
    ]
    y = (rng.random(120) < 0.5).astype(int)
    variables = clinical_variables(rows, units={"age": "years"})
    X, names = encode_clinical(rows, variables)
    score = rng.normal(size=120) + y
    design = np.column_stack([X, score])
    model = fit_logistic(design, y, [*names, "Rad-score"])
    nomogram = Nomogram.from_regression(model, variables, design, "Probability")
    expected = model.probability(design)
    for row, s, p in zip(rows, score, expected, strict=True):
        assert nomogram.probability({**row, "Rad-score": s}) == pytest.approx(p, abs=1e-12)
    age = nomogram.terms[0]
    assert isinstance(age, NumericTerm)
    assert age.low == pytest.approx(np.quantile(X[:, 0], 10 / 200))
    with pytest.raises(InputError, match="site=leg"):
        Nomogram.from_regression(fit_logistic(design[:, [0, 3]], y, ["age", "score"]), variables, design[:, [0, 3]])


def test_unusable_values_and_models_are_refused() -> None:
    nomogram = example()
    patient = {"Sex": "male", "Age": 50, "Rad-score": 0.5}
    with pytest.raises(InputError, match="needs Age"):
        nomogram.points({"Sex": "male", "Rad-score": 0.5})
    with pytest.raises(InputError, match="female, male"):
        nomogram.points({**patient, "Sex": "m"})
    with pytest.raises(InputError, match="not a number"):
        nomogram.points({**patient, "Age": "old"})
    with pytest.raises(InputError, match="has an effect"):
        Nomogram.from_linear(0, [NumericTerm("Age", 0.0, 0, 1)])
    with pytest.raises(InputError, match="different names"):
        Nomogram.from_linear(0, [numeric_term("a", 1.0, np.arange(9)), numeric_term("a", 1.0, np.arange(9))])
    for broken in ({}, {"terms": [{"kind": "curve"}]}, {**example().to_json(), "terms": [{"kind": "numeric"}]}):
        with pytest.raises(BundleRejected):
            Nomogram.from_json(broken)


@settings(max_examples=40, deadline=None)
@given(terms, st.floats(-6, 6))
def test_no_two_labels_overlap(parts: list, intercept: float) -> None:
    layout = lay_out(Nomogram.from_linear(intercept, parts, "Probability of something with a long name"))
    for row in layout.rows:
        for lane in {label.lane for label in row.labels}:
            spans = sorted(
                (label.x - text_width(label.text, LABEL_SIZE) / 2, label.x + text_width(label.text, LABEL_SIZE) / 2)
                for label in row.labels
                if label.lane == lane
            )
            assert all(first[1] < second[0] for first, second in zip(spans, spans[1:], strict=False))
            assert spans[0][0] > layout.left - 0.25
            assert spans[-1][1] < 7.2 or spans[-1][1] - spans[-1][0] > 7.2 - layout.left
    for term, row in zip(parts, layout.rows[1:], strict=False):
        if isinstance(term, FactorTerm):
            assert sorted(label.text for label in row.labels) == sorted(term.levels)
    assert 1.0 < layout.height < 15
    gaps = -np.diff(layout.heights)
    needed = [upper.below + lower.above for upper, lower in zip(layout.rows, layout.rows[1:], strict=False)]
    assert (gaps >= np.array(needed) - 1e-9).all()


def test_drawing_is_repeatable_and_marks_the_patient(tmp_path: Path) -> None:
    patient = {"Sex": "male", "Age": 101, "Rad-score": 0.5}
    first = draw_nomogram(example(), tmp_path / "a.svg", patient).read_bytes()
    assert draw_nomogram(example(), tmp_path / "b.svg", patient).read_bytes() == first
    assert b"#c0392b" in first
    assert b"date" not in first
    assert b"#c0392b" not in draw_nomogram(example(), tmp_path / "c.svg").read_bytes()
    assert draw_nomogram(example(), tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match=r"\.svg, \.png or \.pdf"):
        draw_nomogram(example(), tmp_path / "d.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.svg", "c.svg", "d.png"]
