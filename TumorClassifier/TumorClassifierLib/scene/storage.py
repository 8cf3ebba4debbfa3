"""Scenes to and from Slicer's scene bundles (.mrb)."""

from pathlib import Path
from typing import Any

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import atomic_path, copied_to

SUFFIX = ".mrb"


def save_mrb(scene: Any, path: Path) -> None:
    """Write every node of the scene with its data into one file, all or nothing.

    Raises InputError when the name does not end in .mrb, the folder cannot be written to or a node cannot be stored.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise InputError(f"{path} is no scene bundle's name; end it in {SUFFIX}.")
    # The name becomes the folder inside the bundle, so the temporary file must have the same one.
    with atomic_path(path) as temporary, copied_to(temporary, path.name) as unfinished:
        messages = _messages()
        if not scene.WriteToMRB(str(unfinished), None, messages):
            raise InputError(f"The scene was not saved to {path} ({_text(messages)}); check the disk and the nodes.")


def load_mrb(scene: Any, path: Path) -> None:
    """Replace the scene's content by that of a bundle.

    Raises InputError when the file is missing or is no scene bundle that can be read whole.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; name a scene saved as {SUFFIX}.")
    messages = _messages()
    if not scene.ReadFromMRB(str(path), True, messages):
        raise InputError(f"{path} cannot be read as a scene ({_text(messages)}); save it from Slicer again.")


def _messages() -> Any:
    import slicer

    return slicer.vtkMRMLMessageCollection()


def _text(messages: Any) -> str:
    text = " ".join(messages.GetAllMessagesAsString().split())
    return text or "no reason given"
