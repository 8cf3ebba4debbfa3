"""Cases to numbers for a recipe: radiomics, deep features and the network's input, measured once, kept in a cache."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from FeatureExtractorLib.alignment import Alignment
from FeatureExtractorLib.case import Case, ClinicalValue
from FeatureExtractorLib.deep.backbones import parse_weights
from FeatureExtractorLib.deep.inputs import SliceSettings
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.extraction import network_input, network_outline
from FeatureExtractorLib.files import atomic_path, sha256_of_bytes
from FeatureExtractorLib.fingerprint import sha256_of_input
from FeatureExtractorLib.manifest import CaseEntry
from FeatureExtractorLib.preparation import Preparation, PreparedImage, prepare
from FeatureExtractorLib.preprocessing.n4 import correct_bias_field
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.provenance import versions
from FeatureExtractorLib.radiomics.engine import RadiomicsEngine
from FeatureExtractorLib.radiomics.presets import RadiomicsSettings

from .whole_volume import VolumeInput, VolumeSettings, volume_input

if TYPE_CHECKING:
    from torch import nn

MOST_NETWORKS = 8  # kept in memory at once: every backbone there is


@dataclass(frozen=True)
class MeasureSettings:
    """What is measured and how.

    modalities: the images used. radiomics: None measures none. backbones: frozen networks (name, weights) whose
    pooled features are measured; without any, the crop itself is kept for a network that the recipe trains. crop:
    None where no network sees slices. slice_spacing: mm (x, y, z) of PNG and JPEG slices. alignment: how a case's
    modalities come onto one grid. volume: the whole image for a network in three dimensions, None where none is
    needed; the bias field is corrected as in `preparation`. Where a volume is all that is measured, a case needs a
    mask only if the volume's settings say so. partial: a case may lack modalities; those that it has are measured.
    """

    modalities: tuple[str, ...]
    preparation: Preparation
    radiomics: RadiomicsSettings | None
    crop: SliceSettings | None = None
    slice_spacing: tuple[float, float, float] | None = None
    backbones: tuple[tuple[str, str], ...] = ()
    alignment: Alignment = Alignment()
    volume: VolumeSettings | None = field(default=None, repr=False)  # without it, keys of caches are what they were
    partial: bool = field(default=False, repr=False)

    @property
    def of_tumour(self) -> bool:
        """Whether anything is measured inside an outline."""
        return self.radiomics is not None or self.crop is not None or bool(self.backbones)

    @property
    def needs_outline(self) -> bool:
        """Whether a case without a mask is refused."""
        return self.of_tumour or (self.volume is not None and self.volume.needs_mask)


@dataclass(frozen=True)
class Measures:
    """The numbers of one tumour in one modality.

    radiomics: by PyRadiomics' names. crop: what a network sees, in 0–1, (height, width) in grey or (3, height, width)
    in colour. deep: per frozen network its pooled features, (width,) float64. volume, volume_mask: the whole image,
    float32, and the tumour in it, uint8 0/1 (None without a mask), both (z, y, x) on one grid. crop_mask,
    crop_spacing: the outline in the crop, uint8 0/1, and mm (x, y) of its pixels.
    """

    radiomics: Mapping[str, float]
    crop: np.ndarray | None = None
    deep: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))
    volume: np.ndarray | None = None
    volume_mask: np.ndarray | None = None
    crop_mask: np.ndarray | None = None
    crop_spacing: tuple[float, float] | None = None


@dataclass(frozen=True)
class CaseMeasures:
    """A measured case, by modality; second: the same tumour as a second reader outlined it, for agreement."""

    case_id: str
    patient_id: str
    label: str | None
    clinical: Mapping[str, ClinicalValue]
    first: Mapping[str, Measures]
    second: Mapping[str, Measures] | None = None


@dataclass(frozen=True)
class MeasuredCohort:
    """The cases that could be measured, in the manifest's order, and the reasons why others could not."""

    cases: tuple[CaseMeasures, ...]
    failures: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def radiomics_of(measures: Mapping[str, Measures]) -> dict[str, float]:
    """All radiomics features of a case by `<MODALITY>.<PyRadiomics name>`."""
    return {f"{modality}.{name}": value for modality, m in measures.items() for name, value in m.radiomics.items()}


