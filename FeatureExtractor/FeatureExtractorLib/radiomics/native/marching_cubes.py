"""Surface of a binary mask by marching cubes, its vertices at mid-edge (Lorensen & Cline 1987).

A cube has its corners numbered 4z + 2y + x and its edges 0-3 along x (2z + y), 4-7 along y (4 + 2z + x) and
8-11 along z (8 + 2y + x). A case is the number whose bit c says that corner c lies inside. The triangles of 22
cases are data; rotations of the cube give every case in which corner 6 is outside, and exchanging inside and
outside gives the other half. This is the convention of PyRadiomics, so that ambiguous faces are closed as there.
"""

from functools import cache
from itertools import permutations, product

import numpy as np

CORNERS = np.array(list(product((0, 1), repeat=3)))
EDGES = np.array(
    [(z, y, 0.5) for z, y in product((0, 1), repeat=2)]
    + [(z, 0.5, x) for z, x in product((0, 1), repeat=2)]
    + [(0.5, y, x) for y, x in product((0, 1), repeat=2)]
)
TRIANGLES = {
    0x00: "",
    0x01: "084",
    0x03: "458 598",
    0x06: "059 14a",
    0x07: "15a 59a 8a9",
    0x0F: "8ab 8b9",
    0x16: "059 14a 268",
    0x17: "159 19a 26a 2a9",
    0x18: "1b5 268",
    0x19: "024 1b5 264",
    0x1B: "164 196 1b9 269",
    0x1D: "025 26a 2a5 5ab",
    0x1E: "049 268 4a9 9ab",
    0x1F: "26a 2a9 9ab",
    0x3C: "4ab 4b5 689 697",
    0x3D: "06a 076 097 0ab 0b5",
    0x3F: "6a7 7ab",
    0x96: "059 14a 268 37b",
    0x97: "159 19a 26a 2a9 37b",
    0x9F: "269 379 39a 6a9",
    0xBD: "095 36a",
    0xBF: "36a",
}
PIVOT = 1 << 6
Triangle = tuple[int, int, int]


def _rotations() -> list[np.ndarray]:
    """The 24 rotations of the cube as 3x3 matrices."""
    signed = [np.eye(3)[list(p)] * s for p in permutations(range(3)) for s in product((1, -1), repeat=3)]
    return [m for m in signed if np.linalg.det(m) > 0]


def _permutation(points: np.ndarray, rotation: np.ndarray) -> list[int]:
    """Index of the point onto which each of `points` is turned."""
    turned = (points - 0.5) @ rotation.T + 0.5
    return [int(np.argmin(np.abs(points - p).sum(axis=1))) for p in turned]


@cache
def case_table() -> tuple[tuple[Triangle, ...], ...]:
    """Triangles (three edge numbers, outward) of all 256 cases."""
    table: dict[int, tuple[Triangle, ...]] = {}
    for case, text in TRIANGLES.items():
        triangles = [tuple(int(digit, 16) for digit in word) for word in text.split()]
        for rotation in _rotations():
            corner, edge = _permutation(CORNERS, rotation), _permutation(EDGES, rotation)
            turned = sum(1 << corner[bit] for bit in range(8) if case >> bit & 1)
            if not turned & PIVOT:
                table.setdefault(turned, tuple((edge[a], edge[b], edge[c]) for a, b, c in triangles))
    for case in [c for c in range(256) if c & PIVOT]:
        table[case] = tuple((a, c, b) for a, b, c in table[255 - case])
    return tuple(table[case] for case in range(256))


def surface(mask: np.ndarray, spacing: np.ndarray) -> tuple[float, float]:
    """Area (mm2) and volume (mm3) of the mesh around `mask` (z, y, x bool with an empty rim), spacing z, y, x in mm.

    Volume is the sum of the signed tetrahedra between each triangle and the array's first voxel.
    """
    cases = _cases(mask)
    cubes = np.nonzero((cases > 0) & (cases < 255))
    case = cases[cubes]
    count = np.bincount(case, minlength=256)
    offset = np.array([np.bincount(case, c * step, minlength=256) for c, step in zip(cubes, spacing, strict=True)])
    owner = np.array([c for c, triangles in enumerate(case_table()) for _ in triangles])
    corners = np.array([t for triangles in case_table() for t in triangles])
    a, b, c = (EDGES[corners[:, k]] * spacing for k in range(3))
    normal = np.cross(b - a, c - a)
    area = count[owner] @ np.linalg.norm(normal, axis=1) / 2
    volume = (count[owner] @ np.sum(np.cross(a, b) * c, axis=1) + np.sum(offset[:, owner].T * normal)) / 6
    return float(area), float(volume)


def vertices(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Mesh vertices (n, dimensions) in mm of a mask with an empty rim: halfway between an inside and an outside voxel.

    mask: z, y, x or y, x bool; spacing in the same axis order, mm.
    """
    points = []
    for axis in range(mask.ndim):
        crossing = np.argwhere(np.diff(mask, axis=axis)).astype(float)
        crossing[:, axis] += 0.5
        points.append(crossing)
    return np.concatenate(points) * spacing


def _cases(mask: np.ndarray) -> np.ndarray:
    """Case of each 2x2x2 cube of `mask`: uint8, one shorter than the mask along every axis."""
    inside = mask.astype(np.uint8)
    cases = np.zeros([n - 1 for n in mask.shape], np.uint8)
    for bit, start in enumerate(CORNERS):
        cases |= inside[tuple(slice(s, s + n) for s, n in zip(start, cases.shape, strict=True))] << np.uint8(bit)
    return cases
