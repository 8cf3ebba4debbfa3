"""All that is said of one model's calibration, as plain JSON values."""

from typing import Any

import numpy as np
from scipy.special import logit

from FeatureExtractorLib.errors import InputError

from .calibration import brier, calibration_curve, calibration_slope_intercept, hosmer_lemeshow
from .corrected_calibration import corrected_calibration, usual_predictions
from .loess import local_line

LINE_RESAMPLES = 200
REFITTED_MODEL = (
    "The corrected line is the smooth line less its optimism (Harrell): the regression's coefficients were fitted "
    "again in {count} bootstrap samples of patients; the choice of its variables was not repeated."
)
REFITTED_LINE = (
    "The corrected line is the smooth line less the optimism of a recalibration, logit p = a + b · logit p, fitted "
    "again in {count} bootstrap samples of patients; the optimism of the model behind p is still in it."
)


def calibration_summary(
    y: np.ndarray, p: np.ndarray, own_training: bool, design: np.ndarray | None = None, seed: int = 0
) -> dict[str, Any]:
    """Slope, intercepts, Brier score, Hosmer-Lemeshow test, grouped and smooth calibration curves.

    y: (n,) 0/1 and p: (n,) probabilities, one a patient. own_training: the model was fitted on these very patients;
    then the test has g - 2 degrees of freedom (g otherwise) and the curve is also given corrected: for the regression
    whose columns are design (n, q), or, without one, for a recalibration of p. `note` says what was corrected, and
    what could not be had and why.
    """
    groups = min(10, max(3, len(y) // 5))
    result: dict[str, Any] = {"slope": None, "intercept": None, "in_the_large": None, "brier": brier(y, p)}
    notes = []
    try:
        line = calibration_slope_intercept(y, p)
        result |= {"slope": line.slope, "intercept": line.intercept, "in_the_large": line.in_the_large}
    except InputError as error:
        notes.append(f"No calibration slope: {error}")
    result["hosmer_lemeshow"] = None
    try:
        found = hosmer_lemeshow(y, p, groups)
        if not own_training:
            found = hosmer_lemeshow(y, p, groups, degrees_of_freedom=found.groups)
        result["hosmer_lemeshow"] = dict(found.__dict__)
    except InputError as error:
        notes.append(f"No Hosmer-Lemeshow test: {error}")
    result["curve"] = [
        {
            "predicted": point.predicted,
            "observed": point.observed.value,
            "low": point.observed.low,
            "high": point.observed.high,
            "cases": point.cases,
        }
        for point in calibration_curve(y, p, groups)
    ]
    at = usual_predictions(p)
    smooth = local_line(p, y, at)
    result["loess"] = {"predicted": at.tolist(), "observed": np.clip(smooth, 0, 1).tolist()}
    result["corrected"] = None
    if own_training:
        columns = logit(np.clip(p, 1e-9, 1 - 1e-9))[:, None] if design is None else design
        try:
            corrected = corrected_calibration(columns, y, at=at, resamples=LINE_RESAMPLES, seed=seed)
            result["corrected"] = {
                "predicted": at.tolist(),
                "observed": np.clip(smooth - corrected.optimism, 0, 1).tolist(),
                "resamples": corrected.resamples,
            }
            notes.append((REFITTED_LINE if design is None else REFITTED_MODEL).format(count=corrected.resamples))
        except InputError as error:
            notes.append(f"No corrected line: {error}")
    result["note"] = " ".join(notes) or None
    return result
