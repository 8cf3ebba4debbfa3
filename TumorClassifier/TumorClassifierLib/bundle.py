"""A trained model in one file that holds data only.

`NAME.tcmodel` is a zip of `manifest.json`, which lists every other member with its SHA-256, JSON documents, network
weights as safetensors and `MODEL_CARD.md`. Members are stored uncompressed, in order, with one fixed date, so that
equal models are equal files and a file that is not exactly what `write_bundle` would write is refused. Reading never
unpickles, never runs anything and never writes anything.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.files import atomic_path, json_text, sha256_of_bytes

from .archive import archive_pieces, check_archive, first_member, member_sizes, read_members
from .strict_json import parse_json
from .weights import check_weights

SCHEMA_VERSION = 1
SUFFIX = ".tcmodel"
MANIFEST = "manifest.json"
CARD = "MODEL_CARD.md"
REQUIRED: Mapping[str, type] = MappingProxyType(
    {"recipe": str, "name": str, "version": str, "classes": list, "modalities": list, "settings": dict}
)

LARGEST_BUNDLE_BYTES = 1 << 30
LARGEST_DOCUMENTS_BYTES = 32 << 20  # together; strict_json bounds what one becomes when parsed
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
RESERVED_NAME = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.ASCII | re.IGNORECASE)  # by Windows
LONGEST_TEXT = 200  # of a class, a modality, a version


@dataclass(frozen=True)
class Bundle:
    """What a model file holds.

    manifest: what the model is, its settings, cohort and metrics; entries that this version does not know are kept,
    so that a copy is the same file, and have no effect. documents: fitted numbers, plain JSON values by member name
    without suffix. weights: safetensors bytes by member name without suffix. card: Markdown. sha256: of the file it
    was read from or will be written to.
    """

    manifest: Mapping[str, Any]
    documents: Mapping[str, Any]
    weights: Mapping[str, bytes]
    card: str

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file this bundle is written as."""
        digest = sha256()
        for piece in archive_pieces(_members(self)):
            digest.update(piece)
        return digest.hexdigest()

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.manifest["name"])


def write_bundle(bundle: Bundle, path: Path) -> str:
    """Write the model file and return its SHA-256.

    Raises InputError when the folder cannot be written to, or what is given would be refused when read.
    """
    try:
        _check_manifest(bundle.manifest)
        for name, raw in _members(bundle).items():
            if name.endswith(".json"):
                parse_json(raw)
            elif name.endswith(".safetensors"):
                check_weights(raw)
    except ValueError as error:
        raise InputError(f"{path} cannot be written because {error}; correct what the model is made of.") from error
    with atomic_path(path) as temporary:
        return write_pieces(bundle, temporary)


def write_pieces(bundle: Bundle, path: Path) -> str:
    """Write the file of a bundle as it is, into a place that is there, and return its SHA-256; raises OSError."""
    digest = sha256()
    with open(path, "wb") as stream:
        for piece in archive_pieces(_members(bundle)):
            stream.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Read and check a model file; raises BundleRejected with the reason for anything that is not exactly one.

    At most LARGEST_BUNDLE_BYTES are held in memory, and at most LARGEST_DOCUMENTS_BYTES of them are parsed.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise BundleRejected(f"{path} does not exist or is not a file; name a {SUFFIX} file.")
        with open(path, "rb") as stream:
            return _read(stream)
    except OSError as error:
        raise BundleRejected(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    except _Newer as error:
        raise BundleRejected(f"{path} has {error}; update TumorClassifier.") from error
    except ValueError as error:
        raise BundleRejected(
            f"{path} was refused because {error}; get the model file again from its source."
        ) from error


class _Newer(Exception):
    """The file is of a format that a later version has brought."""


def _read(stream: BinaryIO) -> Bundle:
    """Read and check; raises ValueError with the reason, and _Newer."""
    size = os.fstat(stream.fileno()).st_size
    if size > LARGEST_BUNDLE_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BUNDLE_BYTES >> 30} GB")
    _check_format(stream)
    sizes = member_sizes(stream, size)
    if MANIFEST not in sizes or CARD not in sizes:
        raise ValueError(f"it has no {MANIFEST} or no {CARD}")
    if sum(size for name, size in sizes.items() if not name.endswith(".safetensors")) > LARGEST_DOCUMENTS_BYTES:
        raise ValueError(f"its documents are larger than {LARGEST_DOCUMENTS_BYTES >> 20} MB")
    members = read_members(stream, sizes)
    manifest = _parsed(MANIFEST, members[MANIFEST])
    _check_members(manifest, members)
    bundle = Bundle(
        manifest=MappingProxyType({key: value for key, value in manifest.items() if key not in ("members", "schema")}),
        documents=MappingProxyType(
            {name[:-5]: _parsed(name, raw) for name, raw in members.items() if _is_document(name)}
        ),
        weights=MappingProxyType({name[:-12]: raw for name, raw in members.items() if name.endswith(".safetensors")}),
        card=_card(members[CARD]),
    )
    for name, raw in bundle.weights.items():
        try:
            check_weights(raw)
        except ValueError as error:
            raise ValueError(f"the weights {name} are damaged: {error}") from error
    try:
        own = _members(bundle)
    except ValueError as error:  # what JSON reads but does not write: 1e999, half a surrogate pair
        raise ValueError(f"its documents hold what no model does ({error})") from error
    if list(own) != list(members) or own != members:
        raise ValueError("its bytes are not those that its content is written as")
    check_archive(stream, members)
    return bundle


