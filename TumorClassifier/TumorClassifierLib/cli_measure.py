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

ManifestOption = Annotated[Path | None, typer.Option("--manifest", metavar="CSV", help="A cohort.")]
PresetOption = Annotated[
    str,
    typer.Option(
        "--preset", help="original, original-wavelet, dtlr, original-wavelet-2d, ibsi-a to ibsi-e, or a YAML file."
    ),
]
EngineOption = Annotated[str, typer.Option("--engine", help="auto, pyradiomics or native.")]
N4Option = Annotated[str, typer.Option("--n4", help="Bias field correction: none, itk or fast.")]
IntensityOption = Annotated[
    str, typer.Option("--intensity", help="Intensity normalisation: none, percentiles, z-score or peak.")
]
RegisterOption = Annotated[
    str, typer.Option("--register", help="Lay modalities over the reference: none, rigid or affine.")
]
ReferenceOption = Annotated[
    str, typer.Option("--reference", metavar="MODALITY", help="Reslice to this one's grid; default: the first's.")
]


def extract(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Feature table to write, .parquet or .csv.")],
    image: Annotated[
        list[str] | None, typer.Option("--image", metavar="MODALITY=FILE", help="An image and what it is; repeat.")
    ] = None,
    mask: Annotated[Path | None, typer.Option("--mask", metavar="FILE", help="The tumour's mask.")] = None,
    segment: SegmentOption = "",
    manifest: ManifestOption = None,
    preset: PresetOption = "original",
    engine: EngineOption = "auto",
    n4: N4Option = "none",
    intensity: IntensityOption = "none",
    register: RegisterOption = "none",
    reference: ReferenceOption = "",
    deep: Annotated[str, typer.Option("--deep", help=f"Also pooled features of a CNN: {', '.join(BACKBONES)}.")] = "",
    weights: Annotated[str, typer.Option("--weights", help="imagenet, file:PATH[#sha256] or seed:N.")] = "imagenet",
    view: Annotated[str, typer.Option("--view", help=f"What the CNN sees: {', '.join(VIEWS)}.")] = VIEWS[0],
    colour: Annotated[str, typer.Option("--colour", help=f"How the CNN sees it: {', '.join(COLOURS)}.")] = COLOURS[0],
    device: Annotated[str, typer.Option("--device", help="Where the CNN runs: auto, cpu, cuda or mps.")] = "auto",
    offline: Annotated[bool, typer.Option("--offline", help="Refuse to download weights.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", help="Cases to measure at once.")] = 1,
    dask: Annotated[
        str, typer.Option("--dask", metavar="ADDRESS", help="Use a Dask cluster; `local` starts one of N workers.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Extract features of one case or of a cohort into a table.

    With --register the transforms are written into the folder FILE-transforms, as .tfm files that Slicer reads.
    Finished cases are kept in FILE.work until the table is written: the same command goes on where it was stopped.

    Example: tumorclassifier extract --image T1C=t1c.nrrd --mask tumour.nrrd --preset dtlr --out features.csv

    Example: tumorclassifier extract --manifest cohort.csv --preset dtlr --n4 fast --out features.parquet --jobs 4
    """
    from FeatureExtractorLib.alignment import Alignment
    from FeatureExtractorLib.cohort import extract_cohort
    from FeatureExtractorLib.extraction import ExtractionSettings
    from FeatureExtractorLib.manifest import CaseEntry, read_manifest

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
        intensity=intensity,
        alignment=Alignment(register, reference),
        transforms=str(out.with_name(f"{out.stem}-transforms").absolute()) if register != "none" else "",
        backbone=deep,
        weights=weights,
        crop=SliceSettings(view=view, colour=colour),
        device=device,
    )
    if deep and parse_weights(weights).kind == "imagenet":
        # Before the work starts, so that nobody waits for hours to learn that there is no network.
        obtain(backbone_spec(deep).published, deep, offline, lambda text: typer.echo(text, err=True))
    try:
        with progress_bar() as progress:
            found = extract_cohort(entries, settings, out, jobs=jobs, dask=dask, progress=progress)
    except KeyboardInterrupt:
        typer.echo("Stopped; finished cases are kept, and the same command goes on from there.", err=True)
        raise
    if as_json:
        summary = {"file": str(out), "rows": found.rows, "features": found.features, "failed": dict(found.failures)}
        typer.echo(json.dumps({**summary, "kept": found.kept, "again": dict(found.again)}, indent=1))
        return
    failed = f", {len(found.failures)} of them failed" if found.failures else ""
    typer.echo(f"{found.rows} rows × {found.features} features in {out}{failed}")
    if found.kept:
        typer.echo(f"{found.kept} of the cases had been measured before the last run was stopped")
    for why, cases in found.again.items():
        typer.echo(f"{cases} of the cases were measured again, because {why}")
    for case, error in found.failures.items():
        typer.echo(f"failed: {case}: {error}", err=True)


def agree(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The .csv file to write, a row a feature.")],
    first: Annotated[
        Path | None, typer.Option("--first", metavar="FILE", help="Feature table of the first reader.")
    ] = None,
    second: Annotated[
        Path | None, typer.Option("--second", metavar="FILE", help="Feature table of the second reader, or reading.")
    ] = None,
    manifest: ManifestOption = None,
    form: Annotated[
        str, typer.Option("--form", help="ICC(1,1), ICC(2,1), ICC(3,1), or ICC(1,k) … for the readers' average.")
    ] = "ICC(2,1)",
    threshold: Annotated[float, typer.Option("--threshold", help="Lowest ICC of a stable feature.")] = 0.8,
    preset: PresetOption = "original",
    engine: EngineOption = "auto",
    n4: N4Option = "none",
    intensity: IntensityOption = "none",
    register: RegisterOption = "none",
    reference: ReferenceOption = "",
    as_json: JsonOption = False,
) -> None:
    """Compare two readers: the ICC of every feature with its 95 % interval, and overlap and distance of their masks.

    Give two feature tables, or a manifest with the columns mask and mask_second_reader, which is measured twice, or
    all three. Beside FILE.csv it writes FILE-stable.json, which the recipes' setting stable_features takes, and with
    a manifest FILE-masks.csv.

    Example: tumorclassifier agree --first reader1.csv --second reader2.csv --threshold 0.8 --out agreement.csv
    """
    from FeatureExtractorLib.alignment import Alignment
    from FeatureExtractorLib.extraction import ExtractionSettings
    from FeatureExtractorLib.manifest import read_manifest
    from FeatureExtractorLib.readers import (
        compare_masks,
        compare_readers,
        compare_tables,
        write_agreement,
        write_mask_agreement,
    )
    from FeatureExtractorLib.stable_features import write_stable_features
    from FeatureExtractorLib.table import read_table

    if (first is None) != (second is None) or (first is None and manifest is None):
        raise typer.BadParameter("give --first and --second, or --manifest, or all three")
    if out.suffix != ".csv":
        raise InputError(f"{out} is no table's name; end it in .csv.")
    entries = read_manifest(manifest).entries if manifest is not None else ()
    alignment = Alignment(register, reference)
    if first is not None and second is not None:
        found = compare_tables(read_table(first), read_table(second), form)
    else:
        settings = ExtractionSettings(preset=preset, engine=engine, n4=n4, intensity=intensity, alignment=alignment)
        with progress_bar() as progress:
            found = compare_readers(entries, settings, form, progress)
    stable, failures = out.with_name(f"{out.stem}-stable.json"), dict(found.left_out)
    files = [out, stable]
    write_agreement(found, threshold, out)
    write_stable_features(found, threshold, stable)
    if manifest is not None:
        masks, mask_failures = compare_masks(entries, alignment)
        files.append(out.with_name(f"{out.stem}-masks.csv"))
        write_mask_agreement(masks, files[-1])
        failures = mask_failures | failures
    summary = {
        "files": [str(file) for file in files],
        "cases": len(found.keys),
        "features": len(found.names),
        "stable": len(found.stable(threshold)),
        "left_out": failures,
    }
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
        return
    typer.echo(
        f"{summary['stable']} of {summary['features']} features have an {form} of at least {threshold:g} in "
        f"{summary['cases']} cases"
    )
    for file in files:
        typer.echo(f"  {file}")
    for case, error in failures.items():
        typer.echo(f"left out: {case}: {error}", err=True)
