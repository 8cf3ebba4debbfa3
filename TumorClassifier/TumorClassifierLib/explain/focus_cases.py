"""Where the maps of cases point that a model had not seen, for tables and box plots of a judged cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .focus import focus_of
from .focus_cohort import POINTS, FocusRow, compare_focus
from .overlap import map_overlap

Focus = Mapping[str, Any]


@dataclass(frozen=True)
class CaseMap:
    """A map of the class that a case was called, (rows, columns) or (z, y, x), 0 or more, and the outline on its grid.

    outline: not 0 inside. spacing: mm of the axes in the order x, y, z.
    """

    values: np.ndarray
    outline: np.ndarray
    spacing: tuple[float, ...]

    def focus(self) -> dict[str, Any] | None:
        """`focus_of` and `map_overlap` without positions; None of a map that is 0 or where nothing is outlined."""
        outline = np.asarray(self.outline) != 0
        if not outline.any():
            return None
        images = [sitk.GetImageFromArray(a) for a in (self.values.astype(np.float32), outline.astype(np.uint8))]
        for image in images:
            image.SetSpacing(self.spacing)
        found, overlap = focus_of(images[0], images[1]), map_overlap(self.values, outline)
        if found is None or overlap is None:
            return None
        points = {
            point: {name: value for name, value in found[point].items() if name != "position_mm"} for point in POINTS
        }
        return {**points, "mass_inside": found["mass_inside"], **overlap}


def focus_document(
    focuses: Sequence[Focus | None],
    patients: Sequence[str],
    y: Sequence[int],
    called: Mapping[str, int],
    classes: Sequence[str],
) -> dict[str, Any] | None:
    """Plain JSON of a judged cohort: a row a patient, tests between classes and between right and wrong, means.

    focuses, patients, y: per case. called: by patient the class. Of a patient's cases the first with a focus stands
    for the patient. None where no case has a focus. The rows are sorted, so that their order names nobody.
    """
    first: dict[str, tuple[Focus, int]] = {}
    for focus, patient, label in zip(focuses, patients, y, strict=True):
        if focus is not None:
            first.setdefault(patient, (focus, int(label)))
    if not first:
        return None
    found = [FocusRow(focus, classes[label], classes[called[patient]]) for patient, (focus, label) in first.items()]
    found.sort(key=lambda row: (row.actual, row.called, row.focus["mass_inside"], row.focus["dice"]))
    return {
        "patients": len(found),
        "inside": float(np.mean([row.focus["inside"] for row in found])),
        "dice": float(np.mean([row.focus["dice"] for row in found])),
        "pointing": float(np.mean([row.focus["peak"]["inside"] for row in found])),
        "rows": [{"actual": row.actual, "called": row.called, "focus": dict(row.focus)} for row in found],
        **compare_focus(found, classes),
    }


def rows_of(document: Mapping[str, Any]) -> list[FocusRow]:
    """The rows of a `focus_document`."""
    return [FocusRow(row["focus"], row["actual"], row["called"]) for row in document["rows"]]
