"""One cohort judged whole: every figure that a result section reports, as one JSON document."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from .calibration_summary import calibration_summary
from .decision_curve import net_benefit, net_benefit_band
from .discrimination import delong_test
from .intervals import proportion_interval
from .many_tests import corrected
from .metrics import Metrics, by_patient, called_metrics
from .multiclass import check_classes, confusion_matrix, macro_metrics

INTERVALS = (
    "95 % limits: DeLong for the AUC of a class against the other or the rest, {interval} for accuracy, sensitivity, "
    "specificity, PPV, NPV and coverage, percentiles of {resamples} bootstrap samples of patients for all else."
)
Thresholds = np.ndarray | Mapping[str, np.ndarray] | None
Probabilities = Mapping[str, np.ndarray]


def judge_predictions(
    name: str,
    y: np.ndarray,
    probabilities: Probabilities,
    patients: np.ndarray,
    classes: Sequence[str],
    main: str,
    thresholds: Thresholds = None,
    sets: Sequence[Sequence[int]] | None = None,
    level: float = 0.9,
    own_training: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    designs: Mapping[str, np.ndarray] | None = None,
    interval: str = "Wilson",
) -> dict[str, Any]:
    """Judge models on the same cases, by patient: a patient's probability is the mean over his or her cases.

    y: (n,) class index; probabilities: per model (n, K), columns as `classes`; patients: (n,). Of two classes the
    second is the positive one, and thresholds are its (n,) cuts, the same for all cases of a patient: of `main` alone
    (the other models are cut at 0.5) or by model. Of more classes the likeliest is called, and each is also judged
    against the rest. sets: per case the class indices of its patient's prediction set, made to hold the class
    with probability `level`. own_training: the models were fitted on these cases. designs: of the models that are
    logistic regressions, the (n, q) columns, for the corrected calibration line. All limits are at 95 %; interval: of
    proportions, see PROPORTIONS.
    Returns plain JSON values, None where a figure is undefined; tables of pairs (`delong`) are k x k, row less column.
    Raises InputError when a class is missing, a patient has several classes, thresholds or sets, and when arrays do
    not fit.
    """
    y, patients, count = np.asarray(y), np.asarray(patients), len(classes)
    _check(y, probabilities, patients, classes, main)
    means = {model: by_patient(y, P, patients) for model, P in probabilities.items()}
    actual = next(iter(means.values()))[0]
    P = {model: mean for model, (_, mean) in means.items()}
    cuts = {model: _patient_cuts(thresholds, model, main, patients) for model in P} if count == 2 else None
    called = {
        model: np.argmax(p, axis=1) if cuts is None else (p[:, 1] >= cuts[model]).astype(np.int64)
        for model, p in P.items()
    }
    columns = {model: _patient_means(X, patients) for model, X in (designs or {}).items()}
    document: dict[str, Any] = {
        "name": name,
        "classes": list(classes),
        "positive": classes[1] if count == 2 else None,
        "main": main,
        "patients": len(actual),
        "cases": len(y),
        "intervals": INTERVALS.format(interval=interval, resamples=resamples),
        "y": actual.tolist(),
        "probabilities": {model: p.tolist() for model, p in P.items()},
        "thresholds": None if cuts is None else {model: cut.tolist() for model, cut in cuts.items()},
        "confusion": {model: confusion_matrix(actual, c, count).tolist() for model, c in called.items()},
    }
    of_class = [
        {
            "metrics": {
                model: called_metrics(
                    actual == k, p[:, k], called[model] == k, resamples=resamples, seed=seed, interval=interval
                )
                for model, p in P.items()
            },
            "delong": _delong(actual == k, {model: p[:, k] for model, p in P.items()}),
            "calibration": {
                model: calibration_summary(actual == k, p[:, k], own_training, columns.get(model), seed)
                for model, p in P.items()
            },
            "decision_curve": {
                model: _decision_curve(actual == k, p[:, k], resamples, seed) for model, p in P.items()
            },
            "treat_all": net_benefit(actual == k, P[main][:, k]).treat_all.tolist(),
        }
        for k in ([1] if count == 2 else range(count))
    ]
    if count == 2:
        only = of_class[0]
        document |= {name: only[name] for name in ("metrics", "delong", "calibration")}
        document["per_class"] = {
            model: {
                classes[0]: called_metrics(
                    actual == 0, p[:, 0], called[model] == 0, resamples=resamples, seed=seed, interval=interval
                ),
                classes[1]: only["metrics"][model],
            }
            for model, p in P.items()
        }
        document["decision_curve"] = {**only["decision_curve"], "treat_all": only["treat_all"]}
    else:
        by_class = dict(zip(classes, of_class, strict=True))
        document["metrics"] = {
            model: _macro(actual, p, called[model], resamples, seed, interval) for model, p in P.items()
        }
        document["per_class"] = _by_model(by_class, "metrics", P)
        document["delong"] = {label: found["delong"] for label, found in by_class.items()}
        document["calibration"] = _by_model(by_class, "calibration", P)
        document["decision_curve"] = {
            **_by_model(by_class, "decision_curve", P),
            "treat_all": {label: found["treat_all"] for label, found in by_class.items()},
        }
    document["prediction_sets"] = (
        None if sets is None else _prediction_sets(y, sets, patients, classes, level, interval)
    )
    return document


def called_by_patient(part: Mapping[str, Any], patients: np.ndarray) -> dict[str, int]:
    """The class index that the main model of a judged part calls each patient; patients: (n,) as it was judged on."""
    P = np.asarray(part["probabilities"][part["main"]])
    called = P.argmax(axis=1)
    if part["thresholds"] is not None:
        called = (P[:, 1] >= np.asarray(part["thresholds"][part["main"]])).astype(np.int64)
    return {str(name): int(k) for name, k in zip(np.unique(patients), called, strict=True)}


def _check(
    y: np.ndarray, probabilities: Probabilities, patients: np.ndarray, classes: Sequence[str], main: str
) -> None:
    if len(classes) < 2 or main not in probabilities:
        raise InputError(f"Give at least two classes and the probabilities of {main}.")
    if len(patients) != len(y):
        raise InputError(f"There are {len(patients)} patient identifiers for {len(y)} cases; give one a case.")
    for model, P in probabilities.items():
        if np.shape(P) != (len(y), len(classes)):
            raise InputError(f"{model} has probabilities of shape {np.shape(P)}, not {(len(y), len(classes))}.")
        check_classes(y, np.asarray(P), classes)


def _patient_cuts(thresholds: Thresholds, model: str, main: str, patients: np.ndarray) -> np.ndarray:
    """(patients,) cut of each patient; raises InputError where a patient's cases have different ones."""
    given = thresholds.get(model) if isinstance(thresholds, Mapping) else thresholds if model == main else None
    cuts = np.broadcast_to(np.asarray(0.5 if given is None else given, dtype=np.float64), patients.shape)
    names, first, group = np.unique(patients, return_index=True, return_inverse=True)
    differs = group[cuts != cuts[first][group]]
    if len(differs):
        raise InputError(f"Patient {names[differs[0]]} has several thresholds; give all cases of a patient one.")
    return np.asarray(cuts[first])


