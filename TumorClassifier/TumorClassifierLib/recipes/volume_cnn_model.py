"""What the volume recipe is set to and what fitting it gives, in memory and in a bundle."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from FeatureExtractorLib.alignment import Alignment
from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.preparation import N4_METHODS

from ..bundle import Bundle
from ..card import About
from ..evaluation.thresholds import check_rule
from ..explain.cam import GRAD_CAM, check_method
from ..networks.curves import Epoch
from ..networks.state import load_state, save_state
from ..networks.training_settings import TrainingSettings
from ..networks.volume3d import NetworkSettings, build_volume_network, check_fits
from ..networks.volume_augmentation import VolumeAugmentation
from ..trust import Trust, TrustSettings
from ..whole_volume import VolumeSettings
from .setting_checks import check_least
from .soundness import check_threshold, check_told, check_trust, stored_settings

if TYPE_CHECKING:
    from torch import nn


NEEDS_RELU = "guided-grad-cam"


@dataclass(frozen=True)
class VolumeTraining(TrainingSettings):
    """The training loop's settings with other defaults; `augment` is for slices and plays no part."""

    epochs: int = 60
    batch_size: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    schedule: str = "cosine"
    dropout: float = 0.3
    optimizer: str = "adamw"


@dataclass(frozen=True)
class Settings:
    """Every number of the recipe.

    grid: the whole image as the network sees it; it needs a size. patch: voxels (x, y, z) of random patches to train
    on, where whole volumes do not fit into memory; the answer is then the mean over overlapping patches. n4: bias
    field correction, "none", "itk" or "fast". augmentation: how volumes are changed while training, which
    training.augmentation turns off. validation: the share of patients that every training sets aside to choose the
    epoch by, and to stop by where training.patience is set; 0 trains on all for all epochs. positive: of two classes
    the one whose probability is given. threshold: how it is cut, see `choose_threshold`. folds, repeats: of the
    patient-wise cross-validation that judges the recipe. inner_folds: of the cross-fitting that threshold, calibration
    and prediction sets rest on. activation: how the map is made, see `activation_maps`. about: what the model card
    should say of the data.
    """

    modality: str = "T1C"
    alignment: Alignment = field(default_factory=Alignment)
    n4: str = "none"
    grid: VolumeSettings = field(default_factory=lambda: VolumeSettings(size=(96, 112, 96), spacing=(2.0, 2.0, 2.0)))
    patch: tuple[int, int, int] | None = None
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: VolumeTraining = field(default_factory=VolumeTraining)
    validation: float = 0.0
    augmentation: VolumeAugmentation = field(default_factory=VolumeAugmentation)
    positive: str | None = None
    threshold: str = "youden"
    folds: int = 5
    repeats: int = 1
    inner_folds: int = 3
    seed: int = 0
    trust: TrustSettings = field(default_factory=TrustSettings)
    activation: str = GRAD_CAM
    about: About = field(default_factory=About)

    def __post_init__(self) -> None:
        check_least(self)
        if self.n4 not in N4_METHODS:
            raise InputError(f"The setting n4 cannot be {self.n4!r}; choose one of {', '.join(N4_METHODS)}.")
        if self.training.seed not in (0, self.seed):
            raise InputError("The recipe's seed is that of its training too; set seed, and not training.seed.")
        if not 0 <= self.validation <= 0.5:
            raise InputError(f"The share of validation cannot be {self.validation}; choose 0 (none) to 0.5.")
        if self.training.patience is not None and not self.validation:
            raise InputError(
                "Stopping early (training.patience) needs validation cases; set validation to a share, such as 0.2."
            )
        check_rule(self.threshold)
        check_method(self.activation)
        if self.activation == NEEDS_RELU:  # and this network's leak
            raise InputError("Guided Grad-CAM is for networks with plain ReLUs; choose another map for volumes.")
        if self.grid.size is None:
            raise InputError("A network of volumes needs one grid for all of them; set grid.size in voxels (x, y, z).")
        if self.patch is not None and any(p > n for p, n in zip(self.patch, self.grid.size, strict=True)):
            raise InputError(
                f"A patch of {self.patch} voxels is larger than the grid of {self.grid.size}; make it fit."
            )
        check_fits(self.patch or self.grid.size, self.network)


@dataclass(frozen=True)
class Fitted:
    """The whole fitted recipe.

    classes: (negative, positive), or any number of them. threshold: of the positive class's probability, None for
    three or more classes. curves: of the training on all cases. patch: as in the settings.
    """

    classes: tuple[str, ...]
    network: "nn.Sequential"
    trust: Trust
    threshold: float | None
    curves: tuple[Epoch, ...]
    patch: tuple[int, int, int] | None
    warnings: tuple[str, ...]

    @property
    def nomograms(self) -> tuple[()]:
        """None: the network is the whole model."""
        return ()


def pack(fitted: Fitted) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The fitted recipe as a bundle's documents and weights."""
    document = {
        "trust": fitted.trust.to_json(),
        "threshold": fitted.threshold,
        "curves": [asdict(epoch) for epoch in fitted.curves],
        "warnings": list(fitted.warnings),
    }
    return {"model": document}, {"network": save_state(fitted.network)}


def unpack(bundle: Bundle) -> tuple[Settings, Fitted]:
    """The settings and the fitted recipe of a bundle; raises BundleRejected when they are not whole."""
    check_told(bundle)
    settings = stored_settings(Settings, bundle)
    document, weights = bundle.documents.get("model"), bundle.weights.get("network")
    if not isinstance(document, dict) or weights is None:
        raise BundleRejected(f"The model {bundle.name} lacks its fitted numbers; get the model file again.")
    classes = tuple(bundle.manifest["classes"])
    try:
        network = build_volume_network(len(classes), settings.network, settings.training.dropout)
    except InputError as error:
        raise BundleRejected(f"The model {bundle.name} has a network that cannot be built: {error}") from error
    load_state(network, weights)
    try:
        fitted = Fitted(
            classes=classes,
            network=network,
            trust=Trust.from_json(document["trust"]),
            threshold=None if len(classes) > 2 else float(document["threshold"]),
            curves=tuple(Epoch(**epoch) for epoch in document["curves"]),
            patch=settings.patch,
            warnings=tuple(document["warnings"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleRejected(f"The model {bundle.name} is damaged ({error}); get the model file again.") from error
    check_threshold(bundle, fitted.threshold)
    check_trust(bundle, fitted.trust, ())
    return settings, fitted
