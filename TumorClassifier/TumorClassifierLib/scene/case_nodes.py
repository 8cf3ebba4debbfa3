"""A case between the scene and a worker process: nodes to files, and the result's files to nodes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import readable_write_errors

from ..result_files import read_result
from ..results import ClassificationResult
from .explanation import evidence_of
from .results import ShownResult, show_result
from .volumes import image_of, segment_mask

# Types of SNOMED CT's Morphologically Altered Structure (49755003) that are a tumour, the surest first.
TUMOUR_CODES = (
    "108369006",  # Neoplasm
    "86049000",  # Neoplasm, primary
    "14799000",  # Neoplasm, secondary
    "4147007",  # Mass
    "27925004",  # Nodule
    "52988006",  # Lesion
)
TUMOUR_NAMES = (
    r"whole\W{0,3}tumou?r",
    r"(?<!peri)(?<!peri-)tumou?r",
    r"neoplasm|glioma|glioblastoma|meningioma|metastas[ie]s|carcinoma|sarcoma|adenoma",
    r"lesion",
    r"\bmass\b",
    r"\bgtv",
)


def write_case(
    volume_nodes: Mapping[str, Any], segmentation_node: Any | None, segment_id: str, folder: Path
) -> dict[str, Any]:
    """Write a case's nodes as NRRD files; returns the entries "images", "mask" and "segment" of a request.

    volume_nodes: by modality; the first one's own space is that of all files, so that a result lies where it does.
    What stands under another linear transform is written as it lies there; no node is changed. Grids are kept: the
    worker aligns them. The segment is written on the first volume's grid. No file is called after a node, whose name
    may be a patient's. Raises InputError and GeometryError as `image_of` and `segment_mask`.
    """
    if not volume_nodes:
        raise InputError("No image is chosen; choose one.")
    reference = next(iter(volume_nodes.values()))
    with readable_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    images = {}
    for i, (modality, node) in enumerate(volume_nodes.items(), start=1):
        path = folder / f"image_{i}_{re.sub(r'[^A-Za-z0-9]', '_', modality)[:20]}.nrrd"
        write_image(image_of(node, reference), path)
        images[modality] = str(path)
    if segmentation_node is None:
        return {"images": images, "mask": None, "segment": ""}
    segment, mask = write_segment(segmentation_node, segment_id, reference, folder / "mask.nrrd")
    return {"images": images, "mask": str(mask), "segment": segment}


def write_segment(segmentation_node: Any, segment_id: str, volume_node: Any, path: Path) -> tuple[str, Path]:
    """Write one segment on the volume's grid as a label map that has its name; returns the name and the path."""
    mask = segment_mask(segmentation_node, segment_id, volume_node)
    given = segmentation_node.GetSegmentation().GetSegment(segment_id).GetName() or ""
    name = " ".join(given.split()) or "Tumour"
    for key, value in (("ID", "Segment_1"), ("Name", name), ("LabelValue", "1"), ("Layer", "0")):
        mask.SetMetaData(f"Segment0_{key}", value)
    write_image(mask, path)
    return name, path


def show_in_scene(
    result_folder: Path, volume_node: Any, segmentation_node: Any | None = None
) -> tuple[ShownResult, ClassificationResult]:
    """Show the result that a worker left in a folder, beside and over the volume that it is about.

    volume_node: the first of those that were written. Raises InputError where the folder holds no whole result, or
    the volume is no longer in a scene.
    """
    result = read_result(Path(result_folder))
    scene = volume_node.GetScene() if volume_node is not None else None
    if scene is None:
        raise InputError("The image that was classified is no longer in the scene, so its result is not shown.")
    if segmentation_node is not None and segmentation_node.GetScene() is None:
        segmentation_node = None
    shown = show_result(
        scene, volume_node, segmentation_node, result.prediction, result.cam, result.nomogram, evidence_of(result)
    )
    return shown, result


def tumour_segment(segmentation_node: Any | None) -> str:
    """The id of the segment that is the tumour: by its terminology, else by its name, else the only one, else "".

    Names are looked at in any case and spelling; the whole tumour comes before one of its parts.
    """
    if segmentation_node is None:
        return ""
    segmentation = segmentation_node.GetSegmentation()
    ids = list(segmentation.GetSegmentIDs())
    codes = {segment_id: _codes(segmentation.GetSegment(segment_id)) for segment_id in ids}
    for wanted in TUMOUR_CODES:
        for segment_id in ids:
            if wanted in codes[segment_id]:
                return segment_id
    for pattern in TUMOUR_NAMES:
        for segment_id in ids:
            if re.search(pattern, segmentation.GetSegment(segment_id).GetName() or "", re.IGNORECASE):
                return segment_id
    return ids[0] if len(ids) == 1 else ""


def _codes(segment: Any) -> tuple[str, ...]:
    """The SNOMED CT codes of a segment's type and its modifier; none where it has no terminology."""
    import vtk

    text = vtk.reference("")
    if not segment.GetTag(segment.GetTerminologyEntryTagName(), text):
        return ()
    parts = [part.split("^") for part in str(text).split("~")[2:4]]
    return tuple(part[1] for part in parts if len(part) > 1 and part[0] == "SCT")


def write_image(image: sitk.Image, path: Path) -> None:
    """Write an image for a run, uncompressed for it lives no longer; raises InputError where that cannot be."""
    try:
        sitk.WriteImage(image, str(path), useCompression=False)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise InputError(f"{path} cannot be written ({reason}); free some space or choose another folder.") from error
