"""Who made a model file: detached Ed25519 signatures.

`NAME.tcmodel.sig` beside the model is JSON: the algorithm, the key's fingerprint, the signer's name as text and the
signature. What is signed is a line that says what this is (so that no signature made for something else fits), the
SHA-256 of the model file and the signer's name. That a file is whole its own SHA-256s say; a signature says who
made it, to those who had the public key from that maker by another way.
"""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import readable_write_errors, write_json_atomically

from .strict_json import parse_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_SUFFIX = ".sig"
FORMAT = 1
ALGORITHM = "Ed25519"
DOMAIN = b"TumorClassifier model signature 1"
LARGEST_BYTES = 1 << 16  # of a signature or key file
LONGEST_SIGNER = 200


@dataclass(frozen=True)
class Signature:
    """What a signature file says. key: the public key's fingerprint; value: the 64 bytes of the signature."""

    key: str
    signer: str
    value: bytes


def signature_path(model: Path) -> Path:
    """Where a model file's signature is."""
    return model.with_name(model.name + SIGNATURE_SUFFIX)


def fingerprint(key: "Ed25519PublicKey") -> str:
    """The SHA-256 of a public key's 32 bytes, as 64 hexadecimal digits."""
    from cryptography.hazmat.primitives import serialization as form

    return hashlib.sha256(key.public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)).hexdigest()


def make_key_pair(private: Path, public: Path, password: str | None = None) -> str:
    """Write a new private key, which only its owner may read, and its public key; return the fingerprint.

    password: encrypts the private key. Raises InputError where either file exists or cannot be written.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for path in (private, public):
        if path.exists():
            raise InputError(f"{path} exists; a key is never overwritten, so choose another name.")
    key = Ed25519PrivateKey.generate()
    locked = form.BestAvailableEncryption(password.encode()) if password else form.NoEncryption()
    _write_new(private, key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked), 0o600)
    try:
        _write_new(public, public_pem(key.public_key()), 0o644)
    except InputError:
        private.unlink()  # half a pair is of no use
        raise
    return fingerprint(key.public_key())


def public_pem(key: "Ed25519PublicKey") -> bytes:
    """A public key as PEM text."""
    from cryptography.hazmat.primitives import serialization as form

    return key.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)


def is_locked(private: Path) -> bool:
    """Whether a private key's file needs a password; raises InputError where it cannot be read."""
    return b"ENCRYPTED" in _read_small(private, "key file")


def sign(sha256: str, private: Path, signer: str, password: str | None = None) -> Signature:
    """Sign a model file by its SHA-256; raises InputError at a signer's name or key that cannot be used."""
    check_signer(signer)
    key = _private_key(private, password)
    return Signature(fingerprint(key.public_key()), signer, key.sign(_message(sha256, signer)))


def fits(signature: Signature, sha256: str, key: "Ed25519PublicKey") -> bool:
    """Whether a signature was made with this key for the model file that has this SHA-256."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature.value, _message(sha256, signature.signer))
    except InvalidSignature:
        return False
    return fingerprint(key) == signature.key


def write_signature(signature: Signature, path: Path) -> None:
    """Write a signature file; raises InputError when the folder cannot be written to."""
    document = {
        "format": FORMAT,
        "algorithm": ALGORITHM,
        "key": signature.key,
        "signer": signature.signer,
        "signature": base64.b64encode(signature.value).decode(),
    }
    write_json_atomically(path, document)


def read_signature(path: Path) -> Signature:
    """Read a signature file; raises InputError with the reason for anything that is none."""
    try:
        return _signature_of(parse_json(_read_small(path, "signature")))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no signature ({error}); get it again from its source.") from error


def read_public_key(path: Path) -> "Ed25519PublicKey":
    """Read a public key's PEM file; raises InputError where it is none of Ed25519."""
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    raw = _read_small(path, "key file")
    if b"PRIVATE KEY" in raw:
        raise InputError(f"{path} is a private key, which its owner must not give away; ask for the public key.")
    try:
        key = load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path} is no public key in PEM form; get it again from its owner.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path} is a key of another kind than {ALGORITHM}; ask for one of `models make-key`.")
    return key


def check_signer(signer: str) -> None:
    """Raises InputError at a signer's name that is empty, long or not printable."""
    if not 0 < len(signer.strip()) <= len(signer) <= LONGEST_SIGNER or not signer.isprintable():
        raise InputError(
            f"The signer's name {signer[:40]!r} cannot be used; give 1 to {LONGEST_SIGNER} printable characters."
        )


def has_cryptography() -> bool:
    """Whether the library that makes and checks signatures is installed."""
    from importlib.util import find_spec

    return find_spec("cryptography") is not None


def _need_cryptography() -> None:
    if not has_cryptography():
        raise InputError('Signatures need the package cryptography; install it with `pip install "cryptography>=42"`.')


def _message(sha256: str, signer: str) -> bytes:
    """The bytes that are signed; the first two lines have fixed lengths, so that no two files share them."""
    return b"\n".join([DOMAIN, sha256.encode(), signer.encode()])


def _signature_of(document: Any) -> Signature:
    """The signature in a parsed file; raises ValueError, KeyError or TypeError where it is none."""
    if not isinstance(document, dict) or set(document) != {"format", "algorithm", "key", "signer", "signature"}:
        raise ValueError("it has other fields than a signature")
    if document["format"] != FORMAT or document["algorithm"] != ALGORITHM:
        raise ValueError(f"its format or algorithm is not {FORMAT} and {ALGORITHM}; a newer version may read it")
    key, signer = document["key"], document["signer"]
    if not isinstance(key, str) or len(key) != 64 or set(key) - set("0123456789abcdef"):
        raise ValueError("its key is no fingerprint")
    try:
        check_signer(signer)
        value = base64.b64decode(document["signature"], validate=True)
    except (InputError, AttributeError, binascii.Error) as error:
        raise ValueError("its signer or signature cannot be read") from error
    if len(value) != 64:
        raise ValueError(f"its signature has {len(value)} bytes, not 64")
    return Signature(key, signer, value)


def _private_key(path: Path, password: str | None) -> "Ed25519PrivateKey":
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read_small(path, "key file"), password.encode() if password else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = "the password is wrong or lacking" if is_locked(path) else "it is no private key in PEM form"
        raise InputError(f"{path} cannot be used to sign because {reason}; make one by `models make-key`.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path} is a key of another kind than {ALGORITHM}; make one by `models make-key`.")
    return key


def _read_small(path: Path, what: str) -> bytes:
    try:
        if not path.is_file():
            raise InputError(f"The {what} {path} does not exist or is not a file; check the name.")
        with open(path, "rb") as stream:
            raw = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"The {what} {path} cannot be read ({error.strerror}); check its permissions.") from error
    if len(raw) > LARGEST_BYTES:
        raise InputError(f"The {what} {path} is larger than {LARGEST_BYTES >> 10} KB; get it again from its source.")
    return raw


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Create a file that nobody but those whom `mode` lets may ever open; raises InputError where it exists."""
    with readable_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        try:
            with open(handle, "wb") as stream:
                stream.write(data)
        except OSError:
            path.unlink()
            raise
