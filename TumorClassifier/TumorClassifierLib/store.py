"""Where installed models are: those that come with the extension and those the user added."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import readable_write_errors
from FeatureExtractorLib.resources import resource_path

from .bundle import SUFFIX, Bundle, read_bundle, write_bundle


@dataclass(frozen=True)
class InstalledModel:
    """A model file and where it came from: "shipped" or "installed"."""

    name: str
    path: Path
    origin: str


def user_folder() -> Path:
    """The folder of models that the user installed; TUMORCLASSIFIER_MODELS overrides the platform's own place."""
    chosen = os.environ.get("TUMORCLASSIFIER_MODELS")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "TumorClassifier" / "models"


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


def load_model(name_or_path: str) -> Bundle:
    """Find and read a model; raises InputError and BundleRejected."""
    return read_bundle(find_model(name_or_path))


def install_model(path: Path) -> InstalledModel:
    """Check a model file and copy it into the user's folder; raises BundleRejected and installs nothing otherwise."""
    bundle = read_bundle(path)
    target = user_folder() / f"{bundle.name}{SUFFIX}"
    write_bundle(bundle, target)  # what was checked, should the file have changed since; its bytes are the same
    return InstalledModel(bundle.name, target, "installed")


def remove_model(name: str) -> Path:
    """Delete a model that the user installed; raises InputError for shipped and unknown ones."""
    for model in installed_models():
        if model.name == name:
            if model.origin == "shipped":
                raise InputError(f"The model {name} comes with the extension and stays; only added models go.")
            with readable_write_errors(model.path):
                model.path.unlink()
            return model.path
    raise InputError(f"There is no model called {name!r} to remove; see `tumorclassifier models list`.")
