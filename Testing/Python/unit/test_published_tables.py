"""Result tables in print, computed again from the confusion matrices behind them.

Chen et al. 2022, Front Oncol 12:839567, table 3 (47 validation cases); Yang et al. 2022, Orphanet J Rare Dis, table 2
(38 external cases: 20 WDLPS, 18 lipomas; 89 training cases: 38 and 51).
"""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from TumorClassifierLib.evaluation.discrimination import auc, average_precision
from TumorClassifierLib.evaluation.intervals import clopper_pearson, wilson, wilson_corrected
from TumorClassifierLib.evaluation.metrics import binary_metrics

# Model: (TP, FP, TN, FN) and the printed accuracy, sensitivity, specificity, PPV, NPV with limits, all in per cent.
YANG_EXTERNAL = {
    "age": (
        (5, 4, 14, 15),
        50.00,
        (25.00, 9.59, 49.41),
        (77.78, 51.92, 92.63),
        (55.56, 22.65, 84.66),
        (48.28, 29.89, 67.10),
    ),
    "LDH": (
        (3, 5, 13, 17),
        42.11,
        (15.00, 3.96, 38.86),
        (72.22, 46.41, 89.29),
        (37.50, 10.24, 74.11),
        (43.33, 25.98, 62.34),
    ),
    "DL signature": (
        (19, 2, 16, 1),
        92.11,
        (95.00, 73.06, 99.74),
        (88.89, 63.93, 98.05),
        (90.48, 68.17, 98.33),
        (94.12, 69.24, 99.69),
    ),
    "clinical model": (
        (8, 7, 11, 12),
        50.00,
        (40.00, 19.98, 63.59),
        (61.11, 36.14, 81.74),
        (53.33, 27.42, 77.72),
        (47.83, 27.42, 68.92),
    ),
    "clinical-DL model": (
        (19, 4, 14, 1),
        86.84,
        (95.00, 73.06, 99.74),
        (77.78, 51.92, 92.63),
        (82.61, 60.45, 94.28),
        (93.33, 66.03, 99.65),
    ),
}
YANG_TRAINING = {
    "DL signature": (
        (35, 1, 50, 3),
        95.51,
        (92.11, 77.52, 97.94),
        (98.04, 88.21, 99.90),
        (97.22, 83.80, 99.85),
        (94.34, 83.37, 98.53),
    ),
    "clinical model": (
        (15, 8, 43, 23),
        65.17,
        (39.47, 24.49, 56.55),
        (84.31, 70.86, 92.52),
        (65.22, 42.82, 82.81),
        (65.15, 52.34, 76.19),
    ),
    "clinical-DL model": (
        (37, 3, 48, 1),
        95.51,
        (97.37, 84.57, 99.86),
        (94.12, 82.77, 98.47),
        (92.50, 78.52, 98.04),
        (97.96, 87.76, 99.89),
    ),
}
ROUNDED = 0.0051  # per cent with two decimals


