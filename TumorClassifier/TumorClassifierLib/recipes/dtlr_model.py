"""What the DTLR nomogram recipe is set to and what fitting it gives, in memory and in a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from FeatureExtractorLib.alignment import Alignment
from FeatureExtractorLib.deep.backbones import backbone_spec
from FeatureExtractorLib.deep.inputs import SliceSettings
from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.preparation import Preparation

from ..bundle import Bundle
from ..card import About
from ..evaluation.thresholds import check_rule
from ..explain.cam import GRAD_CAM, check_method
from ..networks.curves import Epoch
from ..networks.resnet2d import build_classifier
from ..networks.state import load_state, save_state
from ..networks.training import TrainingSettings
from ..signature import SignatureScore
from ..svm import SvmModel
from ..trust import Trust, TrustSettings
from .class_nomogram import ClassNomogram, modelled_classes
from .machines import with_supports, without_supports
from .setting_checks import check_least, check_networks, check_slice_spacing
from .soundness import (
    check_class_nomogram,
    check_deep_columns,
    check_radiomics,
    check_svms,
    check_threshold,
    check_told,
    check_trust,
    columns_of,
    stored_settings,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Settings:
    """Every number of the recipe; the defaults are the publication's where it states them.

    alignment: how the modality comes onto the grid of the one that the mask was drawn on. radiomics: a preset or a
    PyRadiomics settings file. icc, spearman, clinical_p: thresholds of the selection steps. stable_features: a list
    that `agree` has written, taken for radiomics in place of the ICC of this cohort's readers. positive: of two
    classes the one whose probability is given (default: the last by name). threshold: how it is cut, see
    `choose_threshold`. folds, repeats: of the patient-wise cross-validation that judges the recipe. inner_folds: of
    the cross-fitting that feeds the nomogram. activation: how the map is made, see `activation_maps`. about: what the
    model card should say of the data.
    """

    modality: str = "T1C"
    slice_spacing: tuple[float, float, float] | None = None
    alignment: Alignment = field(default_factory=Alignment)
    preparation: Preparation = field(default_factory=Preparation)
    radiomics: str = "dtlr"
    engine: str = "auto"
    crop: SliceSettings = field(default_factory=SliceSettings)
    backbone: str = "resnet50"
    weights: str = "imagenet"
    training: TrainingSettings = field(default_factory=TrainingSettings)
    activation: str = GRAD_CAM
    icc: float = 0.8
    stable_features: str | None = None
    spearman: float = 0.9
    clinical_p: float = 0.05
    positive: str | None = None
    threshold: str = "youden"
    folds: int = 5
    repeats: int = 1
    inner_folds: int = 3
    seed: int = 0
    trust: TrustSettings = field(default_factory=TrustSettings)
    about: About = field(default_factory=About)

    def __post_init__(self) -> None:
        shares = {"icc": self.icc, "spearman": self.spearman, "clinical_p": self.clinical_p}
        for name, share in shares.items():
            if not 0 < share <= 1:
                raise InputError(f"The setting {name} cannot be {share}; choose a share above 0 and up to 1.")
        check_method(self.activation)
        check_least(self)
        check_slice_spacing(self.slice_spacing)
        check_networks((self.backbone,), (self.weights,))
        check_rule(self.threshold)
        if self.training.seed not in (0, self.seed):
            raise InputError("The recipe's seed is that of its training too; set seed, and not training.seed.")


@dataclass(frozen=True)
class ClassModel:
    """One class against the rest: its two signatures, its SVM models by block, and the nomogram of it all."""

    radiomics: SignatureScore
    deep: SignatureScore
    svm: Mapping[str, SvmModel]
    nomogram: ClassNomogram

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "radiomics": self.radiomics.to_json(),
            "deep": self.deep.to_json(),
            "svm": {name: model.to_json() for name, model in self.svm.items()},
            "nomogram": self.nomogram.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore from `to_json`; raises BundleRejected, KeyError, TypeError or ValueError when it is none."""
        return cls(
            radiomics=SignatureScore.from_json(document["radiomics"]),
            deep=SignatureScore.from_json(document["deep"]),
            svm={name: SvmModel.from_json(model) for name, model in document["svm"].items()},
            nomogram=ClassNomogram.from_json(document["nomogram"]),
        )


@dataclass(frozen=True)
class Fitted:
    """The whole fitted recipe.

    classes: (negative, positive), or any number of them. models: of the positive class, or of every class. threshold:
    of the positive class's probability, None for three or more classes. flow: by block, how many features were left
    after each selection step. curves: of the network's training; none in a stored model, whose description has them.
    """

    classes: tuple[str, ...]
    network: "nn.Sequential"
    models: tuple[ClassModel, ...]
    trust: Trust
    threshold: float | None
    flow: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...]
    curves: tuple[Epoch, ...] = ()

    @property
    def nomograms(self) -> tuple[ClassNomogram, ...]:
        """The nomogram of each modelled class."""
        return tuple(model.nomogram for model in self.models)


def pack(fitted: Fitted) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The fitted recipe as a bundle's documents and weights."""
    models, supports = without_supports([model.to_json() for model in fitted.models])
    document = {
        "models": models,
        "trust": fitted.trust.to_json(),
        "threshold": fitted.threshold,
        "flow": fitted.flow,
        "warnings": list(fitted.warnings),
    }
    return {"model": document}, {"network": save_state(fitted.network), **supports}


def unpack(bundle: Bundle) -> tuple[Settings, Fitted]:
    """The settings and the fitted recipe of a bundle; raises BundleRejected when they are not whole."""
    check_told(bundle)
    settings = stored_settings(Settings, bundle)
    document, weights = bundle.documents.get("model"), bundle.weights.get("network")
    if not isinstance(document, dict) or weights is None:
        raise BundleRejected(f"The model {bundle.name} lacks its fitted numbers; get the model file again.")
    classes = tuple(bundle.manifest["classes"])
    check_radiomics(bundle)
    try:
        network = build_classifier(settings.backbone, len(classes), settings.training.dropout)
    except InputError as error:
        raise BundleRejected(f"The model {bundle.name} has a network that cannot be built: {error}") from error
    load_state(network, weights)
    try:
        fitted = Fitted(
            classes=classes,
            network=network,
            models=tuple(map(ClassModel.from_json, with_supports(bundle, document["models"]))),
            trust=Trust.from_json(document["trust"]),
            threshold=None if len(classes) > 2 else float(document["threshold"]),
            flow=document["flow"],
            warnings=tuple(document["warnings"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleRejected(f"The model {bundle.name} is damaged ({error}); get the model file again.") from error
    if len(classes) < 2 or tuple(nomogram.name for nomogram in fitted.nomograms) != modelled_classes(classes):
        raise BundleRejected(f"The model {bundle.name} does not hold a model of each class; get the model file again.")
    check_threshold(bundle, fitted.threshold)
    check_trust(bundle, fitted.trust, {name for model in fitted.models for name in model.radiomics.features})
    for model in fitted.models:
        _check_class_model(bundle, model, backbone_spec(settings.backbone).width)
    return settings, fitted


def _check_class_model(bundle: Bundle, model: ClassModel, width: int) -> None:
    """Raises BundleRejected unless the parts of a class's model belong together; width: outputs of the network."""
    check_class_nomogram(bundle, model.nomogram)
    check_deep_columns(bundle, model.deep.features, width)
    blocks = {"radiomics": model.radiomics.features, "deep": model.deep.features}
    if model.nomogram.variables:
        blocks["clinical"] = columns_of(model.nomogram)
    check_svms(bundle, model.svm, blocks)
