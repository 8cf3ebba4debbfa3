"""The work of measuring: the segments of a case, two outlines of a case or of a cohort, a cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from FeatureExtractorLib.alignment import Alignment
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import json_text
from FeatureExtractorLib.progress import Progress
from FeatureExtractorLib.reading import read_mask

from .ruler import Ruler
from .works import Tell

if TYPE_CHECKING:
    from FeatureExtractorLib.extraction import ExtractionSettings


def extract(
    folder: Path,
    progress: Progress,
    tell: Tell,
    *,
    images: Mapping[str, str],
    masks: Mapping[str, str],
    names: Mapping[str, str] | None = None,
    preset: str = "original",
    engine: str = "auto",
    n4: str = "none",
    intensity: str = "none",
    spacing: Sequence[float] | None = None,
    backbones: Sequence[str] = (),
    weights: str = "imagenet",
) -> dict[str, Any]:
    """Measure every segment of a case: features.json.

    images: by modality, aligned to the first one's grid where theirs differ. masks: a file for each segment id, names:
    what they are called. preset: a name or a PyRadiomics settings file. spacing: mm (x, y, z) to resample to before
    measuring, in place of what the preset says. backbones: networks whose pooled features are measured too.
    features.json: {"segments": [{"id", "name", "features": {name: number or null}, "error": ""}], "order": the
    features in the order in which they were measured, "provenance"}.
    A segment that cannot be measured has its sentence instead of numbers; raises InputError when none can.
    """
    if not masks:
        raise InputError("No segment is chosen; choose one or more.")
    progress("preparing", 0.0)
    settings = replace(_settings(preset, engine, n4, intensity), weights=weights)
    ruler = Ruler({name: Path(path) for name, path in images.items()}, settings, spacing, backbones)
    progress("preparing", 1.0)
    segments = []
    for i, (segment_id, mask) in enumerate(masks.items()):
        name = (names or {}).get(segment_id, segment_id)
        progress(f"measuring · {name}", i / len(masks))
        features: dict[str, float | None] = {}
        error = ""
        try:
            features = ruler.measure(read_mask(Path(mask), reference=ruler.reference), name)
        except InputError as refused:
            error = str(refused)
        segments.append({"id": segment_id, "name": name, "features": features, "error": error})
        tell({"segment": segment_id, "name": name, "error": error})
    progress("measuring", 1.0)
    failed = {str(segment["name"]): str(segment["error"]) for segment in segments if segment["error"]}
    if len(failed) == len(segments):
        raise InputError(next(iter(failed.values())))
    order = list(dict.fromkeys(feature for segment in segments for feature in segment["features"]))
    document = {"segments": segments, "order": order, "provenance": ruler.provenance()}
    (folder / "features.json").write_text(json_text(document), encoding="utf-8")
    return {"segments": len(segments), "failed": failed}


def agree(
    folder: Path,
    progress: Progress,
    tell: Tell,
    *,
    image: str | None = None,
    first: Mapping[str, str] | None = None,
    second: Mapping[str, str] | None = None,
    manifest: str | None = None,
    tables: Sequence[str] = (),
    form: str = "ICC(2,1)",
    threshold: float = 0.8,
    preset: str = "original",
    engine: str = "auto",
    n4: str = "none",
    intensity: str = "none",
) -> dict[str, Any]:
    """Compare two outlines: agreement.json.

    Either of one image: first and second are mask files by the segment's name, and those of the same name are
    compared. Then {"segments": [{"name", "dice", "hausdorff_mm", "hausdorff_95_mm", "error"}], "features": {segment:
    {name: [first, second]}}}. Or of a manifest with the column mask_second_reader, or of two feature tables: the ICC
    of every feature, written as agreement.csv and stable.json too. Then {"form", "threshold", "features": [{"name",
    "icc", "low", "high", "stable"}], "masks": [...], "left_out"}.
    """
    settings = _settings(preset, engine, n4, intensity)
    if image is not None:
        document = _agree_in_case(Path(image), first or {}, second or {}, settings, progress)
    elif manifest is not None or tables:
        document = _agree_in_cohort(folder, manifest, tables, form, threshold, settings, progress)
    else:
        raise InputError("Nothing is given to compare; give an image with two outlines, a manifest, or two tables.")
    (folder / "agreement.json").write_text(json_text(document), encoding="utf-8")
    return {name: value for name, value in document.items() if name in ("form", "threshold", "left_out")}


def cohort(
    folder: Path,
    progress: Progress,
    tell: Tell,
    *,
    manifest: str,
    out: str,
    preset: str = "original",
    engine: str = "auto",
    n4: str = "none",
    intensity: str = "none",
    register: str = "none",
    reference: str = "",
    backbone: str = "",
    weights: str = "imagenet",
    jobs: int = 1,
) -> dict[str, Any]:
    """Measure a cohort into the table `out` (.parquet or .csv), going on where an earlier run of it was stopped.

    Returns rows, features, kept (cases that an earlier run had finished), again and failures, by case.
    """
    from FeatureExtractorLib.cohort import extract_cohort
    from FeatureExtractorLib.manifest import read_manifest

    progress("reading", 0.0)
    entries = read_manifest(Path(manifest)).entries
    settings = replace(
        _settings(preset, engine, n4, intensity),
        alignment=Alignment(register, reference),
        backbone=backbone,
        weights=weights,
    )
    found = extract_cohort(entries, settings, Path(out), jobs=jobs, progress=progress)
    return {
        "table": str(out),
        "rows": found.rows,
        "features": found.features,
        "kept": found.kept,
        "again": dict(found.again),
        "failures": dict(found.failures),
    }


def _settings(preset: str, engine: str, n4: str, intensity: str) -> "ExtractionSettings":
    from FeatureExtractorLib.extraction import ExtractionSettings

    return ExtractionSettings(preset=preset, engine=engine, n4=n4, intensity=intensity)


def _agree_in_case(
    image: Path,
    first: Mapping[str, str],
    second: Mapping[str, str],
    settings: "ExtractionSettings",
    progress: Progress,
) -> dict[str, Any]:
    from FeatureExtractorLib.mask_agreement import mask_agreement

    common = [name for name in first if name in second]
    if not common:
        raise InputError("The two segmentations have no segment of the same name; name alike what is to be compared.")
    progress("preparing", 0.0)
    ruler = Ruler({"image": image}, settings)
    segments: list[dict[str, Any]] = []
    features: dict[str, dict[str, list[float | None]]] = {}
    for i, name in enumerate(common):
        progress(f"comparing · {name}", i / len(common))
        try:
            masks = [read_mask(Path(masks[name]), reference=ruler.reference) for masks in (first, second)]
            agreed = mask_agreement(masks[0], masks[1], name)
            measured = [ruler.measure(mask, name) for mask in masks]
        except InputError as refused:
            segments.append({"name": name, "error": str(refused)})
            continue
        told = {"dice": agreed.dice, "hausdorff_mm": agreed.hausdorff, "hausdorff_95_mm": agreed.hausdorff_95}
        segments.append({"name": name, "error": "", **told})
        features[name] = {key.removeprefix("image."): [value, measured[1][key]] for key, value in measured[0].items()}
    progress("comparing", 1.0)
    return {"segments": segments, "features": features}


def _agree_in_cohort(
    folder: Path,
    manifest: str | None,
    tables: Sequence[str],
    form: str,
    threshold: float,
    settings: "ExtractionSettings",
    progress: Progress,
) -> dict[str, Any]:
    from FeatureExtractorLib.manifest import read_manifest
    from FeatureExtractorLib.readers import compare_masks, compare_readers, compare_tables, write_agreement
    from FeatureExtractorLib.stable_features import write_stable_features
    from FeatureExtractorLib.table import read_table

    if tables and len(tables) != 2:
        raise InputError(f"{len(tables)} tables cannot be compared; give two.")
    entries = read_manifest(Path(manifest)).entries if manifest is not None else ()
    if tables:
        found = compare_tables(read_table(Path(tables[0])), read_table(Path(tables[1])), form)
    else:
        found = compare_readers(entries, settings, form, progress)
    masks, failed = compare_masks(entries) if entries else ({}, {})
    write_agreement(found, threshold, folder / "agreement.csv")
    write_stable_features(found, threshold, folder / "stable.json")
    stable = set(found.stable(threshold))
    columns = zip(found.names, found.agreement.icc, found.agreement.low, found.agreement.high, strict=True)
    return {
        "form": form,
        "threshold": threshold,
        "cases": len(found.keys),
        "features": [
            {"name": name, "icc": _number(icc), "low": _number(low), "high": _number(high), "stable": name in stable}
            for name, icc, low, high in columns
        ],
        "masks": [
            {
                "case": case,
                "segment": segment,
                "dice": one.dice,
                "hausdorff_mm": one.hausdorff,
                "hausdorff_95_mm": one.hausdorff_95,
            }
            for (case, segment), one in masks.items()
        ],
        "left_out": failed | dict(found.left_out),
    }


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None
