"""Names of nodes that look like a patient's: they would go into the scene, into reports and onto screens."""

import re
from typing import Any

DICOM_TAGS = ("DICOM.PatientName", "DICOM.PatientID", "DICOM.PatientBirthDate")
SHORTEST_PART = 3  # letters of a name that count when they are found in another
SAFE_NAME = "Case"


def resembles_patient(name: str, identifiers: tuple[str, ...] = ()) -> bool:
    """Whether a name has the form of a DICOM patient's name, or holds a part of the patient's identifiers.

    identifiers: the name, number and date of birth that came with the images.
    """
    if "^" in name or re.fullmatch(r"\s*[A-ZÀ-Þ][\w'’-]+,\s*[A-ZÀ-Þ][\w'’.-]+.*", name):
        return True
    parts = {part for text in identifiers for part in re.split(r"[\W_]+", text.casefold())}
    words = set(re.split(r"[\W_]+", name.casefold()))
    return any(part in words for part in parts if len(part) >= SHORTEST_PART)


def patient_identifiers(scene: Any, node: Any) -> tuple[str, ...]:
    """What the subject hierarchy knows of the patient above a node."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item, found = hierarchy.GetItemByDataNode(node), []
    while item not in (hierarchy.GetInvalidItemID(), hierarchy.GetSceneItemID()):
        values = [hierarchy.GetItemAttribute(item, tag) for tag in DICOM_TAGS]
        level = hierarchy.GetItemLevel(item)
        if level == "Patient":
            values.append(hierarchy.GetItemName(item))
        found += [value for value in values if value]
        item = hierarchy.GetItemParent(item)
    return tuple(found)


def safe_name(scene: Any, node: Any) -> str:
    """The node's name, or a neutral one where it looks like a patient's: for reports and files."""
    name = node.GetName() or SAFE_NAME
    return SAFE_NAME if resembles_patient(name, patient_identifiers(scene, node)) else name
