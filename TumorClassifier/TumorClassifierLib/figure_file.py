"""Figures without pyplot: nothing global is kept, and equal figures are equal files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONT = "DejaVu Sans"  # comes with matplotlib, so that a figure looks the same everywhere
STYLE: Any = {
    "font.family": FONT,
    "font.size": 8,
    "text.parse_math": False,  # names of variables and classes may hold dollar signs
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "svg.hashsalt": "TumorClassifier",
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe & Ito, for all eyes
METADATA = {"svg": {"Date": None}, "png": {"Software": None}, "pdf": {"CreationDate": None}}


@contextmanager
def house_style() -> Iterator[None]:
    """Inside the block figures get our style; matplotlib's settings are as before after it."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


def save_figure(figure: "Figure", path: Path, dpi: int = 300) -> Path:
    """Write a figure as .svg, .png or .pdf by the path's suffix, whole or not at all; returns the path.

    Raises InputError at another suffix and when the folder cannot be written to.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in METADATA:
        raise InputError(f"{path} is not a figure that can be written; use the suffix .svg, .png or .pdf.")
    with house_style(), atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=dpi, metadata=METADATA[kind], facecolor="white")
    return path
