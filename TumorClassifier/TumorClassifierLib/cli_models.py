"""The commands `tumorclassifier models …`: what is installed, whether it is whole, and who signed it."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from FeatureExtractorLib.errors import InputError, TumorClassifierError

from .cli_options import JsonOption, RequireSignatureOption, open_model

app = typer.Typer(help="Models that are installed, and who signed them.", no_args_is_help=True)

PASSWORD_VARIABLE = "TUMORCLASSIFIER_KEY_PASSWORD"
ModelArgument = Annotated[str, typer.Argument(help="A model's name or file.")]


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models that are installed.

    Example: tumorclassifier models list
    """
    from .store import installed_models, load_checked

    rows = []
    for model in installed_models():
        try:
            bundle, check = load_checked(str(model.path))
            manifest, signature = bundle.manifest, check.state
            text = f"{manifest['recipe']}: {' / '.join(manifest['classes'])} from {', '.join(manifest['modalities'])}"
        except TumorClassifierError as error:
            text, signature = str(error), "unchecked"
        rows.append(
            {
                "name": model.name,
                "origin": model.origin,
                "file": str(model.path),
                "what": text,
                "signature": signature,
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        signed = "" if row["signature"] == "none" else f"  (signature: {row['signature']})"
        typer.echo(f"{row['name']}  ({row['origin']})  {row['what']}{signed}")
    if not rows:
        typer.echo("No model is installed; add one with `tumorclassifier models install FILE`.")


@app.command("show")
def show_model(model: ModelArgument) -> None:
    """Print a model's card.

    Example: tumorclassifier models show meningioma-vs-glioma
    """
    # A file of others may hold characters that steer a terminal.
    typer.echo("".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in open_model(model, False).card))


@app.command("verify")
def verify_model(
    model: ModelArgument,
    require_signature: RequireSignatureOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check that a model file is whole, print its SHA-256 and say who signed it.

    Example: tumorclassifier models verify my-model.tcmodel --require-signature
    """
    from .store import find_model, load_checked

    path = find_model(model)
    bundle, check = load_checked(str(path), require_signature)
    if as_json:
        signed = check.signature
        found = {
            "file": str(path),
            "name": bundle.name,
            "version": bundle.manifest["version"],
            "sha256": bundle.sha256,
            "signature": check.state,
            "signer": signed.signer if signed else None,
            "key": signed.key if signed else None,
            "text": check.text,
        }
        typer.echo(json.dumps(found, indent=1))
        return
    typer.echo(f"{path} is whole: {bundle.name} {bundle.manifest['version']}, sha256 {bundle.sha256}")
    typer.echo(check.text, err=check.state in ("bad", "unchecked"))


@app.command("install")
def install(
    file: Annotated[Path, typer.Argument(help="A .tcmodel file; a signature beside it comes along.")],
    require_signature: RequireSignatureOption = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of another model of this name.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a model file and add it to the installed models.

    Example: tumorclassifier models install my-model.tcmodel --require-signature
    """
    from .store import install_model

    done = install_model(file, require_signature, replace)
    if done.check.state in ("bad", "unchecked"):
        typer.echo(f"warning: {done.check.text}", err=True)
    if as_json:
        found = {"name": done.model.name, "file": str(done.model.path), "signature": done.check.state}
        typer.echo(json.dumps({**found, "replaced": done.replaced or None}, indent=1))
        return
    instead = f" in place of {done.replaced}" if done.replaced else ""
    typer.echo(f"{done.model.name} is installed at {done.model.path}{instead}")


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="The name of a model that was added.")]) -> None:
    """Delete a model that was added, and its signature.

    Example: tumorclassifier models remove my-model
    """
    from .store import remove_model

    typer.echo(f"removed {remove_model(name)}")


@app.command("make-key")
def make_key(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Writes NAME.private.pem and NAME.public.pem.")],
    password: Annotated[
        bool, typer.Option("--password", help=f"Ask for a password, or take it from {PASSWORD_VARIABLE}.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a pair of keys: the private one signs and stays with you, the public one goes to those who check.

    Tell the fingerprint to those who trust the key by another way than the file, such as a paper or a telephone.

    Example: tumorclassifier models make-key my-key --password
    """
    from .signing import make_key_pair

    private, public = (name.with_name(f"{name.name}.{kind}.pem") for kind in ("private", "public"))
    fingerprint = make_key_pair(private, public, _password(private, twice=True) if password else None)
    if as_json:
        typer.echo(json.dumps({"private": str(private), "public": str(public), "fingerprint": fingerprint}, indent=1))
        return
    typer.echo(f"{private}  keep this to yourself\n{public}  give this away\nfingerprint {fingerprint}")


@app.command("sign")
def sign(
    model: ModelArgument,
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Your private key; see `models make-key`.")],
    signer: Annotated[str, typer.Option("--signer", metavar="NAME", help="Who signs, as it should be read.")],
) -> None:
    """Sign a model file: writes FILE.sig beside it.

    Example: tumorclassifier models sign my-model.tcmodel --key my-key.private.pem --signer "Radiology, Bonn"
    """
    from .signing import is_locked
    from .store import sign_model

    path = sign_model(model, key, signer, _password(key) if is_locked(key) else None)
    typer.echo(f"{path} says that {signer} signed it")


@app.command("trust")
def trust(
    key: Annotated[Path, typer.Argument(help="A maker's public key, NAME.public.pem.")],
    name: Annotated[str, typer.Option("--name", help="What to call it; default: the file's name.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Trust a public key, once its owner has confirmed the fingerprint that is printed.

    Example: tumorclassifier models trust bonn.public.pem --name bonn
    """
    from .trusted_keys import trust_key

    added = trust_key(key, name or key.name.removesuffix(".pem").removesuffix(".public"))
    if as_json:
        typer.echo(json.dumps({"name": added.name, "fingerprint": added.fingerprint, "file": str(added.path)}))
        return
    typer.echo(f"{added.name} is trusted: fingerprint {added.fingerprint}")


@app.command("trusted")
def list_trusted(as_json: JsonOption = False) -> None:
    """List the keys that are trusted.

    Example: tumorclassifier models trusted
    """
    from .trusted_keys import trusted_keys

    rows = [{"name": key.name, "fingerprint": key.fingerprint, "file": str(key.path)} for key in trusted_keys()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(f"{row['name']}  {row['fingerprint']}")
    if not rows:
        typer.echo("No key is trusted; add one with `tumorclassifier models trust FILE`.")


@app.command("distrust")
def distrust(name: Annotated[str, typer.Argument(help="The name of a trusted key.")]) -> None:
    """Trust a key no longer.

    Example: tumorclassifier models distrust bonn
    """
    from .trusted_keys import distrust_key

    typer.echo(f"removed {distrust_key(name)}")


def _password(key: Path, twice: bool = False) -> str:
    """A private key's password, from the environment or asked for; raises InputError where nobody can be asked."""
    known = os.environ.get(PASSWORD_VARIABLE)
    if known:
        return known
    if not sys.stdin.isatty():
        raise InputError(f"{key} needs a password and there is no terminal to ask for it; set {PASSWORD_VARIABLE}.")
    return str(typer.prompt(f"Password of {key}", hide_input=True, confirmation_prompt=twice, err=True))
