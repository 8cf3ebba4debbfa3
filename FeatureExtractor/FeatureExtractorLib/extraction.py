"""Cases to a feature table: N4, orientation, radiomics and, on request, deep features."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .alignment import Alignment
from .case import Case
from .deep.backbones import backbone_spec
from .deep.inputs import SliceSettings, chosen_slice, slice_input
from .errors import InputError
from .fingerprint import sha256_of_input
from .manifest import CaseEntry
from .preparation import Preparation, PreparedImage, prepare
from .progress import Progress, silent
from .provenance import versions
from .radiomics.engine import RadiomicsEngine, get_engine
from .radiomics.presets import RadiomicsSettings, load_settings
from .regions import crop_square
from .table import FeatureRow, FeatureTable, table_of
from .threads import one_thread
from .transforms import write_transforms

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ExtractionSettings:
    """What `extract_features` measures.

    preset: a radiomics preset's name or a PyRadiomics settings file. engine: "auto", "pyradiomics" or "native".
    n4, intensity: as `Preparation`. alignment: how modalities come onto one grid; transforms: a folder that gets what
    registration found, or none. backbone: a CNN for pooled features of one axial slice, or none. weights: "imagenet",
    "file:PATH[#sha256]" or "seed:N". crop: what the CNN sees; its size becomes the CNN's own. device: "auto", "cpu",
    "cuda" or "mps".
    """

    preset: str = "original"
    engine: str = "auto"
    n4: str = "none"
    intensity: str = "none"
    alignment: Alignment = Alignment()
    transforms: str = ""
    backbone: str = ""
    weights: str = "imagenet"
    crop: SliceSettings = SliceSettings()
    device: str = "auto"

    def __post_init__(self) -> None:
        Preparation(n4=self.n4, intensity=self.intensity)  # refuses what it does not know
        if self.backbone:
            object.__setattr__(self, "crop", replace(self.crop, size=backbone_spec(self.backbone).input_size))


@dataclass(frozen=True)
class Plan:
    """What is done with every case: the settings and what was looked up for them, as data for other processes.

    settings: with the engine and the device that were found and the hash of a weights file. engine: its name and
    version; weights: theirs, in words.
    """

    settings: ExtractionSettings
    radiomics: RadiomicsSettings
    engine: str
    weights: str


def plan_extraction(settings: ExtractionSettings) -> Plan:
    """Look everything up once; raises InputError for settings that cannot be used at all, and WeightsUnavailable."""
    radiomics = load_settings(settings.preset)
    engine = get_engine(settings.engine, radiomics)
    weights = "none"
    found = replace(settings, engine=engine.name)
    if settings.backbone:
        from .deep.backbones import parse_weights
        from .deep.features import choose_device

        parsed = parse_weights(settings.weights)
        weights = parsed.describe()
        file = f"file:{Path(parsed.value).absolute()}#{parsed.sha256}"
        exact = file if parsed.kind == "file" else settings.weights
        found = replace(found, weights=exact, device=choose_device(settings.device).type)
        _network(found.backbone, found.weights, found.device)
    return Plan(found, radiomics, f"{engine.name} {engine.version}", weights)


def extract_features(
    entries: Sequence[CaseEntry], settings: ExtractionSettings, progress: Progress = silent
) -> FeatureTable:
    """A row for every case, in memory; one that fails gets its reason instead of numbers. See `cohort` for many cases.

    Columns are `<MODALITY>.<PyRadiomics name>` and `<MODALITY>.<backbone>_<0…>`. Raises as `plan_extraction`.
    """
    plan = plan_extraction(settings)
    rows = []
    for i, entry in enumerate(entries):
        progress("extracting", i / len(entries))
        rows += extract_case(entry, plan)
    progress("extracting", 1.0)
    return table_of(rows, table_metadata(settings, plan, {entry.case_id: input_hashes(entry) for entry in entries}))


def extract_case(entry: CaseEntry, plan: Plan) -> list[FeatureRow]:
    """The rows of one case, one for each segment that is asked for, computed with one thread.

    Raises as `plan_extraction` where this machine is another.
    """
    try:
        return [_row(one, plan) for one in entry.each_segment()]
    except InputError as error:
        return [FeatureRow(entry.case_id, entry.segment, error=str(error))]


def _row(entry: CaseEntry, plan: Plan) -> FeatureRow:
    engine = get_engine(plan.settings.engine, plan.radiomics)
    network = _network(plan.settings.backbone, plan.settings.weights, plan.settings.device)
    try:
        with one_thread():
            case = entry.read(alignment=plan.settings.alignment)
            if plan.settings.transforms:
                write_transforms(case, Path(plan.settings.transforms))
            features = case_features(case, plan.settings, plan.radiomics, engine, network)
        return FeatureRow(entry.case_id, entry.segment, features)
    except InputError as error:
        return FeatureRow(entry.case_id, entry.segment, error=str(error))


def input_hashes(entry: CaseEntry) -> dict[str, str]:
    """SHA-256 of the files that are measured, by modality and "mask"; those that cannot be read are left out."""
    masks = {f"mask_{name}": path for name, path in entry.masks.items()}
    files = {**entry.images, **({"mask": entry.mask} if entry.mask else {}), **masks}
    return {name: digest for name, path in files.items() if (digest := sha256_of_input(path))}


def table_metadata(
    settings: ExtractionSettings, plan: Plan, inputs: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """What a table of features says about how it was made; inputs: the files' hashes by case."""
    return {
        "settings": {**asdict(settings), "radiomics": plan.radiomics.to_dict()},
        "engine": plan.engine,
        "weights": plan.weights,
        "versions": versions(),
        "inputs": {case: dict(hashes) for case, hashes in inputs.items()},
    }


