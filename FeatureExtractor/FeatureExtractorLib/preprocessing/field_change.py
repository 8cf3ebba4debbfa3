"""How much a bias field changed in one iteration: the number by which N4 decides to stop.

It is the coefficient of variation of exp(old − new) over the mask. ITK sums it voxel by voxel in single precision,

    σ ← σ + (p − μ)² (n − 1)/n,    μ ← μ (1 − 1/n) + p/n,    change = √(σ/(N − 1)) / μ

and a μ close to 1 cannot move by less than 6e-8: after some thousands of voxels it stands still, at the mean of the
first ones, and the change comes out larger than it is. N4 with ITK therefore iterates longer than its threshold says,
and to stop at the same iteration one has to round as it does.
"""

import numpy as np

HALF_STEP = 2.0**-25  # of single precision between 1/2 and 1
SPLIT = 2.0**29 + 1.0  # Veltkamp's constant: rounds a double to 24 bits in three operations (Dekker 1971)
LOOK_CLOSER = 1.2  # times the threshold: covers that std(d) stands for the variation of exp(d)


def has_converged(old: np.ndarray, new: np.ndarray, threshold: float) -> bool:
    """Whether the field, log units, float32 (n,), changed by at most `threshold` as ITK sees it."""
    if len(old) < 2:
        return True
    change = old - new
    spread = change - change.mean()
    exact = float(np.sqrt(np.dot(spread, spread) / (len(spread) - 1)))
    # A standing μ can only raise the change: the slow sum is needed only where the plain one is small enough.
    if exact > LOOK_CLOSER * threshold:
        return False
    ratio = np.exp(change, dtype=np.float64).astype(np.float32)
    return change_in_single_precision(ratio) <= float(np.float32(threshold))


def change_in_single_precision(ratio: np.ndarray) -> float:
    """ITK's coefficient of variation of `ratio`, float32 (n,), values near 1, n at least 2."""
    count = np.arange(2.0, len(ratio) + 1.0)
    means = _running_means(ratio)
    deviation = np.square(ratio[1:] - means[:-1])
    terms = (deviation * ((count - 1.0) / count)).astype(np.float32)
    total = np.add.accumulate(terms)[-1]
    return float(np.sqrt(total / (len(ratio) - 1.0)) / means[-1])


def _running_means(ratio: np.ndarray) -> np.ndarray:
    """μ after each voxel, float32 (n,). The loop ends where no voxel can move μ any more."""
    spread = float(ratio.max() - ratio.min())
    moving = min(len(ratio), int(spread / HALF_STEP) + 16)
    inverse = 1.0 / np.arange(1.0, moving + 1.0)
    kept = (1.0 - inverse).tolist()
    shares = (ratio[:moving] / np.arange(1, moving + 1, dtype=np.float32)).tolist()
    means = np.empty(len(ratio), dtype=np.float32)
    mean, path = 0.0, []
    for keep, share in zip(kept, shares, strict=True):
        exact = mean * keep + share
        shifted = exact * SPLIT
        mean = shifted - (shifted - exact)
        path.append(mean)
    means[:moving] = path
    means[moving:] = mean
    return means
