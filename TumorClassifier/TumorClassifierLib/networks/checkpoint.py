"""Where training stands after an epoch, kept so that a run that was killed goes on and ends in the same bits.

A folder of checkpoints has a folder for each training, named by a hash of all that its result depends on: settings,
first weights, images, labels, torch's version, device and threads. Training the same again finds it, anything else
does not. In it lie the tensors of the last finished epoch (safetensors) and `progress.json`, which names them with
their hash and is written last: whenever the power goes, one whole epoch is there.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from FeatureExtractorLib.files import atomic_path, sha256_of_bytes, write_json_atomically

from .curves import Epoch

if TYPE_CHECKING:
    from torch import Tensor, nn

PROGRESS = "progress.json"
DIGITS = 20  # of the hash, in a folder's name

_folder: ContextVar[Path | None] = ContextVar("checkpoints", default=None)


@contextmanager
def checkpoints_in(folder: Path | None) -> Iterator[None]:
    """Inside the block, trainings that are given no folder of their own keep their checkpoints here.

    Where to is the host's business and no recipe's, so it goes round the recipes; None keeps nothing.
    """
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def current_folder() -> Path | None:
    """The folder of the block that this runs in; None outside."""
    return _folder.get()


@dataclass
class Standing:
    """What has been reached: the curves so far, the best epoch with its loss and, under validation, its weights."""

    curves: list[Epoch] = field(default_factory=list)
    best: int = 0
    best_loss: float = float("inf")
    best_state: "dict[str, Tensor] | None" = None


def fingerprint(
    model: "nn.Module", arrays: Sequence[np.ndarray], described: Mapping[str, Any], device: str, threads: int
) -> str:
    """A hash of all that the trained weights depend on."""
    import torch

    digest = hashlib.sha256(json.dumps([dict(described), torch.__version__, device, threads]).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        for part in array:  # a cohort's copy in memory would be one too many
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:DIGITS]


def save_standing(folder: Path, standing: Standing, tensors: "Mapping[str, Tensor]", extra: Mapping[str, Any]) -> None:
    """Write what was reached; tensors, extra: what else the loop needs to go on. Raises InputError on a full disk."""
    from safetensors.torch import save

    best = standing.best_state or {}
    kept = {**tensors, **{f"best.{name}": tensor for name, tensor in best.items()}}
    data = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in kept.items()})
    path = folder / f"epoch-{len(standing.curves)}.safetensors"
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    document = {
        "file": path.name,
        "sha256": sha256_of_bytes(data),
        "curves": [asdict(epoch) for epoch in standing.curves],
        "best": standing.best,
        "best_loss": None if standing.best_state is None else standing.best_loss,
        **extra,
    }
    write_json_atomically(folder / PROGRESS, document)
    for old in folder.glob("epoch-*.safetensors"):
        if old != path:
            old.unlink(missing_ok=True)


def load_standing(folder: Path) -> "tuple[Standing, dict[str, Tensor], dict[str, Any]] | None":
    """What `save_standing` wrote; None where there is nothing, or something damaged, and training starts anew."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        document = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        data = (folder / Path(document["file"]).name).read_bytes()
        if sha256_of_bytes(data) != document["sha256"]:
            return None
        tensors = load(data)
        standing = Standing([Epoch(**epoch) for epoch in document["curves"]], int(document["best"]))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
    best = {name.removeprefix("best."): tensor for name, tensor in tensors.items() if name.startswith("best.")}
    if best:
        standing.best_state, standing.best_loss = best, float(document["best_loss"])
    return standing, tensors, document
