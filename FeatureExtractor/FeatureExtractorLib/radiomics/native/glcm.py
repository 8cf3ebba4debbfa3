"""Grey level co-occurrence (Haralick 1973): how often levels i and j are neighbours along each direction.

p(i, j) is the matrix of one direction divided by its sum, p_x and p_y its row and column sums, p_sum(k) the share
of pairs with i + j = k, p_diff(k) that with |i - j| = k, N the highest grey level, m_x and m_y the means of i and j.
A feature is the mean of its values over the directions that hold any pair.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import entr

from . import matrices
from .feature import Feature, FeatureClass
from .roi import Roi


@dataclass(frozen=True)
class Cooccurrence:
    """p: (d, g, g) probabilities by direction, sums 1; grey_levels: (g,); symmetric: whether every p is."""

    p: np.ndarray
    grey_levels: np.ndarray
    symmetric: bool

    @cached_property
    def px(self) -> np.ndarray:
        return self.p.sum(axis=2)

    @cached_property
    def py(self) -> np.ndarray:
        return self.px if self.symmetric else self.p.sum(axis=1)

    @cached_property
    def mean_x(self) -> np.ndarray:
        return self.px @ self.grey_levels

    @cached_property
    def mean_y(self) -> np.ndarray:
        return self.py @ self.grey_levels

    @cached_property
    def highest(self) -> int:
        return int(self.grey_levels[-1])

    @cached_property
    def k_sum(self) -> np.ndarray:
        return np.arange(2 * self.highest + 1)

    @cached_property
    def k_diff(self) -> np.ndarray:
        return np.arange(self.highest)

    @cached_property
    def p_sum(self) -> np.ndarray:
        """(d, 2N + 1): share of pairs by i + j = 0, 1, ..."""
        return self._collect(np.add.outer(self.grey_levels, self.grey_levels), len(self.k_sum))

    @cached_property
    def p_diff(self) -> np.ndarray:
        """(d, N): share of pairs by |i - j| = 0, 1, ..."""
        return self._collect(np.abs(np.subtract.outer(self.grey_levels, self.grey_levels)), len(self.k_diff))

    def _collect(self, k: np.ndarray, length: int) -> np.ndarray:
        k = k.ravel()
        return np.array([np.bincount(k, p.ravel(), length) for p in self.p]).reshape(-1, length)

    @cached_property
    def centred_sum(self) -> np.ndarray:
        """(d, 2N + 1): i + j - m_x - m_y."""
        return self.k_sum - (self.mean_x + self.mean_y)[:, None]

    @cached_property
    def joint_entropy(self) -> np.ndarray:
        return entr(self.p).sum(axis=(1, 2)) / np.log(2)

    @cached_property
    def entropy_x(self) -> np.ndarray:
        return entr(self.px).sum(axis=1) / np.log(2)

    @cached_property
    def entropy_y(self) -> np.ndarray:
        return entr(self.py).sum(axis=1) / np.log(2)


def measure(roi: Roi, settings: Mapping[str, Any]) -> Cooccurrence:
    """Co-occurrence of neighbours at the settings' `distances`, symmetric unless `symmetricalGLCM` is false.

    With `weightingNorm` the directions' matrices are first merged, weighted by exp(-length^2) of the step in mm.
    """
    counts = matrices.cooccurrence(roi.levels, len(roi.grey_levels), roi.far)
    symmetric = settings.get("symmetricalGLCM", True)
    if symmetric:
        counts = counts + counts.transpose(0, 2, 1)
    norm = settings.get("weightingNorm")
    if norm is not None:
        weights = 1.0 if norm == "no_weighting" else np.exp(-(matrices.norms(roi.far, roi.spacing, norm) ** 2))
        counts = np.sum(counts * np.reshape(weights, (-1, 1, 1)), axis=0, keepdims=True)
    total = counts.sum(axis=(1, 2))
    return Cooccurrence(counts[total > 0] / total[total > 0, None, None], roi.grey_levels, symmetric)


def autocorrelation(c: Cooccurrence) -> np.ndarray:
    """sum p(i, j) i j."""
    return (c.p @ c.grey_levels) @ c.grey_levels


def joint_average(c: Cooccurrence) -> np.ndarray:
    """m_x = sum p(i, j) i."""
    return c.mean_x


def cluster_prominence(c: Cooccurrence) -> np.ndarray:
    """sum p(i, j) (i + j - m_x - m_y)^4."""
    return np.sum(c.p_sum * c.centred_sum**4, axis=1)


def cluster_shade(c: Cooccurrence) -> np.ndarray:
    """sum p(i, j) (i + j - m_x - m_y)^3."""
    return np.sum(c.p_sum * c.centred_sum**3, axis=1)


def cluster_tendency(c: Cooccurrence) -> np.ndarray:
    """sum p(i, j) (i + j - m_x - m_y)^2."""
    return np.sum(c.p_sum * c.centred_sum**2, axis=1)


def contrast(c: Cooccurrence) -> np.ndarray:
    """sum p(i, j) (i - j)^2."""
    return c.p_diff @ c.k_diff.astype(float) ** 2


def correlation(c: Cooccurrence) -> np.ndarray:
    """sum p(i, j) (i - m_x) (j - m_y) / (s_x s_y); 1 in a direction with a single level."""
    x, y = c.grey_levels - c.mean_x[:, None], c.grey_levels - c.mean_y[:, None]
    spread = np.sqrt(np.sum(c.px * x**2, axis=1) * np.sum(c.py * y**2, axis=1))
    covariance = np.sum(np.matmul(c.p, y[:, :, None])[:, :, 0] * x, axis=1)
    return np.divide(covariance, spread, out=np.ones_like(spread), where=spread > 0)


def difference_average(c: Cooccurrence) -> np.ndarray:
    """sum k p_diff(k)."""
    return c.p_diff @ c.k_diff


def difference_entropy(c: Cooccurrence) -> np.ndarray:
    """- sum p_diff(k) log2 p_diff(k)."""
    return entr(c.p_diff).sum(axis=1) / np.log(2)


def difference_variance(c: Cooccurrence) -> np.ndarray:
    """sum p_diff(k) (k - difference average)^2."""
    return np.sum(c.p_diff * (c.k_diff - difference_average(c)[:, None]) ** 2, axis=1)


def joint_energy(c: Cooccurrence) -> np.ndarray:
    """sum p(i, j)^2."""
    return np.einsum("dij,dij->d", c.p, c.p)


def joint_entropy(c: Cooccurrence) -> np.ndarray:
    """H_xy = - sum p(i, j) log2 p(i, j)."""
    return c.joint_entropy


def imc1(c: Cooccurrence) -> np.ndarray:
    """(H_xy - H_x - H_y) / max(H_x, H_y); 0 in a direction with a single level."""
    largest = np.maximum(c.entropy_x, c.entropy_y)
    information = c.joint_entropy - c.entropy_x - c.entropy_y
    return np.divide(information, largest, out=np.zeros_like(largest), where=largest > 0)


def imc2(c: Cooccurrence) -> np.ndarray:
    """sqrt(1 - exp(-2 (H_x + H_y - H_xy))), the entropies in bits."""
    return np.sqrt(-np.expm1(-2 * np.maximum(c.entropy_x + c.entropy_y - c.joint_entropy, 0)))


def idm(c: Cooccurrence) -> np.ndarray:
    """sum p_diff(k) / (1 + k^2)."""
    return c.p_diff @ (1 / (1 + c.k_diff.astype(float) ** 2))


def idmn(c: Cooccurrence) -> np.ndarray:
    """sum p_diff(k) / (1 + k^2 / N^2)."""
    return c.p_diff @ (1 / (1 + (c.k_diff / c.highest) ** 2))


def inverse_difference(c: Cooccurrence) -> np.ndarray:
    """sum p_diff(k) / (1 + k)."""
    return c.p_diff @ (1 / (1 + c.k_diff))


def idn(c: Cooccurrence) -> np.ndarray:
    """sum p_diff(k) / (1 + k / N)."""
    return c.p_diff @ (1 / (1 + c.k_diff / c.highest))


def inverse_variance(c: Cooccurrence) -> np.ndarray:
    """sum over k > 0 of p_diff(k) / k^2."""
    return c.p_diff[:, 1:] @ (1 / c.k_diff[1:].astype(float) ** 2)


def mcc(c: Cooccurrence) -> np.ndarray:
    """Root of the second largest eigenvalue of Q(i, j) = sum over k of p(i, k) p(j, k) / (p_x(i) p_y(k)); 1 if g = 1.

    Q is similar to S S' with S = p(i, j) / sqrt(p_x(i) p_y(j)): its eigenvalues are the squared singular values of S.
    As in PyRadiomics, 2^-52 is added to each product p_x p_y, which is felt where a level is very rare.
    """
    if len(c.grey_levels) < 2:
        return np.ones(1)
    s = c.p / np.sqrt(c.px[:, :, None] * c.py[:, None, :] + np.spacing(1))
    singular = np.abs(np.linalg.eigvalsh(s)) if c.symmetric else np.linalg.svd(s, compute_uv=False)
    return np.sort(singular, axis=1)[:, -2]


def maximum_probability(c: Cooccurrence) -> np.ndarray:
    """max p(i, j)."""
    return c.p.max(axis=(1, 2))


def sum_average(c: Cooccurrence) -> np.ndarray:
    """sum k p_sum(k)."""
    return c.p_sum @ c.k_sum


def sum_entropy(c: Cooccurrence) -> np.ndarray:
    """- sum p_sum(k) log2 p_sum(k)."""
    return entr(c.p_sum).sum(axis=1) / np.log(2)


def sum_squares(c: Cooccurrence) -> np.ndarray:
    """sum p(i, j) (i - m_x)^2."""
    return np.sum(c.px * (c.grey_levels - c.mean_x[:, None]) ** 2, axis=1)


FEATURES = {
    "Autocorrelation": Feature(autocorrelation, "QWB0", "grey level2"),
    "ClusterProminence": Feature(cluster_prominence, "AE86", "grey level4"),
    "ClusterShade": Feature(cluster_shade, "7NFM", "grey level3"),
    "ClusterTendency": Feature(cluster_tendency, "DG8W", "grey level2"),
    "Contrast": Feature(contrast, "ACUI", "grey level2"),
    "Correlation": Feature(correlation, "NI2N"),
    "DifferenceAverage": Feature(difference_average, "TF7R", "grey level"),
    "DifferenceEntropy": Feature(difference_entropy, "NTRS"),
    "DifferenceVariance": Feature(difference_variance, "D3YU", "grey level2"),
    "Id": Feature(inverse_difference, "IB1Z"),
    "Idm": Feature(idm, "WF0Z"),
    "Idmn": Feature(idmn, "1QCO"),
    "Idn": Feature(idn, "NDRX"),
    "Imc1": Feature(imc1, "R8DG"),
    "Imc2": Feature(imc2, "JN9H"),
    "InverseVariance": Feature(inverse_variance, "E8JP"),
    "JointAverage": Feature(joint_average, "60VM", "grey level"),
    "JointEnergy": Feature(joint_energy, "8ZQL"),
    "JointEntropy": Feature(joint_entropy, "TU9B"),
    "MCC": Feature(mcc),
    "MaximumProbability": Feature(maximum_probability, "GYBY"),
    "SumAverage": Feature(sum_average, "ZGXS", "grey level"),
    "SumEntropy": Feature(sum_entropy, "P6QZ"),
    "SumSquares": Feature(sum_squares, "UR99", "grey level2"),
}
CLASS = FeatureClass(measure, FEATURES)