def case_features(
    case: Case,
    settings: ExtractionSettings,
    radiomics: RadiomicsSettings,
    engine: RadiomicsEngine,
    network: "nn.Sequential | None" = None,
) -> dict[str, float]:
    """The features of one case from each of its modalities, float64; raises InputError as the engine does."""
    features: dict[str, float] = {}
    for modality, image in case.images.items():
        preparation = Preparation(n4=settings.n4, intensity=settings.intensity)
        prepared = prepare(image, case.required_mask(modality), preparation)
        measured = engine.extract(prepared.image, prepared.mask, radiomics)
        features |= {f"{modality}.{name}": value for name, value in measured.items()}
        if network is not None:
            from .deep.features import pooled_features

            pooled = pooled_features(network, network_input(prepared, settings.crop)[np.newaxis])[0]
            features |= {f"{modality}.{settings.backbone}_{i}": float(value) for i, value in enumerate(pooled)}
    return features


def network_input(prepared: PreparedImage, settings: SliceSettings) -> np.ndarray:
    """The network's view of the tumour: the crop of the chosen axial slice, (3, size, size) float32 in 0–1."""
    k = chosen_slice(prepared.working_mask, settings)
    image = sitk.GetArrayViewFromImage(prepared.working_image)[k]
    mask = sitk.GetArrayViewFromImage(prepared.working_mask)[k]
    return slice_input(image, mask, settings)[0]


def network_outline(prepared: PreparedImage, settings: SliceSettings) -> tuple[np.ndarray, tuple[float, float]]:
    """The outline in `network_input`'s crop, (size, size) uint8 0/1, and the crop's pixel size in mm (x, y)."""
    mask = sitk.GetArrayViewFromImage(prepared.working_mask)[chosen_slice(prepared.working_mask, settings)]
    inside, region = crop_square(
        (mask > 0).astype(np.uint8), mask, 0.0 if settings.view == "bounding-box" else settings.margin
    )
    nearest = ((np.arange(settings.size) + 0.5) * region.side / settings.size).astype(int)
    spacing = prepared.working_mask.GetSpacing()
    scale = region.side / settings.size
    return inside[np.ix_(nearest, nearest)], (spacing[0] * scale, spacing[1] * scale)


@lru_cache(maxsize=1)
def _network(backbone: str, weights: str, device: str) -> "nn.Sequential | None":
    if not backbone:
        return None
    from .deep.backbones import build_backbone, parse_weights
    from .deep.features import choose_device

    return build_backbone(backbone, parse_weights(weights)).to(choose_device(device))
