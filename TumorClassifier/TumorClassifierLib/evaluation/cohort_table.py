"""The table of patients that opens a result section: each clinical variable by class, compared."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from FeatureExtractorLib.case import ClinicalValue
from FeatureExtractorLib.errors import InputError

from .group_tests import compare_numbers, compare_shares
from .many_tests import corrected

MOST_LEVELS = 10  # a text with more is rather a name, a date or a remark, which must not leave the hospital
RULE = (
    "Numbers: t test (Welch's where Levene's p < 0.05) or ANOVA where Shapiro-Wilk's p is at least 0.05 in every "
    "class, as mean ± standard deviation; else Mann-Whitney or Kruskal-Wallis, as median (quartiles). Shares: "
    "Pearson's chi-square, or Fisher's exact test where expected counts are small."
)


def cohort_table(
    rows: Sequence[Mapping[str, ClinicalValue]],
    labels: Sequence[str],
    patients: Sequence[str] | None = None,
    correction: str = "Holm",
    numeric: str = "auto",
) -> dict[str, Any]:
    """Describe each clinical variable over all patients and by class, with a test of the difference.

    rows: per case, value by name, None is unknown; labels: per case its class; patients: per case, of several cases of
    a patient the median number or the most frequent text counts. A variable is a number where all its values are and
    there are at least three different ones; of a text with more than ten only their number is told. numeric: the test
    of numbers, see `compare_numbers`. correction: of all p values together, "Holm" or "Benjamini-Hochberg".
    Returns {"classes": {class: patients}, "rows": [{"variable", "level", "all", "by_class", "missing", "test", "why",
    "p", "p_corrected"}], "correction", "rule"}; the levels of a factor follow its own row, which has the test.
    Raises InputError when lengths differ, a patient has cases of several classes or there is no case.
    """
    if not len(rows) == len(labels) == len(labels if patients is None else patients) or not len(rows):
        raise InputError(f"There are {len(rows)} rows for {len(labels)} classes; give one row and class a case.")
    of_patient = _rows_by_patient(rows, labels, range(len(rows)) if patients is None else patients)
    classes = sorted({label for label, _ in of_patient})
    found: list[dict[str, Any]] = []
    for name in dict.fromkeys(name for row in rows for name in row):
        values = {
            label: [_one([row.get(name) for row in own]) for of, own in of_patient if of == label] for label in classes
        }
        found += _variable(name, values, numeric)
    after = corrected([row["p"] for row in found], correction)
    return {
        "classes": {label: sum(of == label for of, _ in of_patient) for label in classes},
        "rows": [{**row, "p_corrected": p} for row, p in zip(found, after, strict=True)],
        "correction": correction,
        "rule": RULE if numeric == "auto" else RULE[RULE.index("Shares") :],
    }


def _rows_by_patient(
    rows: Sequence[Mapping[str, ClinicalValue]], labels: Sequence[str], patients: Sequence[Any]
) -> list[tuple[str, list[Mapping[str, ClinicalValue]]]]:
    own: dict[Any, tuple[str, list[Mapping[str, ClinicalValue]]]] = {}
    for row, label, patient in zip(rows, labels, patients, strict=True):
        of, together = own.setdefault(patient, (str(label), []))
        if of != str(label):
            raise InputError(f"Patient {patient} has cases of both {of} and {label}; correct the labels.")
        together.append(row)
    return list(own.values())


def _one(values: Sequence[ClinicalValue]) -> ClinicalValue:
    """A patient's value: the median number or the most frequent text of his or her cases, of several the first."""
    known = [value for value in values if value is not None and value == value]
    if not known:
        return None
    if not any(isinstance(value, str) for value in known):
        return float(np.median(np.asarray(known, dtype=np.float64)))
    counts = Counter(map(_text, known))
    return min(counts, key=lambda text: (-counts[text], text))


def _variable(name: str, values: Mapping[str, list[ClinicalValue]], numeric: str) -> list[dict[str, Any]]:
    known = {label: [value for value in own if value is not None] for label, own in values.items()}
    everyone = [value for own in known.values() for value in own]
    missing = sum(map(len, values.values())) - len(everyone)
    if not everyone:
        return []
    if not any(isinstance(value, str) for value in everyone) and len(set(everyone)) > 2:
        numbers = {label: np.asarray(own, dtype=np.float64) for label, own in known.items()}
        found = compare_numbers(list(numbers.values()), numeric)
        normal = found.test.split()[-1] in ("t", "ANOVA")
        texts = {label: _spread(own, normal) for label, own in numbers.items()}
        every = _spread(np.asarray(everyone, dtype=np.float64), normal)
        return [_row(name, None, every, texts, missing, found.test, found.why, found.p)]
    levels = sorted({_text(value) for value in everyone})
    if len(levels) > MOST_LEVELS:
        why = f"{len(levels)} different texts"
        return [_row(name, None, "", dict.fromkeys(known, ""), missing, "none", why, None)]
    counts = {label: Counter(map(_text, own)) for label, own in known.items()}
    table = np.asarray([[counts[label][level] for label in known] for level in levels])
    shares = compare_shares(table)
    rows = [_row(name, None, "", dict.fromkeys(known, ""), missing, shares.test, shares.why, shares.p)]
    for level, line in zip(levels, table, strict=True):
        texts = {label: _share(int(n), len(known[label])) for label, n in zip(known, line, strict=True)}
        rows.append(_row(name, level, _share(int(line.sum()), len(everyone)), texts, 0, "", "", None))
    return rows


def _row(
    name: str,
    level: str | None,
    every: str,
    by_class: dict[str, str],
    missing: int,
    test: str,
    why: str,
    p: float | None,
) -> dict[str, Any]:
    return {
        "variable": name,
        "level": level,
        "all": every,
        "by_class": by_class,
        "missing": missing,
        "test": test,
        "why": why,
        "p": p,
    }


def _text(value: ClinicalValue) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.1f} %)" if whole else "0"


def _spread(values: np.ndarray, normal: bool) -> str:
    """Mean ± SD or median (quartiles), to three digits of the quartiles' distance."""
    if not len(values):
        return "–"
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    size = float(high - low) or float(np.ptp(values)) or abs(float(middle)) or 1.0
    digits = int(np.clip(2 - np.floor(np.log10(size)), 0, 6))
    if normal and len(values) > 1:
        return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"
