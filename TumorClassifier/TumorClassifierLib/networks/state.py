"""A network's weights as safetensors bytes, and back."""

from typing import TYPE_CHECKING, TypeVar

from FeatureExtractorLib.deep.backbones import first_mismatch
from FeatureExtractorLib.errors import BundleRejected, InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

DTYPES = ("float16", "float32")
M = TypeVar("M", bound="nn.Module")


def save_state(model: "nn.Module", dtype: str = "float16") -> bytes:
    """The weights as safetensors; equal weights give equal bytes.

    dtype: of the matrices and convolution kernels; vectors (biases, batch norm) stay float32, for they are under one
    per cent of the bytes and a running variance can exceed what float16 holds. A network that is stored as float16
    must be evaluated as stored: see `rounded`. Raises InputError for another dtype and for weights that are not
    finite in it.
    """
    import torch
    from safetensors.torch import save

    if dtype not in DTYPES:
        raise InputError(f"Weights cannot be stored as {dtype!r}; choose one of {', '.join(DTYPES)}.")
    kernels = getattr(torch, dtype)
    state = {}
    for name, tensor in _weights(model).items():
        stored = tensor.detach().cpu().contiguous().to(kernels if tensor.ndim > 1 else torch.float32)
        if not torch.isfinite(stored).all():
            raise InputError(f"The weights {name} are not finite as {dtype}; store them as float32 or train again.")
        state[name] = stored
    return save(state)


def load_state(model: M, data: bytes) -> M:
    """Fill a network with weights from `save_state`, as float32, and return it in evaluation mode.

    Raises BundleRejected when the bytes are not safetensors, are for another network or are not finite.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        stored = load(data)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:  # the latter for kinds of number unknown
        raise BundleRejected(f"The network's weights are damaged ({error}); get the model file again.") from error
    if odd := [name for name, tensor in stored.items() if str(tensor.dtype).removeprefix("torch.") not in DTYPES]:
        raise BundleRejected(
            f"The network's weights {odd[0]} are stored as {stored[odd[0]].dtype}; get the model file again."
        )
    if wrong := first_mismatch(_weights(model), stored):
        raise BundleRejected(f"The weights are not for this network: {wrong}; get a model file that fits.")
    state = {name: tensor.to(torch.float32) for name, tensor in stored.items()}
    if bad := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise BundleRejected(f"The network's weights {bad[0]} are not finite; get the model file again.")
    model.load_state_dict(state, strict=False)
    return model.eval()


def rounded(model: M, dtype: str = "float16") -> M:
    """A copy of a network with the weights that storing leaves it; evaluate and explain with this one."""
    import copy

    return load_state(copy.deepcopy(model), save_state(model, dtype))


def _weights(model: "nn.Module") -> dict[str, "Tensor"]:
    """The state without batch norm's counters of batches, from which nothing is computed."""
    return {name: t for name, t in model.state_dict().items() if not name.endswith("num_batches_tracked")}
