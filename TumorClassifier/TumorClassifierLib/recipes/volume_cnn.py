"""A network of whole volumes that needs no outline (Chakrabarty et al. 2021, seven classes, one of them healthy).

The publication's steps, in its own order; what is fitted is fitted on the cases given to `fit` and nothing else:

1. the whole image in one orientation, on one grid, with normalised intensities         (whole_volume.py)
2. a 3D network of context blocks with instance normalisation and global pooling, trained on volumes that are mirrored,
   shifted and otherwise scaled, or on random patches of them                           (networks/volume3d.py)
3. probabilities of any number of classes, healthy among them where the cohort has healthy cases
4. Grad-CAM in three dimensions, on the input's own grid, and its overlap with the tumour where one is outlined

The threshold of two classes, calibration and prediction sets rest on cases that the network behind them had not seen
(cross-fitting over `inner_folds`, by patient), because a network tells its own training cases apart almost perfectly.
Masks play no part in the answer. The publication's code and some of its numbers are not open: widths, depth and the
training's settings are settings here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.case import Case
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.preparation import Preparation
from FeatureExtractorLib.preprocessing.resampling import to_geometry_of
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.radiomics.presets import RadiomicsSettings

from ..blocks import labels_of
from ..bundle import Bundle
from ..explain.cam import METHODS
from ..explain.focus_cases import CaseMap
from ..folds import grouped_folds
from ..measures import CaseMeasures, MeasureSettings, volume_of
from ..networks.curves import Epoch, curves_json
from ..networks.patches import volume_maps, volume_probabilities
from ..networks.volume3d import build_volume_network
from ..networks.volume_augmentation import VolumeAugment
from ..results import ClassificationResult
from ..stopwatch import Stopwatch
from ..trust import fit_trust
from .class_nomogram import binary_threshold
from .prediction import called_class, map_told, plain_prediction, provenance_of
from .volume_cnn_model import NEEDS_RELU, Fitted, Settings, pack, unpack

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "MAIN",
    "PUBLICATION",
    "Settings",
    "activations",
    "case_maps",
    "classify",
    "describe",
    "fit",
    "measure_settings",
    "networks",
    "pack",
    "probabilities",
    "unpack",
]

MAIN = "network"
PUBLICATION = (
    "Chakrabarty S et al. MRI-based identification and classification of major intracranial tumor types using a 3D "
    "convolutional neural network. Radiol Artif Intell 2021"
)


def fit(
    cases: Sequence[CaseMeasures],
    classes: tuple[str, ...],
    settings: Settings,
    progress: Progress = silent,
    levels: Mapping[str, Sequence[str]] | None = None,
) -> Fitted:
    """Train the network on these cases, and others on parts of them for threshold, calibration and prediction sets.

    classes: (negative, positive), or any number of them. levels: of clinical variables, which this recipe does not
    use. Raises InputError when a class has too few patients or a case has another label.
    """
    y, patients = labels_of(cases, classes), np.array([case.patient_id for case in cases])
    volumes = volumes_of(cases)
    network, curves = _train(volumes, y, patients, len(classes), settings, "network", progress)
    folds = grouped_folds(y, patients, settings.inner_folds, settings.seed)
    held_out = np.empty((len(cases), len(classes)))
    for i, (train, test) in enumerate(folds.splits):
        stage = f"network, inner fold {i + 1}/{len(folds.splits)}"
        part, _ = _train(volumes[train], y[train], patients[train], len(classes), settings, stage, progress)
        held_out[test] = volume_probabilities(part, volumes[test], settings.patch)
    no_features = np.empty((len(cases), 0))
    trust = fit_trust(held_out, y, patients, no_features, (), settings.trust, settings.seed, classes)
    return Fitted(
        classes=classes,
        network=network,
        trust=trust,
        threshold=binary_threshold(y, trust.calibrated(held_out), patients, settings.threshold),
        curves=curves,
        patch=settings.patch,
        warnings=(*folds.warnings, *trust.notes),
    )


def probabilities(fitted: Fitted, cases: Sequence[CaseMeasures]) -> dict[str, np.ndarray]:
    """(n, K) probabilities by the network, calibrated, columns in the order of `classes`."""
    P = volume_probabilities(fitted.network, volumes_of(cases), fitted.patch)
    return {MAIN: fitted.trust.calibrated(P)}


def measure_settings(settings: Settings, radiomics: RadiomicsSettings | None = None) -> MeasureSettings:
    """Step 1 as settings; no radiomics features are measured."""
    return MeasureSettings(
        modalities=(settings.modality,),
        preparation=Preparation(n4=settings.n4),
        radiomics=None,
        alignment=settings.alignment,
        volume=settings.grid,
    )


def networks(settings: Settings) -> str:
    """What the card says of the network."""
    size, spacing = settings.grid.size or (), settings.grid.spacing
    grid = f"{'×'.join(map(str, size))} voxels of {'×'.join(f'{mm:g}' for mm in spacing)} mm"
    patches = f", in patches of {'×'.join(map(str, settings.patch))} voxels" if settings.patch else ""
    return (
        f"3D residual network of {settings.network.depth} levels and {settings.network.width} first channels, trained "
        f"here from random weights on whole volumes of {grid}{patches}"
    )


def case_maps(
    fitted: Fitted, settings: Settings, cases: Sequence[CaseMeasures], called: Sequence[int], progress: Progress
) -> list[CaseMap | None]:
    """Of each outlined case the map of the class that it was called, on the network's grid.

    None, too, where the grid keeps an axis as the image has it, so that its voxels have no one size.
    """
    spacing, maps = settings.grid.spacing, list[CaseMap | None]()
    for i, (case, k) in enumerate(zip(cases, called, strict=True)):
        progress("maps", i / len(cases))
        measures = next(iter(case.first.values()))
        if measures.volume is None or measures.volume_mask is None or 0 in spacing:
            maps.append(None)
            continue
        volume = measures.volume[None, None]
        values = volume_maps(fitted.network, volume, k, settings.patch, method=settings.activation)[0]
        maps.append(CaseMap(values, measures.volume_mask, spacing))
    return maps


def activations(bundle: Bundle) -> tuple[str, ...]:
    """How a map can be made."""
    return tuple(method for method in METHODS if method != NEEDS_RELU)


def describe(fitted: Fitted) -> dict[str, Any]:
    """What a report says of the fitted recipe: how training went."""
    return {
        "flow": {},
        "signatures": [],
        "clinical": [],
        "regressions": [],
        "nomograms": {},
        "curves": {MAIN: curves_json(fitted.curves)},
    }


def classify(
    case: Case,
    bundle: Bundle,
    progress: Progress = silent,
    activation: str | None = None,
    target: str | None = None,
) -> ClassificationResult:
    """Classify one case, outlined or not, with a trained bundle of this recipe.

    activation: how its map is made, where not as trained. target: the class that it is for, where not the called one.
    Raises InputError when the case lacks the modality, its image is no volume or there is no such map.
    """
    watch = Stopwatch()
    with watch.stage("model"):
        settings, fitted = unpack(bundle)
        settings = replace(settings, activation=activation or settings.activation)
    with watch.stage("measuring"):
        whole = volume_of(case, settings.modality, measure_settings(settings), progress)
    volume = whole.array[None, None]
    with watch.stage("scores"):
        P = fitted.trust.calibrated(volume_probabilities(fitted.network, volume, settings.patch))
        target = target or called_class(P[0], fitted.classes, fitted.threshold)
    with watch.stage("class activation"):
        at = fitted.classes.index(target)
        values = volume_maps(fitted.network, volume, at, settings.patch, progress, settings.activation)[0]
        cam = map_on(values, whole.image, case.image(settings.modality))
    prediction = plain_prediction(
        case,
        bundle,
        fitted.classes,
        fitted.threshold,
        fitted.trust,
        {MAIN: P[0]},
        MAIN,
        (),
        provenance_of(case, settings, None, None, watch.seconds),
    )
    prediction |= map_told(cam, case.masks.get(settings.modality, case.mask), target, settings.activation)
    return ClassificationResult(prediction, cam, {}, {}, {})


def volumes_of(cases: Sequence[CaseMeasures]) -> np.ndarray:
    """(n, 1, z, y, x) float32; raises InputError where volumes are of different sizes."""
    volumes = [next(iter(case.first.values())).volume for case in cases]
    found = [volume for volume in volumes if volume is not None]
    shapes = {volume.shape for volume in found}
    if len(found) < len(volumes) or len(shapes) != 1:
        raise InputError(f"Volumes of one size are needed, but there are {sorted(shapes)}; set grid.size.")
    return np.stack(found)[:, None]


def map_on(values: np.ndarray, grid: sitk.Image, reference: sitk.Image) -> sitk.Image:
    """A map (z, y, x) of the network's grid on that of `reference`, float32, its maximum 1; 0 outside the grid."""
    image = sitk.GetImageFromArray(np.asarray(values, dtype=np.float32))
    image.CopyInformation(grid)
    placed = to_geometry_of(image, reference)
    top = float(sitk.GetArrayViewFromImage(placed).max())
    return sitk.Cast(placed / top, sitk.sitkFloat32) if top > 0 else placed


