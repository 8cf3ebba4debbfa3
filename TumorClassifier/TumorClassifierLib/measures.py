"""Cases to numbers for a recipe: radiomics and the network's input, measured once and kept in a cache."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from FeatureExtractorLib.case import Case, ClinicalValue
from FeatureExtractorLib.deep.inputs import SliceSettings
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.extraction import network_input
from FeatureExtractorLib.files import atomic_path, sha256_of_bytes
from FeatureExtractorLib.fingerprint import sha256_of_input
from FeatureExtractorLib.manifest import CaseEntry
from FeatureExtractorLib.preparation import Preparation, PreparedImage, prepare
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.provenance import versions
from FeatureExtractorLib.radiomics.engine import RadiomicsEngine
from FeatureExtractorLib.radiomics.presets import RadiomicsSettings


@dataclass(frozen=True)
class MeasureSettings:
    """What is measured and how. modality: the image used. slice_spacing: mm (x, y, z) of PNG and JPEG slices."""

    modality: str
    preparation: Preparation
    radiomics: RadiomicsSettings
    crop: SliceSettings
    slice_spacing: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Measures:
    """The numbers of one tumour: radiomics by PyRadiomics' names, and what the network sees of it.

    crop: in 0–1, (height, width) in grey or (3, height, width) in colour.
    """

    radiomics: Mapping[str, float]
    crop: np.ndarray


@dataclass(frozen=True)
class CaseMeasures:
    """A measured case; second: the same tumour as a second reader outlined it, for agreement."""

    case_id: str
    patient_id: str
    label: str | None
    clinical: Mapping[str, ClinicalValue]
    first: Measures
    second: Measures | None = None


@dataclass(frozen=True)
class MeasuredCohort:
    """The cases that could be measured, in the manifest's order, and the reasons why others could not."""

    cases: tuple[CaseMeasures, ...]
    failures: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def measure(
    case: Case, settings: MeasureSettings, engine: RadiomicsEngine, progress: Progress = silent
) -> tuple[PreparedImage, Measures]:
    """Prepare a case's image and measure its tumour; raises InputError as preparation and engine do."""
    image, mask = case.image(settings.modality), case.required_mask(settings.modality)
    prepared = prepare(image, mask, settings.preparation, progress)
    progress("radiomics", 0.0)
    radiomics = engine.extract(prepared.image, prepared.mask, settings.radiomics)
    progress("radiomics", 1.0)
    crop = network_input(prepared, settings.crop)
    return prepared, Measures(MappingProxyType(radiomics), crop[0] if settings.crop.colour == "grey" else crop)


def measure_cohort(
    entries: Sequence[CaseEntry],
    settings: MeasureSettings,
    engine: RadiomicsEngine,
    cache: Path | None = None,
    progress: Progress = silent,
) -> MeasuredCohort:
    """Measure every case; a case that fails becomes a reason, not an end.

    cache: a folder that keeps each case's numbers, so that an interrupted run goes on where it stopped; what was
    measured with other settings, files or versions is measured again.
    """
    measured, failures = [], {}
    for i, entry in enumerate(entries):
        progress("measuring", i / len(entries))
        try:
            measured.append(_measure_entry(entry, settings, engine, cache))
        except InputError as error:
            failures[entry.case_id] = str(error)
        except RuntimeError as error:  # of ITK, for images that none of our checks foresaw
            failures[entry.case_id] = f"Measuring failed ({' '.join(str(error).split())[:300]}); check the image."
    progress("measuring", 1.0)
    return MeasuredCohort(tuple(measured), MappingProxyType(failures))


def _measure_entry(
    entry: CaseEntry, settings: MeasureSettings, engine: RadiomicsEngine, cache: Path | None
) -> CaseMeasures:
    first = _cached(entry, entry.mask, settings, engine, cache)
    second = None
    if entry.second_reader_mask is not None:
        second = _cached(entry, entry.second_reader_mask, settings, engine, cache)
    return CaseMeasures(entry.case_id, entry.patient_id, entry.label, entry.clinical, first, second)


def _cached(
    entry: CaseEntry, mask: Path | None, settings: MeasureSettings, engine: RadiomicsEngine, cache: Path | None
) -> Measures:
    def compute() -> Measures:
        case = entry.read_second_reader if mask is not None and mask == entry.second_reader_mask else entry.read
        return measure(case(settings.slice_spacing), settings, engine)[1]

    if cache is None:
        return compute()
    path = cache / f"{_key(entry, mask, settings, engine)}.npz"
    kept = _kept(path)
    if kept is not None:
        return kept
    measures = compute()
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            names=np.array(list(measures.radiomics)),
            values=np.array(list(measures.radiomics.values()), dtype=np.float64),
            crop=measures.crop,
        )
    return measures


def _kept(path: Path) -> Measures | None:
    """What the cache holds; None where it holds nothing, or something damaged, which is measured again."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            radiomics = dict(zip(stored["names"].tolist(), stored["values"].tolist(), strict=True))
            return Measures(MappingProxyType(radiomics), stored["crop"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _key(entry: CaseEntry, mask: Path | None, settings: MeasureSettings, engine: RadiomicsEngine) -> str:
    """A hash of everything that the numbers depend on; a missing file is reported by reading, not here."""
    named = (entry.images.get(settings.modality), mask, *entry.masks.values())
    files = [path for path in named if path is not None]
    parts: list[Any] = [
        repr(settings),
        engine.name,
        versions(),
        entry.segment,
        [sha256_of_input(path) for path in files],
    ]
    return sha256_of_bytes(json.dumps(parts, sort_keys=True).encode())
