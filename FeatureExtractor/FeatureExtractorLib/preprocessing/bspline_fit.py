"""B-spline fields on a regular grid, fitted and evaluated one axis at a time.

A field on the voxels (k, j, i) is a product of one-dimensional B-splines B of order n (cubic: 3) over a lattice φ:

    f[k, j, i] = Σ_cba Bz[k, c] By[j, b] Bx[i, a] φ[c, b, a]

The scattered-data fit of values r with confidence m (Lee, Wolberg & Shin 1997, IEEE TVCG 3(3), eq. 3–5; with
confidence Tustison & Gee 2005) is, with w the product of the three B's at one voxel and one control point,

    φ[c, b, a] = Σ_voxels m w² · (w r / Σ_lattice w²)  /  Σ_voxels m w²

For voxels on a grid Σ_lattice w² is a product of three one-dimensional sums, so that numerator and denominator are
each three small matrix products: B³/ΣB² per axis on m·r, and B² per axis on m. Nothing is approximated.

Arrays are (z, y, x). An axis with one voxel has one control point of weight 1, which leaves the other two alone: the
fit of a single slice is the two-dimensional fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

END_SHIFT = 1e-3  # voxels by which the last one is moved inwards, so that it lies in the last span (as ITK does)
SMALLEST_DENOMINATOR = 0.1 * float(np.finfo(np.float32).eps)  # below it a control point has no data (as ITK decides)

Matrices = tuple[np.ndarray, np.ndarray, np.ndarray]  # one matrix per axis, in the order z, y, x


@dataclass(frozen=True)
class SplineField:
    """A field on the voxels of an image: its lattice (c, b, a) and the bases (z, c), (y, b), (x, a), float32."""

    lattice: np.ndarray
    bases: Matrices

    def lines(self) -> tuple[np.ndarray, np.ndarray]:
        """Two matrices, (z · y, a) and (a, x), whose product is the field on all lines of voxels along x."""
        z, y, x = self.bases
        rows = y @ _planes(self.lattice, z)
        return rows.reshape(-1, rows.shape[-1]), np.ascontiguousarray(x.T)


def basis(size: int, control_points: int, order: int) -> np.ndarray:
    """B of shape (size, control_points): the B-splines of an axis whose voxels spread over all its spans.

    Uniform knots, Cox–de Boor recursion. The number of spans is control_points − order.
    """
    if size == 1:
        return np.ones((1, 1))
    spans = control_points - order
    position = spans * np.arange(size) / (size - 1)
    position[-1] -= END_SHIFT * spans / (size - 1)
    knots = np.arange(-order, spans + order + 1.0)
    u = position[:, None]
    splines = ((knots[:-1] <= u) & (u < knots[1:])).astype(np.float64)
    for degree in range(1, order + 1):
        rising = (u - knots[: -degree - 1]) * splines[:, :-1]
        falling = (knots[degree + 1 :] - u) * splines[:, 1:]
        splines = (rising + falling) / degree
    return splines


def refine(lattice: np.ndarray, order: int) -> np.ndarray:
    """The lattice of the same field with every span halved (the two-scale relation of B-splines).

    An axis of c control points gets 2c − order: φ'[j] = 2^−n Σ_i C(n + 1, j − 2i + n) φ[i].
    """
    for axis, coarse in enumerate(lattice.shape):
        if coarse == 1:
            continue
        halves = np.array(
            [
                [comb(order + 1, j - 2 * i + order) if j - 2 * i + order >= 0 else 0 for i in range(coarse)]
                for j in range(2 * coarse - order)
            ]
        )
        lattice = np.moveaxis(np.tensordot(halves / 2.0**order, lattice, (1, axis)), 0, axis)
    return lattice


class GridFit:
    """Fits and evaluates lattices of one size for one set of voxels: what does not change is computed once.

    confidence: (z, y, x), 0 where a voxel does not count. Single precision, as in ITK's N4.
    """

    def __init__(self, bases: Sequence[np.ndarray], confidence: np.ndarray) -> None:
        z, y, x = bases
        self._bases = _single(z, y, x)
        self._projections = _single(*(b.T**3 / (b**2).sum(axis=1) for b in bases))
        denominator = _project(_single(z.T**2, y.T**2, x.T**2), confidence)
        has_data = denominator > SMALLEST_DENOMINATOR
        self._inverse = np.where(has_data, 1.0 / np.where(has_data, denominator, 1.0), 0.0).astype(np.float32)

    def fit(self, values: np.ndarray) -> np.ndarray:
        """The lattice (c, b, a) that approximates `values`, which is (z, y, x) and already times the confidence."""
        return _project(self._projections, values) * self._inverse

    def evaluate(self, lattice: np.ndarray) -> np.ndarray:
        """The field (z, y, x) of a lattice."""
        return evaluate(lattice, self._bases)


def evaluate(lattice: np.ndarray, bases: Matrices) -> np.ndarray:
    """The field (z, y, x) of a lattice (c, b, a) for bases of shapes (z, c), (y, b), (x, a)."""
    z, y, x = bases
    rows = y @ _planes(lattice, z)
    return (rows.reshape(-1, rows.shape[-1]) @ x.T).reshape(len(z), len(y), len(x))


def _planes(lattice: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The lattice (c, b, a) evaluated along z alone: (z, b, a)."""
    return (z @ lattice.reshape(lattice.shape[0], -1)).reshape(-1, *lattice.shape[1:])


def _project(matrices: Matrices, values: np.ndarray) -> np.ndarray:
    """Sums over voxels: matrices of shapes (c, z), (b, y), (a, x) applied to values (z, y, x), the longest first."""
    z, y, x = matrices
    rows = (values.reshape(-1, values.shape[-1]) @ x.T).reshape(*values.shape[:-1], len(x))
    planes = y @ rows
    return (z @ planes.reshape(len(planes), -1)).reshape(len(z), len(y), len(x))


def _single(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> Matrices:
    return tuple(np.ascontiguousarray(m, dtype=np.float32) for m in (z, y, x))  # type: ignore[return-value]
