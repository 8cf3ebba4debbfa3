"""The nomogram's arithmetic is the model's, and its drawing is legible and repeatable."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from FeatureExtractorLib.errors import BundleRejected, InputError
from TumorClassifierLib.clinical import clinical_variables, encode_clinical
from TumorClassifierLib.nomogram import FactorTerm, Nomogram, NumericTerm, numeric_term, pretty
from TumorClassifierLib.nomogram_figure import draw_nomogram, nomogram_figure
from TumorClassifierLib.nomogram_layout import LABEL_SIZE, OFF, lay_out, text_width
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


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 5e-324), (1e16, 1e16 + 2), (1.0, 1 + 2e-16), (-3.0, -3.0), (0.0, 0.0), (1e9, 1e9 + 1e-3)]
)
def test_ticks_differ_where_the_range_is_nothing(low: float, high: float) -> None:
    ticks = pretty(low, high)
    assert 3 <= len(ticks) == len(set(ticks)) <= 11
    assert ticks[0] <= low < high or low == high
    assert ticks[-1] >= high


def test_from_regression_reads_as_the_regression_does() -> None:
    rng = np.random.default_rng(0)
    rows = [{"age": float(rng.integers(20, 80)), "site": str(rng.choice(["arm", "leg", "trunk"]))} for _ in range(120)]
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


# --- the drawing, measured as matplotlib drew it ---


def text_boxes(figure: Any) -> list[tuple[str, Any]]:
    """Every text of a figure with the box of its ink, in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts]


def assert_legible(figure: Any) -> None:
    """No two texts touch and none leaves the page."""
    boxes = text_boxes(figure)
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= width, f"{text!r} leaves the page"
        assert box.y0 >= 0 and box.y1 <= height, f"{text!r} leaves the page"
    for i, (text, box) in enumerate(boxes):
        for other, place in boxes[i + 1 :]:
            apart = box.x1 <= place.x0 or place.x1 <= box.x0 or box.y1 <= place.y0 or place.y1 <= box.y0
            assert apart, f"{text!r} touches {other!r}"


LONG = "Peritumoural oedema index as measured on fluid-attenuated inversion recovery"
CROWDED = {
    "many variables": [NumericTerm(f"Variable {i}", (-1) ** i * (i + 1) / 10, i, 2 * i + 7, "mm") for i in range(24)],
    "long names": [
        NumericTerm(LONG, 1.0, 0, 3, "standardised units of the reference laboratory"),
        NumericTerm("original_shape_" + "Maximum2DDiameterColumn" * 5, -1.0, 0, 3),
        FactorTerm("Type", tuple(f"{LONG}, kind {i}" for i in range(4)), (0.0, 0.1, 2.0, 2.1)),
    ],
    "many levels": [
        FactorTerm("Site", tuple(f"region number {i}" for i in range(12)), (0.0, *(0.01 * i for i in range(1, 12)))),
        FactorTerm("Grade", ("I", "II", "III", "IV", "missing"), (0.0, 0.0, 0.0, -0.5, -0.5)),
        NumericTerm("Age", 0.02, 20, 80),
    ],
    "a level of a page's length": [FactorTerm("Remark", ("none", "w" * 300), (0.0, 1.0))],
    "tiny and huge ranges": [
        NumericTerm("Perfusion", 3e9, 1.0e-9, 1.1e-9, "m³/s"),
        NumericTerm("Counter", 0.2, 1_000_000_000.0, 1_000_000_005.0),
        NumericTerm("Cells", -1e-12, -1e12, 3e12),
        NumericTerm("Nothing", 0.0, 0.1, 0.2),
        NumericTerm("Hardly anything", 1e-7, 0.1, 0.2),
    ],
    "unknown values": [
        NumericTerm("Age", -0.02, 22, 84, "years", 1.0),
        NumericTerm("Karnofsky", -0.03, 60, 100, "", -2.4),
        NumericTerm("LDH", 0.001, 100, 400, "U/l", 0.3),
        NumericTerm("Hardly anything", 1e-7, 0.1, 0.2, "", 0.0),
    ],
}