def measure(
    case: Case, settings: MeasureSettings, engine: RadiomicsEngine, progress: Progress = silent
) -> tuple[dict[str, PreparedImage], dict[str, Measures]]:
    """Prepare a case's images and measure the tumour in each; raises InputError as preparation and engine do.

    The prepared images are those that a tumour is measured in: none where only whole volumes are asked for.
    """
    prepared, measures = {}, {}
    for modality in settings.modalities:
        found = Measures(MappingProxyType({}))
        if settings.of_tumour:
            image, mask = case.image(modality), case.required_mask(modality)
            prepared[modality] = prepare(image, mask, settings.preparation, progress)
            found = _measures(prepared[modality], settings, engine, progress)
        if settings.volume is not None:
            whole = volume_of(case, modality, settings, progress)
            found = replace(found, volume=whole.array, volume_mask=whole.mask_array)
        measures[modality] = found
    return prepared, measures


def volume_of(case: Case, modality: str, settings: MeasureSettings, progress: Progress = silent) -> VolumeInput:
    """A case's whole image and mask on the network's grid; raises InputError as `volume_input` and N4 do."""
    assert settings.volume is not None
    image, mask = case.image(modality), case.masks.get(modality, case.mask)
    if settings.volume.needs_mask:
        mask = case.required_mask(modality)
    if settings.preparation.n4 != "none":
        progress("bias field", 0.0)
        image = correct_bias_field(image, method=settings.preparation.n4).corrected
    progress("volume", 0.0)
    whole = volume_input(image, mask, settings.volume, modality)
    progress("volume", 1.0)
    return whole


def _measures(
    prepared: PreparedImage, settings: MeasureSettings, engine: RadiomicsEngine, progress: Progress
) -> Measures:
    radiomics: Mapping[str, float] = {}
    if settings.radiomics is not None:
        progress("radiomics", 0.0)
        radiomics = engine.extract(prepared.image, prepared.mask, settings.radiomics)
        progress("radiomics", 1.0)
    if settings.crop is None:
        return Measures(MappingProxyType(radiomics))
    if not settings.backbones:
        crop = network_input(prepared, settings.crop)
        crop = crop[0] if settings.crop.colour == "grey" else crop
        outline, spacing = network_outline(prepared, settings.crop)
        return Measures(MappingProxyType(radiomics), crop, crop_mask=outline, crop_spacing=spacing)
    return Measures(MappingProxyType(radiomics), None, MappingProxyType(_deep_features(prepared, settings, progress)))


def _deep_features(prepared: PreparedImage, settings: MeasureSettings, progress: Progress) -> dict[str, np.ndarray]:
    from FeatureExtractorLib.deep.features import pooled_features

    found = {}
    crop = network_input(prepared, settings.crop or SliceSettings())  # one size for all: convolutions take any
    for i, (name, weights) in enumerate(settings.backbones):
        progress("deep features", i / len(settings.backbones))
        found[name] = pooled_features(frozen_network(name, weights), crop[np.newaxis])[0]
    progress("deep features", 1.0)
    return found


@lru_cache(maxsize=MOST_NETWORKS)
def frozen_network(name: str, weights: str) -> "nn.Sequential":
    """A backbone with the weights as they come, on the fastest device; raises InputError and WeightsUnavailable."""
    from FeatureExtractorLib.deep.backbones import build_backbone
    from FeatureExtractorLib.deep.features import choose_device

    return build_backbone(name, parse_weights(weights)).to(choose_device("auto"))


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
    if settings.partial:
        there = tuple(name for name in settings.modalities if name in entry.images)
        settings = replace(settings, modalities=there or settings.modalities[:1])  # which reading then asks for
    first = _cached(entry, False, settings, engine, cache)
    second = None
    if entry.second_reader_mask is not None and settings.of_tumour:
        second = _cached(entry, True, settings, engine, cache)
    return CaseMeasures(entry.case_id, entry.patient_id, entry.label, entry.clinical, first, second)


