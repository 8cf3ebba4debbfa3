"""The command line `tumorclassifier`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from FeatureExtractorLib.errors import InputError, TumorClassifierError

from . import cli_measure, cli_models, cli_report, cli_web
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

if TYPE_CHECKING:
    from .evaluation.metrics import Metrics

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
app.command()(cli_web.web)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="The recipe, such as dtlr-nomogram.")],
    manifest: Annotated[Path, typer.Option("--manifest", metavar="CSV", help="The cohort.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The .tcmodel file to write.")],
    settings: Annotated[Path | None, typer.Option("--settings", metavar="YAML", help="The recipe's settings.")] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Keep each case's numbers here, to go on later.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="DIR", help="Keep networks in training here, to go on after a stop."),
    ] = None,
    version: Annotated[str, typer.Option("--version", help="Version of the model.")] = "1",
    as_json: JsonOption = False,
) -> None:
    """Train a recipe on a cohort, judge it by patient-wise cross-validation and write the model.

    Example: tumorclassifier train dtlr-nomogram --manifest cohort.csv --out my-model.tcmodel
    """
    from FeatureExtractorLib.files import check_can_write
    from FeatureExtractorLib.manifest import read_manifest

    from .bundle import SUFFIX, write_bundle
    from .networks.checkpoint import checkpoints_in
    from .recipes import recipe_module
    from .settings import read_settings
    from .training import train as train_recipe

    module = recipe_module(recipe)
    if out.suffix != SUFFIX:
        raise InputError(f"{out} is no model's name; end it in {SUFFIX}.")
    check_can_write(out)
    chosen = read_settings(module.Settings, settings)
    with checkpoints_in(checkpoint), progress_bar() as progress:
        bundle, left_out = train_recipe(
            recipe, read_manifest(manifest), chosen, name=out.stem, version=version, cache=cache, progress=progress
        )
    digest = write_bundle(bundle, out)
    told = {name: bundle.manifest[name] for name in ("metrics", "test_metrics", "warnings")}
    if as_json:
        typer.echo(json.dumps({"file": str(out), "sha256": digest, "failures": left_out, **told}, indent=1))
        return
    typer.echo(f"{out}  sha256 {digest}")
    positive = bundle.manifest["positive"]
    _print_metrics(told["metrics"], "out of fold, by patient", positive)
    if told["test_metrics"] is not None:
        _print_metrics(told["test_metrics"], "test cohort, by patient", positive)
    _print_notes(told["warnings"], left_out)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A model's name or file.")],
    manifest: Annotated[
        Path, typer.Option("--manifest", metavar="CSV", help="Labelled cases the model has not seen.")
    ],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Also write the metrics as JSON.")] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Keep each case's numbers here.")
    ] = None,
    readers: Annotated[
        Path | None,
        typer.Option(
            "--readers",
            metavar="CSV",
            help="Readers' answers about these patients (reader, patient_id, answer; given, seconds if you like), to "
            "stand beside the model's.",
        ),
    ] = None,
    require_signature: RequireSignatureOption = False,
    as_json: JsonOption = False,
) -> None:
    """Judge a model on labelled cases, by patient, with 95 % intervals.

    Example: tumorclassifier evaluate my-model.tcmodel --manifest external.csv
    """
    from FeatureExtractorLib.files import check_can_write, write_json_atomically
    from FeatureExtractorLib.manifest import read_manifest

    from .training import evaluate as evaluate_model

    bundle = open_model(model, require_signature)
    if out is not None:
        check_can_write(out)
    with progress_bar() as progress:
        result = evaluate_model(bundle, read_manifest(manifest), cache=cache, progress=progress, readers=readers)
    if out is not None:
        write_json_atomically(out, result)
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    _print_metrics(result["metrics"], f"{result['patients']} patients", bundle.manifest["positive"])
    if readers is not None:
        _print_readers(result["cohorts"][0]["readers"])
    _print_notes(result["warnings"], result["failures"])


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


def _print_readers(rows: list[dict[str, Any]]) -> None:
    """Accuracy, sensitivity, specificity and seconds a patient of every reader and of the model."""
    from .card import with_interval

    figures = ("accuracy", "sensitivity", "specificity")
    width = max(12, *(len(row["name"]) + 1 for row in rows))
    typer.echo(f"{'reader':<{width}}" + "".join(f"{name:>22}" for name in figures) + "   seconds   patients")
    for row in rows:
        told = "".join(f"{with_interval(row[name]) if row[name] else '-':>22}" for name in figures)
        seconds = "-" if row["seconds"] is None else f"{row['seconds']:.1f}"
        typer.echo(f"{row['name']:<{width}}{told}{seconds:>10}{row['patients']:>11}")


def _print_notes(warnings: list[str], left_out: Mapping[str, str]) -> None:
    for warning in warnings:
        typer.echo(f"warning: {warning}")
    for case, error in left_out.items():
        typer.echo(f"left out: {case}: {error}", err=True)


def _print_metrics(metrics: "dict[str, Metrics]", what: str, positive: str | None) -> None:
    """positive: the class that figures of two classes are about; of more they are means over all."""
    from .card import with_interval

    about = "means over the classes" if positive is None else f"of {positive}"
    names = ("auc", "sensitivity", "specificity", "accuracy")
    width = max(12, *(len(model) + 1 for model in metrics))
    heads = "".join(f"{name:>22}" for name in names)
    typer.echo(f"{'model':<{width}}{heads}   ({what}, {about}, 95 % interval)")
    for model, values in metrics.items():
        typer.echo(f"{model:<{width}}" + "".join(f"{with_interval(values[name]):>22}" for name in names))
