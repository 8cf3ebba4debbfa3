"""What the transfer-learning recipe is set to and what fitting it gives, in memory and in a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from FeatureExtractorLib.alignment import Alignment
from FeatureExtractorLib.deep.backbones import backbone_spec
from FeatureExtractorLib.deep.inputs import SliceSettings
from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.preparation import Preparation

from ..bundle import Bundle
from ..card import About
from ..clinical import ClinicalVariable
from ..evaluation.thresholds import check_rule
from ..explain.cam import check_method
from ..explain.smooth import Smoothing
from ..measures import frozen_network
from ..networks.mr_augmentation import MrAugmentation
from ..networks.resnet2d import build_classifier, build_head, with_head
from ..networks.state import load_state, save_state
from ..networks.training_settings import TrainingSettings
from ..trust import Trust, TrustSettings
from .class_nomogram import modelled_classes
from .factor_model import FactorModel
from .setting_checks import check_least, check_networks, check_slice_spacing
from .soundness import check_threshold, check_told, check_trust, stored_settings
from .training_cases import TrainingCases, unpack_cases

if TYPE_CHECKING:
    from torch import nn

MAIN = "network"
FACTORS = "clinical"
TRUNK = "trunk"
CASES = "cases"


@dataclass(frozen=True)
class TransferTraining(TrainingSettings):
    """`TrainingSettings` with the publication's numbers.

    It gives 2e-5 for the frozen layers and 1e-5 for the classifier; the first matters where `frozen` is emptied.
    """

    epochs: int = 300
    batch_size: int = 16
    learning_rate: float = 1e-5
    momentum: float = 0.9
    weight_decay: float = 4e-5
    schedule: str = "step"
    dropout: float = 0.0
    class_weights: bool = False
    frozen: tuple[str, ...] = (TRUNK,)
    rates: tuple[tuple[str, float], ...] = ((TRUNK, 2e-5), ("head", 1e-5))
    keep_best: bool = False


@dataclass(frozen=True)
class CentreSlice(SliceSettings):
    """`SliceSettings` of the publication: the tumour's centre slice in Jet colours."""

    view: str = "centre"
    colour: str = "jet"


@dataclass(frozen=True)
class Reslicing(Preparation):
    """`Preparation` of the publication: no bias field correction, and its voxel size."""

    n4: str = "none"
    spacing: tuple[float, float, float] = (0.52, 0.52, 4.74)


@dataclass(frozen=True)
class Settings:
    """Every number of the recipe; the defaults are the publication's where it states them.

    modalities: the first is the one that decides; of each other a network of its own is trained and judged beside it.
    alignment: how they come onto one grid. preparation, crop: what the network sees. backbone, weights, training: the
    network; with `training.frozen` empty all of it is fine-tuned. augmentation: of training images, where
    `training.augmentation` is on; copies: of each image, augmented once, of which epochs take turns while the trunk is
    frozen (0: none); a trunk that is trained sees new ones in every epoch. factors: clinical variables of the logistic
    model beside the network; empty takes all. icc: what counts as good agreement of two readers. perplexity: of t-SNE.
    name_cases: whether the model file keeps the training cases' names with their points; else they are numbered.
    activation, smoothing: the map. positive: of two classes the one whose probability is given (default: the last by
    name). threshold: how it is cut, see `choose_threshold`. folds: of the patient-wise cross-validation that judges
    the recipe; five give the publication's 4:1. inner_folds: of the one that feeds calibration and prediction sets
    and whose first split gives the validation curves.
    """

    modalities: tuple[str, ...] = ("T1C",)
    slice_spacing: tuple[float, float, float] | None = None
    alignment: Alignment = field(default_factory=Alignment)
    preparation: Reslicing = field(default_factory=Reslicing)
    crop: CentreSlice = field(default_factory=CentreSlice)
    backbone: str = "resnet50"
    weights: str = "imagenet"
    training: TransferTraining = field(default_factory=TransferTraining)
    augmentation: MrAugmentation = field(default_factory=MrAugmentation)
    copies: int = 10
    factors: tuple[str, ...] = ()
    icc: float = 0.8
    perplexity: float = 30.0
    name_cases: bool = False
    activation: str = "smooth-grad-cam++"
    smoothing: Smoothing = field(default_factory=Smoothing)
    positive: str | None = None
    threshold: str = "fixed:0.5"
    folds: int = 5
    repeats: int = 1
    inner_folds: int = 5
    seed: int = 0
    trust: TrustSettings = field(default_factory=TrustSettings)
    about: About = field(default_factory=About)

    def __post_init__(self) -> None:
        if not self.modalities or len(set(self.modalities)) < len(self.modalities):
            raise InputError(f"The setting modalities cannot be {self.modalities}; name each image once.")
        check_slice_spacing(self.slice_spacing)
        check_networks([self.backbone], [self.weights])
        check_rule(self.threshold)
        check_method(self.activation)
        check_least(self, copies=0)
        if not 0 < self.icc <= 1 or self.perplexity <= 0:
            raise InputError("The setting icc must lie above 0 and up to 1, and perplexity above 0; correct them.")
        if self.training.seed not in (0, self.seed):
            raise InputError("The recipe's seed is that of its training too; set seed, and not training.seed.")
        if self.training.patience is not None or self.training.keep_best:
            raise InputError(
                "This recipe trains for all its epochs, so that its validation patients choose nothing; leave "
                "training.patience and training.keep_best out and set training.epochs."
            )

    @property
    def only_head(self) -> bool:
        """Whether the trunk stays as it came, so that a model file need not hold it."""
        return self.training.is_frozen(TRUNK)


