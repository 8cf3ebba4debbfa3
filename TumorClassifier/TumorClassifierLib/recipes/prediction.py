"""What a classified case is told, by recipes with class nomograms and without: the content of `prediction.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.case import Case
from FeatureExtractorLib.provenance import versions
from FeatureExtractorLib.radiomics.engine import RadiomicsEngine

from ..bundle import Bundle
from ..chance import chance_warning
from ..clinical import ClinicalVariable, is_missing
from ..explain.focus import focus_of
from ..explain.overlap import map_overlap
from ..settings import plain
from ..trust import Trust
from .class_nomogram import ClassNomogram, shared_out

LEVEL = 0.95
Warning = dict[str, str]


@dataclass(frozen=True)
class Scored:
    """A case by every class's nomogram. scores: per nomogram, (number of scores,) values."""

    nomograms: tuple[ClassNomogram, ...]
    scores: tuple[np.ndarray, ...]

    def probabilities(self, case: Case, classes: Sequence[str]) -> np.ndarray:
        """(K,) probabilities, before calibration."""
        pairs = zip(self.nomograms, self.scores, strict=True)
        return shared_out([n.probability([case.clinical], s[None]) for n, s in pairs], classes)[0]

    def values(self, case: Case) -> dict[str, dict[str, float | str]]:
        """By class, the case's value on each axis."""
        pairs = zip(self.nomograms, self.scores, strict=True)
        return {n.name: n.values(case.clinical, s) for n, s in pairs}


def called_class(p: np.ndarray, classes: Sequence[str], threshold: float | None) -> str:
    """The class that (K,) probabilities are called: by the positive one's threshold, or the largest."""
    if threshold is None:
        return classes[int(np.argmax(p))]
    return classes[int(p[1] >= threshold)]


def map_told(cam: sitk.Image | None, mask: sitk.Image | None, target: str, method: str) -> dict[str, Any]:
    """What a prediction says of its map: {"map": {"class", "method"} or None} and, of an outlined case, "focus".

    focus: where the map points and how much of it lies in the tumour; left out where the map is 0 everywhere.
    """
    if cam is None:
        return {"map": None}
    told: dict[str, Any] = {"map": {"class": target, "method": method}}
    if mask is not None and (focus := focus_of(cam, mask)) is not None:
        overlap = map_overlap(sitk.GetArrayViewFromImage(cam), sitk.GetArrayViewFromImage(mask)) or {}
        told["focus"] = {**focus, **overlap}
    return told


def plain_prediction(
    case: Case,
    bundle: Bundle,
    classes: Sequence[str],
    threshold: float | None,
    trust: Trust,
    sub_models: Mapping[str, np.ndarray],
    main: str,
    warnings: Sequence[Warning],
    provenance: Mapping[str, Any],
    contributions: Sequence[Mapping[str, Any]] = (),
    variables: Sequence[ClinicalVariable] = (),
) -> dict[str, Any]:
    """The prediction of a recipe that has no nomogram: no scores, no points, no interval.

    sub_models: per sub-model, the main one included, its (K,) probabilities as they are given. variables: the
    clinical ones that the model uses.
    """
    p = sub_models[main]
    predicted, kept = called_class(p, classes, threshold), trust.prediction_set(p)
    return {
        "case": {"case_id": case.case_id, "segment": case.segment},
        "model": {"name": bundle.name, "version": bundle.manifest["version"], "sha256": bundle.sha256},
        "classes": list(classes),
        "positive": classes[1] if len(classes) == 2 else predicted,
        "probabilities": _by_class(p, classes),
        "predicted": predicted,
        "threshold": threshold,
        "scores": {},
        "by_class": {},
        "model_probabilities": {name: _by_class(q, classes) for name, q in sub_models.items()},
        "nomogram_points": {},
        "interval": None,
        "prediction_set": {
            "classes": [classes[i] for i in kept],
            "level": trust.level,
            "text": trust.set_in_words(kept, classes),
        },
        "contributions": [dict(item) for item in contributions],
        "warnings": [
            *_no_better_than_chance(bundle, main),
            *warnings,
            *trust.set_warnings(kept, list(classes).index(predicted), classes),
            *_missing_values(case, variables),
            *_unused_values(case, variables),
        ],
        "provenance": dict(provenance),
    }


