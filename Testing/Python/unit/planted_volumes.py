"""Heads with a bright ball, a bright ring or nothing in them, at random places."""

from types import MappingProxyType

import numpy as np
import SimpleITK as sitk

from TumorClassifierLib.measures import CaseMeasures, Measures

KINDS = ("ball", "healthy", "ring")
SIDE = 16


def planted(kind: str, seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """A noisy head (z, y, x), 0 in the air and 100 in tissue, and the mask of what is planted in it."""
    rng = np.random.default_rng(seed)
    grid = np.indices((side,) * 3)
    centre = (side - 1) / 2
    head = ((grid - centre) ** 2).sum(axis=0) < (0.47 * side) ** 2
    at = centre + rng.uniform(-0.16, 0.16, 3) * side
    away = np.sqrt(((grid - at.reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
    ball = away < 0.18 * side
    shell = (away < 0.3 * side) & (away > 0.2 * side)
    inside = {"ball": ball, "ring": shell, "healthy": np.zeros_like(ball)}[kind]
    values = 100.0 * head + 200.0 * inside + rng.normal(0, 6, head.shape)
    return values.astype(np.float32), inside.astype(np.uint8)


def planted_image(kind: str, seed: int, side: int = SIDE) -> tuple[sitk.Image, sitk.Image]:
    """The same as images of 1 mm voxels."""
    image, mask = (sitk.GetImageFromArray(array) for array in planted(kind, seed, side))
    return image, mask


def planted_case(kind: str, seed: int) -> CaseMeasures:
    """A measured case, its volume standardised."""
    values, inside = planted(kind, seed)
    volume = (values - values.mean()) / values.std()
    mask = inside if inside.any() else None
    measures = {"T1C": Measures(MappingProxyType({}), volume=volume.astype(np.float32), volume_mask=mask)}
    return CaseMeasures(f"{kind}{seed}", f"{kind}{seed}", kind, MappingProxyType({}), measures)


def planted_cases(per_kind: int, kinds: tuple[str, ...] = KINDS, first: int = 0) -> list[CaseMeasures]:
    """So many cases of each kind."""
    return [planted_case(kind, first + 1000 * k + i) for i in range(per_kind) for k, kind in enumerate(kinds)]
