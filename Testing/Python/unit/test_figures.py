"""Figures of a judged cohort: written whole, repeatably, with the right numbers in them and nothing over another."""

from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.evaluation import figures
from TumorClassifierLib.evaluation.figure_parts import curves
from TumorClassifierLib.evaluation.judgement import judge_predictions
from TumorClassifierLib.signature import fit_signature

TWO = ("Meningioma", "Solitary fibrous tumour / haemangiopericytoma")
FOUR = ("Glioma", "Meningioma", "Pituitary adenoma", "Metastasis of unknown primary")


@cache
def part(classes: tuple[str, ...], models: int = 2, seed: int = 0, **options: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    y = np.arange(80) % len(classes)
    P = {}
    for name in ("nomogram", "radiomics signature", "deep signature", "clinical variables")[:models]:
        logits = rng.normal(size=(80, len(classes))) + 2 * np.eye(len(classes))[y]
        P[name] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return judge_predictions("cv", y, P, np.arange(80), classes, "nomogram", resamples=50, **options)


def penalty() -> tuple[dict[str, Any], tuple[str, ...]]:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 30)) + np.outer(y, np.linspace(0, 1.5, 30))
    fitted = fit_signature(X, y, [f"T1C.wavelet-LLH_glcm_ClusterProminence{i}" for i in range(30)])
    return fitted.to_json()["path"], fitted.features


