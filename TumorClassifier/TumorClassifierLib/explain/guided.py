"""Guided backpropagation: the gradient by the image, without what any ReLU would pass on as negative."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def guided_gradient(trunk: "nn.Module", head: "nn.Module", images: "Tensor", class_index: int) -> "Tensor":
    """Guided gradient of a class's logit by the images, of their shape (Springenberg et al. 2015).

    Every ReLU counts, whether the network has it as a module or calls a function; no hook is left in the network.
    """
    import torch

    images = images.detach().clone().requires_grad_()
    with torch.enable_grad(), guided_relu():
        logits = head(trunk(images))
        (gradient,) = torch.autograd.grad(logits[:, class_index].sum(), images)
    return gradient


@contextmanager
def guided_relu() -> Iterator[None]:
    """Inside the block every ReLU gives the same values, and passes back positive gradients only."""
    import torch
    from torch.overrides import TorchFunctionMode

    class GuidedReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: "Tensor") -> "Tensor":
            y = x.clamp(min=0)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, *gradients: "Tensor") -> "Tensor":
            (y,) = ctx.saved_tensors
            return gradients[0].clamp(min=0) * (y > 0)

    rectifiers = {
        torch.relu,
        torch.relu_,
        torch.nn.functional.relu,
        torch.nn.functional.relu_,
        torch.Tensor.relu,
        torch.Tensor.relu_,
    }

    class Guided(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function in rectifiers:
                return GuidedReLU.apply(args[0] if args else kwargs["input"])
            return function(*args, **(kwargs or {}))

    with Guided():
        yield
