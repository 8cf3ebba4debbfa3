"""What the multimodality signature recipe is set to and what fitting it gives, in memory and in a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from FeatureExtractorLib.alignment import Alignment
from FeatureExtractorLib.deep.backbones import backbone_spec
from FeatureExtractorLib.deep.inputs import SliceSettings
from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.preparation import Preparation

from ..bundle import Bundle
from ..card import About
from ..evaluation.thresholds import check_rule
from ..nested import SIZES, Search
from ..regression import LogisticModel
from ..svm import COSTS, GAMMAS, SvmModel
from ..trust import Trust, TrustSettings
from .class_nomogram import ClassNomogram, modelled_classes
from .multimodal_features import place_of
from .setting_checks import check_least, check_networks, check_slice_spacing
from .soundness import (
    check_class_nomogram,
    check_radiomics,
    check_threshold,
    check_told,
    check_trust,
    stored_settings,
)
from .soundness import columns_of as columns_of_variables

NETWORKS = ("legacy_xception", "vgg16", "vgg19", "resnet50", "inception_v3", "inception_resnet_v2")
NO_RADIOMICS = "none"
MAIN = "nomogram"
SCORES = ("Signature",)


@dataclass(frozen=True)
class Settings:
    """Every number of the recipe; the defaults are the publication's where it states them.

    modalities: all are needed of every training case. alignment: how they come onto one grid; with neither a reference
    nor masks of their own they must share one. radiomics: a preset, a PyRadiomics settings file, or "none".
    backbones: frozen networks; weights: theirs, "imagenet", "seed:N" or "file:PATH[#sha256]", one for all or one for
    each. crop: what they see. icc: of two readers, where there is a second; stable_features: a list that `agree` has
    written, taken for radiomics instead. f_share, sizes, costs, gammas, step, elimination_cost: see `Search`.
    univariate_p, multivariate_p: of the clinical variables. positive: of two classes the one whose
    probability is given (default: the last by name). threshold: how it is cut, see `choose_threshold`. folds,
    repeats: of the patient-wise cross-validation that judges the recipe. inner_folds: of those that choose settings
    and signature and that feed the nomogram. about: what the model card should say of the data.
    """

    modalities: tuple[str, ...] = ("CT", "T1", "T2FS")
    slice_spacing: tuple[float, float, float] | None = None
    alignment: Alignment = field(default_factory=Alignment)
    preparation: Preparation = field(default_factory=lambda: Preparation(n4="none", spacing=(0.0, 0.0, 0.0)))
    radiomics: str = "original-wavelet"
    engine: str = "auto"
    crop: SliceSettings = field(default_factory=lambda: SliceSettings(margin=0.0, size=224, view="bounding-box"))
    backbones: tuple[str, ...] = NETWORKS
    weights: tuple[str, ...] = ("imagenet",)
    icc: float = 0.85
    stable_features: str | None = None
    f_share: float = 0.2
    sizes: tuple[int, ...] = SIZES
    costs: tuple[float, ...] = COSTS
    gammas: tuple[float, ...] = GAMMAS
    step: float = 1.0
    elimination_cost: float = 1.0
    univariate_p: float = 0.10
    multivariate_p: float = 0.05
    positive: str | None = None
    threshold: str = "youden"
    folds: int = 5
    repeats: int = 10
    inner_folds: int = 5
    seed: int = 0
    trust: TrustSettings = field(default_factory=TrustSettings)
    about: About = field(default_factory=About)

    def __post_init__(self) -> None:
        if not self.modalities or len(set(self.modalities)) < len(self.modalities):
            raise InputError(f"The setting modalities cannot be {self.modalities}; name each image once.")
        if len(set(self.backbones)) < len(self.backbones):
            raise InputError(f"The setting backbones names one twice ({', '.join(self.backbones)}); name each once.")
        if not self.backbones and self.radiomics == NO_RADIOMICS:
            raise InputError("Without radiomics and without backbones nothing is measured; set one of them.")
        if len(self.weights) not in (1, len(self.backbones)) or not self.weights:
            raise InputError(
                f"The setting weights names {len(self.weights)} for {len(self.backbones)} backbones; give one for "
                "all, or one for each."
            )
        for name in ("icc", "univariate_p", "multivariate_p"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"The setting {name} cannot be {getattr(self, name)}; choose above 0 and up to 1.")
        check_least(self)
        check_slice_spacing(self.slice_spacing)
        check_networks(self.backbones, self.weights)
        check_rule(self.threshold)
        _ = self.search  # refuses what it cannot search

    @property
    def search(self) -> Search:
        """What the inner folds choose from."""
        return Search(
            self.f_share, self.sizes, self.costs, self.gammas, self.step, self.elimination_cost, self.inner_folds
        )

    @property
    def networks(self) -> tuple[tuple[str, str], ...]:
        """(backbone, weights) of each frozen network."""
        weights = self.weights if len(self.weights) == len(self.backbones) else self.weights * len(self.backbones)
        return tuple(zip(self.backbones, weights, strict=True))


@dataclass(frozen=True)
class ClassModel:
    """One class against the rest.

    imaging: an SVM for every block of features, by its name. best: the block with the highest AUC on inner folds,
    whose decision is the signature. platt: (a, b) of the signature's probability, from cross-fitted decisions.
    clinical: the regression of the clinical variables alone, where any stayed.
    """

    imaging: Mapping[str, SvmModel]
    best: str
    platt: tuple[float, float]
    clinical: LogisticModel | None
    nomogram: ClassNomogram

    @property
    def signature(self) -> SvmModel:
        """The machine whose decision is the signature."""
        return self.imaging[self.best]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "imaging": {name: model.to_json() for name, model in self.imaging.items()},
            "best": self.best,
            "platt": list(self.platt),
            "clinical": self.clinical.to_json() if self.clinical else None,
            "nomogram": self.nomogram.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Restore from `to_json`; raises BundleRejected, KeyError, TypeError or ValueError when it is none."""
        a, b = document["platt"]
        imaging = {name: SvmModel.from_json(model) for name, model in document["imaging"].items()}
        if document["best"] not in imaging:
            raise ValueError("it lacks its signature")
        return cls(
            imaging=imaging,
            best=document["best"],
            platt=(float(a), float(b)),
            clinical=LogisticModel.from_json(document["clinical"]) if document["clinical"] is not None else None,
            nomogram=ClassNomogram.from_json(document["nomogram"]),
        )


