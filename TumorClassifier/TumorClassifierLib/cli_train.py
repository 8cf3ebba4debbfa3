"""The commands `train` and `evaluate`: a model from a cohort, and how well it does on another."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from FeatureExtractorLib.errors import InputError

from .cli_options import JsonOption, RequireSignatureOption, open_model, progress_bar

if TYPE_CHECKING:
    from .evaluation.metrics import Metrics


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
