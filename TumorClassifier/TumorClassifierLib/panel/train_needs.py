"""What a recipe needs beyond what Slicer brings, and why."""

from typing import Any

from slicer.i18n import tr as _

from .packages import installed

TORCH = "torch"


def trains_network(settings: Any) -> bool:
    """Whether a recipe with these settings runs a network."""
    return hasattr(settings, "training") or bool(getattr(settings, "backbones", ()))


def needs_in_words(settings: Any) -> str:
    """Whether it needs PyTorch, why, and whether that is there."""
    if not trains_network(settings):
        return _("Needs no PyTorch.")
    why = _("trains a network") if hasattr(settings, "training") else _("looks at the images with networks")
    found = installed(TORCH)
    if found:
        return _("Needs PyTorch, because it {why}: version {version} is installed.").format(why=why, version=found)
    return _(
        "Needs PyTorch, because it {why}: it is not installed. Train asks before it is installed by the PyTorch "
        "extension."
    ).format(why=why)
