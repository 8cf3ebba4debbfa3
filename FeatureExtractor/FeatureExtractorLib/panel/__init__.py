"""The FeatureExtractor panel in 3D Slicer."""

import sys


def forget() -> None:
    """Let the panel's files be read anew when they are next imported, whatever they import from one another."""
    for name in [name for name in sys.modules if name.startswith(f"{__name__}.")]:
        del sys.modules[name]
        globals().pop(name.removeprefix(f"{__name__}."), None)  # else `from . import` finds the old one
