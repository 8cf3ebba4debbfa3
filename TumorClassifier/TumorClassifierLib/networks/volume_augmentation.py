"""Light changes of volumes for training: a mirror image, a small shift, other intensities, a random patch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from FeatureExtractorLib.errors import InputError

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class VolumeAugmentation:
    """How far volumes may be changed.

    flips: left for right, for every second volume; off where the side tells the class. shift: voxels along each axis,
    either way. gain: share of the contrast, offset: in the volume's own units, both uniform and either way. noise:
    largest standard deviation.
    """

    flips: bool = True
    shift: int = 3
    gain: float = 0.1
    offset: float = 0.1
    noise: float = 0.05

    def __post_init__(self) -> None:
        for name in ("shift", "gain", "offset", "noise"):
            if getattr(self, name) < 0:
                raise InputError(f"The augmentation's {name} cannot be {getattr(self, name)}; choose 0 or more.")


@dataclass(frozen=True)
class VolumeAugment:
    """Changes a batch of volumes (n, channels, z, y, x), each in its own way; x runs between left and right.

    settings: None changes nothing but takes patches. patch: voxels (x, y, z) of a random patch; None the whole.
    """

    settings: VolumeAugmentation | None
    patch: tuple[int, int, int] | None = None

    def __call__(self, volumes: "Tensor", generator: "Generator") -> "Tensor":
        """generator: on the CPU, so that a seed means the same on every device."""
        import torch

        changed = torch.stack([self._one(volume, generator) for volume in volumes])
        return changed if self.settings is None else _with_other_intensities(changed, generator, self.settings)

    def _one(self, volume: "Tensor", generator: "Generator") -> "Tensor":
        if self.settings is not None:
            if self.settings.flips and _integer(0, 1, generator):
                volume = volume.flip(-1)
            if self.settings.shift:
                reach = self.settings.shift
                volume = _shifted(volume, [_integer(-reach, reach, generator) for _ in range(3)])
        if self.patch is not None:
            for axis, length in zip((-1, -2, -3), self.patch, strict=True):
                start = _integer(0, volume.shape[axis] - length, generator)
                volume = volume.narrow(axis, start, length)
        return volume


def _shifted(volume: "Tensor", by: list[int]) -> "Tensor":
    """The volume moved by whole voxels along z, y and x; what comes in is as dark as its darkest voxel."""
    moved = volume.new_full(volume.shape, float(volume.min()))
    to, source = [slice(None)], [slice(None)]
    for n, step in zip(volume.shape[1:], by, strict=True):
        step = max(-n, min(n, step))
        to.append(slice(max(0, step), n + min(0, step)))
        source.append(slice(max(0, -step), n - max(0, step)))
    moved[tuple(to)] = volume[tuple(source)]
    return moved


def _with_other_intensities(volumes: "Tensor", generator: "Generator", settings: VolumeAugmentation) -> "Tensor":
    import torch

    shape = (len(volumes), 1, 1, 1, 1)
    gain = 1 + settings.gain * (2 * torch.rand(shape, generator=generator) - 1)
    offset = settings.offset * (2 * torch.rand(shape, generator=generator) - 1)
    level = settings.noise * torch.rand(shape, generator=generator)
    noise = level * torch.randn(volumes.shape, generator=generator)
    return volumes * gain.to(volumes) + offset.to(volumes) + noise.to(volumes)


def _integer(low: int, high: int, generator: "Generator") -> int:
    """A whole number from `low` to `high`, both included."""
    import torch

    return int(torch.randint(low, high + 1, (1,), generator=generator))
