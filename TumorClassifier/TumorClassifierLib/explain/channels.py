"""How much each channel of a network's maps counts for a class: the formulas of the Grad-CAM family.

All take the maps A of a convolution block, (n, channels, *positions), and derivatives of the class's logit by them,
and hold in two and three dimensions alike.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def grad_cam_weights(gradient: "Tensor") -> "Tensor":
    """(n, channels): the mean of the gradient over the positions (Selvaraju et al. 2017, eq. 1)."""
    return gradient.flatten(2).mean(-1)


def plus_plus_weights(
    gradient: "Tensor", second: "Tensor", third: "Tensor", maps: "Tensor", eps: float = 0.0
) -> "Tensor":
    """(n, channels): the sum over the positions of α·ReLU(gradient) (Chattopadhay et al. 2018, eq. 5, 10 and 19).

    α = second / (2·second + third·ΣA); second, third: the gradient's square and cube, or their means over noisy
    images, which are the exponential score's derivatives up to a factor that α does not have. maps: A, summed over all
    positions. eps: added to the denominator; where that is 0, α is 0.
    """
    sums = maps.flatten(2).sum(-1)[(...,) + (None,) * (maps.ndim - 2)]
    denominator = 2 * second + third * sums + eps
    alpha = second / denominator.masked_fill(denominator == 0, 1.0)
    positive = gradient.relu()
    # A negative gradient may meet a denominator near 0: its share is 0, whatever α is.
    return (alpha * positive).masked_fill(positive == 0, 0.0).flatten(2).sum(-1)


def weighted_sum(weights: "Tensor", maps: "Tensor") -> "Tensor":
    """ReLU(Σ_k w_k A_k): (n, *positions) of weights (n, channels) and maps (n, channels, *positions)."""
    return (weights[(...,) + (None,) * (maps.ndim - 2)] * maps).sum(dim=1).relu_()
