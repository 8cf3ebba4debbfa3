"""Weighted fusion of a detector, a sequence classifier and the age (Liu et al. 2022, spinal tumours).

The steps themselves are in weighted_fusion_steps.py, in the publication's order. Three things differ, or are said
here because the publication does not say them:

- a case's probability, which thresholds, calibration and judgement rest on, is the mean over its sequences of the mean
  over the images that vote; the class by vote stands beside it in the prediction;
- weights, threshold and prediction sets rest on evidence by parts that had not seen the patient (cross-fitting over
  `inner_folds`); the three weights were chosen on that same evidence;
- sequences are a case's modalities, and a patient's cases; a case that lacks some counts with those it has, in
  training as in use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.case import Case, ClinicalValue
from FeatureExtractorLib.deep.backbones import parse_weights
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.preparation import Preparation
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.radiomics.presets import RadiomicsSettings

from ..blocks import labels_of
from ..bundle import Bundle
from ..clinical import is_missing
from ..explain.cam import GRAD_CAM, METHODS, map_on_grid
from ..findings import DetectedBox, Findings, Slices
from ..fusion import ABLATIONS, CHOICE, TIES, WHOLE, Votes, ablation_table, fuse, vote
from ..measures import CaseMeasures, MeasureSettings, volume_of
from ..networks.boxes import areas, boxes_of_mask, corners_mm, detected_box, slice_positions
from ..networks.detection import Found
from ..results import ClassificationResult
from ..stopwatch import Stopwatch
from ..trust import fit_trust
from .class_nomogram import binary_threshold
from .prediction import called_class, map_told, plain_prediction, provenance_of
from .weighted_fusion_model import PLANES, Fitted, Settings, age_variable, pack, unpack
from .weighted_fusion_steps import (
    ImageSequence,
    evidence_in,
    find_boxes,
    fit_framework,
    judge,
    sequence_map,
    votes_of,
)

__all__ = [
    "MAIN",
    "PUBLICATION",
    "Settings",
    "activations",
    "classify",
    "describe",
    "fit",
    "measure_settings",
    "networks",
    "pack",
    "probabilities",
    "unpack",
]

MAIN = WHOLE
PUBLICATION = (
    "Liu H et al. Benign and malignant diagnosis of spinal tumors based on deep learning and weighted fusion "
    "framework on MRI. Insights Imaging 2022"
)


def fit(
    cases: Sequence[CaseMeasures],
    classes: tuple[str, ...],
    settings: Settings,
    progress: Progress = silent,
    levels: Mapping[str, Sequence[str]] | None = None,
) -> Fitted:
    """Fit every step of the recipe on these cases only.

    classes: (negative, positive), or any number of them. levels: of categorical clinical variables, of which this
    recipe uses none. Raises InputError when a case has no outline, the age is no number or a class has too few
    patients.
    """
    y = labels_of(cases, classes)
    class_of = {case.patient_id: int(k) for case, k in zip(cases, y, strict=True)}
    ages = {case.patient_id: _age(case.case_id, case.clinical, settings) for case in cases}
    sequences = [one for case in cases for one in _sequences(case, case.patient_id, settings)]
    framework = fit_framework(sequences, class_of, ages, len(classes), settings.steps, progress)
    assert framework.held_out is not None
    votes = vote(framework.held_out, framework.search.weights, framework.shares)
    names, P = np.array(votes.patients), votes.probabilities
    truth = np.array([class_of[name] for name in votes.patients])
    trust = fit_trust(P, truth, names, np.empty((len(names), 0)), (), settings.trust, settings.seed, classes)
    threshold = binary_threshold(truth, trust.calibrated(P), names, settings.threshold)
    warnings = tuple(dict.fromkeys([*_lacking(cases, settings), *framework.warnings, *trust.notes]))
    table = ablation_table(framework.held_out, framework.search.weights, framework.shares, class_of)
    variables = age_variable(settings.age, ages) if framework.statistics is not None else ()
    return Fitted(tuple(classes), framework, settings, trust, threshold, warnings, table, variables)


def probabilities(fitted: Fitted, cases: Sequence[CaseMeasures]) -> dict[str, np.ndarray]:
    """(n, K) probabilities by each way of fusing, columns in the order of `classes`; the whole one's calibrated."""
    settings = fitted.settings
    found: dict[str, list[np.ndarray]] = {name: [] for name in ABLATIONS}
    for case in cases:
        sequences = _sequences(case, case.case_id, settings)
        ages = {case.case_id: _age(case.case_id, case.clinical, settings)}
        for name, votes in judge(fitted.framework, sequences, ages).items():
            found[name].append(votes.probabilities[0])
    whole = {name: np.stack(P) for name, P in found.items()}
    return {**whole, MAIN: fitted.trust.calibrated(whole[MAIN])}