@dataclass(frozen=True)
class Fitted:
    """The whole fitted recipe.

    classes: (negative, positive), or any number of them. models: of the positive class, or of every class. threshold:
    of the positive class's calibrated probability; None for three or more classes. flow: by block, how many features
    were left after each selection step.
    """

    classes: tuple[str, ...]
    models: tuple[ClassModel, ...]
    trust: Trust
    threshold: float | None
    flow: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...]

    @property
    def nomograms(self) -> tuple[ClassNomogram, ...]:
        """The nomogram of each modelled class."""
        return tuple(model.nomogram for model in self.models)

    @property
    def features(self) -> tuple[str, ...]:
        """Those of the signatures, each once."""
        return tuple(dict.fromkeys(name for model in self.models for name in model.signature.features))


def pack(fitted: Fitted) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The fitted recipe as a bundle's documents; frozen networks are named by the settings and not kept."""
    document = {
        "models": [model.to_json() for model in fitted.models],
        "trust": fitted.trust.to_json(),
        "threshold": fitted.threshold,
        "flow": fitted.flow,
        "warnings": list(fitted.warnings),
    }
    return {"model": document}, {}


def unpack(bundle: Bundle) -> tuple[Settings, Fitted]:
    """The settings and the fitted recipe of a bundle; raises BundleRejected when they are not whole."""
    check_told(bundle)
    settings = stored_settings(Settings, bundle)
    if settings.radiomics != NO_RADIOMICS:
        check_radiomics(bundle)
    document = bundle.documents.get("model")
    if not isinstance(document, dict):
        raise BundleRejected(f"The model {bundle.name} lacks its fitted numbers; get the model file again.")
    classes = tuple(map(str, bundle.manifest["classes"]))
    try:
        fitted = Fitted(
            classes=classes,
            models=tuple(ClassModel.from_json(model) for model in document["models"]),
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
    check_trust(bundle, fitted.trust, fitted.features)
    for model in fitted.models:
        _check_class_model(bundle, model, settings)
    return settings, fitted


def _check_class_model(bundle: Bundle, model: ClassModel, settings: Settings) -> None:
    """Raises BundleRejected unless the parts of a class's model belong together and to the settings."""
    check_class_nomogram(bundle, model.nomogram)
    columns = columns_of_variables(model.nomogram)
    features = {name for svm in model.imaging.values() for name in svm.features}
    if (
        model.nomogram.scores != SCORES
        or (model.clinical.features if model.clinical else ()) != columns
        or not np.isfinite(model.platt).all()
        or not all(_is_measured(name, settings) for name in features)
    ):
        raise BundleRejected(
            f"The model {bundle.name} has parts of another model for {model.nomogram.name}; get the model file again."
        )


def _is_measured(feature: str, settings: Settings) -> bool:
    modality, family, index = place_of(feature)
    if modality not in settings.modalities:
        return False
    if index < 0:
        return settings.radiomics != NO_RADIOMICS
    return family in settings.backbones and index < backbone_spec(family).width
