"""Where the user's own files are kept on this computer."""

import os
import sys
from pathlib import Path


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


def keys_folder() -> Path:
    """The folder of public keys that the user trusts, beside that of the models."""
    folder = user_folder()
    return folder.with_name(f"{folder.name}-trusted-keys")
