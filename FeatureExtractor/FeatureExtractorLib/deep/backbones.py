"""The convolutional networks there are, and weights for them: by name, from a file, or from a seed."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EngineUnavailable, InputError, WeightsUnavailable
from ..files import sha256_of_file
from .published import Published, check_hash, obtain

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)

PYTORCH = "https://download.pytorch.org/models"
TIMM = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights"
CADENE = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-cadene"
BSD, APACHE = "BSD-3-Clause", "Apache-2.0"


@dataclass(frozen=True)
class BackboneSpec:
    """A network: `width` features after global pooling; its input is `input_size` pixels a side.

    model: its name in the library that builds it, torchvision or timm, where that is another. until: the part that is
    left out with all behind it. published: its ImageNet weights. mean, std: of the images (0–1, by channel) that those
    were trained with. Everything before the network's own global pooling, or before `until`, is its convolution part.
    """

    name: str
    width: int
    published: Published
    package: str = "torchvision"
    input_size: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    model: str = ""
    until: str = ""


RESNET18 = Published(f"{PYTORCH}/resnet18-f37072fd.pth", 47, BSD)


def _inception(name: str, width: int, published: Published) -> BackboneSpec:
    return BackboneSpec(name, width, published, "timm", 299, HALF, HALF)


BACKBONES = {
    spec.name: spec
    for spec in (
        # A quarter of ResNet-18's weights, and maps of twice the resolution: for small cohorts and small images.
        BackboneSpec("resnet14", 256, RESNET18, model="resnet18", until="layer4"),
        BackboneSpec("resnet18", 512, RESNET18),
        BackboneSpec("resnet50", 2048, Published(f"{PYTORCH}/resnet50-0676ba61.pth", 103, BSD)),
        BackboneSpec("resnext101_32x8d", 2048, Published(f"{PYTORCH}/resnext101_32x8d-8ba56ff5.pth", 356, BSD)),
        BackboneSpec("vgg16", 512, Published(f"{PYTORCH}/vgg16-397923af.pth", 553, BSD)),
        BackboneSpec("vgg19", 512, Published(f"{PYTORCH}/vgg19-dcbb9e9d.pth", 575, BSD)),
        _inception("legacy_xception", 2048, Published(f"{CADENE}/xception-43020ad28.pth", 92, APACHE)),
        _inception("inception_v3", 2048, Published(f"{PYTORCH}/inception_v3_google-1a9a5a14.pth", 109, APACHE)),
        _inception("inception_resnet_v2", 1536, Published(f"{TIMM}/inception_resnet_v2-940b1cd6.pth", 224, APACHE)),
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
        check_hash(Path(path), weights.sha256)
        return weights
    raise InputError(f"{text!r} does not name weights; write imagenet, seed:0, file:PATH or file:PATH#SHA256.")


def build_backbone(name: str, weights: Weights) -> "nn.Sequential":
    """A registered network as Sequential(normalise, trunk, pool), in evaluation mode on the CPU.

    normalise: subtracts the mean and divides by the standard deviation of its spec, so that every image is given
    as (n, 3, rows, columns) in 0–1; trunk: the convolution part, to (n, width, rows', columns'); pool: global
    average, to (n, width). Weights from a seed are the library's own initialisation (He et al. 2015 for ResNet).
    Raises WeightsUnavailable when named weights cannot be had, InputError when a file is for another network,
    EngineUnavailable when the package that builds the network is not installed.
    """
    from torch import nn
    from torchvision.transforms import Normalize

    spec = backbone_spec(name)
    with seeded(int(weights.value) if weights.kind == "seed" else 0):
        trunk = _convolution_part(_whole_network(spec), spec.until)
    if weights.kind != "seed":
        _load_published_names(trunk, _read_weights(spec, weights), name)
    return nn.Sequential(
        OrderedDict(
            normalise=Normalize(spec.mean, spec.std),
            trunk=trunk,
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


def _whole_network(spec: BackboneSpec) -> "nn.Module":
    """The network as its library builds it, with random weights."""
    if spec.package == "torchvision":
        from torchvision.models import get_model

        return get_model(spec.model or spec.name, weights=None)
    try:
        from timm import create_model
    except ImportError as error:
        others = ", ".join(other.name for other in BACKBONES.values() if other.package != "timm")
        raise EngineUnavailable(
            f"The backbone {spec.name} needs the package timm, which is not installed; run `pip install timm`, or "
            f"choose one of {others}."
        ) from error
    return create_model(spec.name, pretrained=False)


def _convolution_part(network: "nn.Module", until: str) -> "nn.Sequential":
    """What comes before the global pooling, or before `until`: all these networks are chains of their parts."""
    from torch import nn

    parts = list(network.named_children())
    names = [name for name, _ in parts]
    end = next(names.index(part) for part in (until, "avgpool", "global_pool") if part in names)
    return nn.Sequential(OrderedDict(parts[:end]))


def _load_published_names(trunk: "nn.Sequential", state: Mapping[str, "Tensor"], name: str) -> None:
    """Fill the convolution part; classifying layers, which libraries name differently, are not looked at."""
    parts = tuple(f"{part}." for part, _ in trunk.named_children())
    state = {key: tensor for key, tensor in state.items() if key.startswith(parts)}
    if wrong := first_mismatch(trunk.state_dict(), state):
        raise InputError(f"The weights file is not for {name}: {wrong}; choose the file or the backbone that fits.")
    trunk.load_state_dict(state, strict=False)


def _read_weights(spec: BackboneSpec, weights: Weights) -> Mapping[str, "Tensor"]:
    import pickle

    import torch

    if weights.kind == "imagenet":
        return torch.load(obtain(spec.published, spec.name), map_location="cpu", weights_only=True)
    path = Path(weights.value)
    check_hash(path, weights.sha256)
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, KeyError) as error:
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
