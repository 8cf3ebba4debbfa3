"""What any network of ours takes: arrays of pooled features, slices or volumes, checked and as tensors."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from FeatureExtractorLib.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SHAPES = {2: "(n, features)", 4: "(n, channels, rows, columns)", 5: "(n, channels, z, y, x)"}


def check_inputs(inputs: np.ndarray) -> None:
    """Raises InputError unless inputs are of one of `SHAPES`, with n ≥ 1 and finite values."""
    if inputs.ndim not in SHAPES or len(inputs) == 0:
        raise InputError(f"The network takes inputs of the shape {' or '.join(SHAPES.values())}, not {inputs.shape}.")
    if not np.isfinite(inputs).all():
        raise InputError("The network was given NaN or infinite values; standardise the images first.")


def as_batch(inputs: np.ndarray, device: "torch.device") -> "Tensor":
    """Inputs as a float32 tensor; slices channels last in memory, for convolutions are faster so."""
    import torch

    tensor = torch.from_numpy(np.array(inputs, dtype=np.float32)).to(device)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def as_targets(labels: np.ndarray, device: "torch.device | str") -> "Tensor":
    """Class indices (n,) as int64."""
    import torch

    return torch.from_numpy(np.asarray(labels, dtype=np.int64)).to(device)


def batch_outputs(
    function: "Callable[[Tensor], Tensor]", model: "nn.Module", inputs: np.ndarray, batch_size: int = 32
) -> np.ndarray:
    """`function` of all inputs, float64, batch by batch, with the model in evaluation mode and without gradients.

    The model's mode is as before afterwards.
    """
    import torch

    device, training = next(model.parameters()).device, model.training
    outputs = []
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(inputs), batch_size):
                outputs.append(function(as_batch(inputs[start : start + batch_size], device)).cpu().double())
    finally:
        model.train(training)
    return torch.cat(outputs).numpy()
