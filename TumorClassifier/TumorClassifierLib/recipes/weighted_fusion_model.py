"""What the weighted fusion is set to and what fitting it gives, in memory and in a bundle."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from FeatureExtractorLib.alignment import Alignment
from FeatureExtractorLib.errors import BundleRejected, InputError
from FeatureExtractorLib.preparation import N4_METHODS

from ..age_groups import EDGES, AgeStatistics
from ..bundle import Bundle
from ..card import About
from ..clinical_coding import MISSING, ClinicalVariable
from ..evaluation.thresholds import check_rule
from ..fusion import Ablation, GridPoint, WeightSearch
from ..networks.detection import DetectorShape, build_detector
from ..networks.detector_training import DetectorTraining
from ..networks.sequence import SequenceShape, build_sequence_classifier
from ..networks.state import load_state, save_state
from ..networks.training_settings import TrainingSettings
from ..plain import fields_of
from ..trust import Trust, TrustSettings
from ..whole_volume import VolumeSettings
from .setting_checks import check_least, check_networks
from .soundness import check_threshold, check_told, check_trust, stored_settings
from .weighted_fusion_steps import Framework, StepSettings

PLANES = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}  # of arrays (z, y, x)


@dataclass(frozen=True)
class Settings:
    """Every number of the recipe; the defaults are those of the publication where it states them.

    modalities: the sequences of a patient. plane: of the slices, of volumes on `grid`, which by default keeps the
    image's own voxels. age: the clinical variable with the age in years. weights: both networks start from. found:
    the least score of a box that counts. draws: of N slices from each sequence. edges, pseudo_count: of the groups of
    age. step: of the grid of weights. inner_folds: in which the evidence for weights, threshold and prediction sets
    is made. The other fields are as in the other recipes.
    """

    modalities: tuple[str, ...] = ("T1", "T2")
    plane: str = "sagittal"
    grid: VolumeSettings = field(
        default_factory=lambda: VolumeSettings(spacing=(0.0, 0.0, 0.0), intensity="percentiles")
    )
    n4: str = "none"
    alignment: Alignment = field(default_factory=Alignment)
    age: str = "age"
    weights: str = "imagenet"
    detector: DetectorShape = field(default_factory=DetectorShape)
    detector_training: DetectorTraining = field(default_factory=DetectorTraining)
    found: float = 0.3
    classifier: SequenceShape = field(default_factory=SequenceShape)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    draws: int = 4
    edges: tuple[float, ...] = EDGES
    pseudo_count: float = 2.0
    step: float = 0.05
    positive: str | None = None
    threshold: str = "youden"
    folds: int = 4
    repeats: int = 1
    inner_folds: int = 4
    seed: int = 0
    trust: TrustSettings = field(default_factory=TrustSettings)
    about: About = field(default_factory=About)

    def __post_init__(self) -> None:
        check_least(self)
        if not self.modalities:
            raise InputError("The recipe needs a sequence at least; name it in modalities.")
        if self.plane not in PLANES:
            raise InputError(f"There is no plane called {self.plane!r}; choose one of {', '.join(PLANES)}.")
        if self.n4 not in N4_METHODS:
            raise InputError(f"The setting n4 cannot be {self.n4!r}; choose one of {', '.join(N4_METHODS)}.")
        if self.grid.intensity != "percentiles":
            raise InputError("The networks take slices in 0–1; set grid.intensity to percentiles.")
        check_rule(self.threshold)
        check_networks((self.detector.backbone, self.classifier.backbone), (self.weights,))
        _ = self.steps

    @property
    def steps(self) -> StepSettings:
        """What the steps need of this."""
        return StepSettings(
            detector=self.detector,
            detector_weights=self.weights,
            detector_training=self.detector_training,
            found=self.found,
            classifier=self.classifier,
            classifier_weights=self.weights,
            training=self.training,
            draws=self.draws,
            edges=self.edges,
            pseudo_count=self.pseudo_count,
            step=self.step,
            inner_folds=self.inner_folds,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Fitted:
    """The whole fitted recipe.

    threshold: of the positive class's probability, None for three or more classes. ablations: how well each way of
    fusing did on the evidence that the weights were chosen on. variables: the age, where it counts.
    """

    classes: tuple[str, ...]
    framework: Framework
    settings: Settings
    trust: Trust
    threshold: float | None
    warnings: tuple[str, ...]
    ablations: tuple[Ablation, ...]
    variables: tuple[ClinicalVariable, ...]
    nomograms: tuple[()] = ()


def age_variable(name: str, ages: Mapping[str, float | None]) -> tuple[ClinicalVariable, ...]:
    """The age as a clinical variable, of patients of whom some have one; unknown is a state of its own."""
    known = [age for age in ages.values() if age is not None]
    return (ClinicalVariable(name, "numeric", (), "years", MISSING, float(np.median(known))),)


def pack(fitted: Fitted) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The fitted recipe as a bundle's documents and weights."""
    framework = fitted.framework
    document = {
        "ages": None if framework.statistics is None else asdict(framework.statistics),
        "shares": framework.shares.tolist(),
        "search": asdict(framework.search),
        "trust": fitted.trust.to_json(),
        "threshold": fitted.threshold,
        "warnings": list(fitted.warnings),
        "ablations": [asdict(row) for row in fitted.ablations],
        "variables": [variable.to_json() for variable in fitted.variables],
    }
    weights = {"detector": save_state(framework.detector), "classifier": save_state(framework.classifier)}
    return {"model": document}, weights


