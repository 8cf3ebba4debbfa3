"""The report's section on how good the model is: one part for every cohort it was judged on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evaluation import figures as drawn
from .content import Block, Figure, Figures, Heading, Table, Text
from .evidence import Evidence, Part, by_class, pairs_of
from .focus import focus_blocks
from .numbers import DASH, capital, counted, fixed, listed, p_value, percent, significant, with_interval

NAMES = {
    "auc": "Area under the ROC curve",
    "ap": "Average precision",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "f1": "F1 score",
    "brier": "Brier score",
}
OF_CLASS = ("ppv", "npv", "sensitivity", "specificity", "f1", "auc", "ap")
LARGEST_STATISTIC = 10_000
MOST_COLUMNS = 4  # models side by side; more would not be readable on A4
JUDGED_INSIDE = (
    "Everything that is fitted, every network that is trained, selection and threshold included, was fitted without "
    "the patients it is judged on. A patient's probability is the mean over his or her images."
)


def performance_section(e: Evidence) -> list[Block]:
    """Every part in turn; figures alone, from the manifest, where a model file has no evaluation."""
    heading = Heading("How good the model is")
    if e.parts:
        folds = f"{e.manifest['folds']}-fold cross-validation by patient"
        repeats = int(e.manifest.get("repeats") or 1)
        again = f", repeated {counted(repeats, 'time')}" if repeats > 1 else ""
        return [heading, Text(f"{folds}{again}. {JUDGED_INSIDE}"), *(b for part in e.parts for b in part_blocks(part))]
    blocks: list[Block] = [heading, Text("The model file holds figures, but no curves; train it again to have them.")]
    for name, metrics in (("cross-validation", e.manifest.get("metrics")), ("test", e.manifest.get("test_metrics"))):
        if metrics:
            blocks += metrics_tables(metrics, f"Figures by {name} (95 % interval)")
    return blocks


def part_blocks(part: Part) -> list[Block]:
    """A judged cohort: tables, figures, comparisons, prediction sets."""
    classes, main, two = list(map(str, part["classes"])), str(part["main"]), len(part["classes"]) == 2
    counts = [sum(1 for label in part["y"] if label == k) for k in range(len(classes))]
    who = listed([f"{n} {name}" for n, name in zip(counts, classes, strict=True)])
    about = f"of {part['positive']}" if two else "macro averages over the classes"
    name = str(part["name"])
    blocks: list[Block] = [
        Heading(capital(name), 3),
        Text(
            f"{counted(int(part['patients']), 'patient')} ({who}), {counted(int(part['cases']), 'image')}. "
            f"No-information rate (always calling the commonest class): {percent(max(counts) / len(part['y']))}. "
            + (_threshold(part, main) if two else "The class with the largest probability is called.")
        ),
        *(Text(str(warning), "warning") for warning in part.get("warnings") or ()),
        *metrics_tables(part["metrics"], f"Figures by patient, {about}: value (95 % interval)", main),
    ]
    if not two:
        own = part["per_class"].get(main) or {}
        blocks += metrics_tables(own, f"Each class against the rest, {main}: value (95 % interval)", "")
    elif part.get("per_class"):
        blocks.append(_by_class(part, main))
    blocks += [
        *_repeats(part),
        *_figures(part, main),
        *_confusion(part, classes, main),
        *_calibration(part, main),
        *_delong(part),
        *_prediction_sets(part),
        *_readers(part),
        *focus_blocks(part),
    ]
    return blocks


def metrics_tables(metrics: Mapping[str, Mapping[str, Any]], caption: str, main: str = "") -> list[Block]:
    """Figures in rows, models (or classes) in columns, the main model first; as many tables as have room."""
    names = sorted(metrics, key=lambda name: name != main)
    found = sorted({figure for name in names for figure in metrics[name]}, key=[*NAMES].index)
    blocks: list[Block] = []
    for i in range(0, len(names), MOST_COLUMNS):
        some = names[i : i + MOST_COLUMNS]
        rows = tuple(
            (NAMES.get(figure, figure), *(with_interval(metrics[name].get(figure)) for name in some))
            for figure in found
        )
        more = " (continued)" if i else ""
        blocks.append(Table(("Figure", *some), rows, caption + more, numeric=tuple(range(1, len(some) + 1))))
    return blocks


def _by_class(part: Part, main: str) -> Table:
    """Every model and each of its two classes in a row, as in Chen et al. 2022, table 3."""
    shown = drawn.shown_models(part)
    rows = tuple(
        (model, str(name), *(fixed(part["per_class"][model][name][figure]["value"]) for figure in OF_CLASS))
        for model in sorted(shown, key=lambda model: model != main)
        for name in part["classes"]
    )
    columns = ("Model", "Class", "PPV", "NPV", "Sensitivity", "Specificity", "F1", "AUC", "AP")
    left = len(part["per_class"]) - len(shown)
    note = f"{counted(left, 'model')} with smaller areas left out; the table above has all." if left else ""
    return Table(columns, rows, "Each class as the one that is looked for", note, numeric=tuple(range(2, 9)))


def _threshold(part: Part, main: str) -> str:
    cuts = sorted({round(cut, 12) for cut in (part["thresholds"] or {}).get(main, ())})
    if not cuts:
        return ""
    said = fixed(cuts[0]) if len(cuts) == 1 else f"{fixed(cuts[0])} to {fixed(cuts[-1])}, each fold's own"
    return f"{capital(main)} calls {part['positive']} from a probability of {said} on; the other models from 0.5 on."


def _repeats(part: Part) -> list[Block]:
    repeats = part.get("repeats") or {}
    rows = tuple(
        (model, str(len(values)), fixed(sum(values) / len(values)), fixed(min(values)), fixed(max(values)))
        for model, values in repeats.items()
        if values
    )
    if not rows:
        return []
    caption = "Area under the ROC curve over the repeats"
    return [Table(("Model", "Repeats", "Mean", "Lowest", "Highest"), rows, caption, numeric=(1, 2, 3, 4))]


def _figures(part: Part, main: str) -> list[Block]:
    two = len(part["classes"]) == 2
    several = _which_models(part)
    curves = several if two else f"each class against the rest, {main}"

    def figure(draw: Callable[..., Path], caption: str, width: float = 1.0) -> Figure:
        return Figure(lambda path: draw(part, path), caption, caption.split(":")[0], width)

    called = "Each patient's probability less the threshold" if two else "Each patient's probabilities by class"
    confusion = figure(drawn.draw_confusion, f"Confusion matrix: {main}, patients and share of the actual class.")
    curves_of = several if two else "each class against the rest"
    one_each = [
        figure(drawn.draw_roc, f"ROC curves: {curves}, area with 95 % interval."),
        figure(drawn.draw_precision_recall, f"Precision-recall curves: {curves}, average precision."),
    ]
    if two:
        one_each.append(figure(drawn.draw_calibration, f"Calibration: {main}."))
    else:
        one_each += [
            figure(_calibration_of(name), f"Calibration: {main}, {name} against the rest.") for name in part["classes"]
        ]
    return [
        Figures((*one_each, confusion)),
        figure(
            drawn.draw_decision_curve,
            f"Decision curves: net benefit of acting on a prediction, {curves_of}.",
            0.64 if two else 1.0,
        ),
        figure(drawn.draw_probabilities, f"{called}: {main}.", 0.64),
    ]


def _which_models(part: Part) -> str:
    shown, judged = len(drawn.shown_models(part)), len(part["probabilities"])
    if shown == judged:
        return "one curve a model"
    return f"one curve a model, {shown} of {judged} models, those with the largest areas; the table has all"


def _calibration_of(name: str) -> Callable[..., Path]:
    return lambda part, path: drawn.draw_calibration(part, path, of=name)


def _confusion(part: Part, classes: Sequence[str], main: str) -> list[Block]:
    rows = tuple(
        (model, name, *(str(int(n)) for n in line))
        for model, table in sorted(part["confusion"].items(), key=lambda item: item[0] != main)
        for name, line in zip(classes, table, strict=True)
    )
    columns = ("Model", "Actual class", *(f"called {name}" for name in classes))
    return [Table(columns, rows, "Confusion matrices (patients)", numeric=tuple(range(2, len(columns))))]


def _calibration(part: Part, main: str) -> list[Block]:
    rows, notes = [], []
    for model, value in sorted(part["calibration"].items(), key=lambda item: item[0] != main):
        for name, line in by_class(value, "curve"):
            test = line.get("hosmer_lemeshow") or {}
            rows.append(
                (
                    f"{model}: {name}" if name else model,
                    fixed(line.get("slope"), 2),
                    fixed(line.get("intercept"), 2),
                    fixed(line.get("in_the_large"), 2),
                    fixed(line.get("brier")),
                    f"{_statistic(test['statistic'])} ({test['degrees_of_freedom']})" if test else DASH,
                    p_value(test.get("p")),
                )
            )
            if line.get("note"):
                notes.append(f"{model}{f', {name}' if name else ''}: {line['note']}")
    columns = ("Model", "Slope", "Intercept", "In the large", "Brier score", "Hosmer-Lemeshow χ² (df)", "p")
    note = "Ideal: slope 1, intercept 0, in the large 0; a small p speaks against the calibration. " + " ".join(notes)
    return [Table(columns, tuple(rows), "Calibration", note.strip(), numeric=tuple(range(1, 7)))]


def _statistic(value: float) -> str:
    """A probability near 0 or 1 that errs makes the statistic as large as one likes; its size then means nothing."""
    return f"> {LARGEST_STATISTIC:g}" if value > LARGEST_STATISTIC else significant(value)


def _delong(part: Part) -> list[Block]:
    blocks: list[Block] = []
    for name, document in by_class(part.get("delong"), "models"):
        rows = tuple(
            (f"{first} − {second}", fixed(difference), p_value(p), p_value(corrected))
            for first, second, difference, p, corrected in pairs_of(document)
        )
        if rows:
            caption = f"DeLong's test of areas under the ROC curve{f', {name} against the rest' if name else ''}"
            columns = ("Models", "Difference", "p", f"p ({document.get('correction', 'Holm')})")
            blocks.append(Table(columns, rows, caption, numeric=(1, 2, 3)))
    return blocks


def _readers(part: Part) -> list[Block]:
    rows = part.get("readers") or ()
    if not rows:
        return []
    return [
        Table(
            ("Reader", "Accuracy", "Sensitivity", "Specificity", "Seconds a patient", "Patients"),
            tuple(
                (
                    str(row["name"]),
                    *(with_interval(row[figure]) for figure in ("accuracy", "sensitivity", "specificity")),
                    DASH if row["seconds"] is None else fixed(row["seconds"], 1),
                    str(row["patients"]) + (f" ({row['missing']} not answered)" if row["missing"] else ""),
                )
                for row in rows
            ),
            "Readers and the model on the same patients (95 % interval)",
            f"The last row is the model. Sensitivity and specificity are about {part['positive']}.",
            numeric=(1, 2, 3, 4, 5),
        )
    ]


def _prediction_sets(part: Part) -> list[Block]:
    sets = part.get("prediction_sets")
    if not sets:
        return []
    coverage = sets["coverage"]
    rows = [
        ("all patients", with_interval(coverage)),
        *((name, with_interval(coverage["by_class"][name])) for name in map(str, part["classes"])),
    ]
    sizes = listed([f"{n} of {counted(int(size), 'class', 'classes')}" for size, n in sets["sizes"].items() if n])
    return [
        Table(
            ("Patients", "Share whose set holds the class (95 % interval)"),
            tuple(rows),
            f"Prediction sets made to hold the class in {percent(sets['level'], 0)} of patients",
            f"Mean size {fixed(sets['mean_size'], 2)}; {sizes}. An empty set says that no class fits.",
        )
    ]
