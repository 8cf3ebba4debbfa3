"""The convolutional networks there are, and weights for them: by name, from a file, or from a seed."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, WeightsUnavailable
from ..files import sha256_of_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class BackboneSpec:
    """A network of torchvision: `width` features after global pooling; its input is `input_size` pixels a side.

    mean, std: of the images (0–1, by channel) that the published weights were trained with; source: those weights'
    name in torchvision. Everything before the network's own "avgpool" is its convolution part.
    """

    name: str
    width: int
    input_size: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    source: str = "IMAGENET1K_V1"


BACKBONES = {
    spec.name: spec
    for spec in (
        BackboneSpec("resnet18", 512),
        BackboneSpec("resnet50", 2048),
    )
}


@dataclass(frozen=True)
class Weights:
    """Where a network's weights come from.

    kind: "imagenet", "file" or "seed"; value: the file's path or the seed; sha256: of the file.
    """

    kind: str
    value: str = ""
    sha256: str = ""

    def describe(self) -> str:
        """What to call these weights in reports, e.g. "random weights, seed 0"."""
        if self.kind == "imagenet":
            return "ImageNet weights"
        if self.kind == "seed":
            return f"random weights, seed {self.value}"
        return f"weights of {Path(self.value).name} (sha256 {self.sha256[:12]}…)"


def backbone_spec(name: str) -> BackboneSpec:
    """The registered network of that name; raises InputError naming those there are."""
    if name not in BACKBONES:
        raise InputError(f"There is no backbone called {name!r}; choose one of {', '.join(BACKBONES)}.")
    return BACKBONES[name]


def parse_weights(text: str) -> Weights:
    """Read "imagenet", "seed:0", "file:PATH" or "file:PATH#SHA256".

    A file is hashed here, so that its hash is on record wherever the weights are named. Raises InputError for other
    texts, WeightsUnavailable when the file is missing or has another hash.
    """
    kind, _, value = text.partition(":")
    if text == "imagenet":
        return Weights("imagenet")
    if kind == "seed" and re.fullmatch(r"\d{1,18}", value):
        return Weights("seed", str(int(value)))
    if kind == "file" and value:
        match = re.fullmatch(r"(.+)#([0-9a-fA-F]{64})", value)
        path, expected = (match[1], match[2].lower()) if match else (value, "")
        if not Path(path).is_file():
            raise WeightsUnavailable(f"The weights file {path} does not exist; check the path.")
        weights = Weights("file", path, expected or sha256_of_file(Path(path)))
        _check_hash(Path(path), weights.sha256)
        return weights
    raise InputError(f"{text!r} does not name weights; write imagenet, seed:0, file:PATH or file:PATH#SHA256.")


def build_backbone(name: str, weights: Weights) -> "nn.Sequential":
    """A registered network as Sequential(normalise, trunk, pool), in evaluation mode on the CPU.

    normalise: subtracts the mean and divides by the standard deviation of its spec, so that every image is given
    as (n, 3, rows, columns) in 0–1; trunk: the convolution part, to (n, width, rows', columns'); pool: global
    average, to (n, width). Weights from a seed are torchvision's own initialisation (He et al. 2015 for ResNet).
    Raises WeightsUnavailable when named weights cannot be had, InputError when a file is for another network.
    """
    from torch import nn
    from torchvision.models import get_model
    from torchvision.transforms import Normalize

    spec = backbone_spec(name)
    with seeded(int(weights.value) if weights.kind == "seed" else 0):
        network = get_model(name, weights=None)
    if weights.kind != "seed":
        _load_published_names(network, _read_weights(spec, weights), name)
    parts = list(network.named_children())
    convolutions = parts[: [part for part, _ in parts].index("avgpool")]
    return nn.Sequential(
        OrderedDict(
            normalise=Normalize(spec.mean, spec.std),
            trunk=nn.Sequential(OrderedDict(convolutions)),
            pool=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )
    ).eval()


@contextmanager
def seeded(seed: int, device: "torch.device | None" = None) -> Iterator[None]:
    """A block whose random numbers come from `seed`; the generators are as before afterwards."""
    import torch

    on_gpu = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def first_mismatch(own: Mapping[str, "Tensor"], given: Mapping[str, "Tensor"]) -> str | None:
    """The first tensor of a state that is missing, superfluous or of another shape, in words; None if all fit.

    Batch norm's counters of batches may be absent: nothing is computed from them.
    """
    for name, tensor in own.items():
        if name not in given:
            if not name.endswith("num_batches_tracked"):
                return f"{name} is missing"
        elif given[name].shape != tensor.shape:
            return f"{name} has the shape {tuple(given[name].shape)} instead of {tuple(tensor.shape)}"
    extra = [name for name in given if name not in own]
    return f"{extra[0]} is not part of it" if extra else None


def _load_published_names(network: "nn.Module", state: Mapping[str, "Tensor"], name: str) -> None:
    """Fill a torchvision network; the classifying layers behind the pooling are not looked at."""
    parts = [part for part, _ in network.named_children()]
    behind = tuple(f"{part}." for part in parts[parts.index("avgpool") :])
    own = {key: tensor for key, tensor in network.state_dict().items() if not key.startswith(behind)}
    state = {key: tensor for key, tensor in state.items() if not key.startswith(behind)}
    if wrong := first_mismatch(own, state):
        raise InputError(f"The weights file is not for {name}: {wrong}; choose the file or the backbone that fits.")
    network.load_state_dict(state, strict=False)


def _read_weights(spec: BackboneSpec, weights: Weights) -> Mapping[str, "Tensor"]:
    import pickle

    import torch

    if weights.kind == "imagenet":
        return torch.load(_downloaded(spec), map_location="cpu", weights_only=True)
    path = Path(weights.value)
    _check_hash(path, weights.sha256)
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise InputError(f"{path} is not a safetensors file ({error}); give the original file.") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise InputError(
            f"{path} does not hold plain tensors ({str(error).splitlines()[0]}); give a state dictionary."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise InputError(f"{path} does not hold a state dictionary of tensors; save the network's state_dict().")
    return state


def _downloaded(spec: BackboneSpec) -> Path:
    """The published weights' file in torch's own cache, downloaded once; its name carries its hash."""
    from torch.hub import download_url_to_file, get_dir
    from torchvision.models import get_model_weights

    url = get_model_weights(spec.name)[spec.source].url
    path = Path(get_dir()) / "checkpoints" / url.rpartition("/")[2]
    prefix = path.stem.rpartition("-")[2]
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download_url_to_file(url, str(path), hash_prefix=prefix, progress=False)
        except (OSError, RuntimeError) as error:  # no network; another hash than the name says
            raise WeightsUnavailable(
                f"The ImageNet weights of {spec.name} could not be downloaded ({error}); connect to the network, or "
                f"put {path.name} where you can reach it and name it as file:PATH."
            ) from error
    _check_hash(path, prefix)
    return path


def _check_hash(path: Path, expected: str) -> None:
    """Raises WeightsUnavailable unless the file's SHA-256 begins with `expected`."""
    try:
        found = sha256_of_file(path)
    except OSError as error:
        raise WeightsUnavailable(f"The weights file {path} cannot be read ({error.strerror}); check it.") from error
    if not found.startswith(expected):
        raise WeightsUnavailable(
            f"The weights file {path} has the SHA-256 {found[:12]}… instead of {expected[:12]}…; remove it and get "
            "the original."
        )