def prediction_document(
    case: Case,
    bundle: Bundle,
    classes: Sequence[str],
    scored: Scored,
    threshold: float | None,
    trust: Trust,
    sub_models: Mapping[str, np.ndarray],
    main: str,
    contributions: Sequence[Mapping[str, Any]],
    warnings: Sequence[Warning],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """The prediction of a recipe of class nomograms; sub_models: as `plain_prediction`."""
    plain = plain_prediction(
        case,
        bundle,
        classes,
        threshold,
        trust,
        sub_models,
        main,
        warnings,
        provenance,
        contributions,
        [variable for nomogram in scored.nomograms for variable in nomogram.variables],
    )
    positive = plain["positive"]
    values = scored.values(case)
    points = {n.name: _with_total(n.nomogram.points(values[n.name])) for n in scored.nomograms}
    one = {n.name: float(n.probability([case.clinical], s[None])[0]) for n, s in _pairs(scored)}
    return {
        **plain,
        "scores": values[positive],
        "by_class": {}
        if len(classes) == 2
        else {
            n.name: {"scores": values[n.name], "nomogram_points": points[n.name], "probability": one[n.name]}
            for n in scored.nomograms
        },
        "nomogram_points": points[positive],
        "interval": _interval(case, scored, classes, positive, trust),
    }


def provenance_of(
    case: Case,
    settings: Any,
    radiomics: Mapping[str, Any] | None,
    engine: RadiomicsEngine | None,
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Where a prediction came from: the inputs' hashes, every setting, versions and seconds per stage.

    radiomics, engine: None where no radiomics features are measured.
    """
    return {
        "inputs": dict(case.hashes) or {name: sitk.Hash(image) for name, image in case.images.items()},
        "settings": plain(settings),
        "radiomics": radiomics,
        "engine": None if engine is None else f"{engine.name} {engine.version}",
        "versions": versions(),
        "seconds": dict(seconds),
    }


def _interval(case: Case, scored: Scored, classes: Sequence[str], positive: str, trust: Trust) -> dict[str, float]:
    """Wald limits of the positive class's nomogram; of several classes the others' probabilities are held."""
    limits = []
    at = list(classes).index(positive)
    for side in (0, 1):
        of_class = []
        for nomogram, scores in _pairs(scored):
            design = nomogram.design([case.clinical], scores[None])
            if nomogram.name == positive:
                of_class.append(nomogram.regression.probability_interval(design, level=LEVEL)[side])
            else:
                of_class.append(nomogram.regression.probability(design))
        limits.append(float(trust.calibrated(shared_out(of_class, classes))[0, at]))
    return {"low": limits[0], "high": limits[1], "level": LEVEL}


def _pairs(scored: Scored) -> "zip[tuple[ClassNomogram, np.ndarray]]":
    return zip(scored.nomograms, scored.scores, strict=True)


def _by_class(p: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    return dict(zip(classes, map(float, p), strict=True))


def _with_total(points: Mapping[str, float]) -> dict[str, float]:
    return {**points, "total": sum(points.values())}


def _missing_values(case: Case, variables: Sequence[ClinicalVariable]) -> list[Warning]:
    return [
        {"code": "clinical-value-missing", "text": variable.missing_note}
        for name, variable in {variable.name: variable for variable in variables}.items()
        if is_missing(case.clinical.get(name))
    ]


def _no_better_than_chance(bundle: Bundle, main: str) -> list[Warning]:
    told = chance_warning(bundle.manifest.get("metrics") or {}, main)
    return [{"code": "no-better-than-chance", "text": told}] if told else []


def _unused_values(case: Case, variables: Sequence[ClinicalVariable]) -> list[Warning]:
    """A warning where a value is given that the model has no use for, its name perhaps mistyped."""
    known = {variable.name for variable in variables}
    unused = [name for name, value in case.clinical.items() if value is not None and name not in known]
    if not unused:
        return []
    has = f"has {', '.join(sorted(known))}" if known else "has no clinical variable"
    text = f"{', '.join(unused)} {'was' if len(unused) == 1 else 'were'} not used: the model {has}."
    return [{"code": "clinical-value-unused", "text": text}]