def _patient_means(X: np.ndarray, patients: np.ndarray) -> np.ndarray:
    return by_patient(np.zeros(len(patients), dtype=np.int64), X, patients)[1]


def _macro(actual: np.ndarray, P: np.ndarray, called: np.ndarray, resamples: int, seed: int, interval: str) -> Metrics:
    found = macro_metrics(actual, P, called, resamples=resamples, seed=seed, interval=interval)
    return {
        name: {"value": None, "low": None, "high": None} if interval is None else dict(interval.__dict__)
        for name, interval in found.items()
    }


def _delong(actual: np.ndarray, scores: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Every pair of models: difference of the AUCs (row less column), p, and p after Holm's correction."""
    models = list(scores)
    pairs = list(itertools.combinations(range(len(models)), 2))
    difference: list[list[float | None]] = [[0.0] * len(models) for _ in models]
    p: list[list[float | None]] = [[None] * len(models) for _ in models]
    adjusted: list[list[float | None]] = [[None] * len(models) for _ in models]
    enough = min(int(np.sum(actual)), int(np.sum(~actual))) >= 2
    tests = [delong_test(actual, scores[models[i]], scores[models[j]]) if enough else None for i, j in pairs]
    values = [None if test is None else test.p for test in tests]
    for (i, j), test, raw, after in zip(pairs, tests, values, corrected(values, "Holm"), strict=True):
        difference[i][j] = None if test is None else test.difference
        difference[j][i] = None if test is None else -test.difference
        p[i][j] = p[j][i] = raw
        adjusted[i][j] = adjusted[j][i] = after
    return {"models": models, "difference": difference, "p": p, "p_corrected": adjusted, "correction": "Holm"}


def _decision_curve(actual: np.ndarray, p: np.ndarray, resamples: int, seed: int) -> dict[str, list[float]]:
    curve = net_benefit(actual, p)
    band = net_benefit_band(actual, p, resamples=resamples, seed=seed)
    return {
        "thresholds": curve.thresholds.tolist(),
        "net_benefit": curve.model.tolist(),
        "low": band.low.tolist(),
        "high": band.high.tolist(),
    }


def _by_model(by_class: Mapping[str, dict[str, Any]], part: str, models: Probabilities) -> dict[str, Any]:
    return {model: {label: found[part][model] for label, found in by_class.items()} for model in models}


def _prediction_sets(
    y: np.ndarray,
    sets: Sequence[Sequence[int]],
    patients: np.ndarray,
    classes: Sequence[str],
    level: float,
    interval: str,
) -> dict[str, Any]:
    """Share of patients whose set holds their class, with limits, and how large the sets are."""
    if len(sets) != len(y):
        raise InputError(f"There are {len(sets)} prediction sets for {len(y)} cases; give one a case.")
    of_case = [frozenset(map(int, members)) for members in sets]
    names, first, group = np.unique(patients, return_index=True, return_inverse=True)
    for case, own in enumerate(group):
        if of_case[case] != of_case[first[own]]:
            raise InputError(f"Patient {names[own]} has several prediction sets; give all cases of a patient one.")
    label = y[first]
    held = np.asarray([int(label[i]) in of_case[row] for i, row in enumerate(first)])
    sizes = np.asarray([len(of_case[row]) for row in first])

    def share(rows: np.ndarray) -> dict[str, float]:
        return dict(proportion_interval(interval)(int(held[rows].sum()), int(rows.sum()), 0.95).__dict__)

    return {
        "level": level,
        "coverage": {
            **share(np.ones(len(label), dtype=bool)),
            "by_class": {name: share(label == k) for k, name in enumerate(classes)},
        },
        "mean_size": float(sizes.mean()),
        "sizes": {str(size): int(np.sum(sizes == size)) for size in range(len(classes) + 1)},
    }
