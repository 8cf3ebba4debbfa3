"""The command `report`: what a model is, how it was made and how good it is, as HTML or PDF."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from FeatureExtractorLib.errors import InputError

if TYPE_CHECKING:
    from .bundle import Bundle
    from .report.evidence import Part


def report(
    model: Annotated[str, typer.Argument(help="A model's name or file.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The report to write, .html or .pdf.")],
    evaluation: Annotated[
        list[Path] | None,
        typer.Option("--evaluation", metavar="FILE", help="What `evaluate --out` wrote of another cohort; repeat."),
    ] = None,
) -> None:
    """Write a model's report: data, selection, figures, tables, and the CLEAR and METRICS checklists filled in.

    Example: tumorclassifier report my-model.tcmodel --out report.pdf --evaluation external.json
    """
    from FeatureExtractorLib.files import atomic_path, check_can_write

    from .report.cohort import cohort_report
    from .report.html import as_html
    from .report.pdf import as_pdf
    from .store import load_model

    if out.suffix.lower() not in (".html", ".pdf"):
        raise InputError(f"{out} is no report that can be written; end its name in .html or .pdf.")
    check_can_write(out)
    bundle = load_model(model)
    parts = [part for path in evaluation or () for part in _parts(path, bundle)]
    content = cohort_report(bundle, parts)
    written = as_pdf(content) if out.suffix.lower() == ".pdf" else as_html(content).encode()
    with atomic_path(out) as temporary:
        temporary.write_bytes(written)
    typer.echo(str(out))


def _parts(path: Path, bundle: "Bundle") -> "list[Part]":
    from .report.evidence import parts_of

    if not path.is_file():
        raise InputError(f"The evaluation {path} does not exist; check the name.")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}); give what `evaluate --out` has written.") from error
    parts = parts_of(document, bundle, str(path))
    named = [{**part, "name": f"{part['name']} ({path.stem})"} for part in parts]
    warnings = document.get("warnings") or []
    return [{**part, "warnings": warnings} for part in named]
