"""The command line `tumorclassifier`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from FeatureExtractorLib.errors import TumorClassifierError

from . import cli_measure, cli_models, cli_report, cli_train, cli_web
from .cli_options import (
    CamClassOption,
    CamOption,
    DeidentifyOption,
    DicomOption,
    ImageOption,
    JsonOption,
    MaskOption,
    RequireSignatureOption,
    SegmentOption,
    open_model,
    pairs_of,
    progress_bar,
)

app = typer.Typer(
    help="From an outlined tumour to an explained, calibrated class. For research use only.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    epilog="Add --debug to any command to see where in the code an error came from.",
)
app.add_typer(cli_models.app, name="models")


@app.command()
def classify(
    image: ImageOption,
    model: Annotated[str, typer.Option("--model", help="A model's name (see `models list`) or a .tcmodel file.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the outputs.")],
    mask: MaskOption = None,
    segment: SegmentOption = "",
    clinical: Annotated[
        list[str] | None, typer.Option("--clinical", metavar="NAME=VALUE", help="A clinical value; repeat.")
    ] = None,
    case_id: Annotated[str, typer.Option("--case-id", help="Name of the case in the outputs.")] = "",
    cam: CamOption = None,
    cam_class: CamClassOption = None,
    require_signature: RequireSignatureOption = False,
    dicom: DicomOption = False,
    deidentify: DeidentifyOption = False,
    as_json: JsonOption = False,
) -> None:
    """Classify one case and write prediction, report, map, nomogram and scene.

    Example: tumorclassifier classify --image T1C=t1c.nrrd --mask tumour.nrrd --model meningioma-vs-glioma --out result
    """
    from FeatureExtractorLib.reading import read_case

    from .classify import alignment_of, classify_case, slice_spacing_of
    from .dicom_output import dicom_output
    from .outputs import write_outputs

    if deidentify and not dicom:
        raise typer.BadParameter("what is written without --dicom has no patient in it", param_hint="--deidentify")
    if segment and mask is None:
        raise typer.BadParameter("a segment is one of a mask; give --mask too", param_hint="--segment")
    images = {name: Path(path) for name, path in pairs_of(image, "--image")}
    known = _clinical_values(pairs_of(clinical or [], "--clinical"))
    as_dicom = None
    if dicom:
        if mask is None:
            raise typer.BadParameter("DICOM is written of an outlined tumour; give --mask too", param_hint="--dicom")
        as_dicom = dicom_output(images, mask, segment, deidentify)
    bundle = open_model(model, require_signature)
    case = read_case(
        images,
        mask,
        case_id=case_id or "unnamed",
        segment=segment,
        clinical=known,
        slice_spacing=slice_spacing_of(bundle),
        alignment=alignment_of(bundle),
    )
    with progress_bar() as progress:
        result = classify_case(case, bundle, progress, cam, cam_class)
        files, _, notes = write_outputs(case, bundle, result, out, progress, as_dicom)
    if as_json:
        typer.echo(json.dumps({**result.prediction, "files": [str(file) for file in files], "notes": notes}, indent=1))
        return
    _print_prediction(result.prediction, files, notes)


app.command()(cli_measure.extract)
app.command()(cli_measure.agree)
app.command()(cli_report.report)
app.command()(cli_train.train)
app.command()(cli_train.evaluate)
app.command()(cli_web.web)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the outputs.")] = Path("build/demo"),
    model: Annotated[str, typer.Option("--model", help="The model to show.")] = "meningioma-vs-glioma",
) -> None:
    """Classify a made head phantom from image to report; its class means nothing.

    Example: tumorclassifier demo --out build/demo
    """
    from FeatureExtractorLib.case import make_case
    from FeatureExtractorLib.phantom import head_phantom

    from .classify import classify_case
    from .outputs import write_outputs
    from .stopwatch import Stopwatch
    from .store import load_model

    watch = Stopwatch()
    with watch.stage("phantom"):
        image, mask = head_phantom()
    case = make_case("phantom", {"T1C": image}, mask)
    bundle = load_model(model)
    with progress_bar() as progress:
        result = classify_case(case, bundle, progress)
        files, seconds, notes = write_outputs(case, bundle, result, out, progress)
    _print_prediction(result.prediction, files, notes)
    typer.echo("Seconds of each stage:")
    for stage, spent in {**watch.seconds, **result.prediction["provenance"]["seconds"], **seconds}.items():
        typer.echo(f"  {stage:<22} {spent:6.1f}")
    typer.echo("This head is a drawing: the class of a phantom means nothing.")


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what is installed, what is missing and what to do about it.

    Example: tumorclassifier doctor
    """
    from .doctor import as_text, examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings], indent=1))
    else:
        typer.echo(as_text(findings))


def main() -> None:
    """Run the command line: exit 0 when it worked, 1 when it failed, 2 when it was used wrongly."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    sys.argv[1:] = [argument for argument in arguments if argument != "--debug"]
    try:
        app()
    except TumorClassifierError as error:
        if debug:
            raise
        typer.echo(str(error), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        typer.echo(
            f"Something unforeseen happened ({type(error).__name__}: {error}); run again with --debug and report it.",
            err=True,
        )
        sys.exit(1)


def _clinical_values(pairs: list[tuple[str, str]]) -> dict[str, float | str | None]:
    values: dict[str, float | str | None] = {}
    for name, text in pairs:
        try:
            values[name] = float(text)
        except ValueError:
            values[name] = text
    return values


def _print_prediction(prediction: Mapping[str, Any], files: list[Path], notes: list[str]) -> None:
    interval, positive = prediction["interval"], prediction["positive"]
    limits = ""
    if interval is not None:
        limits = f" ({100 * interval['level']:g} % interval {interval['low']:.3f}–{interval['high']:.3f})"
    typer.echo(
        f"{prediction['predicted']}: probability of {positive} {prediction['probabilities'][positive]:.3f}{limits}. "
        "Research use only."
    )
    for warning in prediction["warnings"]:
        typer.echo(f"warning: {warning['text']}")
    for note in notes:
        typer.echo(f"note: {note}")
    for file in files:
        typer.echo(f"  {file}")
