"""What the DTLR nomogram recipe is set to and what fitting it gives, in memory and in a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from FeatureExtractorLib.deep.inputs import SliceSettings
from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.preparation import Preparation

from ..bundle import Bundle
from ..card import About
from ..clinical import ClinicalSelection, ClinicalVariable
from ..networks.resnet2d import build_classifier
from ..networks.state import load_state, save_state
from ..networks.training import TrainingSettings
from ..nomogram import Nomogram
from ..regression import LogisticModel
from ..settings import settings_of
from ..signature import SignatureScore
from ..svm import SvmModel

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Settings:
    """Every number of the recipe; the defaults are the publication's where it states them.

    radiomics: a preset or a PyRadiomics settings file. icc, spearman, clinical_p: thresholds of the selection steps.
    stable_features: a list that `agree` has written, taken for radiomics in place of the ICC of this cohort's readers.
    positive: the class whose probability is given (default: the last by name). folds: of the patient-wise
    cross-validation that judges the recipe. inner_folds: of the cross-fitting that feeds the nomogram. about: what
    the model card should say of the data.
    """

    modality: str = "T1C"
    slice_spacing: tuple[float, float, float] | None = None
    preparation: Preparation = field(default_factory=Preparation)
    radiomics: str = "dtlr"
    engine: str = "auto"
    crop: SliceSettings = field(default_factory=SliceSettings)
    backbone: str = "resnet50"
    weights: str = "imagenet"
    training: TrainingSettings = field(default_factory=TrainingSettings)
    icc: float = 0.8
    stable_features: str | None = None
    spearman: float = 0.9
    clinical_p: float = 0.05
    positive: str | None = None
    folds: int = 5
    inner_folds: int = 3
    seed: int = 0
    about: About = field(default_factory=About)

    def __post_init__(self) -> None:
        shares = {"icc": self.icc, "spearman": self.spearman, "clinical_p": self.clinical_p}
        for name, share in shares.items():
            if not 0 < share <= 1:
                raise InputError(f"The setting {name} cannot be {share}; choose a share above 0 and up to 1.")
        for name, least in (("folds", 2), ("inner_folds", 2), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"The setting {name} cannot be {getattr(self, name)}; choose {least} or more.")
        if self.slice_spacing is not None and min(self.slice_spacing) <= 0:
            raise InputError(f"The slice spacing cannot be {self.slice_spacing}; give three lengths in mm above 0.")
        if self.training.seed not in (0, self.seed):
            raise InputError("The recipe's seed is that of its training too; set seed, and not training.seed.")


@dataclass(frozen=True)
class Scores:
    """What is fitted to turn measures into the two scores: the fine-tuned network and both signatures."""

    network: "nn.Sequential"
    radiomics: SignatureScore
    deep: SignatureScore


@dataclass(frozen=True)
class Fitted:
    """The whole fitted recipe.

    classes: (negative, positive). variables: the clinical ones that stayed. regression: of these and both scores.
    svm: by block. ranges: lowest and highest training value of each radiomics feature that is used. flow: how many
    features were left after each selection step.
    """

    classes: tuple[str, str]
    scores: Scores
    variables: tuple[ClinicalVariable, ...]
    svm: Mapping[str, SvmModel]
    regression: LogisticModel
    nomogram: Nomogram
    threshold: float
    ranges: Mapping[str, tuple[float, float]]
    selection: ClinicalSelection | None
    flow: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...]


def pack(fitted: Fitted) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The fitted recipe as a bundle's documents and weights."""
    document = {
        "radiomics": fitted.scores.radiomics.to_json(),
        "deep": fitted.scores.deep.to_json(),
        "variables": [variable.to_json() for variable in fitted.variables],
        "svm": {name: model.to_json() for name, model in fitted.svm.items()},
        "regression": fitted.regression.to_json(),
        "nomogram": fitted.nomogram.to_json(),
        "threshold": fitted.threshold,
        "ranges": {name: list(limits) for name, limits in fitted.ranges.items()},
        "selection": fitted.selection.to_json() if fitted.selection else None,
        "flow": fitted.flow,
        "warnings": list(fitted.warnings),
    }
    return {"model": document}, {"network": save_state(fitted.scores.network)}


def unpack(bundle: Bundle) -> tuple[Settings, Fitted]:
    """The settings and the fitted recipe of a bundle; raises BundleRejected when they are not whole."""
    settings = settings_of(Settings, bundle.manifest["settings"], bundle.name)
    document, weights = bundle.documents.get("model"), bundle.weights.get("network")
    if not isinstance(document, dict) or weights is None:
        raise BundleRejected(f"The model {bundle.name} lacks its fitted numbers; get the model file again.")
    network = build_classifier(settings.backbone, 2, settings.training.dropout)
    load_state(network, weights)
    try:
        scores = Scores(
            network, SignatureScore.from_json(document["radiomics"]), SignatureScore.from_json(document["deep"])
        )
        negative, positive = bundle.manifest["classes"]
        fitted = Fitted(
            classes=(str(negative), str(positive)),
            scores=scores,
            variables=tuple(ClinicalVariable.from_json(variable) for variable in document["variables"]),
            svm={name: SvmModel.from_json(model) for name, model in document["svm"].items()},
            regression=LogisticModel.from_json(document["regression"]),
            nomogram=Nomogram.from_json(document["nomogram"]),
            threshold=float(document["threshold"]),
            ranges={name: (float(low), float(high)) for name, (low, high) in document["ranges"].items()},
            selection=None,
            flow=document["flow"],
            warnings=tuple(document["warnings"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BundleRejected(f"The model {bundle.name} is damaged ({error}); get the model file again.") from error
    return settings, fitted