def measure_settings(settings: Settings, radiomics: RadiomicsSettings | None = None) -> MeasureSettings:
    """The sequences as volumes; no radiomics features are measured."""
    return MeasureSettings(
        modalities=settings.modalities,
        preparation=Preparation(n4=settings.n4),
        radiomics=None,
        alignment=settings.alignment,
        volume=settings.grid,
        partial=True,
    )


def networks(settings: Settings) -> str:
    """What the card says of the networks."""
    deformable = ", deformable" if settings.detector.deformable else ""
    shape = settings.classifier
    return (
        f"Faster R-CNN with a feature pyramid on {settings.detector.backbone}{deformable}, and {shape.backbone} on "
        f"{shape.slices} slices of {shape.size}×{shape.size}, both trained here, starting from "
        f"{parse_weights(settings.weights).describe()}"
    )


def describe(fitted: Fitted) -> dict[str, Any]:
    """What a report says of the fitted recipe: the weights with every point that was tried, ages and curves."""
    framework = fitted.framework
    ages = framework.statistics
    return {
        "flow": {},
        "signatures": [],
        "clinical": [],
        "regressions": [],
        "nomograms": {},
        "fusion": {
            "weights": list(framework.search.weights),
            "points": [asdict(point) for point in framework.search.points],
            "choice": CHOICE,
            "ablations": [asdict(row) for row in fitted.ablations],
            "ties": TIES,
            "ages": None
            if ages is None
            else {"groups": list(ages.labels()), "counts": ages.counts, "probabilities": ages.table.tolist()},
        },
        "curves": dict(framework.curves),
    }


def activations(bundle: Bundle) -> tuple[str, ...]:
    """How a map can be made."""
    return METHODS


def classify(
    case: Case,
    bundle: Bundle,
    progress: Progress = silent,
    activation: str | None = None,
    target: str | None = None,
) -> ClassificationResult:
    """Classify one case, outlined or not, with a trained bundle of this recipe; sequences may be missing.

    activation: how its map is made, by default Grad-CAM. target: the class that it is for, where not the called one.
    Raises InputError when the case has none of the model's sequences, an image is no volume or the age is no number.
    """
    watch = Stopwatch()
    with watch.stage("model"):
        settings, fitted = unpack(bundle)
    there = [name for name in settings.modalities if name in case.images]
    if not there:
        raise InputError(f"Case {case.case_id} has none of {', '.join(settings.modalities)}; give one at least.")
    with watch.stage("measuring"):
        wanted = replace(measure_settings(settings), modalities=tuple(there))
        images = {name: _in_plane(volume_of(case, name, wanted, progress).image, settings.plane) for name in there}
    sequences = [ImageSequence(case.case_id, name, sitk.GetArrayFromImage(images[name])) for name in there]
    with watch.stage("detection"):
        found = find_boxes(fitted.framework.detector, sequences, progress)
    with watch.stage("scores"):
        ages = {case.case_id: _age(case.case_id, case.clinical, settings)}
        evidence = evidence_in(fitted.framework, sequences, ages, found)
        votes = votes_of(fitted.framework, evidence)
        sub_models = {name: one.probabilities[0] for name, one in votes.items()}
        sub_models[MAIN] = fitted.trust.calibrated(sub_models[MAIN][None])[0]
        predicted = called_class(sub_models[MAIN], fitted.classes, fitted.threshold)
    with watch.stage("class activation"):
        shown = _largest(found, settings.found)
        target, method = target or predicted, activation or GRAD_CAM
        at = fitted.classes.index(target)
        values = sequence_map(fitted.framework, sequences[shown], at, found[shown], method)
        cam = map_on_grid(values, images[there[shown]], case.image(there[shown]))
    warnings = [{"code": "incomplete-evidence", "text": text} for text in votes[MAIN].partial.get(case.case_id, ())]
    missing = [name for name in settings.modalities if name not in there]
    warnings += [
        {"code": "sequence-missing", "text": f"There is no {name} image; it did not vote."} for name in missing
    ]
    by_vote = fitted.classes[int(votes[MAIN].called[0])]
    if by_vote != predicted:
        text = f"The sequences' majority is {by_vote}, but the mean probability calls {predicted}."
        warnings.append({"code": "vote-differs", "text": text})
    own = replace(case, clinical={k: v for k, v in case.clinical.items() if k != settings.age})
    prediction = plain_prediction(
        own,
        bundle,
        fitted.classes,
        fitted.threshold,
        fitted.trust,
        sub_models,
        MAIN,
        warnings,
        provenance_of(case, settings, None, None, watch.seconds),
    )
    prediction |= map_told(cam, case.masks.get(there[shown], case.mask), target, method)
    prediction["votes"] = _told(votes[MAIN], fitted.classes)
    prediction["boxes"] = [
        box
        for one, slices in zip(there, found, strict=True)
        for box in _boxes(one, slices, images[one], fitted.classes, settings.found)
    ]
    P = fuse(evidence, fitted.framework.search.weights, fitted.framework.shares)
    P = P[np.asarray(evidence.sequences) == sequences[shown].name]
    findings = Findings(
        boxes=_detected(found[shown], images[there[shown]], fitted.classes, settings.found),
        slices=Slices(
            slice_positions(images[there[shown]]),
            {name: tuple(P[:, k].tolist()) for k, name in enumerate(fitted.classes)},
        ),
    )
    return ClassificationResult(prediction, cam, {}, {}, {}, findings)


