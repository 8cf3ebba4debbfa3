"""How much of a map lies in the tumour that was outlined."""

import numpy as np

LEVEL = 0.5  # of a map's maximum: what is brighter counts as pointed at


def map_overlap(values: np.ndarray, inside: np.ndarray) -> dict[str, float] | None:
    """{"inside", "dice"} of a map, 0 or more, and a mask (not 0 inside), both of one shape; None for an empty map.

    inside: share of the map's sum in the mask. dice: 2 |A ∩ B| / (|A| + |B|) of the mask and of where the map is
    above half its maximum.
    """
    values, tumour = np.asarray(values, dtype=np.float64), np.asarray(inside) != 0
    if values.shape != tumour.shape:
        raise ValueError(f"A map of shape {values.shape} and a mask of shape {tumour.shape} are not on one grid.")
    if not values.max(initial=0.0) > 0:
        return None
    pointed = values > LEVEL * values.max()
    both = np.count_nonzero(pointed & tumour)
    return {
        "inside": float(values[tumour].sum() / values.sum()),
        "dice": 2 * both / (np.count_nonzero(pointed) + np.count_nonzero(tumour)),
    }
