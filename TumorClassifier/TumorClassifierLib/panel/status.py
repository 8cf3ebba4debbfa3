"""What is there to compute with, at a glance; nothing is imported for it."""

import platform
import shutil
import sys
from pathlib import Path

from slicer.i18n import tr as _

from .packages import base, installed, missing

DRIVER = Path("/proc/driver/nvidia")


def status_text() -> str:
    """One line: the engine of the radiomics features, PyTorch and what it can run on, and how much is missing."""
    parts = [_radiomics(), _torch()]
    lacking = missing(base())
    if lacking:
        parts.append(_("{number} packages to be installed at the first run").format(number=len(lacking)))
    return " · ".join(parts)


def status_tip() -> str:
    """What to do for the rest, a sentence a line; "" where everything is there."""
    lines = []
    lacking = missing(base())
    if lacking:
        lines.append(
            _("{packages}: you are asked to install them when they are first needed.").format(
                packages=", ".join(lacking)
            )
        )
    torch, card = installed("torch"), graphics_card()
    if not torch:
        lines.append(_("Networks need PyTorch; install the extension PyTorch in the Extensions Manager."))
    elif card and not _uses(torch, card):
        lines.append(
            _("This PyTorch does not use the graphics card ({card}); PyTorch Utils installs a build for it.").format(
                card=card
            )
        )
    if not installed("pyradiomics"):
        lines.append(_("PyRadiomics is not needed: the native engine measures the same numbers."))
    if not installed("highdicom"):
        lines.append(_("DICOM output needs highdicom; you are asked to install it when you export."))
    return "\n".join(lines)


def _radiomics() -> str:
    found = installed("pyradiomics")
    if found:
        return _("Radiomics: PyRadiomics {version}").format(version=found)
    return _("Radiomics: native engine")


def _torch() -> str:
    found = installed("torch")
    if not found:
        return _("Networks: PyTorch is not installed")
    number = found.partition("+")[0]
    card = graphics_card()
    if card and _uses(found, card):
        return _("Networks: PyTorch {version} on the graphics card ({card})").format(version=number, card=card)
    return _("Networks: PyTorch {version} on the processor").format(version=number)


def _uses(torch: str, card: str) -> bool:
    """Whether a build of PyTorch can use the card; a build without a name is for NVIDIA's, except on Windows."""
    build = torch.partition("+")[2]
    if not build:
        return sys.platform != "win32"
    return card == "NVIDIA" and build.startswith("cu")


def graphics_card() -> str:
    """Whose card there is that networks may run on, as its driver tells: "NVIDIA", "Apple", or "" for none."""
    if sys.platform == "darwin":
        return "Apple" if platform.machine() == "arm64" else ""
    return "NVIDIA" if shutil.which("nvidia-smi") or DRIVER.exists() else ""
