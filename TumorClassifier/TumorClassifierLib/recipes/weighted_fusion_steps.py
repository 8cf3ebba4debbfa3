"""The steps of Liu et al. 2022, spinal tumours: detector, sequence classifier, ages, weights, votes.

What is fitted is fitted on the patients given and nothing else:

1. Faster R-CNN on slices with boxes, with MultiScale-SelfCutMix                         (networks/detection.py)
2. a classifier of N slices of one region around each sequence's largest box             (networks/sequence.py)
3. shares of the classes by group of age                                                 (age_groups.py)
4. the three terms' weights, on patients that 1 to 3 had not seen                        (fusion.py)
5. P = λ1·D + λ2·M + λ3·A for each image, votes from image to sequence to patient        (fusion.py)

The publication does not give the number of layers that are deformable, learning rates or epochs; they are settings
here. It balances the classes by drawing some more often, here they count the same in the loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from FeatureExtractorLib.deep.backbones import parse_weights
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.regions import resize

from ..age_groups import EDGES, AgeStatistics, age_statistics
from ..explain.cam import GRAD_CAM, activation_maps
from ..folds import grouped_folds
from ..fusion import ABLATIONS, Evidence, Votes, WeightSearch, ablated, search_weights, vote
from ..networks.curves import curves_json
from ..networks.detection import DetectorShape, Found, build_detector, detect
from ..networks.detector_training import DetectorTraining, LabelledSlice, train_detector
from ..networks.sequence import (
    SequenceShape,
    build_sequence_classifier,
    largest_box,
    pick_slices,
    region_of,
    sequence_input,
    sequence_probabilities,
)
from ..networks.training_settings import TrainingSettings

if TYPE_CHECKING:
    from torch import nn

Ages = Mapping[str, float | None]


@dataclass(frozen=True)
class ImageSequence:
    """One sequence of a patient, such as T1. slices: (z, rows, columns) in 0–1; boxes: per slice (m, 4) of outlined
    tumours, which training needs and classifying does not look at.
    """

    patient: str
    name: str
    slices: np.ndarray
    boxes: tuple[np.ndarray, ...] = ()

    @property
    def outlined(self) -> list[int]:
        """Indices of the slices with a box."""
        return [i for i, boxes in enumerate(self.boxes) if len(boxes)]


@dataclass(frozen=True)
class StepSettings:
    """found: the least score of a box that counts. draws: of N slices from each sequence, one an epoch in turn.
    edges, pseudo_count: of the groups of age. step: of the grid of weights. inner_folds: in which the evidence that
    weights are chosen on is made.
    """

    detector: DetectorShape = field(default_factory=DetectorShape)
    detector_weights: str = "imagenet"
    detector_training: DetectorTraining = field(default_factory=DetectorTraining)
    found: float = 0.3
    classifier: SequenceShape = field(default_factory=SequenceShape)
    classifier_weights: str = "imagenet"
    training: TrainingSettings = field(default_factory=TrainingSettings)
    draws: int = 4
    edges: tuple[float, ...] = EDGES
    pseudo_count: float = 2.0
    step: float = 0.05
    inner_folds: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.found < 1:
            raise InputError(f"The least score of a box cannot be {self.found}; choose one between 0 and 1.")
        if self.draws < 1 or self.inner_folds < 2:
            raise InputError("The recipe needs a draw of slices or more (draws) and two inner folds or more.")


@dataclass(frozen=True)
class Framework:
    """All that is fitted. shares: (K,) of the classes; statistics: None where a class has no known age. held_out: the
    evidence, by parts that had not seen the patient, which the weights were chosen on; None in a stored model.
    curves: of both networks' training, by epoch; none in a stored model, whose description has them.
    """

    detector: "nn.Module"
    classifier: "nn.Sequential"
    statistics: AgeStatistics | None
    shares: np.ndarray
    search: WeightSearch
    held_out: Evidence | None
    found: float
    shape: SequenceShape
    warnings: tuple[str, ...] = ()
    curves: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)


def fit_framework(
    sequences: Sequence[ImageSequence],
    class_of: Mapping[str, int],
    ages: Ages,
    n_classes: int,
    settings: StepSettings,
    progress: Progress = silent,
) -> Framework:
    """Steps 1 to 4 on these patients.

    class_of, ages: by patient; an age may be None. Raises InputError when a sequence has no box, a class has too few
    patients, and as networks and weights do.
    """
    sequences = sorted(sequences, key=lambda one: (one.patient, one.name))
    if bare := [one for one in sequences if not one.outlined]:
        raise InputError(f"Sequence {bare[0].name} of {bare[0].patient} has no outlined tumour; outline it.")
    y = np.array([class_of[one.patient] for one in sequences])
    patients = np.array([one.patient for one in sequences])
    folds = grouped_folds(y, patients, settings.inner_folds, settings.seed)
    parts = []
    for i, (train, test) in enumerate(folds.splits):

        def told(stage: str, fraction: float, fold: int = i) -> None:
            progress(f"inner fold {fold + 1}/{len(folds.splits)}: {stage}", fraction)

        inside, outside = [sequences[j] for j in train], [sequences[j] for j in test]
        detector, classifier, _ = _fit_networks(inside, y[train], n_classes, settings, told)
        statistics = _age_statistics(inside, class_of, ages, n_classes, settings)
        found = find_boxes(detector, outside, told)
        parts.append(evidence_of(classifier, outside, found, ages, statistics, settings, n_classes))
    held_out = Evidence(*(np.concatenate([getattr(p, name) for p in parts]) for name in Evidence.__annotations__))
    shares = _shares(class_of, {str(p) for p in patients}, n_classes)
    truth = np.array([class_of[str(patient)] for patient in held_out.patients])
    search = search_weights(held_out, truth, shares, settings.step)
    detector, classifier, curves = _fit_networks(sequences, y, n_classes, settings, progress)
    statistics = _age_statistics(sequences, class_of, ages, n_classes, settings)
    lacking = ("A class has no patient of known age, so the age does not count.",) if statistics is None else ()
    return Framework(
        detector,
        classifier,
        statistics,
        shares,
        search,
        held_out,
        settings.found,
        settings.classifier,
        (*folds.warnings, *lacking),
        curves,
    )


def judge(
    framework: Framework,
    sequences: Sequence[ImageSequence],
    ages: Ages,
    found: Sequence[Sequence[Found]] | None = None,
) -> dict[str, Votes]:
    """Step 5: the votes of each way of fusing, by its name in ABLATIONS; found: by `find_boxes`, where at hand."""
    found = find_boxes(framework.detector, sequences) if found is None else found
    return votes_of(framework, evidence_in(framework, sequences, ages, found))


def evidence_in(
    framework: Framework, sequences: Sequence[ImageSequence], ages: Ages, found: Sequence[Sequence[Found]]
) -> Evidence:
    """`evidence_of` by what is fitted; found: by `find_boxes`."""
    settings = StepSettings(found=framework.found, classifier=framework.shape)
    statistics, K = framework.statistics, len(framework.shares)
    return evidence_of(framework.classifier, sequences, found, ages, statistics, settings, K)


def votes_of(framework: Framework, evidence: Evidence) -> dict[str, Votes]:
    """The votes of each way of fusing, by its name in ABLATIONS."""
    weights = framework.search.weights
    return {name: vote(evidence, ablated(weights, name), framework.shares) for name in ABLATIONS}


def find_boxes(
    detector: "nn.Module", sequences: Sequence[ImageSequence], progress: Progress = silent
) -> list[list[Found]]:
    """What the detector finds in each slice of each sequence."""
    return [detect(detector, list(one.slices), progress=progress) for one in sequences]


def evidence_of(
    classifier: "nn.Sequential",
    sequences: Sequence[ImageSequence],
    found: Sequence[Sequence[Found]],
    ages: Ages,
    statistics: AgeStatistics | None,
    settings: StepSettings,
    n_classes: int,
) -> Evidence:
    """A row for every slice: D of its best box, M of its sequence around the largest of the best boxes, A."""
    nothing = np.full(n_classes, np.nan)
    rows: list[tuple[str, str, np.ndarray, np.ndarray, np.ndarray]] = []
    for one, boxes in zip(sequences, found, strict=True):
        age = ages.get(one.patient)
        A = nothing if statistics is None or age is None else statistics.probability(np.array([age]))[0]
        given = classifier_input(one, boxes, settings)
        M = nothing if given is None else sequence_probabilities(classifier, given[0][None])[0]
        rows += [(one.patient, one.name, box.probabilities(n_classes, settings.found), M, A) for box in boxes]
    patients, names, D, S, A_all = zip(*rows, strict=True)
    return Evidence(np.array(patients), np.array(names), np.stack(D), np.stack(S), np.stack(A_all))


def classifier_input(
    sequence: ImageSequence, found: Sequence[Found], settings: StepSettings
) -> tuple[np.ndarray, tuple[int, ...], np.ndarray] | None:
    """(N, size, size) around the largest found box, the slices it is of and the box; None where no box was found."""
    best = [one.best(settings.found) for one in found]
    largest = largest_box(best)
    if largest is None:
        return None
    centre, box = largest
    shape = settings.classifier
    picked = pick_slices([i for i, one in enumerate(best) if one is not None], centre, shape.slices)
    return sequence_input(sequence.slices, box, picked, shape.size), picked, box


def sequence_map(
    framework: Framework,
    sequence: ImageSequence,
    class_index: int,
    found: Sequence[Found] | None = None,
    method: str = GRAD_CAM,
) -> np.ndarray:
    """(z, rows, columns) float32: map of the sequence classifier, laid back over the region of its slices.

    All slices of the input share one map, for the network reads them together. 0 elsewhere, and everywhere where no
    box was found. method: see `activation_maps`.
    """
    from ..networks.resnet2d import split

    settings = StepSettings(found=framework.found, classifier=framework.shape)
    laid = np.zeros(sequence.slices.shape, dtype=np.float32)
    found = find_boxes(framework.detector, [sequence])[0] if found is None else found
    given = classifier_input(sequence, found, settings)
    if given is None:
        return laid
    inputs, picked, box = given
    cam = activation_maps(*split(framework.classifier), inputs[None], class_index, method)[0]
    x0, y0, x1, y1 = region_of(box, sequence.slices.shape[1:])
    laid[list(dict.fromkeys(picked)), y0:y1, x0:x1] = resize(cam, (y1 - y0, x1 - x0))
    return laid


def _fit_networks(
    sequences: Sequence[ImageSequence], y: np.ndarray, n_classes: int, settings: StepSettings, progress: Progress
) -> "tuple[nn.Module, nn.Sequential, dict[str, list[dict[str, Any]]]]":
    """Steps 1 and 2, weights rounded as a model file will hold them; and the curves of both."""
    from FeatureExtractorLib.deep.features import choose_device

    from ..networks.state import rounded
    from ..networks.training import train_classifier

    device = choose_device("auto")
    slices = [
        LabelledSlice(one.slices[i], one.boxes[i], int(label))
        for one, label in zip(sequences, y, strict=True)
        for i in one.outlined
    ]
    untrained = build_detector(n_classes, settings.detector, parse_weights(settings.detector_weights)).to(device)
    detected = train_detector(untrained, slices, replace(settings.detector_training, seed=settings.seed), progress)
    rng = np.random.default_rng(settings.seed)
    copies = [np.stack([_drawn(one, settings.classifier, rng) for one in sequences]) for _ in range(settings.draws)]
    start = build_sequence_classifier(n_classes, settings.classifier, parse_weights(settings.classifier_weights))
    training = replace(settings.training, seed=settings.seed)
    classified = train_classifier(start.to(device), copies, y, training, progress=progress)
    curves = {"detector": detected.curves(), "sequence classifier": curves_json(classified.curves)}
    return rounded(detected.model.cpu()), rounded(classified.model.cpu()), curves


def _drawn(one: ImageSequence, shape: SequenceShape, rng: np.random.Generator) -> np.ndarray:
    largest = largest_box(one.boxes)
    assert largest is not None  # every sequence that is trained on has an outline
    picked = pick_slices(one.outlined, largest[0], shape.slices, rng)
    return sequence_input(one.slices, largest[1], picked, shape.size)


def _age_statistics(
    sequences: Sequence[ImageSequence], class_of: Mapping[str, int], ages: Ages, n_classes: int, settings: StepSettings
) -> AgeStatistics | None:
    """Step 3; None where a class has nobody of known age."""
    patients = sorted({one.patient for one in sequences})
    known = [patient for patient in patients if ages.get(patient) is not None]
    y = np.array([class_of[patient] for patient in known], dtype=np.int64)
    if len(np.unique(y)) < n_classes:
        return None
    years = np.array([ages[patient] for patient in known], dtype=np.float64)
    return age_statistics(years, y, n_classes, settings.edges, settings.pseudo_count)


def _shares(class_of: Mapping[str, int], patients: set[str], n_classes: int) -> np.ndarray:
    counts = np.bincount([class_of[patient] for patient in patients], minlength=n_classes)
    return np.asarray(counts / counts.sum())
