"""The commands `tumorclassifier models …`: what is installed, whether it is whole, and who signed it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from FeatureExtractorLib.errors import TumorClassifierError

from .cli_options import JsonOption

app = typer.Typer(help="Models that are installed, and who signed them.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models that are installed.

    Example: tumorclassifier models list
    """
    from .bundle import read_bundle
    from .store import installed_models

    rows = []
    for model in installed_models():
        try:
            manifest = read_bundle(model.path).manifest
            text = f"{manifest['recipe']}: {' / '.join(manifest['classes'])} from {', '.join(manifest['modalities'])}"
        except TumorClassifierError as error:
            text = str(error)
        rows.append({"name": model.name, "origin": model.origin, "file": str(model.path), "what": text})
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(f"{row['name']}  ({row['origin']})  {row['what']}")
    if not rows:
        typer.echo("No model is installed; add one with `tumorclassifier models install FILE`.")


@app.command("show")
def show_model(model: Annotated[str, typer.Argument(help="A model's name or file.")]) -> None:
    """Print a model's card.

    Example: tumorclassifier models show meningioma-vs-glioma
    """
    from .store import load_model

    typer.echo(load_model(model).card)


@app.command("verify")
def verify_model(model: Annotated[str, typer.Argument(help="A model's name or file.")]) -> None:
    """Check that a model file is whole and print its SHA-256.

    Example: tumorclassifier models verify my-model.tcmodel
    """
    from .store import find_model, load_model

    bundle = load_model(model)
    typer.echo(f"{find_model(model)} is whole: {bundle.name} {bundle.manifest['version']}, sha256 {bundle.sha256}")


@app.command("install")
def install(file: Annotated[Path, typer.Argument(help="A .tcmodel file.")]) -> None:
    """Check a model file and add it to the installed models.

    Example: tumorclassifier models install my-model.tcmodel
    """
    from .store import install_model

    model = install_model(file)
    typer.echo(f"{model.name} is installed at {model.path}")


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="The name of a model that was added.")]) -> None:
    """Delete a model that was added.

    Example: tumorclassifier models remove my-model
    """
    from .store import remove_model

    typer.echo(f"removed {remove_model(name)}")
