"""Deformable convolutions (Dai et al. 2017) in place of a network's own 3×3 ones."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def make_deformable(stage: "nn.Module") -> int:
    """Replace every 3×3 convolution in a stage; returns how many.

    Each gets a convolution that predicts where it samples. That starts at zero, so the network computes at first
    what it did before, and pretrained weights keep their use.
    """
    replaced = 0
    for block in list(stage.modules()):
        if hasattr(block, "offset"):  # deformable already
            continue
        for name, child in list(block.named_children()):
            if getattr(child, "kernel_size", None) == (3, 3) and not hasattr(child, "offset"):
                setattr(block, name, deformable_convolution(child))  # type: ignore[arg-type]
                replaced += 1
    return replaced


def deformable_convolution(plain: "nn.Conv2d") -> "nn.Module":
    """A deformable convolution with the weights of a plain one and no displacement yet."""
    from torch import nn
    from torchvision.ops import DeformConv2d

    class Deformable(DeformConv2d):
        """Sampling positions come from a convolution of the same input."""

        def __init__(self) -> None:
            super().__init__(
                plain.in_channels,
                plain.out_channels,
                3,
                stride=plain.stride,
                padding=plain.padding,
                dilation=plain.dilation,
                groups=plain.groups,
                bias=plain.bias is not None,
            )
            self.load_state_dict(plain.state_dict())
            like: dict[str, Any] = {name: getattr(plain, name) for name in ("stride", "padding", "dilation")}
            self.offset = nn.Conv2d(plain.in_channels, 18, 3, **like)
            for parameter in self.offset.parameters():
                nn.init.zeros_(parameter)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return super().forward(x, self.offset(x))

    return Deformable()
