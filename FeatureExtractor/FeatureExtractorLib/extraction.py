"""Cases to a feature table: N4, orientation, radiomics and, on request, deep features."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .case import Case
from .deep.backbones import backbone_spec
from .deep.inputs import SliceSettings, chosen_slice, slice_input
from .errors import InputError
from .manifest import CaseEntry
from .preparation import Preparation, PreparedImage, prepare
from .progress import Progress, silent
from .provenance import versions
from .radiomics.engine import RadiomicsEngine, get_engine
from .radiomics.presets import RadiomicsSettings, load_settings
from .table import FeatureRow, FeatureTable, table_of

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ExtractionSettings:
    """What `extract_features` measures.

    preset: a radiomics preset's name or a PyRadiomics settings file. engine: "auto", "pyradiomics" or "native".
    n4: "none", "itk" or "fast". backbone: a CNN for pooled features of one axial slice, or none. weights: "imagenet",
    "file:PATH[#sha256]" or "seed:N". crop: what the CNN sees; its size becomes the CNN's own. device: "auto", "cpu",
    "cuda" or "mps".
    """

    preset: str = "original"
    engine: str = "auto"
    n4: str = "none"
    backbone: str = ""
    weights: str = "imagenet"
    crop: SliceSettings = SliceSettings()
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.backbone:
            object.__setattr__(self, "crop", replace(self.crop, size=backbone_spec(self.backbone).input_size))


def extract_features(
    entries: Sequence[CaseEntry], settings: ExtractionSettings, progress: Progress = silent
) -> FeatureTable:
    """A row for every case; one that fails gets its reason instead of numbers.

    Columns are `<MODALITY>.<PyRadiomics name>` and `<MODALITY>.<backbone>_<0…>`. Raises InputError for settings that
    cannot be used at all, and WeightsUnavailable.
    """
    radiomics, engine = load_settings(settings.preset), get_engine(settings.engine)
    network, origin = _network(settings)
    rows, hashes = [], {}
    for i, entry in enumerate(entries):
        progress("extracting", i / len(entries))
        try:
            case = entry.read()
            hashes[entry.case_id] = dict(case.hashes)
            features = case_features(case, settings, radiomics, engine, network)
            rows.append(FeatureRow(entry.case_id, entry.segment, features))
        except InputError as error:
            rows.append(FeatureRow(entry.case_id, entry.segment, error=str(error)))
    progress("extracting", 1.0)
    metadata = {
        "settings": {**asdict(settings), "radiomics": radiomics.to_dict()},
        "engine": f"{engine.name} {engine.version}",
        "weights": origin,
        "versions": versions(),
        "inputs": hashes,
    }
    return table_of(rows, metadata)


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
        prepared = prepare(image, case.required_mask(), Preparation(n4=settings.n4))
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


def _network(settings: ExtractionSettings) -> tuple["nn.Sequential | None", str]:
    if not settings.backbone:
        return None, "none"
    from .deep.backbones import build_backbone, parse_weights
    from .deep.features import choose_device

    weights, device = parse_weights(settings.weights), choose_device(settings.device)
    return build_backbone(settings.backbone, weights).to(device), weights.describe()