def _check_format(stream: BinaryIO) -> None:
    """Raises _Newer for a later format, of which no more is known than that its first member is a manifest like ours.

    Whatever else is wrong is found later.
    """
    raw = first_member(stream, MANIFEST, LARGEST_DOCUMENTS_BYTES)
    try:
        manifest = parse_json(raw or b"null")
    except ValueError:
        return
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if type(schema) is int and schema > SCHEMA_VERSION:
        raise _Newer(f"format {schema}, newer than the {SCHEMA_VERSION} that is read here")


def _members(bundle: Bundle) -> dict[str, bytes]:
    """Every member of the file in its order, the manifest first."""
    members = {f"{name}.json": json_text(document).encode() for name, document in sorted(bundle.documents.items())}
    members |= {f"{name}.safetensors": raw for name, raw in sorted(bundle.weights.items())}
    members[CARD] = bundle.card.encode()
    manifest = {
        **bundle.manifest,
        "schema": SCHEMA_VERSION,
        "members": {name: sha256_of_bytes(raw) for name, raw in members.items()},
    }
    return {MANIFEST: json_text(manifest).encode(), **members}


def _check_members(manifest: Any, members: Mapping[str, bytes]) -> None:
    """Raises ValueError unless the manifest is of this format and lists exactly the other members."""
    if not isinstance(manifest, dict):
        raise ValueError(f"its {MANIFEST} is not a table of names and values")
    schema = manifest.get("schema")
    if type(schema) is not int or schema != SCHEMA_VERSION:
        raise ValueError(f"its format {ascii(schema)[:40]} is unknown")
    _check_manifest(manifest)
    listed, others = manifest.get("members"), {name: raw for name, raw in members.items() if name != MANIFEST}
    if not isinstance(listed, dict) or set(listed) != set(others):
        raise ValueError(f"its members are not those that its {MANIFEST} lists")
    for name, raw in others.items():
        if sha256_of_bytes(raw) != listed[name]:
            raise ValueError(f"its member {name} does not have the SHA-256 that its {MANIFEST} lists")


def _check_manifest(manifest: Mapping[str, Any]) -> None:
    """Raises ValueError where the manifest does not say what every model says."""
    for name, kind in REQUIRED.items():
        value = manifest.get(name)
        texts = value if isinstance(value, list) else [value] if kind is str else []
        if not isinstance(value, kind) or not all(_is_text(text) for text in texts):
            raise ValueError(f"its {MANIFEST} does not say its {name}")
    for name, least in (("classes", 2), ("modalities", 1)):
        if not least <= len(set(manifest[name])) == len(manifest[name]):
            raise ValueError(f"its {MANIFEST} does not say its {name}, {least} or more and each once")
    if not is_model_name(manifest["name"]):
        raise ValueError("its name has other characters than letters, digits, '.', '_' and '-', or is no file's name")


def is_model_name(name: str) -> bool:
    """Whether a model can be called so, and its file on every system."""
    return bool(MODEL_NAME.fullmatch(name)) and not RESERVED_NAME.fullmatch(name)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and value.isprintable()


def _is_document(name: str) -> bool:
    return name.endswith(".json") and name != MANIFEST


def _parsed(name: str, raw: bytes) -> Any:
    try:
        return parse_json(raw)
    except ValueError as error:
        raise ValueError(f"its member {name} is not JSON as a model has it ({error})") from error


def _card(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"its member {CARD} is not UTF-8 text") from error
