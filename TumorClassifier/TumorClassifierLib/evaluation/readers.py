"""A table of readers beside models on the same patients (Liu et al. 2022, table 4)."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from .intervals import proportion_interval
from .judgement import called_by_patient

COLUMNS = ("reader", "patient_id", "answer")


@dataclass(frozen=True)
class Answers:
    """What one reader, or a model, answered. answers: by patient the class; seconds: per patient, in any order."""

    name: str
    answers: Mapping[str, str]
    seconds: tuple[float, ...] = ()


def readers_table(
    path: Path,
    truth: Mapping[str, str],
    classes: tuple[str, str],
    models: Sequence[Answers] = (),
    interval: str = "Wilson",
) -> list[dict[str, Any]]:
    """A row per reader, in the file's order, then per model: how often each was right.

    path: a CSV file of `reader`, `patient_id`, `answer` and, if wanted, `given` (what the reader was shown, such as
    "MRI" or "MRI and age": a row of its own each) and `seconds`. truth: by patient the class; classes: (negative,
    positive). A row has "name", "patients", "missing" (patients without an answer), "seconds" (mean, None where none
    are given), "accuracy", "sensitivity" and "specificity" as {"value", "low", "high"}, None without such patients.
    Raises InputError when the file is missing or has other columns, an unknown patient or class, a patient answered
    twice, or seconds that are no number of 0 or more.
    """
    odd = sorted(set(truth.values()) - set(classes))
    if odd:
        raise InputError(f"A patient is {odd[0]!r}; the readers' table is for {classes[0]} and {classes[1]}.")
    return [_row(one, truth, classes, interval) for one in (*_read(Path(path), truth, classes), *models)]


def beside_readers(
    path: Path, part: Mapping[str, Any], patients: np.ndarray, name: str, seconds: float | None
) -> list[dict[str, Any]]:
    """`readers_table` of a part that `judge_predictions` made of two classes, the main model in the last row.

    patients: (n,) of the cases as they were judged. name: the model's; seconds: it took a patient, None where that
    is not known. Raises InputError as `readers_table`.
    """
    classes = (str(part["classes"][0]), str(part["classes"][1]))
    people = [str(patient) for patient in np.unique(patients)]
    called = called_by_patient(part, patients)
    truth = {patient: classes[k] for patient, k in zip(people, part["y"], strict=True)}
    model = Answers(
        name, {patient: classes[called[patient]] for patient in people}, () if seconds is None else (seconds,)
    )
    return readers_table(path, truth, classes, [model])


def _row(one: Answers, truth: Mapping[str, str], classes: tuple[str, str], interval: str) -> dict[str, Any]:
    def share(patients: Sequence[str]) -> dict[str, float] | None:
        if not patients:
            return None
        right = sum(one.answers[patient] == truth[patient] for patient in patients)
        found = proportion_interval(interval)(right, len(patients), 0.95)
        return {"value": found.value, "low": found.low, "high": found.high}

    answered = [patient for patient in truth if patient in one.answers]
    negative, positive = classes
    return {
        "name": one.name,
        "patients": len(answered),
        "missing": len(truth) - len(answered),
        "seconds": math.fsum(one.seconds) / len(one.seconds) if one.seconds else None,
        "accuracy": share(answered),
        "sensitivity": share([patient for patient in answered if truth[patient] == positive]),
        "specificity": share([patient for patient in answered if truth[patient] == negative]),
    }


def _read(path: Path, truth: Mapping[str, str], classes: tuple[str, str]) -> list[Answers]:
    if not path.is_file():
        raise InputError(f"The readers' answers {path} do not exist; check the path.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns, rows = reader.fieldnames or [], list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV file in UTF-8 ({error}); save it as one.") from error
    for name in COLUMNS:
        if name not in columns:
            raise InputError(f"{path} has no column {name}; it needs {', '.join(COLUMNS)}.")
    answers: dict[str, dict[str, str]] = {}
    seconds: dict[str, list[float]] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}, row {number}"
        if None in row or None in row.values():
            raise InputError(f"{where} does not have as many cells as the header; correct the row.")
        given = (row.get("given") or "").strip()
        name = row["reader"].strip() + (f" ({given})" if given else "")
        patient, answer = row["patient_id"].strip(), row["answer"].strip()
        if not row["reader"].strip():
            raise InputError(f"{where} names no reader; name one.")
        if patient not in truth:
            raise InputError(f"{where} is about patient {patient!r}, who is not in the cohort; correct the row.")
        if answer not in classes:
            raise InputError(f"{where} answers {answer!r}; write {classes[0]} or {classes[1]}.")
        if patient in answers.setdefault(name, {}):
            raise InputError(f"{where} is a second answer of {name} about patient {patient}; keep one.")
        answers[name][patient] = answer
        if text := (row.get("seconds") or "").strip():
            seconds.setdefault(name, []).append(_seconds(text, where))
    if not rows:
        raise InputError(f"{path} has no answers; give a row for each patient and reader.")
    return [Answers(name, found, tuple(seconds.get(name, ()))) for name, found in answers.items()]


def _seconds(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(f"{where} has {text!r} seconds; give a number of 0 or more, or nothing.")
    return value
