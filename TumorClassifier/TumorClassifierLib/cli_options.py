"""What several commands share: options, NAME=VALUE pairs and the progress bar."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from FeatureExtractorLib.progress import Progress, silent, stage_name

if TYPE_CHECKING:
    from .bundle import Bundle

ImageOption = Annotated[
    list[str],
    typer.Option(
        "--image",
        metavar="MODALITY=FILE",
        help="An image and what it is; repeat for several. DICOM: FOLDER, or FOLDER#SERIES by number or name.",
    ),
]
MaskOption = Annotated[
    Path | None,
    typer.Option(
        "--mask", metavar="FILE", help="The tumour's mask, on the image's grid; some models classify without one."
    ),
]
SegmentOption = Annotated[
    str,
    typer.Option(
        "--segment",
        help="Name or number of a segment, label or ROI; default: all together. In extract, * gives each a row.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DicomOption = Annotated[
    bool,
    typer.Option(
        "--dicom", help="Also write the segment (segment.dcm) and a structured report (report.dcm) of a DICOM series."
    ),
]
DeidentifyOption = Annotated[
    bool,
    typer.Option(
        "--deidentify", help="With --dicom: leave out what identifies the patient, by the basic profile of PS3.15."
    ),
]
CamOption = Annotated[
    str | None,
    typer.Option(
        "--cam",
        metavar="METHOD",
        help="How the map is made, where not as the model says: grad-cam, grad-cam++, smooth-grad-cam++ or "
        "guided-grad-cam.",
    ),
]
CamClassOption = Annotated[
    str | None,
    typer.Option("--cam-class", metavar="CLASS", help="The class that the map is for, where not the called one."),
]
RequireSignatureOption = Annotated[
    bool,
    typer.Option("--require-signature", help="Refuse a model that no trusted key has signed; see `models trust`."),
]


def open_model(name_or_path: str, require_signature: bool) -> "Bundle":
    """Read a model; a signature beside it that is bad is told even where none is required."""
    from .store import load_checked

    bundle, check = load_checked(name_or_path, require_signature)
    if check.state in ("bad", "unchecked"):
        typer.echo(f"warning: {check.text}", err=True)
    return bundle


def pairs_of(texts: list[str], option: str) -> list[tuple[str, str]]:
    """NAME=VALUE texts as pairs; raises BadParameter naming the option."""
    pairs: list[tuple[str, str]] = []
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name or not value:
            raise typer.BadParameter(f"{text!r} is not of the form NAME=VALUE", param_hint=option)
        if name in dict(pairs):
            raise typer.BadParameter(f"{name} is given twice", param_hint=option)
        pairs.append((name, value))
    return pairs


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar a stage on a terminal; nothing where the output goes into a file."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def show(stage: str, fraction: float) -> None:
            name = stage_name(stage)
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=1.0)
            bars.update(tasks[name], completed=fraction, description=stage)

        yield show
