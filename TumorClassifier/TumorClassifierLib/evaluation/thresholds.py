"""The probability at which a case is called positive: chosen on training cases, then kept."""

import numpy as np

from FeatureExtractorLib.errors import InputError

from .calibration import check_probabilities
from .discrimination import roc_curve, youden_threshold
from .metrics import by_patient

KINDS = ("fixed", "sensitivity", "specificity")


def check_rule(rule: str) -> None:
    """Raises InputError unless `choose_threshold` has the rule: for settings, long before there are probabilities."""
    kind, colon, text = rule.partition(":")
    if kind in KINDS and colon:
        _share(rule, text)
    elif rule != "youden":
        raise InputError(
            f"There is no threshold rule {rule!r}; use youden, fixed:0.5, sensitivity:0.95 or specificity:0.95."
        )


def choose_threshold(y: np.ndarray, p: np.ndarray, rule: str, patients: np.ndarray | None = None) -> float:
    """The cut of a rule; a case is called positive when its probability is >= the cut.

    y: (n,) 0/1 and p: (n,) probabilities of training cases; patients: (n,), where given, patients' mean probabilities
    count. Rules: "youden" (largest sensitivity + specificity - 1, of equal ones the most sensitive), "fixed:0.5"
    (that cut), "sensitivity:0.95" (the highest cut, thus the one of fewest false positives, that finds at least that
    share of the positives), "specificity:0.95" (the lowest cut that spares at least that share of the negatives; it
    may lie just above the largest probability).
    Raises InputError at another rule, at a share outside 0 to 1, and unless both classes occur.
    """
    check_rule(rule)
    kind, _, text = rule.partition(":")
    if kind == "fixed":
        return _share(rule, text)
    y, p = check_probabilities(y, p)
    if patients is not None:
        y, p = by_patient(y, p, patients)
    if rule == "youden":
        return youden_threshold(y, p)
    share = _share(rule, text)
    curve = roc_curve(y, p)
    if kind == "sensitivity":
        wanted = int(np.argmax(curve.true_positive_rate >= share - 1e-12))
    else:
        wanted = int(np.flatnonzero(1 - curve.false_positive_rate >= share - 1e-12)[-1])
    threshold = float(curve.thresholds[wanted])
    return threshold if np.isfinite(threshold) else float(np.nextafter(p.max(), 2))


def _share(rule: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InputError(f"The threshold rule {rule!r} has no share from 0 to 1; write, for example, fixed:0.5.")
    return share
