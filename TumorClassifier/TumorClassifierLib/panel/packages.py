"""Packages that Slicer does not bring: asked for at the moment of use, and replacing nothing that Slicer needs."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import CalledProcessError
from types import MappingProxyType
from typing import Any

import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.resources import resource_path

REQUESTER = "Tumor Classifier"
NETWORKS = ("torch", "torchvision")  # by the PyTorch extension only, which knows the computer's graphics card
OPTIONAL: Mapping[str, str] = MappingProxyType(
    {
        "torch": "torch>=2.6",
        "torchvision": "torchvision>=0.21",
        "pyarrow": "pyarrow>=17",
        "timm": "timm>=1.0",
        "pydicom": "pydicom>=3",
        "highdicom": "highdicom>=0.25",
        "cryptography": "cryptography>=42",
        "reportlab": "reportlab>=4",
    }
)
"""Beside those in requirements.txt: what single functions need."""

KEPT = ("numpy", "scipy", "SimpleITK", "requests", "pydicom", "vtk")  # as Slicer brought them
LAST_LINES = 12  # of pip's words, in a message


class Declined(Exception):
    """The user did not want the packages: a decision, not a failure. The text is a sentence for the panel."""


def base() -> tuple[str, ...]:
    """The packages that all work needs."""
    return tuple(_name(line) for line in _requirements())


def needed_for(work: str, networks: bool = True) -> tuple[str, ...]:
    """The packages that a worker's request needs; networks: whether any network runs in it."""
    more = {"dicom": ("pydicom", "highdicom")}.get(work, ())
    return (*base(), *more, *(NETWORKS if networks and work in ("classify", "train", "evaluate") else ()))


def missing(names: Iterable[str]) -> list[str]:
    """Those that are not installed or too old; nothing is imported."""
    return [name for name in names if not _is_there(_requirement(name))]


def ensure(names: Iterable[str]) -> None:
    """See to it that packages are installed, after asking.

    Raises Declined where the user does not want them, and InputError where they cannot be installed.
    """
    wanted = missing(names)
    ordinary = [name for name in wanted if name not in NETWORKS]
    if ordinary:
        _install(ordinary)
    if any(name in NETWORKS for name in wanted):
        _install_torch()
    lacking = missing(wanted)
    if lacking:  # Slicer installs nothing while it is being tested
        raise InputError(
            _("{packages} is needed for this and is not installed; install it and try again.").format(
                packages=", ".join(lacking)
            )
        )


def _install(names: list[str]) -> None:
    """Ask and install by pip; raises Declined and InputError."""
    requirements = [_requirement(name) for name in names]
    declined = Declined(_("{packages} was not installed, so nothing was done.").format(packages=", ".join(names)))
    packaging = _packaging()
    try:
        with _constraints() as constraints:
            if packaging is not None:
                packaging.pip_ensure(requirements, constraints=constraints, requester=REQUESTER)
                return
            question = _("These Python packages are needed:\n\n{packages}\n\nInstall them now?").format(
                packages="\n".join(requirements)
            )
            if not slicer.util.confirmOkCancelDisplay(question, REQUESTER):  # Slicer 5.10
                raise declined
            slicer.util.pip_install(["-c", constraints, *requirements])
    except CalledProcessError as error:
        raise InputError(_failed(names, error)) from error
    except RuntimeError as error:
        if "declined" in str(error).lower():
            raise declined from error
        raise InputError(_failed(names, error)) from error


def _install_torch() -> None:
    try:
        utilities: Any = import_module("PyTorchUtils")
    except ImportError as error:
        raise InputError(
            _(
                "PyTorch is needed for this; install the extension PyTorch in the Extensions Manager, restart Slicer "
                "and try again."
            )
        ) from error
    try:
        torch = utilities.PyTorchUtilsLogic().installTorch(
            askConfirmation=True, torchVersionRequirement=">=2.6", torchvisionVersionRequirement=">=0.21"
        )
    except (CalledProcessError, RuntimeError, ImportError) as error:
        raise InputError(
            _(
                "PyTorch could not be installed ({reason}); open the module PyTorch Utils, uninstall PyTorch, restart "
                "Slicer and try again."
            ).format(reason=_last_words(error))
        ) from error
    if torch is None:
        raise Declined(_("PyTorch was not installed, so nothing was done."))


def _failed(names: list[str], error: Exception) -> str:
    return _(
        "{packages} could not be installed ({reason}); check the connection and the free space, or install from a "
        "folder as the documentation says."
    ).format(packages=", ".join(names), reason=_last_words(error))


def _last_words(error: Exception) -> str:
    output = getattr(error, "output", None) or getattr(error, "stderr", None) or str(error)
    text = output.decode("utf-8", "replace") if isinstance(output, bytes) else str(output)
    return " ".join(" ".join(text.splitlines()[-LAST_LINES:]).split())[-500:]


@contextmanager
def _constraints() -> Iterator[str]:
    """A file that keeps the packages that Slicer brought as they are."""
    lines = [f"{name}=={found}" for name in KEPT if (found := installed(name))]
    with tempfile.TemporaryDirectory(prefix="tumorclassifier-") as folder:
        path = Path(folder) / "constraints.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        yield str(path)


def installed(name: str) -> str:
    """The version of an installed package, "" where there is none; nothing is imported."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _is_there(requirement: str) -> bool:
    packaging = _packaging()
    if packaging is not None:
        return bool(packaging.pip_check(requirement))
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    found = installed(wanted.name)
    return bool(found) and wanted.specifier.contains(found, prereleases=True)


def _packaging() -> Any | None:
    """slicer.packaging, which came with Slicer 5.11."""
    try:
        return import_module("slicer.packaging")
    except ImportError:
        return None


def _requirement(name: str) -> str:
    return {**OPTIONAL, **{_name(line): line for line in _requirements()}}.get(name, name)


def _requirements() -> list[str]:
    lines = resource_path("requirements.txt", __file__).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _name(requirement: str) -> str:
    return requirement.partition(">=")[0]
