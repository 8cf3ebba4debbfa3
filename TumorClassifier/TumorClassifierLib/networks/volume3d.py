"""A classifier of volumes: residual context blocks with instance normalisation, and global average pooling.

As in Chakrabarty et al. 2021 (Radiol Artif Intell 3(5)), whose blocks are those of Isensee et al. 2017 (BrainLes):
convolutions of stride 2 halve the grid and double the channels, and a context block follows each.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from FeatureExtractorLib.deep.backbones import seeded
from FeatureExtractorLib.errors import InputError

if TYPE_CHECKING:
    from torch import nn

SLOPE = 0.01  # of leaky ReLU below 0
DEEPEST = 7
MOST_CHANNELS = 512  # of the last level: 28 million weights in all, as much as published networks of volumes have
FEWEST_POSITIONS = 8  # on the last level: instance normalisation needs several, and a map something to show


@dataclass(frozen=True)
class NetworkSettings:
    """width: channels of the first level, doubled on each further one, where the grid is halved. depth: levels."""

    width: int = 16
    depth: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= DEEPEST:
            raise InputError(f"The network's depth cannot be {self.depth}; choose 1 to {DEEPEST} levels.")
        most = MOST_CHANNELS // 2 ** (self.depth - 1)
        if not 1 <= self.width <= most:
            raise InputError(
                f"The network's width cannot be {self.width} with {self.depth} levels; choose 1 to {most} channels."
            )


def build_volume_network(
    n_classes: int, settings: NetworkSettings | None = None, dropout: float = 0.3, channels: int = 1, seed: int = 0
) -> "nn.Sequential":
    """Sequential(trunk, head): volumes (n, channels, z, y, x) of any size to logits (n, n_classes).

    The trunk gives maps (n, width · 2^(depth − 1), …) of a grid halved depth − 1 times; the head is their mean,
    dropout and one linear layer. dropout: between the convolutions of a block too, where whole channels are dropped.
    seed: of the first weights. Raises InputError for fewer than two classes and a dropout outside 0–1.
    """
    from torch import nn

    chosen = settings or NetworkSettings()
    if n_classes < 2:
        raise InputError(f"A classifier cannot have {n_classes} classes; give at least two.")
    if not 0 <= dropout < 1:
        raise InputError(f"The dropout cannot be {dropout}; choose a share from 0 to below 1.")
    with seeded(seed):
        levels: list[nn.Module] = []
        before = channels
        for level in range(chosen.depth):
            width = chosen.width * 2**level
            levels += [_convolution(before, width, stride=1 if level == 0 else 2), _block(width, dropout)]
            before = width
        trunk = nn.Sequential(*levels, nn.LeakyReLU(SLOPE))
        pool = (nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(before, n_classes))
        model = nn.Sequential()
        model.add_module("trunk", trunk)
        model.add_module("head", nn.Sequential(*pool))
    return model.eval()


def split_volume_network(model: "nn.Sequential") -> tuple["nn.Module", "nn.Module"]:
    """The network cut before the pooling: volumes → maps, maps → logits."""
    return model[0], model[1]


def check_fits(size: tuple[int, int, int], settings: NetworkSettings) -> None:
    """Raises InputError where a volume or patch of `size` voxels is too small for so many levels."""
    positions = 1
    for n in size:
        positions *= -(-n // 2 ** (settings.depth - 1))
    if positions < FEWEST_POSITIONS:
        raise InputError(
            f"A volume of {'×'.join(map(str, size))} voxels is too small for a network of {settings.depth} levels; "
            "choose a finer grid or fewer levels."
        )


def _convolution(before: int, after: int, stride: int = 1) -> "nn.Module":
    from torch import nn

    convolution = nn.Conv3d(before, after, 3, stride=stride, padding=1)
    nn.init.kaiming_normal_(convolution.weight, a=SLOPE)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution


def _block(width: int, dropout: float) -> "nn.Module":
    """x + f(x) with f two convolutions, each after normalisation and activation, dropout between them."""
    from torch import nn

    class ContextBlock(nn.Module):
        """A pre-activated residual block."""

        def __init__(self) -> None:
            super().__init__()
            self.change = nn.Sequential(
                nn.InstanceNorm3d(width, affine=True),
                nn.LeakyReLU(SLOPE),
                _convolution(width, width),
                nn.Dropout3d(dropout),
                nn.InstanceNorm3d(width, affine=True),
                nn.LeakyReLU(SLOPE),
                _convolution(width, width),
            )

        def forward(self, x):  # type: ignore[no-untyped-def]
            return x + self.change(x)

    return ContextBlock()
