"""What the worker process has left, as results."""

import csv
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import SimpleITK as sitk
from slicer.i18n import tr as _

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import atomic_path
from FeatureExtractorLib.mask_agreement import mask_agreement

from .measured import Measured, MeasuredSegment, Overlap
from .results import COHORT, READERS, ListResult


@dataclass(frozen=True)
class Outline:
    """One outline that was asked for. mask: what was measured, where there was something. error: why there was not."""

    segment: MeasuredSegment
    mask: sitk.Image | None = None
    file: Path | None = None


def measured_of(folder: Path, case: str, outlines: Mapping[str, Outline], bySlicer: bool) -> Measured:
    """The segments of a scene, those that could not even be written included. folder: of features.json."""
    document = json.loads((folder / "features.json").read_text(encoding="utf-8"))
    found = {entry["id"]: entry for entry in document["segments"]}
    segments = tuple(
        _with_features(outline.segment, found[key], document["order"]) if key in found else outline.segment
        for key, outline in outlines.items()
    )
    provenance = dict(document["provenance"])
    if bySlicer:
        provenance["n4"] = "Slicer's N4ITKBiasFieldCorrection"
    return Measured(
        case=case,
        segments=segments,
        note=_note(provenance),
        metadata=MappingProxyType(provenance),
        overlaps=overlaps_of(outlines),
    )


def overlaps_of(outlines: Mapping[str, Outline]) -> tuple[Overlap, ...]:
    """How well both readers' outlines of each segment agree; none where one reader only was asked for."""
    readers = tuple(dict.fromkeys(outline.segment.reader for outline in outlines.values()))
    if len(readers) != 2:
        return ()
    first, second = (
        {o.segment.name: o for o in outlines.values() if o.segment.reader == reader} for reader in readers
    )
    overlaps = []
    for name in [name for name in first if name in second]:
        a, b = first[name], second[name]
        if a.mask is None or b.mask is None:
            overlaps.append(Overlap(name, error=a.segment.error or b.segment.error))
            continue
        try:
            agreed = mask_agreement(a.mask, b.mask, name)
        except InputError as error:
            overlaps.append(Overlap(name, error=str(error)))
        else:
            overlaps.append(Overlap(name, agreed.dice, agreed.hausdorff, agreed.hausdorff_95))
    return tuple(overlaps)


def cohort_result(summary: Mapping[str, Any]) -> ListResult:
    """A cohort, from what the worker told at its end."""
    return ListResult(COHORT, MappingProxyType(dict(summary)))


def readers_result(folder: Path, table: Path) -> ListResult:
    """Two readers of a cohort. The files take their places as `tumorclassifier agree` would write them."""
    document = json.loads((folder / "agreement.json").read_text(encoding="utf-8"))
    for made, place in (
        (folder / "agreement.csv", table),
        (folder / "stable.json", table.with_name(f"{table.stem}-stable.json")),
    ):
        with atomic_path(place) as temporary:
            shutil.copyfile(made, temporary)
    with (
        atomic_path(table.with_name(f"{table.stem}-masks.csv")) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as stream,
    ):
        columns = ("case", "segment", "dice", "hausdorff_mm", "hausdorff_95_mm")
        writer = csv.writer(stream)
        writer.writerow(["case_id", *columns[1:]])
        writer.writerows([entry[column] for column in columns] for entry in document["masks"])
    return ListResult(READERS, MappingProxyType({**document, "table": str(table)}))


def _with_features(segment: MeasuredSegment, entry: Mapping[str, Any], order: Sequence[str]) -> MeasuredSegment:
    found = {name: math.nan if value is None else float(value) for name, value in entry["features"].items()}
    features = {name: found[name] for name in order if name in found}
    return MeasuredSegment(
        key=segment.key,
        name=segment.name,
        features=MappingProxyType(features),
        error=str(entry["error"]),
        reader=segment.reader,
        colour=segment.colour,
    )


def _note(provenance: Mapping[str, Any]) -> str:
    """Such as "original, N4 fast, native 0.5, resnet18 (random weights, seed 0)"."""
    settings = provenance["settings"]
    corrected = "slicer" if "n4" in provenance else settings["n4"]
    parts = [Path(settings["preset"]).name]
    if corrected != "none":
        parts.append(_("N4 {method}").format(method=corrected))
    spacing = settings["radiomics"]["setting"].get("resampledPixelSpacing")
    if spacing:
        parts.append(_("{spacing} mm").format(spacing=" × ".join(f"{mm:g}" for mm in spacing)))
    parts.append(str(provenance["engine"]))
    parts += [f"{network} ({weights})" for network, weights in provenance.get("networks", {}).items()]
    return ", ".join(parts)
