"""A made head with an enhancing tumour, for demonstrations and tests.

It is drawn by code from a seed: no patient, no anatomy, and its class means nothing.
"""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

SIZE = (256, 256, 32)
SPACING = (0.9, 0.9, 5.0)
TUMOUR_CENTRE_MM = (32.0, -22.0, 12.0)
TUMOUR_RADII_MM = (19.0, 16.0, 17.0)


def head_phantom(seed: int = 0) -> tuple[sitk.Image, sitk.Image]:
    """A contrast-enhanced T1 look-alike and the mask of its tumour.

    Returns a float32 image of 256×256×32 voxels (x, y, z) of 0.9×0.9×5 mm with scalp, skull, grey and white matter,
    ventricles, a rim-enhancing tumour with a dark core and oedema, a smooth bias field and Rician noise; and the
    mask, uint8 0/1, on the same grid. The same seed gives the same voxels.
    """
    rng = np.random.default_rng(seed)
    x, y, z = _coordinates()
    warp = _smooth_noise(rng, sigma_mm=14.0) * 4.0

    def ellipsoid(cx: float, cy: float, cz: float, rx: float, ry: float, rz: float) -> np.ndarray:
        """Signed distance-like value: below 1 inside."""
        return np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2) + warp / 130.0

    head = ellipsoid(0, 0, 0, 88, 104, 92)
    tissue = np.zeros(x.shape)
    tissue[head < 1.0] = 640.0  # scalp fat
    tissue[head < 0.93] = 70.0  # skull
    tissue[head < 0.88] = 120.0  # cerebrospinal fluid
    folds = _smooth_noise(rng, sigma_mm=4.0)
    brain = head < 0.85 - 0.02 * folds
    tissue[brain] = 330.0  # grey matter
    tissue[head < 0.76 - 0.05 * folds] = 430.0  # white matter
    for side in (-1, 1):
        tissue[ellipsoid(side * 13, 6, 8, 8, 30, 14) < 1.0] = 110.0  # ventricles
        tissue[ellipsoid(side * 26, -2, 2, 10, 16, 12) < 1.0] = 350.0  # deep grey matter

    lumps = _smooth_noise(rng, sigma_mm=5.0)
    tumour = ellipsoid(*TUMOUR_CENTRE_MM, *TUMOUR_RADII_MM) + 0.09 * lumps
    oedema = (tumour < 1.45 + 0.2 * folds) & brain
    tissue[oedema] = np.minimum(tissue[oedema], 260.0)
    mask = (tumour < 1.0) & brain
    tissue[mask] = 760.0 + 60.0 * lumps[mask]  # enhancing rim
    tissue[(tumour < 0.55) & mask] = 240.0  # core without perfusion

    tissue = ndimage.gaussian_filter(tissue, sigma=(0.25, 0.8, 0.8))
    bias = np.exp(0.18 * _smooth_noise(rng, sigma_mm=60.0))
    noise = rng.normal(0.0, 14.0, (2, *x.shape))
    values = np.hypot(tissue * bias + noise[0], noise[1])
    return _image(values.astype(np.float32)), _image(mask.astype(np.uint8))


def _coordinates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y, z in mm from the volume's centre, each of shape (z, y, x)."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(SIZE, SPACING, strict=True)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    return x, y, z


def _smooth_noise(rng: np.random.Generator, sigma_mm: float) -> np.ndarray:
    """A random field of mean 0 and standard deviation 1 whose detail is about `sigma_mm` wide."""
    sigma = tuple(sigma_mm / s for s in reversed(SPACING))
    field = ndimage.gaussian_filter(rng.normal(size=tuple(reversed(SIZE))), sigma, mode="wrap", truncate=3.0)
    return (field - field.mean()) / field.std()


def _image(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetOrigin([-(n - 1) / 2 * s for n, s in zip(SIZE, SPACING, strict=True)])
    return image