@pytest.mark.parametrize("name", CROWDED)
@pytest.mark.parametrize("off", [None, -1, 0, 1], ids=["plain", "below", "inside", "above"])
def test_no_text_touches_another(name: str, off: int | None) -> None:
    parts = CROWDED[name]
    patient = None
    if off is not None:
        patient = {
            term.name: term.levels[-1]
            if isinstance(term, FactorTerm)
            else term.low + off * 1e3 * (term.high - term.low)
            for term in parts
        }
    figure = nomogram_figure(Nomogram.from_linear(-1.0, parts, "Probability of high-grade meningioma"), patient)
    assert_legible(figure)
    shown = [text for text, _ in text_boxes(figure)]
    for term in parts:
        if isinstance(term, FactorTerm):
            assert len([text for text in shown if text in term.levels or "…" in text]) >= len(term.levels)
    numbers = [term for term in parts if isinstance(term, NumericTerm) and abs(term.coefficient) > 1e-3]
    assert sum(OFF in text for text in shown) >= (len(numbers) if off else 0)


@settings(max_examples=25, deadline=None)
@given(terms, st.floats(-6, 6), st.data())
def test_no_text_of_any_nomogram_touches_another(parts: list, intercept: float, data: st.DataObject) -> None:
    patient = {
        term.name: data.draw(st.sampled_from(term.levels) if isinstance(term, FactorTerm) else st.floats(-1e4, 1e4))
        for term in parts
    }
    nomogram = Nomogram.from_linear(intercept, parts, "Probability of something with a long name")
    assert_legible(nomogram_figure(nomogram, patient))


def test_ticks_that_differ_read_differently() -> None:
    row = lay_out(Nomogram.from_linear(0, CROWDED["tiny and huge ranges"][1:2])).rows[1]
    texts = [label.text for label in row.labels]
    assert len(set(texts)) == len(texts) > 1
    assert {float(text) for text in texts} <= {1e9 + i for i in range(6)}


def test_a_patient_off_the_axis_is_marked_at_its_end_and_told() -> None:
    nomogram = example()
    layout = lay_out(nomogram, {"Sex": "male", "Age": 101, "Rad-score": 0.5})
    age = layout.rows[2]
    assert age.mark is not None and age.mark < age.start
    assert (age.note, age.own) == ("\N{MINUS SIGN}4.2", "101 off axis")
    inside = lay_out(nomogram, {"Sex": "male", "Age": 61, "Rad-score": 0.5}).rows[2]
    assert inside.start < inside.mark < inside.end
    assert inside.own == "61"
    counter = lay_out(Nomogram.from_linear(0, CROWDED["tiny and huge ranges"][1:2]), {"Counter": 1_000_000_001.5})
    assert counter.rows[1].own == "1000000001.5"
    figure = nomogram_figure(nomogram, {"Sex": "male", "Age": 101, "Rad-score": 0.5})
    markers = [line.get_marker() for line in figure.axes[0].lines]
    assert markers.count("<") == 1 and markers.count("o") == 4
    lines = [line for line in figure.axes[0].lines if line.get_color() == "#C0392B" and len(line.get_xdata()) == 2]
    assert len(lines) == 3  # two values up to their points and the total down to its probability; none from the arrow


def test_levels_too_long_for_the_page_keep_both_ends() -> None:
    shown = [text for text, _ in text_boxes(nomogram_figure(Nomogram.from_linear(0, CROWDED["long names"])))]
    cut = [text for text in shown if "…" in text]
    assert sorted(text[-6:] for text in cut) == ["kind 0", "kind 1", "kind 2", "kind 3"]
    assert all(text.startswith("Peritumoural") for text in cut)