def cases(tp: int, fp: int, tn: int, fn: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat([1, 0, 0, 1], [tp, fp, tn, fn]), np.repeat([1.0, 1.0, 0.0, 0.0], [tp, fp, tn, fn])


@pytest.mark.parametrize(
    ("counts", "accuracy", "printed"),
    [(row[0], row[1], row[2:]) for row in (*YANG_EXTERNAL.values(), *YANG_TRAINING.values())],
    ids=[*(f"external {name}" for name in YANG_EXTERNAL), *(f"training {name}" for name in YANG_TRAINING)],
)
def test_yangs_table_is_that_of_its_confusion_matrices(
    counts: tuple[int, int, int, int], accuracy: float, printed: tuple[tuple[float, float, float], ...]
) -> None:
    """All shares agree, and every limit is Wilson's with continuity correction (Newcombe's method 4)."""
    tp, fp, tn, fn = counts
    table = binary_metrics(*cases(*counts), resamples=20)
    assert 100 * table["accuracy"]["value"] == pytest.approx(accuracy, abs=ROUNDED)
    whole = {"sensitivity": (tp, tp + fn), "specificity": (tn, tn + fp), "ppv": (tp, tp + fp), "npv": (tn, tn + fn)}
    for (name, (part, all_of)), (value, low, high) in zip(whole.items(), printed, strict=True):
        interval = wilson_corrected(part, all_of)
        assert 100 * table[name]["value"] == pytest.approx(value, abs=ROUNDED)
        assert (100 * interval.low, 100 * interval.high) == pytest.approx((low, high), abs=ROUNDED)


def test_yangs_limits_are_neither_wilsons_nor_the_exact_ones() -> None:
    for interval in (wilson, clopper_pearson):
        assert abs(100 * interval(19, 20).low - 73.06) > 1


def test_yangs_specificity_of_ldh_in_training_does_not_add_up() -> None:
    """Print gives 44.09 % with limits 85.41 to 99.32, beside a PPV of 77.78 % (7 of 9) and an accuracy of 56 of 89.

    From these and the sensitivity (7 of 38) follow 49 of 51 negatives, 96.08 %, and just the printed limits: the share
    in print is wrong.
    """
    found = wilson_corrected(49, 51)
    assert (100 * found.low, 100 * found.high) == pytest.approx((85.41, 99.32), abs=ROUNDED)
    assert 100 * found.value == pytest.approx(96.08, abs=ROUNDED)


def test_chens_printed_shares_need_37_cases_not_47() -> None:
    """Print: sensitivity and NPV 100 %, specificity 84.21 %, PPV 85.71 % for SFT/HPC, with 47 validation cases.

    No confusion matrix of 47 cases has both shares. The only one of up to 47 cases that has them is 18 true and 3
    false positives, 16 true negatives: 37 cases.
    """
    fitting = [
        (tp, fp, tn)
        for tp in range(1, 48)
        for fp in range(48 - tp)
        for tn in range(1, 48 - tp - fp)
        if abs(100 * tn / (tn + fp) - 84.21) < ROUNDED and abs(100 * tp / (tp + fp) - 85.71) < ROUNDED
    ]
    assert fitting == [(18, 3, 16)]


def test_chens_table_of_those_37_cases() -> None:
    """All shares and F1 scores agree, and the printed NPV of 86 % for meningioma is 85.71 %, rounded.

    The printed AUC of 0.91 is not quite that of the calls alone (0.92), so it stems from scores or another average.
    The printed average precisions, 0.92 for SFT/HPC and 0.86 for meningioma, are those of the calls alone the other
    way round: 0.86 and 0.92.
    The printed accuracies (0.889 and 0.899 in the text) are means over several trainings; the calls give 0.919.
    """
    y, called = cases(18, 3, 16, 0)
    tumour, meningioma = binary_metrics(y, called, resamples=20), binary_metrics(1 - y, 1 - called, resamples=20)
    names = ("ppv", "npv", "sensitivity", "specificity", "f1")
    printed = (85.71, 100, 100, 84.21)
    assert [100 * tumour[name]["value"] for name in names[:4]] == pytest.approx(printed, abs=ROUNDED)
    assert [100 * meningioma[name]["value"] for name in names[2:4]] == pytest.approx((84.21, 100), abs=ROUNDED)
    assert 100 * meningioma["npv"]["value"] == pytest.approx(86, abs=0.5)
    assert tumour["f1"]["value"] == pytest.approx(0.92, abs=0.005)
    assert meningioma["f1"]["value"] == pytest.approx(0.91, abs=0.005)
    assert auc(y, called) == pytest.approx(0.921, abs=0.0005)
    assert abs(auc(y, called) - 0.91) > 0.005
    precisions = average_precision(y, called), average_precision(1 - y, 1 - called)
    assert precisions == pytest.approx((0.86, 0.92), abs=0.005)
    assert precisions[0] == pytest.approx(average_precision_score(y, called), abs=1e-12)
    assert tumour["accuracy"]["value"] == pytest.approx(0.919, abs=0.0005)
