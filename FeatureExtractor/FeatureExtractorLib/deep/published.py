"""Weights published with their networks: where from, how large, under which licence; downloaded once, then checked."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from ..errors import WeightsUnavailable
from ..files import sha256_of_file


@dataclass(frozen=True)
class Published:
    """A file of published weights.

    url: its name ends in the first digits of the file's SHA-256, as torch's hub has it. megabytes: 10⁶ bytes.
    licence: as the library that publishes the weights states it.
    """

    url: str
    megabytes: int
    licence: str

    @property
    def sha256(self) -> str:
        """The first digits of the file's SHA-256."""
        return Path(self.url).stem.rpartition("-")[2]

    @property
    def path(self) -> Path:
        """Where the file is on this computer once it was downloaded."""
        return torch_cache() / Path(self.url).name

    def describe(self) -> str:
        """What is downloaded, how large, under which licence and from where."""
        return f"{self.path.name}, {self.megabytes} MB, licence {self.licence}, from {self.url}"


def torch_cache() -> Path:
    """Where torch keeps downloaded weights, by its own rules, without importing it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch") / "hub" / "checkpoints"


def obtain(
    published: Published, name: str, offline: bool = False, tell: Callable[[str], object] = lambda text: None
) -> Path:
    """The file on this computer, downloaded unless it is there already, its hash checked.

    name: of the network, for messages. offline: refuse to download. tell: is given a sentence before a download
    begins. Raises WeightsUnavailable when the file is not here and cannot or must not be downloaded, or is not the
    one that was published.
    """
    path = published.path
    if not path.is_file():
        remedy = f"put {path.name} into {path.parent}, or name another file as file:PATH"
        if offline:
            raise WeightsUnavailable(
                f"The ImageNet weights of {name} are not on this computer and must not be downloaded (offline); "
                f"{remedy}."
            )
        tell(f"Downloading the ImageNet weights of {name} ({published.describe()}) into {path.parent}")
        from torch.hub import download_url_to_file

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download_url_to_file(published.url, str(path), hash_prefix=published.sha256, progress=False)
        except (OSError, RuntimeError, HTTPException) as error:  # no network; another hash than the name says
            raise WeightsUnavailable(
                f"The ImageNet weights of {name} could not be downloaded ({error}); connect to the network, or "
                f"{remedy}."
            ) from error
    check_hash(path, published.sha256)
    return path


def check_hash(path: Path, expected: str) -> None:
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