def _cached(
    entry: CaseEntry, second_reader: bool, settings: MeasureSettings, engine: RadiomicsEngine, cache: Path | None
) -> Mapping[str, Measures]:
    def compute() -> Mapping[str, Measures]:
        read = entry.read_second_reader if second_reader else entry.read
        return MappingProxyType(measure(read(settings.slice_spacing, settings.alignment), settings, engine)[1])

    if cache is None:
        return compute()
    path = cache / f"{_key(entry, second_reader, settings, engine)}.npz"
    kept = _kept(path, settings)
    if kept is not None:
        return kept
    measures = compute()
    with atomic_path(path) as temporary:
        np.savez(temporary, **_arrays(measures))  # type: ignore[arg-type]
    return measures


def _arrays(measures: Mapping[str, Measures]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for modality, m in measures.items():
        arrays[f"{modality}.names"] = np.array(list(m.radiomics), dtype=np.str_)
        arrays[f"{modality}.values"] = np.array(list(m.radiomics.values()), dtype=np.float64)
        if m.crop is not None:
            arrays[f"{modality}.crop"] = m.crop
        if m.crop_mask is not None:
            arrays[f"{modality}.crop_mask"] = np.packbits(m.crop_mask)
            arrays[f"{modality}.crop_spacing"] = np.array(m.crop_spacing, dtype=np.float64)
        if m.volume is not None:
            arrays[f"{modality}.volume"] = m.volume.astype(np.float16)  # which loses nothing: see `volume_input`
        if m.volume_mask is not None:
            arrays[f"{modality}.volume_mask"] = np.packbits(m.volume_mask)
        arrays |= {f"{modality}.deep.{name}": features for name, features in m.deep.items()}
    return arrays


def _kept(path: Path, settings: MeasureSettings) -> Mapping[str, Measures] | None:
    """What the cache holds; None where it holds nothing, or something damaged, which is measured again."""
    found = {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            for name in settings.modalities:
                values = zip(stored[f"{name}.names"].tolist(), stored[f"{name}.values"].tolist(), strict=True)
                deep = {backbone: stored[f"{name}.deep.{backbone}"] for backbone, _ in settings.backbones}
                crop = stored[f"{name}.crop"] if settings.crop is not None and not settings.backbones else None
                volume, mask = _kept_volume(stored, name) if settings.volume is not None else (None, None)
                outline = _kept_outline(stored, name, crop)
                features = MappingProxyType(dict(values))
                found[name] = Measures(features, crop, MappingProxyType(deep), volume, mask, *outline)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return MappingProxyType(found)


def _kept_volume(stored: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The volume as float32 and its mask, where one was kept."""
    volume = stored[f"{name}.volume"].astype(np.float32)
    if f"{name}.volume_mask" not in stored:
        return volume, None
    return volume, np.unpackbits(stored[f"{name}.volume_mask"], count=volume.size).reshape(volume.shape)


def _kept_outline(
    stored: Mapping[str, np.ndarray], name: str, crop: np.ndarray | None
) -> tuple[np.ndarray | None, tuple[float, float] | None]:
    """The outline in the crop and the size of its pixels; nothing of a case that was measured before it was kept."""
    if crop is None or f"{name}.crop_mask" not in stored:
        return None, None
    size = crop.shape[-1]
    x, y = stored[f"{name}.crop_spacing"].tolist()
    return np.unpackbits(stored[f"{name}.crop_mask"], count=size * size).reshape(size, size), (x, y)


def _key(entry: CaseEntry, second_reader: bool, settings: MeasureSettings, engine: RadiomicsEngine) -> str:
    """A hash of everything that the numbers depend on; a missing file is reported by reading, not here."""
    images = entry.images if settings.alignment.wanted else {m: entry.images.get(m) for m in settings.modalities}
    named = (*images.values(), entry.second_reader_mask if second_reader else entry.mask, *entry.masks.values())
    files = [path for path in named if path is not None]
    parts: list[Any] = [
        repr(replace(settings, radiomics=None)),
        settings.radiomics.to_dict() if settings.radiomics else None,
        [repr(parse_weights(weights)) for _, weights in settings.backbones],
        engine.name,
        versions(),
        entry.segment,
        second_reader,
        [sha256_of_input(path) for path in files],
    ]
    if settings.volume is not None:
        parts.append(repr(settings.volume))
    return sha256_of_bytes(json.dumps(parts, sort_keys=True).encode())
