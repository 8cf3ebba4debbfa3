"""What is there to compute with, at a glance; nothing is imported for it."""

import sys

from slicer.i18n import tr as _

from .packages import base, installed, missing


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
    if not installed("torch"):
        lines.append(_("Networks need PyTorch; install the extension PyTorch in the Extensions Manager."))
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
    number, _plus, build = found.partition("+")
    if build == "cpu" or sys.platform == "win32" and not build:
        return _("Networks: PyTorch {version} on the processor").format(version=number)
    if build.startswith(("cu", "rocm")):
        return _("Networks: PyTorch {version} for graphics cards ({build})").format(version=number, build=build)
    return _("Networks: PyTorch {version}").format(version=number)
