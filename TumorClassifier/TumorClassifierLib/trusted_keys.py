"""The public keys that the user trusts, one PEM file each, and what they say of a model's signature."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import atomic_path, readable_write_errors

from .places import keys_folder
from .signing import (
    Signature,
    fingerprint,
    fits,
    has_cryptography,
    public_pem,
    read_public_key,
    read_signature,
    signature_path,
)

KEY_SUFFIX = ".pem"
KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class TrustedKey:
    """A public key's file and the name that the user gave it."""

    name: str
    fingerprint: str
    path: Path


@dataclass(frozen=True)
class SignatureCheck:
    """What became of a model's signature.

    state: "none" there is none; "good" by a trusted key; "unknown" by a key that is not trusted; "bad" changed, of
    another file or no signature at all; "unchecked" cryptography is not installed. text: that as a sentence.
    """

    state: Literal["none", "good", "unknown", "bad", "unchecked"]
    text: str
    signature: Signature | None = None


def trusted_keys() -> list[TrustedKey]:
    """Every trusted key by name; raises InputError naming a file in the folder that is no public key."""
    folder = keys_folder()
    paths = sorted(folder.glob(f"*{KEY_SUFFIX}")) if folder.is_dir() else []
    return [TrustedKey(path.stem, fingerprint(read_public_key(path)), path) for path in paths]


def trust_key(path: Path, name: str) -> TrustedKey:
    """Add a public key under a name; raises InputError where the name or the key is there already."""
    if not KEY_NAME.fullmatch(name):
        raise InputError(f"{name[:80]!r} is no name of a key; use letters, digits, '.', '_' and '-'.")
    key = read_public_key(path)
    for known in trusted_keys():
        if known.fingerprint == fingerprint(key):
            raise InputError(f"This key is trusted already, as {known.name}; nothing needs doing.")
        if known.name.casefold() == name.casefold():
            raise InputError(f"Another key is trusted as {known.name}; choose another name or distrust that first.")
    target = keys_folder() / f"{name}{KEY_SUFFIX}"
    with atomic_path(target) as temporary:
        temporary.write_bytes(public_pem(key))
    return TrustedKey(name, fingerprint(key), target)


def distrust_key(name: str) -> Path:
    """Remove a trusted key; raises InputError naming the keys there are."""
    folder = keys_folder()
    names = sorted(path.stem for path in folder.glob(f"*{KEY_SUFFIX}")) if folder.is_dir() else []
    if name not in names:
        raise InputError(f"No key is trusted as {name!r} (there are: {', '.join(names) or 'none'}); check the name.")
    path = folder / f"{name}{KEY_SUFFIX}"
    with readable_write_errors(path):
        path.unlink()
    return path


def check_signature(model: Path, sha256: str) -> SignatureCheck:
    """Check the signature beside a model file whose content has this SHA-256.

    Raises InputError only where a trusted key's own file is damaged.
    """
    path = signature_path(model)
    if not path.exists():
        return SignatureCheck("none", f"{model} has no signature: {path.name} is not beside it.")
    if not has_cryptography():
        remedy = 'install cryptography with `pip install "cryptography>=42"`'
        return SignatureCheck("unchecked", f"The signature {path} was not checked; {remedy}.")
    try:
        signature = read_signature(path)
    except InputError as error:
        return SignatureCheck("bad", str(error))
    known = next((key for key in trusted_keys() if key.fingerprint == signature.key), None)
    if known is None:
        text = (
            f"{model} is said to be signed by {signature.signer!r} with the key {signature.key}, which is not trusted "
            "here; once its maker has confirmed that fingerprint, add the key with `tumorclassifier models trust`."
        )
        return SignatureCheck("unknown", text, signature)
    if not fits(signature, sha256, read_public_key(known.path)):
        text = f"The signature {path} does not fit {model}: one of them was changed; get both again from their source."
        return SignatureCheck("bad", text, signature)
    return SignatureCheck("good", f"{model} is signed by {signature.signer!r} (key {known.name}).", signature)
