"""Deep features: what a network's last convolution block sees, averaged over the image."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..progress import Progress, silent

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> "torch.device":
    """The device of that name; "auto" takes a GPU where there is one.

    Raises InputError for an unknown name or a device that this computer does not have.
    """
    import torch

    if name not in DEVICES:
        raise InputError(f"There is no device called {name!r}; choose one of {', '.join(DEVICES)}.")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in present.items() if there))
    if not present[name]:
        raise InputError(f"This computer has no {name} device that torch can use; choose auto or cpu.")
    return torch.device(name)


def pooled_features(
    model: "nn.Sequential", images: np.ndarray, batch_size: int = 32, progress: Progress = silent
) -> np.ndarray:
    """The globally averaged maps of the last convolution block, (n, width) float64.

    model: a backbone, or a classifier (its head is not used), on the device where it is to run. images:
    (n, 3, rows, columns) float32 in 0–1. Values do not depend on the batch size beyond float32 rounding.
    """
    return run_in_batches(model[:3], model, images, batch_size, progress)


def run_in_batches(
    function: "Callable[[Tensor], Tensor]",
    model: "nn.Module",
    images: np.ndarray,
    batch_size: int = 32,
    progress: Progress = silent,
) -> np.ndarray:
    """`function` of all images, batch by batch, float64, with the model in evaluation mode and without gradients.

    images: (n, 3, rows, columns) float32. The model's mode is as before afterwards. Raises InputError for images of
    another shape, for none and for NaN or infinite values.
    """
    import torch

    check_images(images)
    device = next(model.parameters()).device
    training = model.training
    outputs = []
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                progress("network", start / len(images))
                output = function(as_tensor(images[start : start + batch_size], device))
                outputs.append(output.cpu().double())  # in this order, for mps knows no float64
    finally:
        model.train(training)
    progress("network", 1.0)
    return torch.cat(outputs).numpy()


def as_tensor(images: np.ndarray, device: "torch.device") -> "Tensor":
    """Images (n, 3, rows, columns) as a float32 tensor, channels last in memory: convolutions are faster so."""
    import torch

    tensor = torch.from_numpy(np.array(images, dtype=np.float32))
    return tensor.to(device).contiguous(memory_format=torch.channels_last)


def check_images(images: np.ndarray) -> None:
    """Raises InputError unless images are (n, 3, rows, columns) with n ≥ 1 and finite values."""
    if images.ndim != 4 or images.shape[1] != 3 or len(images) == 0:
        raise InputError(f"The network takes images of the shape (n, 3, rows, columns), not {images.shape}.")
    if not np.isfinite(images).all():
        raise InputError("The network was given NaN or infinite values; standardise the images first.")
