"""Measurements and prediction as a DICOM structured report: Comprehensive 3D SR by TID 1500, Measurement Report.

A volumetric group (TID 1411) for each modality holds its features and refers to the segment. A group without a region
of its own (TID 1501), tracked by the same identifier, holds the prediction. What holds of all is text at the end.
Numbers are kept twice, as DICOM does: exactly as float64 (FloatingPointValue), and as text of 16 characters.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from FeatureExtractorLib.files import json_text
from FeatureExtractorLib.provenance import package_version

from .dicom_output_codes import (
    ARBITRARY,
    HOUNSFIELD,
    coding_schemes,
    feature_code,
    feature_unit,
    private_code,
    unit_code,
)
from .dicom_output_segment import SOFTWARE, UTF8, Segment
from .dicom_output_source import Source, series_number, stamp

if TYPE_CHECKING:
    from highdicom.sr import (
        AlgorithmIdentification,
        MeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )
    from pydicom import Dataset

RESEARCH_ONLY = "For research use only; not for diagnosis or treatment."
_ADDED_TO_SERIES_NUMBER = 2000


def make_report(
    sources: Mapping[str, Source],
    segment: Segment,
    prediction: Mapping[str, Any],
    features: Mapping[str, float],
    when: datetime,
) -> "Dataset":
    """A Comprehensive 3D SR instance.

    sources: DICOM series by modality, that of the segment first. segment: from `make_segment`. prediction: as
    `prediction.json`. features: by `<MODALITY>.<PyRadiomics name>`; those that are no finite number are named in the
    text instead.
    """
    from highdicom.sr import Comprehensive3DSR, MeasurementReport
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    source = next(iter(sources.values()))
    groups: list[Any] = [
        _measured(modality, values, sources, segment, prediction)
        for modality, values in _by_modality(features, next(iter(sources))).items()
    ]
    content = MeasurementReport(
        observation_context=_observed_by_software(),
        procedure_reported=_procedure(str(source.first.get("Modality") or "")),
        imaging_measurements=[*groups, _predicted(prediction, segment.tracking)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    content[0].ContentSequence.append(_remarks(prediction, features))
    evidence = [segment.dataset, *(header for known in sources.values() for header in known.headers)]
    report = Comprehensive3DSR(
        evidence=evidence,
        content=content[0],
        series_instance_uid=generate_uid(prefix=None),
        series_number=series_number(source.headers, _ADDED_TO_SERIES_NUMBER),
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer=SOFTWARE,
        is_complete=True,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        manufacturer_model_name=SOFTWARE,
        software_versions=package_version("tumorclassifier") or "unknown",
        series_description=f"{SOFTWARE} report",
        specific_character_set=UTF8,
        coding_schemes=coding_schemes(),
    )
    stamp(report, when, source.first)
    return report


def _by_modality(features: Mapping[str, float], usual: str) -> dict[str, dict[str, float]]:
    """Finite features by modality and PyRadiomics name; an empty group of the usual modality where there are none."""
    groups: dict[str, dict[str, float]] = {}
    for full, value in features.items():
        modality, _, name = full.rpartition(".")
        if math.isfinite(value):
            groups.setdefault(modality, {})[name] = float(value)
    return groups or {usual: {}}


def _measured(
    modality: str,
    values: Mapping[str, float],
    sources: Mapping[str, Source],
    segment: Segment,
    prediction: Mapping[str, Any],
) -> "VolumetricROIMeasurementsAndQualitativeEvaluations":
    from highdicom.sr import (
        Measurement,
        QualitativeEvaluation,
        ReferencedSegment,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )
    from pydicom.sr.codedict import codes

    radiomics = prediction.get("provenance", {}).get("radiomics") or {}
    standard = (radiomics.get("setting") or {}).get("definition") == "ibsi"
    intensity = _intensity_unit(sources.get(modality), prediction)
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=segment.tracking[1], identifier=segment.tracking[0]),
        referenced_segment=ReferencedSegment(
            sop_class_uid=segment.dataset.SOPClassUID,
            sop_instance_uid=segment.dataset.SOPInstanceUID,
            segment_number=1,
            source_images=segment.images,
        ),
        finding_category=codes.SCT.MorphologicallyAbnormalStructure,
        finding_type=codes.SCT.Neoplasm,
        algorithm_id=_radiomics_engine(prediction) if values else None,
        measurements=[
            Measurement(feature_code(name, standard), value, feature_unit(name, intensity))
            for name, value in values.items()
        ],
        qualitative_evaluations=[
            QualitativeEvaluation(
                private_code("measured-image", "Measured image"), private_code(f"image:{modality}", modality)
            )
        ],
    )


def _radiomics_engine(prediction: Mapping[str, Any]) -> "AlgorithmIdentification":
    from highdicom.sr import AlgorithmIdentification

    provenance = prediction.get("provenance", {})
    name, _, version = str(provenance.get("engine") or "unknown").partition(" ")
    settings = provenance.get("radiomics")
    return AlgorithmIdentification(
        name=f"{SOFTWARE} radiomics, engine {name}",
        version=version or "unknown",
        parameters=[json_text(settings).strip()] if settings else None,
    )


def _predicted(prediction: Mapping[str, Any], tracking: tuple[str, str]) -> "MeasurementsAndQualitativeEvaluations":
    from highdicom.sr import (
        AlgorithmIdentification,
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        TrackingIdentifier,
    )
    from pydicom.sr.codedict import codes

    model = prediction["model"]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=tracking[1], identifier=tracking[0]),
        finding_category=codes.SCT.MorphologicallyAbnormalStructure,
        finding_type=codes.SCT.Neoplasm,
        algorithm_id=AlgorithmIdentification(
            name=str(model["name"]),
            version=str(model["version"]),
            parameters=[f"sha256 {model['sha256']}"],
            family=codes.cid7162.ArtificialIntelligence,
        ),
        measurements=[
            Measurement(private_code(code, meaning), float(value), unit_code("1"))
            for code, meaning, value in _numbers(prediction)
        ],
        qualitative_evaluations=_judgements(prediction),
    )


def _numbers(prediction: Mapping[str, Any]) -> Iterable[tuple[str, str, float]]:
    """Code, meaning and value of every number of a prediction."""
    for name, probability in prediction["probabilities"].items():
        yield f"probability:{name}", f"Probability of {name}", probability
    interval, positive = prediction.get("interval"), prediction["positive"]
    if interval:
        share = f"{100 * interval['level']:g}% interval"
        yield f"interval-low:{positive}", f"Lower limit, {share}, probability of {positive}", interval["low"]
        yield f"interval-high:{positive}", f"Upper limit, {share}, probability of {positive}", interval["high"]
        yield "interval-level", "Level of the interval", interval["level"]
    if prediction.get("threshold") is not None:
        yield f"threshold:{positive}", f"Threshold of the probability of {positive}", prediction["threshold"]
    if prediction.get("prediction_set"):
        yield "prediction-set-level", "Level of the prediction set", prediction["prediction_set"]["level"]


def _judgements(prediction: Mapping[str, Any]) -> "list[QualitativeEvaluation]":
    """The class, and each class of the prediction set; an empty set is said to be one."""
    from highdicom.sr import QualitativeEvaluation

    def class_code(name: str) -> Any:
        return private_code(f"class:{name}", name)

    found = [
        QualitativeEvaluation(private_code("predicted-class", "Predicted class"), class_code(prediction["predicted"]))
    ]
    if prediction.get("prediction_set"):
        in_set = private_code("prediction-set", "Class in the prediction set")
        classes = prediction["prediction_set"]["classes"]
        found += [QualitativeEvaluation(in_set, class_code(name)) for name in classes]
        if not classes:
            found.append(QualitativeEvaluation(in_set, private_code("no-class", "No class: unlike all known ones")))
    return found


def _remarks(prediction: Mapping[str, Any], features: Mapping[str, float]) -> "Dataset":
    """The container of what is said in words, as TID 1500 has it."""
    from highdicom.sr import ContainerContentItem, ContentSequence, TextContentItem
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    texts = [(codes.DCM.Comment, RESEARCH_ONLY)]
    for warning in prediction.get("warnings", ()):
        texts.append((private_code("warning", "Warning"), f"{warning['code']}: {warning['text']}".strip(": ")))
    if lost := [name for name, value in features.items() if not math.isfinite(value)]:
        texts.append((private_code("not-a-number", "Features without a finite value"), ", ".join(lost)))
    container = ContainerContentItem(
        name=Code("C0034375", "UMLS", "Qualitative Evaluations"), relationship_type="CONTAINS"
    )
    container.ContentSequence = ContentSequence(
        [TextContentItem(name=name, value=text, relationship_type="CONTAINS") for name, text in texts]
    )
    return container


def _observed_by_software() -> Any:
    from highdicom.sr import DeviceObserverIdentifyingAttributes, ObservationContext, ObserverContext
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    version = package_version("tumorclassifier") or "unknown"
    device = DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=[SOFTWARE, version]),  # the same for the same software
        name=SOFTWARE,
        manufacturer_name=SOFTWARE,
        model_name=f"{SOFTWARE} {version}",
    )
    return ObservationContext(
        observer_device_context=ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    )


def _procedure(modality: str) -> Any:
    from pydicom.sr.codedict import codes

    known = {"CT": codes.cid100.CTUnspecifiedBodyRegion, "MR": codes.cid100.MRIUnspecifiedBodyRegion}
    return known.get(modality, codes.cid100.ImagingProcedure)


def _intensity_unit(source: Source | None, prediction: Mapping[str, Any]) -> str:
    """Hounsfield units of a CT series whose values were measured as they are; arbitrary ones else."""
    provenance = prediction.get("provenance", {})
    prepared = (provenance.get("settings") or {}).get("preparation") or {}
    changed = [prepared.get("intensity", "unknown"), prepared.get("n4", "unknown")]
    normalised = ((provenance.get("radiomics") or {}).get("setting") or {}).get("normalize", False)
    is_ct = source is not None and str(source.first.get("Modality") or "") == "CT"
    return HOUNSFIELD if is_ct and not normalised and set(changed) == {"none"} else ARBITRARY
