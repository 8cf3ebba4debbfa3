"""Whose definitions hold where PyRadiomics and the Image Biomarker Standardisation Initiative differ."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def is_ibsi(settings: Mapping[str, Any]) -> bool:
    """Whether the setting `definition` is "ibsi"; PyRadiomics' definitions hold unless it is."""
    return bool(settings.get("definition") == "ibsi")


def first_edge(values: np.ndarray, settings: Mapping[str, Any], as_acquired: bool) -> float | None:
    """Lower edge of the first bin of fixed width; None for PyRadiomics', the multiple of the width below the minimum.

    By IBSI it is the lower limit of the range to which intensities were resegmented, or else the minimum of `values`.
    The range says nothing of a filtered image, which is not `as_acquired`.
    """
    if not is_ibsi(settings):
        return None
    limits = settings.get("resegmentRange")
    given = limits and as_acquired and settings.get("resegmentMode", "absolute") == "absolute"
    return float(min(limits)) if limits and given else float(values.min())