@pytest.mark.parametrize("classes", [TWO, FOUR], ids=["two", "four"])
@pytest.mark.parametrize("name", figures.FIGURES)
def test_figures_are_repeatable_and_leave_settings_alone(name: str, classes: tuple[str, ...], tmp_path: Path) -> None:
    draw = figures.FIGURES[name]
    before = dict(matplotlib.rcParams)
    first = draw(part(classes), tmp_path / "first.svg").read_bytes()
    assert draw(part(classes), tmp_path / "second.svg").read_bytes() == first
    assert draw(part(classes), tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
    assert draw(part(classes, seed=1), tmp_path / "third.svg").read_bytes() != first


def overlapping_texts(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of visible texts that share pixels, and texts that leave the page."""
    figure.draw_without_rendering()
    axes = [axis for one in figure.findobj(Axes) for axis in (one.xaxis, one.yaxis)]
    beyond = {  # ticks outside the axis keep a text that is not drawn
        id(label)
        for axis in axes
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    hidden = {id(text) for one in figure.findobj(Axes) if not one.get_visible() for text in one.findobj(Text)}
    texts = [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in beyond | hidden
    ]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    page = figure.bbox.padded(2)
    found = [
        (name, "the page's edge")
        for name, box in boxes
        if not (page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1)
    ]
    found += [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.padded(-1).overlaps(other.padded(-1))]
    return found


@pytest.mark.parametrize("classes", [TWO, FOUR], ids=["two", "four"])
def test_no_text_lies_over_another(classes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[tuple[str, str]]] = []
    save = Figure.savefig

    def spy(figure: Figure, *positional: Any, **named: Any) -> Any:
        seen.append(overlapping_texts(figure))
        return save(figure, *positional, **named)

    monkeypatch.setattr(Figure, "savefig", spy)
    judged = part(classes, models=4, own_training=True)
    figures.draw_part(judged, tmp_path)
    figures.draw_calibration(judged, tmp_path / "all.png", list(judged["probabilities"]), of=classes[-1])
    path, names = penalty()
    figures.draw_lasso_path(path, tmp_path / "lasso.png", names)
    figures.draw_lasso_path(path, tmp_path / "plain.png")
    assert len(seen) == 9
    assert [found for found in seen if found] == []


def test_overlapping_texts_are_recognised() -> None:
    figure = Figure()
    figure.text(0.5, 0.5, "one")
    figure.text(0.5, 0.5, "other")
    figure.text(0.99, 0.2, "far too long for the page")
    assert ("one", "other") in overlapping_texts(figure)
    assert ("far too long for the page", "the page's edge") in overlapping_texts(figure)


@pytest.mark.parametrize("draw", figures.FIGURES.values())
def test_what_cannot_be_drawn_is_refused_and_leaves_no_file(draw: Callable[..., Path], tmp_path: Path) -> None:
    judged = part(TWO)
    with pytest.raises(InputError, match="suffix"):
        draw(judged, tmp_path / "none.bmp")
    assert not list(tmp_path.iterdir())


def test_unknown_models_classes_and_empty_paths_are_refused(tmp_path: Path) -> None:
    judged = part(FOUR)
    with pytest.raises(InputError, match="Ependymoma is not a class that was judged; choose one of Glioma"):
        figures.draw_roc(judged, tmp_path / "none.svg", of="Ependymoma")
    with pytest.raises(InputError, match="Meningioma is not a class that was judged"):
        figures.draw_roc(part(TWO), tmp_path / "none.svg", of="Meningioma")
    with pytest.raises(InputError, match="fusion was not judged"):
        figures.draw_confusion(judged, tmp_path / "none.svg", model="fusion")
    with pytest.raises(InputError, match="one to 7 curves and got 0"):
        figures.draw_calibration(part(TWO), tmp_path / "none.svg", models=[])
    empty = {"alphas": [0.0], "mse": [0.2], "mse_error": [0.0], "counts": [0], "coefficients": [[0.0]]}
    with pytest.raises(InputError, match="no penalties"):
        figures.draw_lasso_path(empty, tmp_path / "none.svg")
    assert not list(tmp_path.iterdir())


def test_legends_tell_the_numbers_of_the_document(tmp_path: Path) -> None:
    judged = part(TWO, own_training=True)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        texts = {name: path.read_text() for name, path in figures.draw_part(judged, tmp_path, ".svg").items()}
        of_class = figures.draw_roc(part(FOUR), tmp_path / "of.svg", of="Metastasis of unknown primary").read_text()
    for model in judged["probabilities"]:
        assert f"{model} {judged['metrics'][model]['auc']['value']:.3f} (" in texts["roc"]
        assert f"{model} {judged['metrics'][model]['ap']['value']:.3f} (" in texts["precision_recall"]
    assert f"Brier score {judged['metrics']['nomogram']['brier']['value']:.3f}" in texts["calibration"]
    assert "Optimism-corrected" in texts["calibration"]
    for row in judged["confusion"]["nomogram"]:
        for count in row:
            assert f">{count}<" in texts["confusion"]
    rest = part(FOUR)["per_class"]["radiomics signature"]["Metastasis of unknown primary"]["auc"]["value"]
    assert f"radiomics signature {rest:.3f} (" in of_class


def test_a_model_has_one_colour_whatever_the_cohort() -> None:
    """A cohort may lack the clinical model, and a model file keeps its models by name."""
    whole = part(TWO, models=4)
    named = {"nomogram": "nomogram", "radiomics signature": "radiomics", "deep signature": "deep"}

    def judged(*names: str) -> dict[str, Any]:
        P = {new: whole["probabilities"][old] for old, new in {**named, "clinical variables": "clinical"}.items()}
        return {**whole, "probabilities": {name: P[name] for name in names}, "metrics": _metrics_of(names)}

    def colours(*names: str, **options: Any) -> dict[str, str]:
        return {one.name: one.colour for one in curves(judged(*names), **options)}

    first = colours("nomogram", "clinical", "deep", "radiomics")
    assert list(first)[0] == "nomogram" and len(set(first.values())) == 4
    assert list(colours("clinical", "deep", "nomogram", "radiomics").items()) == list(first.items())
    without = colours("radiomics", "nomogram", "deep")
    assert without == {name: first[name] for name in ("nomogram", "deep", "radiomics")}
    chosen = colours("radiomics", "nomogram", "deep", models=["radiomics"])
    assert chosen == {"radiomics": first["radiomics"]}


def test_of_many_models_the_best_are_shown(tmp_path: Path) -> None:
    """The publication of the multimodality signature judges 28 imaging models beside its nomogram."""
    whole = part(TWO, models=1)
    names = ("clinical", "nomogram", *(f"vgg16 {i}" for i in range(20)))
    many = {key: dict.fromkeys(names, whole[key]["nomogram"]) for key in ("probabilities", "decision_curve")}
    many["decision_curve"]["treat_all"] = whole["decision_curve"]["treat_all"]
    judged = {**whole, **many, "metrics": _metrics_of(names)}
    best = ["nomogram", "clinical", *sorted(f"vgg16 {i}" for i in range(15, 20))]
    assert figures.shown_models(judged) == best
    shown = curves(judged)
    assert [one.name for one in shown] == best and len({one.colour for one in shown}) == 7
    others = curves(judged, models=sorted(names)[2:9])
    assert len({one.colour for one in others}) == 7
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        for draw in (figures.draw_roc, figures.draw_precision_recall, figures.draw_decision_curve):
            text = draw(judged, tmp_path / "many.svg").read_text()
            assert "vgg16 19" in text and "vgg16 14" not in text


def _metrics_of(names: tuple[str, ...]) -> dict[str, Any]:
    """The later a model is named, the better it is."""
    whole = part(TWO, models=1)["metrics"]["nomogram"]
    areas = np.linspace(0.5, 0.9, len(names))
    return {name: {**whole, "auc": {**whole["auc"], "value": area}} for name, area in zip(names, areas, strict=True)}


def test_the_lasso_figure_names_the_strongest_features(tmp_path: Path) -> None:
    path, names = penalty()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        text = figures.draw_lasso_path(path, tmp_path / "lasso.svg", names).read_text()
    best = int(np.argmin(path["mse"]))
    strongest = np.argmax(np.abs(np.asarray(path["coefficients"])[:, best]))
    assert names[strongest] in text
