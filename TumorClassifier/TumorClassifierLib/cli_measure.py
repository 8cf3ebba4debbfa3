"""The commands that turn images into numbers."""

import json
from pathlib import Path
from typing import Annotated

import typer

from FeatureExtractorLib.deep.backbones import BACKBONES, backbone_spec, parse_weights
from FeatureExtractorLib.deep.inputs import COLOURS, VIEWS, SliceSettings
from FeatureExtractorLib.deep.published import obtain
from FeatureExtractorLib.errors import InputError

from .cli_options import JsonOption, SegmentOption, pairs_of, progress_bar


def extract(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Feature table to write, .parquet or .csv.")],
    image: Annotated[
        list[str] | None, typer.Option("--image", metavar="MODALITY=FILE", help="An image and what it is; repeat.")
    ] = None,
    mask: Annotated[Path | None, typer.Option("--mask", metavar="FILE", help="The tumour's mask.")] = None,
    segment: SegmentOption = "",
    manifest: Annotated[Path | None, typer.Option("--manifest", help="A cohort instead of one case.")] = None,
    preset: Annotated[
        str, typer.Option("--preset", help="original, original-wavelet, dtlr, original-wavelet-2d or a YAML file.")
    ] = "original",
    engine: Annotated[str, typer.Option("--engine", help="auto, pyradiomics or native.")] = "auto",
    n4: Annotated[str, typer.Option("--n4", help="Bias field correction: none, itk or fast.")] = "none",
    deep: Annotated[str, typer.Option("--deep", help=f"Also pooled features of a CNN: {', '.join(BACKBONES)}.")] = "",
    weights: Annotated[str, typer.Option("--weights", help="imagenet, file:PATH[#sha256] or seed:N.")] = "imagenet",
    view: Annotated[str, typer.Option("--view", help=f"What the CNN sees: {', '.join(VIEWS)}.")] = VIEWS[0],
    colour: Annotated[str, typer.Option("--colour", help=f"How the CNN sees it: {', '.join(COLOURS)}.")] = COLOURS[0],
    device: Annotated[str, typer.Option("--device", help="Where the CNN runs: auto, cpu, cuda or mps.")] = "auto",
    offline: Annotated[bool, typer.Option("--offline", help="Refuse to download weights.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Extract features of one case or of a cohort into a table.

    Example: tumorclassifier extract --image T1C=t1c.nrrd --mask tumour.nrrd --preset dtlr --out features.csv
    """
    from FeatureExtractorLib.extraction import ExtractionSettings, extract_features
    from FeatureExtractorLib.manifest import CaseEntry, read_manifest
    from FeatureExtractorLib.table import write_table

    if (manifest is None) == (not image):
        raise typer.BadParameter("give either --manifest, or --image and --mask")
    if manifest is not None:
        entries = read_manifest(manifest).entries
    else:
        images = {name: Path(path) for name, path in pairs_of(image or [], "--image")}
        entries = (CaseEntry(case_id="unnamed", patient_id="unnamed", images=images, mask=mask, segment=segment),)
    settings = ExtractionSettings(
        preset=preset,
        engine=engine,
        n4=n4,
        backbone=deep,
        weights=weights,
        crop=SliceSettings(view=view, colour=colour),
        device=device,
    )
    if deep and parse_weights(weights).kind == "imagenet":
        # Before the work starts, so that nobody waits for hours to learn that there is no network.
        obtain(backbone_spec(deep).published, deep, offline, lambda text: typer.echo(text, err=True))
    with progress_bar() as progress:
        table = extract_features(entries, settings, progress)
    failures = [(case, error) for case, _, status, error in table.keys if status == "failed"]
    if len(failures) == len(table.keys):
        raise InputError(failures[0][1])
    write_table(table, out)
    summary = {"file": str(out), "rows": len(table.keys), "features": len(table.names), "failed": dict(failures)}
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
        return
    typer.echo(f"{len(table.keys)} rows × {len(table.names)} features in {out}")
    for case, error in failures:
        typer.echo(f"failed: {case}: {error}", err=True)