def test_unknown_values_have_their_mark_on_the_axis_or_beyond_it() -> None:
    nomogram = Nomogram.from_linear(0.0, CROWDED["unknown values"])
    layout = lay_out(nomogram, {"Age": None, "Karnofsky": "missing", "LDH": 200, "Hardly anything": None})
    age, karnofsky = layout.rows[1:3]
    assert age.missing == pytest.approx(age.mark)
    assert age.missing > age.end  # more than any age adds
    assert karnofsky.start < karnofsky.missing < karnofsky.end
    assert [row.own for row in layout.rows[1:5]] == ["missing", "missing", "200", "missing"]
    assert all("missing" in [label.text for label in row.labels] for row in layout.rows[1:5])


# --- extreme models ---

extreme = st.builds(
    lambda i, w, low, width, gap: NumericTerm(f"x{i}", w / width, low * width, (low + 1) * width, "", gap),
    st.integers(0, 9),
    st.floats(-8, 8),
    st.floats(-20, 20),
    st.sampled_from([1e-12, 1e-6, 1e-3, 1.0, 1e3, 1e6, 1e12]),
    st.none() | st.floats(-9, 9),
)


@given(
    st.lists(st.one_of(extreme, factor), min_size=1, max_size=6, unique_by=lambda term: term.name).filter(
        lambda ts: any(np.ptp([t.effect(mark) for mark in t.marks]) > 1e-3 for t in ts)
    ),
    st.floats(-50, 50),
    st.data(),
)
def test_extreme_models_read_off_as_they_are(parts: list, intercept: float, data: st.DataObject) -> None:
    """expit(X beta) to 1e-12, beside the rounding of terms that are themselves large."""
    nomogram = Nomogram.from_linear(intercept, parts)
    nomogram = Nomogram.from_json(json.loads(json.dumps(nomogram.to_json(), allow_nan=False)))
    values = {}
    for term in parts:
        if isinstance(term, FactorTerm):
            values[term.name] = data.draw(st.sampled_from(term.levels))
        elif term.unknown is not None and data.draw(st.booleans()):
            values[term.name] = None
        else:
            values[term.name] = term.low + data.draw(st.floats(-5, 5)) * (term.high - term.low)
    effects = [term.effect(values[term.name]) for term in parts]
    expected = float(expit(math.fsum([intercept, *effects])))
    spread = sum(max(abs(term.effect(mark)) for mark in term.marks) for term in parts)
    rounding = 1e-16 * 8 * (abs(intercept) + spread + sum(map(abs, effects)))
    assert nomogram.probability(values) == pytest.approx(expected, abs=1e-12 + rounding)
    total = nomogram.total_points(values)
    assert total == pytest.approx(math.fsum(nomogram.points(values).values()), rel=1e-12, abs=1e-9)
    assert nomogram.probability_at(total) == nomogram.probability(values)


def test_points_are_those_of_the_formula_that_rms_uses() -> None:
    """Computed anew from coefficients and axis ends (Harrell's nomogram.rms), not by the class."""
    nomogram = example()
    ends = {"Sex": (0.0, 0.6), "Age": (-0.02 * 90, -0.02 * 20), "Rad-score": (0.0, 5.2)}
    scale = 100 / max(high - low for low, high in ends.values())
    patient = {"Sex": "male", "Age": 37, "Rad-score": 0.81}
    effects = {"Sex": 0.6, "Age": -0.02 * 37, "Rad-score": 5.2 * 0.81}
    points = {name: (effects[name] - ends[name][0]) * scale for name in ends}
    assert nomogram.points(patient) == pytest.approx(points, rel=1e-14)
    start = -4.1 + sum(low for low, _ in ends.values())
    probability = 1 / (1 + math.exp(-(start + sum(points.values()) / scale)))
    assert nomogram.probability(patient) == pytest.approx(probability, abs=1e-14)
    for p, total in zip(*nomogram.to_json()["probability"].values(), strict=True):
        assert total == pytest.approx((math.log(p / (1 - p)) - start) * scale, rel=1e-12)