def unpack(bundle: Bundle) -> tuple[Settings, Fitted]:
    """The settings and the fitted recipe of a bundle; raises BundleRejected when they are not whole."""
    check_told(bundle)
    settings = stored_settings(Settings, bundle)
    document, classes = bundle.documents.get("model"), tuple(map(str, bundle.manifest["classes"]))
    if not isinstance(document, dict) or set(bundle.weights) != {"detector", "classifier"} or len(classes) < 2:
        raise BundleRejected(f"The model {bundle.name} lacks its networks or numbers; get the model file again.")
    try:
        detector = build_detector(len(classes), settings.detector)
        classifier = build_sequence_classifier(len(classes), settings.classifier)
    except InputError as error:
        raise BundleRejected(f"The model {bundle.name} has a network that cannot be built: {error}") from error
    load_state(detector, bundle.weights["detector"])
    load_state(classifier, bundle.weights["classifier"])
    try:
        framework = Framework(
            detector,
            classifier,
            _ages(document["ages"], len(classes)),
            _shares(document["shares"], len(classes)),
            _search(document["search"]),
            None,
            settings.found,
            settings.classifier,
        )
        fitted = Fitted(
            classes,
            framework,
            settings,
            Trust.from_json(document["trust"]),
            None if len(classes) > 2 else float(document["threshold"]),
            tuple(map(str, document["warnings"])),
            tuple(Ablation(**fields_of(Ablation, row)) for row in document["ablations"]),
            tuple(ClinicalVariable.from_json(variable) for variable in document["variables"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleRejected(f"The model {bundle.name} is damaged ({error}); get the model file again.") from error
    check_threshold(bundle, fitted.threshold)
    check_trust(bundle, fitted.trust, ())
    return settings, fitted


def _ages(document: Any, n_classes: int) -> AgeStatistics | None:
    if document is None:
        return None
    found = AgeStatistics(**fields_of(AgeStatistics, document))
    counts = np.asarray(found.counts)
    rising = bool(np.all(np.diff(found.edges) > 0)) and found.pseudo_count >= 0
    if counts.shape != (len(found.edges) + 1, n_classes) or (counts < 0).any() or not counts.sum() or not rising:
        raise ValueError("its groups of age do not fit")
    return found


def _shares(document: Any, n_classes: int) -> np.ndarray:
    shares = np.asarray(document, dtype=np.float64)
    if shares.shape != (n_classes,) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise ValueError("its shares of the classes do not fit")
    return shares


def _search(document: Mapping[str, Any]) -> WeightSearch:
    weights = fields_of(WeightSearch, document)["weights"]
    if len(weights) != 3 or min(weights) <= 0:
        raise ValueError("its weights do not fit")
    points = tuple(GridPoint(**fields_of(GridPoint, point)) for point in document["points"])
    return WeightSearch(weights, points)
