"""The five augmentations of Chen et al. 2022, as TorchIO defines them, of single slices: seeded and in plain numpy.

They are written out here, and TorchIO is what they are tested against, for three reasons. A copy must depend on the
image and a seed alone, where TorchIO draws from torch's global generator. Its random motion cuts k-space along the
third axis, of which a slice has one row, so that on slices it only moves the picture. And five short functions spare
every user a package that imports for seconds.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import sha256_of_bytes

if TYPE_CHECKING:
    from torch import Generator, Tensor

PERTURBATION = 0.3  # of the moments of motion, as a share of the time between them


@dataclass(frozen=True)
class MrAugmentation:
    """How likely each of the five is and how strong; the ranges are TorchIO's own, for the paper names none.

    flip: how likely a left-right flip is. probability: of each of the others. noise: largest standard deviation, in
    image units (0–1). movements: of the head during the acquisition; rotation, shift: by up to so many degrees and
    pixels. blur: largest standard deviation of the Gaussian, in pixels. ghosts: fewest and most; ghosting: weakest
    and strongest, as a share of k-space's lines.
    """

    flip: float = 0.5
    probability: float = 0.25
    noise: float = 0.25
    movements: int = 2
    rotation: float = 10.0
    shift: float = 10.0
    blur: float = 2.0
    ghosts: tuple[int, int] = (4, 10)
    ghosting: tuple[float, float] = (0.5, 1.0)

    def __post_init__(self) -> None:
        for name in ("flip", "probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"The augmentation's {name} cannot be {getattr(self, name)}; choose from 0 to 1.")
        for name in ("noise", "movements", "rotation", "shift", "blur"):
            if getattr(self, name) < 0:
                raise InputError(f"The augmentation's {name} cannot be {getattr(self, name)}; choose 0 or more.")
        if not 1 <= self.ghosts[0] <= self.ghosts[1] or not 0 <= self.ghosting[0] <= self.ghosting[1] <= 1:
            raise InputError(
                f"The augmentation's ghosts and ghosting cannot be {self.ghosts} and {self.ghosting}; give the "
                "smaller number first, of ghosts 1 or more, of ghosting 0 to 1."
            )

    def __call__(self, images: "Tensor", generator: "Generator") -> "Tensor":
        """A batch (n, channels, rows, columns) in 0–1, each image changed in its own way; for the training loop."""
        import torch

        seeds = torch.randint(1 << 62, (len(images),), generator=generator).tolist()
        changed = [
            self.augmented(image, np.random.default_rng(seed))
            for image, seed in zip(images.cpu().numpy(), seeds, strict=True)
        ]
        return torch.from_numpy(np.stack(changed)).to(images)

    def copy_of(self, image: np.ndarray, digest: str, seed: int, number: int) -> np.ndarray:
        """The copy of that number of an image (channels, rows, columns) with that hash."""
        drawn = sha256_of_bytes(f"{digest} {seed} {number}".encode())
        return self.augmented(image, np.random.default_rng(int(drawn[:32], 16)))

    def augmented(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One image (channels, rows, columns), float32 in 0–1, changed as drawn; all channels alike but for noise."""
        image = np.asarray(image, dtype=np.float64)
        if rng.random() < self.flip:
            image = image[..., ::-1]
        if rng.random() < self.probability:
            image = image + rng.normal(0.0, rng.uniform(0, self.noise), image.shape)
        if rng.random() < self.probability and self.movements:
            image = with_motion(image, *self._movements(rng))
        if rng.random() < self.probability:
            image = blurred(image, *rng.uniform(0, self.blur, 2))
        if rng.random() < self.probability:
            ghosts = int(rng.integers(self.ghosts[0], self.ghosts[1] + 1))
            image = with_ghosts(image, ghosts, int(rng.integers(2)), rng.uniform(*self.ghosting))
        return np.ascontiguousarray(np.clip(image, 0, 1), dtype=np.float32)

    def _movements(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        step = 1 / (self.movements + 1)
        times = np.arange(1, self.movements + 1) * step
        times = times + rng.uniform(-PERTURBATION * step, PERTURBATION * step, self.movements)
        degrees = rng.uniform(-self.rotation, self.rotation, self.movements)
        return degrees, rng.uniform(-self.shift, self.shift, (self.movements, 2)), times


def blurred(image: np.ndarray, rows: float, columns: float) -> np.ndarray:
    """Each channel of an image (channels, rows, columns) under a Gaussian of these standard deviations, pixels."""
    return ndimage.gaussian_filter(image, (0, rows, columns))


def with_ghosts(image: np.ndarray, ghosts: int, axis: int, strength: float) -> np.ndarray:
    """An image (channels, rows, columns) with every `ghosts`-th line of k-space weakened, the central one excepted.

    axis: 0 for lines along rows, 1 along columns. strength: 0 (nothing) to 1 (the lines are lost).
    """
    lines = np.fft.fftshift(np.fft.fftn(image, axes=(1, 2)), axes=(1, 2)).swapaxes(1, 1 + axis)
    centre = lines[:, lines.shape[1] // 2].copy()
    lines[:, ::ghosts] *= 1 - strength
    lines[:, lines.shape[1] // 2] = centre
    return _image_of(lines.swapaxes(1, 1 + axis))


def with_motion(image: np.ndarray, degrees: np.ndarray, shifts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """An image (channels, rows, columns) of a head that moved while k-space was read, column by column.

    degrees: (m,) rotations about the centre; shifts: (m, 2) of rows and columns, pixels; times: (m,), rising, from 0
    to 1, when the head moved to each position. The centre of k-space is of the head where it first lay (Shaw et al.
    2019, Proc Mach Learn Res 102).
    """
    positions = [image, *(_moved(image, angle, shift) for angle, shift in zip(degrees, shifts, strict=True))]
    spectra = [np.fft.fftshift(np.fft.fftn(one, axes=(1, 2)), axes=(1, 2)) for one in positions]
    middle = int(np.flatnonzero(times > 0.5)[0]) if (times > 0.5).any() else len(spectra) - 1
    spectra[0], spectra[middle] = spectra[middle], spectra[0]
    columns = image.shape[2]
    cuts = [0, *(columns * times).astype(int).tolist(), columns]
    parts = [spectrum[..., first:last] for spectrum, first, last in zip(spectra, cuts[:-1], cuts[1:], strict=True)]
    return _image_of(np.concatenate(parts, axis=2))


def _moved(image: np.ndarray, degrees: float, shift: np.ndarray) -> np.ndarray:
    """Linear resampling at R·(x − c) + c + shift; what comes from outside is the channel's least value."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix, centre = np.array([[cos, -sin], [sin, cos]]), np.array(image.shape[1:]) / 2
    offset = centre + shift - matrix @ centre
    return np.stack(
        [
            ndimage.affine_transform(channel, matrix, offset, order=1, mode="constant", cval=float(channel.min()))
            for channel in image
        ]
    )


def _image_of(spectrum: np.ndarray) -> np.ndarray:
    return np.asarray(np.fft.ifftn(np.fft.ifftshift(spectrum, axes=(1, 2)), axes=(1, 2)).real)
