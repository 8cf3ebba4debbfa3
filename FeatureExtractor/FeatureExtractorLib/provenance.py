"""What a result was made with."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "tumorclassifier",
    "numpy",
    "scipy",
    "SimpleITK",
    "PyWavelets",
    "pyradiomics",
    "scikit-learn",
    "statsmodels",
    "torch",
    "torchvision",
    "timm",
    "pydicom",
    "highdicom",
    "slicer-core",
)


@cache
def package_version(name: str) -> str | None:
    """The installed version of a package, read without importing it; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Python's version and that of every installed package that can change a number."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        number = package_version(name)
        if number is not None:
            found[name] = number
    return found