def _sequences(case: CaseMeasures, patient: str, settings: Settings) -> list[ImageSequence]:
    """A measured case's sequences, slices of the wanted plane first; boxes where it was outlined."""
    made = []
    for name, measures in case.first.items():
        if measures.volume is None:
            raise InputError(f"Case {case.case_id} has no {name} volume; measure it again.")
        slices = measures.volume.transpose(PLANES[settings.plane])
        boxes: tuple[np.ndarray, ...] = ()
        if measures.volume_mask is not None:
            boxes = tuple(map(boxes_of_mask, measures.volume_mask.transpose(PLANES[settings.plane])))
        made.append(ImageSequence(patient, f"{case.case_id} {name}", np.ascontiguousarray(slices), boxes))
    return made


def _lacking(cases: Sequence[CaseMeasures], settings: Settings) -> list[str]:
    """What to say of sequences that not every case has."""
    counts = {name: sum(name not in case.first for case in cases) for name in settings.modalities}
    return [
        f"{count} of {len(cases)} training cases have no {name} image; they counted with the sequences that they have."
        for name, count in counts.items()
        if count
    ]


def _in_plane(image: sitk.Image, plane: str) -> sitk.Image:
    """The volume with its axes in another order, the plane's slices along the third."""
    return sitk.PermuteAxes(image, {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}[plane])


def _age(case_id: str, clinical: Mapping[str, ClinicalValue], settings: Settings) -> float | None:
    value = clinical.get(settings.age)
    if is_missing(value):
        return None
    if isinstance(value, str):
        raise InputError(f"The {settings.age} of case {case_id} is {value!r}; give years, or nothing.")
    return value


def _largest(found: Sequence[Sequence[Found]], least: float) -> int:
    """The sequence with the largest best box; the first where there is none."""
    sizes = [
        max((float(areas(best[None])[0]) for one in slices if (best := one.best(least)) is not None), default=0.0)
        for slices in found
    ]
    return int(np.argmax(sizes))


def _boxes(
    name: str, slices: Sequence[Found], image: sitk.Image, classes: Sequence[str], least: float
) -> list[dict[str, Any]]:
    """Each slice's best box: its corners in mm (LPS), score and probabilities."""
    told = []
    for index, one in enumerate(slices):
        best = one.best(least)
        if best is not None:
            P = one.probabilities(len(classes), least)
            told.append(
                {
                    "modality": name,
                    "corners": corners_mm(best, index, image).tolist(),
                    "score": float(one.scores[0]),
                    "probabilities": dict(zip(classes, P.tolist(), strict=True)),
                }
            )
    return told


def _detected(
    slices: Sequence[Found], image: sitk.Image, classes: Sequence[str], least: float
) -> tuple[DetectedBox, ...]:
    """Each slice's best box, as thick as the slice, with the class that is most probable in it."""
    made = []
    for index, one in enumerate(slices):
        best = one.best(least)
        if best is not None:
            label = classes[int(one.probabilities(len(classes), least).argmax())]
            made.append(detected_box(best, index, image, label, float(one.scores[0])))
    return tuple(made)


def _told(votes: Votes, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "called": classes[int(votes.called[0])],
        "sequences": {name: classes[k] for (_, name), k in votes.sequences.items()},
        "ties": TIES,
    }
