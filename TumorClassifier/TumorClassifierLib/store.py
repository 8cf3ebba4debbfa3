"""Where installed models are: those that come with the extension and those the user added."""

import re
from dataclasses import dataclass
from pathlib import Path

from FeatureExtractorLib.errors import BundleRejected, InputError, TumorClassifierError
from FeatureExtractorLib.files import atomic_path, readable_write_errors
from FeatureExtractorLib.resources import resource_path

from .bundle import SUFFIX, Bundle, read_bundle, write_pieces
from .places import user_folder
from .signing import sign, signature_path, write_signature
from .trusted_keys import SignatureCheck, check_signature


@dataclass(frozen=True)
class InstalledModel:
    """A model file and where it came from: "shipped" or "installed"."""

    name: str
    path: Path
    origin: str


@dataclass(frozen=True)
class Installation:
    """What installing did: the model, what its signature was found to be, and what it replaced ("" for nothing)."""

    model: InstalledModel
    check: SignatureCheck
    replaced: str


def installed_models() -> list[InstalledModel]:
    """Every model there is, by name; a user's model hides a shipped one of the same name."""
    found = {}
    for origin, folder in (("shipped", resource_path("Models", __file__)), ("installed", user_folder())):
        if folder.is_dir():
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                found[path.stem] = InstalledModel(path.stem, path, origin)
    return sorted(found.values(), key=lambda model: model.name)


def find_model(name_or_path: str) -> Path:
    """The file of a model given by name or by path; raises InputError naming the models there are."""
    models = {model.name: model.path for model in installed_models()}
    if name_or_path in models:
        return models[name_or_path]
    path = Path(name_or_path)
    if path.suffix == SUFFIX or path.is_file():
        if not path.is_file():
            raise InputError(f"The model file {path} does not exist; check the name.")
        return path
    have = ", ".join(models) or "none"
    raise InputError(
        f"There is no model called {name_or_path!r} (installed: {have}); name one of these or a {SUFFIX} file."
    )


def load_model(name_or_path: str, require_signature: bool = False) -> Bundle:
    """Find and read a model; raises InputError and BundleRejected.

    require_signature: refuse a model without a good signature by a trusted key. What was read is what was checked.
    """
    return load_checked(name_or_path, require_signature)[0]


def load_checked(name_or_path: str, require_signature: bool = False) -> tuple[Bundle, SignatureCheck]:
    """As `load_model`, with what was found of its signature, for hosts that tell."""
    path = find_model(name_or_path)
    bundle = read_bundle(path)
    return bundle, _checked(path, bundle, require_signature)


def install_model(path: Path, require_signature: bool = False, replace: bool = False) -> Installation:
    """Check a model file and copy it, and its signature, into the user's folder.

    Raises BundleRejected for what is no model or lacks the signature that is required, InputError where another model
    has its name (unless `replace`) or the folder cannot be written to; then nothing has changed.
    """
    path = Path(path)
    bundle = read_bundle(path)
    check = _checked(path, bundle, require_signature)
    target = user_folder() / f"{bundle.name}{SUFFIX}"
    replaced = _replaced(bundle, replace)
    signature = signature_path(target)
    with atomic_path(target) as temporary:
        write_pieces(bundle, temporary)  # what was checked, should the file have changed since
        signature.unlink(missing_ok=True)  # so that no model is ever seen with the signature of another
    if check.signature is not None:
        write_signature(check.signature, signature)
    return Installation(InstalledModel(bundle.name, target, "installed"), check, replaced)


def remove_model(name: str) -> Path:
    """Delete a model that the user installed, and its signature; raises InputError for shipped and unknown ones."""
    for model in installed_models():
        if model.name == name:
            if model.origin == "shipped":
                raise InputError(f"The model {name} comes with the extension and stays; only added models go.")
            with readable_write_errors(model.path):
                signature_path(model.path).unlink(missing_ok=True)
                model.path.unlink()
            return model.path
    raise InputError(f"There is no model called {name!r} to remove; see `tumorclassifier models list`.")


def sign_model(name_or_path: str, private_key: Path, signer: str, password: str | None = None) -> Path:
    """Sign a model file that is whole, and return the signature's path; raises InputError and BundleRejected."""
    path = find_model(name_or_path)
    signature = sign(read_bundle(path).sha256, private_key, signer, password)
    write_signature(signature, signature_path(path))
    return signature_path(path)


def _checked(path: Path, bundle: Bundle, require_signature: bool) -> SignatureCheck:
    check = check_signature(path, bundle.sha256)
    if require_signature and check.state != "good":
        remedy = " Ask its maker for one, or leave out --require-signature." if check.state == "none" else ""
        raise BundleRejected(check.text + remedy)
    return check


def _replaced(bundle: Bundle, replace: bool) -> str:
    """What the model takes the place of, in words, "" for nothing; raises InputError where it may not."""
    for model in installed_models():
        if model.name != bundle.name:
            if model.name.casefold() == bundle.name.casefold():
                raise InputError(
                    f"{model.name} is installed, whose name differs from {bundle.name} in case alone, which not every "
                    "disk tells apart; remove that first."
                )
            continue
        try:
            old = read_bundle(model.path)
            if old.sha256 == bundle.sha256:
                return ""
            version = str(old.manifest["version"])
            age = _age(version, str(bundle.manifest["version"]))
        except TumorClassifierError:
            version, age = "(damaged)", "another"
        kept = " that comes with the extension, which it hides" if model.origin == "shipped" else ""
        if not replace:
            raise InputError(
                f"{bundle.name} {version} is installed{kept and ' (it comes with the extension)'}, and this file is "
                f"{age} version, {bundle.manifest['version']}; give --replace to put it in that place."
            )
        return f"{bundle.name} {version}{kept}"
    return ""


def _age(old: str, new: str) -> str:
    """How a version compares with one installed, where both are numbers with points: older, newer or another."""
    if not all(re.fullmatch(r"\d{1,9}(\.\d{1,9})*", text) for text in (old, new)):
        return "another"
    before, after = ([int(part) for part in text.split(".")] for text in (old, new))
    return "an older" if after < before else "a newer" if after > before else "another file of the same"
