"""Whether a network looks elsewhere in one class than in another, or where it errs: focal points of a cohort.

As in Chen et al. 2022, Figure 6: how far the focal point lies from the tumour's centre, and, of those outside the
tumour, how far from its edge; between the classes in all cases and in those called right. The same is asked of those
called wrong, and, in each class, between right and wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..evaluation.group_tests import compare_numbers
from ..evaluation.many_tests import corrected

TO_CENTRE = "to_centre_mm"
TO_EDGE_OUTSIDE = "to_edge_outside_mm"
MEASURES = {
    TO_CENTRE: "Focal point to tumour centre (mm)",
    TO_EDGE_OUTSIDE: "Focal point outside to tumour edge (mm)",
    "mass_inside": "Share of the map inside the tumour",
}
GROUPS = ("all", "right", "wrong")
POINTS = ("peak", "centroid")
CORRECTION = "Holm"


@dataclass(frozen=True)
class FocusRow:
    """A patient's focus, as `focus_of` gives it, the actual class and the called one."""

    focus: Mapping[str, Any]
    actual: str
    called: str

    @property
    def right(self) -> bool:
        """Whether the called class is the actual one."""
        return self.called == self.actual

    def value(self, measure: str, point: str = "peak") -> float | None:
        """One of MEASURES for a point of POINTS; None where it does not apply."""
        if measure == TO_CENTRE:
            return float(self.focus[point]["to_centre_mm"])
        if measure == TO_EDGE_OUTSIDE:
            return None if self.focus[point]["inside"] else float(self.focus[point]["to_edge_mm"])
        return float(self.focus["mass_inside"])


def focus_samples(
    rows: Sequence[FocusRow], classes: Sequence[str], measure: str, group: str, point: str = "peak"
) -> list[np.ndarray]:
    """Per actual class the values (n_k,) of a measure in a group, "all", "right" or "wrong"."""
    members = [row for row in rows if group == "all" or row.right is (group == "right")]
    values = [(row.actual, row.value(measure, point)) for row in members]
    return [np.array([v for actual, v in values if actual == label and v is not None]) for label in classes]


def compare_focus(rows: Sequence[FocusRow], classes: Sequence[str], point: str = "peak") -> dict[str, Any]:
    """Wilcoxon rank-sum tests of every measure, one row a patient; plain JSON values.

    Between two classes, and between right and wrong, Wilcoxon's rank-sum test (Mann-Whitney U), two-sided; between
    more classes Kruskal-Wallis. {"point", "correction", "tests": [{"measure", "between", "group", "test", "n": by
    what is compared, "median", "p": None where a side has fewer than two values, "p_corrected"}]}. The publication
    does not correct; both p are given.
    Raises InputError at another point, a class that is none of `classes` and fewer than two classes.
    """
    if point not in POINTS:
        raise InputError(f"A map has no point {point!r}; choose one of {', '.join(POINTS)}.")
    if len(classes) < 2:
        raise InputError(f"Focal points are compared between classes; give two or more, not {len(classes)}.")
    for row in rows:
        if row.actual not in classes:
            raise InputError(f"{row.actual} is none of the classes {', '.join(classes)}; name it among them.")
    tests = []
    for measure in MEASURES:
        by_group = {group: focus_samples(rows, classes, measure, group, point) for group in GROUPS}
        for group in GROUPS:
            tests.append(_tested(measure, "classes", group, dict(zip(classes, by_group[group], strict=True))))
        for k, label in enumerate(classes):
            sides = {group: by_group[group][k] for group in ("right", "wrong")}
            tests.append(_tested(measure, "right and wrong", label, sides))
    for test, p in zip(tests, corrected([test["p"] for test in tests], CORRECTION), strict=True):
        test["p_corrected"] = p
    return {"point": point, "correction": CORRECTION, "tests": tests}


def _tested(measure: str, between: str, group: str, samples: Mapping[str, np.ndarray]) -> dict[str, Any]:
    names = {"Mann-Whitney U": "Wilcoxon rank-sum", "none": "none"}
    found = None
    if sum(len(sample) for sample in samples.values()):
        found = compare_numbers(list(samples.values()), "rank")
    return {
        "measure": measure,
        "between": between,
        "group": group,
        "test": "none" if found is None else names.get(found.test, found.test),
        "n": {name: len(sample) for name, sample in samples.items()},
        "median": {name: float(np.median(s)) if len(s) else None for name, s in samples.items()},
        "p": None if found is None else found.p,
    }