def _train(
    volumes: np.ndarray,
    y: np.ndarray,
    patients: np.ndarray,
    n_classes: int,
    settings: Settings,
    stage: str,
    progress: Progress,
) -> "tuple[nn.Sequential, tuple[Epoch, ...]]":
    """Step 2 on these volumes, some set aside where the settings say so; weights as the model file will hold them."""
    from FeatureExtractorLib.deep.features import choose_device

    from ..networks.state import rounded
    from ..networks.training import train_classifier

    training = replace(settings.training, seed=settings.seed)
    network = build_volume_network(n_classes, settings.network, training.dropout, seed=settings.seed)
    augment = None
    if training.augmentation or settings.patch is not None:
        augment = VolumeAugment(settings.augmentation if training.augmentation else None, settings.patch)

    def told(words: str, fraction: float) -> None:
        progress(words.replace("training", stage, 1), fraction)

    seen, watched = np.arange(len(y)), None
    if settings.validation:
        seen, aside = grouped_folds(y, patients, round(1 / settings.validation), settings.seed).splits[0]
        watched = (volumes[aside], y[aside])
    result = train_classifier(
        network.to(choose_device("auto")),
        volumes[seen],
        y[seen],
        replace(training, augmentation=False),  # of slices: ours is given
        watched,
        progress=told,
        augmentation=augment,
    )
    return rounded(result.model.cpu()), result.curves