@dataclass(frozen=True)
class Fitted:
    """The whole fitted recipe.

    classes: (negative, positive), or any number of them. networks: by modality, the deciding one first. factors: the
    logistic models of clinical factors, none where there are none. threshold: of the positive class's probability,
    None for three or more classes. told: what the description says and the model file's model does not need. cases:
    where the training cases lie, once stored.
    """

    classes: tuple[str, ...]
    settings: Settings
    networks: "Mapping[str, nn.Sequential]"
    factors: tuple[FactorModel, ...]
    trust: Trust
    threshold: float | None
    warnings: tuple[str, ...]
    told: Mapping[str, Any] = field(default_factory=dict)
    cases: TrainingCases | None = None
    nomograms: tuple[()] = ()

    @property
    def variables(self) -> tuple[ClinicalVariable, ...]:
        """Every clinical variable of the factors' models, once."""
        return tuple({v.name: v for model in self.factors for v in model.variables}.values())

    def network(self, modality: str) -> "nn.Sequential":
        """The whole classifier of a modality; raises WeightsUnavailable where a published trunk cannot be had."""
        if not self.settings.only_head:
            return self.networks[modality]
        trunk = frozen_network(self.settings.backbone, self.settings.weights)
        return with_head(trunk, self.networks[modality].to(next(trunk.parameters()).device))


def model_name(modality: str, settings: Settings) -> str:
    """What a modality's network is called among the sub-models."""
    return MAIN if modality == settings.modalities[0] else f"{MAIN} {modality}"


def evidence_names(classes: tuple[str, ...]) -> list[str]:
    """Names of the deciding network's outputs, one a class, before they become probabilities."""
    return [f"evidence for {name}" for name in classes]


def pack(fitted: Fitted) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The fitted recipe as a bundle's documents and weights: of frozen trunks, the classifying layers only."""
    document = {
        "networks": {modality: _member(i) for i, modality in enumerate(fitted.networks)},
        "factors": [model.to_json() for model in fitted.factors],
        "trust": fitted.trust.to_json(),
        "threshold": fitted.threshold,
        "warnings": list(fitted.warnings),
    }
    kind = "float32" if fitted.settings.only_head else "float16"
    weights = {_member(i): save_state(network, kind) for i, network in enumerate(fitted.networks.values())}
    if fitted.cases is not None:
        document["cases"] = fitted.cases.to_json()
        weights[CASES] = fitted.cases.packed()
    return {"model": document}, weights


def unpack(bundle: Bundle) -> tuple[Settings, Fitted]:
    """The settings and the fitted recipe of a bundle; raises BundleRejected when they are not whole."""
    check_told(bundle)
    settings = stored_settings(Settings, bundle)
    document = bundle.documents.get("model")
    if not isinstance(document, dict):
        raise BundleRejected(f"The model {bundle.name} lacks its fitted numbers; get the model file again.")
    classes = tuple(map(str, bundle.manifest["classes"]))
    members = {modality: _member(i) for i, modality in enumerate(settings.modalities)}
    given = set(bundle.weights) - {CASES}
    if len(classes) < 2 or document.get("networks") != members or given != set(members.values()):
        raise BundleRejected(f"The model {bundle.name} does not hold its networks; get the model file again.")
    networks = {m: load_state(_unfilled(settings, len(classes)), bundle.weights[members[m]]) for m in members}
    try:
        fitted = Fitted(
            classes=classes,
            settings=settings,
            networks=networks,
            factors=tuple(FactorModel.from_json(model) for model in document["factors"]),
            trust=Trust.from_json(document["trust"]),
            threshold=None if len(classes) > 2 else float(document["threshold"]),
            warnings=tuple(document["warnings"]),
            cases=_stored_cases(bundle, document.get("cases"), settings),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleRejected(f"The model {bundle.name} is damaged ({error}); get the model file again.") from error
    if tuple(model.name for model in fitted.factors) not in ((), modelled_classes(classes)):
        raise BundleRejected(f"The model {bundle.name} has factors of other classes; get the model file again.")
    check_threshold(bundle, fitted.threshold)
    check_trust(bundle, fitted.trust, evidence_names(classes))
    return settings, fitted


def _stored_cases(bundle: Bundle, document: Any, settings: Settings) -> TrainingCases | None:
    """None where the model keeps none: of few cases there is no embedding."""
    if document is None and CASES not in bundle.weights:
        return None
    width = backbone_spec(settings.backbone).width
    return unpack_cases(document or {}, bundle.weights.get(CASES, b""), width, bundle.name)


def _unfilled(settings: Settings, n_classes: int) -> "nn.Sequential":
    """The part of a network that a bundle holds, with other weights."""
    if settings.only_head:
        return build_head(settings.backbone, n_classes, settings.training.dropout)
    return build_classifier(settings.backbone, n_classes, settings.training.dropout)


def _member(index: int) -> str:
    return "network" if index == 0 else f"network-{index + 1}"
