"""A trained model in one file that holds data only.

`NAME.tcmodel` is a zip of `manifest.json`, which lists every other member with its SHA-256, JSON documents, network
weights as safetensors and `MODEL_CARD.md`. Members are stored uncompressed, in order, with one fixed date, so that
equal models are equal files and a file that is not exactly what `write_bundle` would write is refused. Reading never
unpickles and never runs anything.
"""

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from FeatureExtractorLib.errors import BundleRejected
from FeatureExtractorLib.files import atomic_path, json_text, sha256_of_bytes

SCHEMA_VERSION = 1
SUFFIX = ".tcmodel"
MANIFEST = "manifest.json"
CARD = "MODEL_CARD.md"
REQUIRED: Mapping[str, type] = MappingProxyType(
    {"recipe": str, "name": str, "version": str, "classes": list, "modalities": list, "settings": dict}
)

LARGEST_BUNDLE_BYTES = 1 << 30
LARGEST_DOCUMENTS_BYTES = 64 << 20  # together: parsed JSON takes up to twenty times its bytes
MOST_MEMBERS = 64
MEMBER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(json|safetensors|md)")
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundle:
    """What a model file holds.

    manifest: what the model is, its settings, cohort and metrics. documents: fitted numbers, plain JSON values by
    member name without suffix. weights: safetensors bytes by member name without suffix. card: Markdown.
    sha256: of the file it was read from or will be written to.
    """

    manifest: Mapping[str, Any]
    documents: Mapping[str, Any]
    weights: Mapping[str, bytes]
    card: str

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file this bundle is written as."""
        return sha256_of_bytes(_serialise(self))

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.manifest["name"])


def write_bundle(bundle: Bundle, path: Path) -> str:
    """Write the model file and return its SHA-256; raises InputError when the folder cannot be written to."""
    data = _serialise(bundle)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return sha256_of_bytes(data)


def read_bundle(path: Path) -> Bundle:
    """Read and check a model file; raises BundleRejected with the reason for anything that is not exactly one."""
    path = Path(path)
    if not path.is_file():
        raise BundleRejected(f"{path} does not exist or is not a file; name a {SUFFIX} file.")
    if path.stat().st_size > LARGEST_BUNDLE_BYTES:
        raise _rejected(path, f"it is larger than {LARGEST_BUNDLE_BYTES >> 30} GB")
    data = path.read_bytes()
    members = _read_members(data, path)
    manifest = _parse(members.pop(MANIFEST), MANIFEST, path)
    _check_manifest(manifest, members, path)
    bundle = Bundle(
        manifest=MappingProxyType({key: value for key, value in manifest.items() if key not in ("members", "schema")}),
        documents=MappingProxyType(
            {name[:-5]: _parse(text, name, path) for name, text in members.items() if name.endswith(".json")}
        ),
        weights=MappingProxyType({name[:-12]: raw for name, raw in members.items() if name.endswith(".safetensors")}),
        card=_decode(members[CARD], CARD, path),
    )
    try:
        own = _serialise(bundle)
    except (ValueError, RecursionError) as error:  # what JSON reads but does not write: 1e999, half a surrogate pair
        raise _rejected(path, f"its documents hold what no model does ({error})") from error
    # Whatever hides outside the members (headers, gaps, trailing bytes) would make the file differ from its own copy.
    if own != data:
        raise _rejected(path, "its bytes are not those that its content is written as")
    return bundle


def _serialise(bundle: Bundle) -> bytes:
    members = {f"{name}.json": json_text(document).encode() for name, document in sorted(bundle.documents.items())}
    members |= {f"{name}.safetensors": raw for name, raw in sorted(bundle.weights.items())}
    members[CARD] = bundle.card.encode()
    manifest = {
        **bundle.manifest,
        "schema": SCHEMA_VERSION,
        "members": {name: sha256_of_bytes(raw) for name, raw in members.items()},
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, raw in {MANIFEST: json_text(manifest).encode(), **members}.items():
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            entry.create_system = 3  # one value on every platform
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, raw)
    return stream.getvalue()


def _read_members(data: bytes, path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(data), path)
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, OSError) as error:
        raise _rejected(path, f"it is damaged ({error})") from error


def _check_entries(entries: list[zipfile.ZipInfo], bytes_in_file: int, path: Path) -> None:
    """Refuse every archive trick before a byte of content is read."""
    names = [entry.filename for entry in entries]
    if len(names) > MOST_MEMBERS:
        raise _rejected(path, f"it has {len(names)} members, more than the {MOST_MEMBERS} a model may have")
    if len(set(names)) != len(names):
        raise _rejected(path, "it has two members of one name")
    if MANIFEST not in names or CARD not in names:
        raise _rejected(path, f"it has no {MANIFEST} or no {CARD}")
    for entry in entries:
        if not MEMBER_NAME.fullmatch(entry.filename):
            raise _rejected(path, f"its member {entry.filename[:80]!r} has a name that no model has")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise _rejected(path, f"its member {entry.filename} is compressed, which no model is")
        if (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000):
            raise _rejected(path, f"its member {entry.filename} is a link or a device")
    if sum(entry.file_size for entry in entries) > bytes_in_file:
        raise _rejected(path, "its members claim more bytes than the file has")
    if sum(e.file_size for e in entries if not e.filename.endswith(".safetensors")) > LARGEST_DOCUMENTS_BYTES:
        raise _rejected(path, f"its documents are larger than {LARGEST_DOCUMENTS_BYTES >> 20} MB")


def _check_manifest(manifest: Any, members: Mapping[str, bytes], path: Path) -> None:
    if not isinstance(manifest, dict):
        raise _rejected(path, f"its {MANIFEST} is not a table of names and values")
    schema = manifest.get("schema")
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        raise BundleRejected(
            f"{path} has format {schema}, newer than the {SCHEMA_VERSION} that is read here; update TumorClassifier."
        )
    if schema != SCHEMA_VERSION:
        raise _rejected(path, f"its format {schema!r} is unknown")
    for name, kind in REQUIRED.items():
        texts = manifest.get(name, ()) if kind is list else ()
        if not isinstance(manifest.get(name), kind) or not all(isinstance(text, str) for text in texts):
            raise _rejected(path, f"its {MANIFEST} does not say its {name}")
    if not MODEL_NAME.fullmatch(manifest["name"]):
        raise _rejected(path, "its name has other characters than letters, digits, '.', '_' and '-'")
    listed = manifest.get("members")
    if not isinstance(listed, dict) or set(listed) != set(members):
        raise _rejected(path, f"its members are not those that its {MANIFEST} lists")
    for name, raw in members.items():
        if sha256_of_bytes(raw) != listed[name]:
            raise _rejected(path, f"its member {name} does not have the SHA-256 that its {MANIFEST} lists")


def _parse(raw: bytes, name: str, path: Path) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a number")

    try:
        return json.loads(_decode(raw, name, path), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise _rejected(path, f"its member {name} is not JSON ({error})") from error


def _decode(raw: bytes, name: str, path: Path) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _rejected(path, f"its member {name} is not UTF-8 text") from error


def _rejected(path: Path, reason: str) -> BundleRejected:
    return BundleRejected(f"{path} was refused because {reason}; get the model file again from its source.")
