"""What the user chose, kept in one node of the scene: it is saved with the scene and comes back with it."""

import enum
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from slicer import vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

IMAGE = "Image"
CORRECTED = "Corrected"
CORRECTED_FROM = "TumorClassifier.CorrectedFrom"  # the reference from a corrected volume to its original


class CorrectionMethod(enum.Enum):
    """Who corrects the brightness; stored by its name."""

    FAST = "fast"
    SLICER = "slicer"

    def label(self) -> str:
        """What the list shows."""
        return _("Fast") if self is CorrectionMethod.FAST else _("Slicer's N4ITKBiasFieldCorrection")


@parameterNodeWrapper
class TumorClassifierParameterNode:
    """The choices of the panel. Images stand under the model's own names for them, so they are node references."""

    model: str = ""
    segmentation: vtkMRMLSegmentationNode
    segment: str = ""
    correctionMethod: CorrectionMethod = CorrectionMethod.FAST
    useCorrected: bool = False
    clinical: str = "{}"

    def image(self, modality: str, role: str = IMAGE) -> Any | None:
        """The volume chosen for a modality, or its corrected copy (role CORRECTED); None where there is none."""
        return self.parameterNode.GetNodeReference(_role(role, modality))  # type: ignore[attr-defined]

    def setImage(self, modality: str, node: Any | None, role: str = IMAGE) -> None:
        """Choose the volume of a modality, None for none."""
        if self.image(modality, role) is not node:
            node_id = None if node is None else node.GetID()
            self.parameterNode.SetNodeReferenceID(_role(role, modality), node_id)  # type: ignore[attr-defined]

    def corrected(self, modality: str) -> Any | None:
        """The corrected copy of the volume that is chosen for a modality; that of another volume does not count."""
        copy = self.image(modality, CORRECTED)
        of = copy.GetNodeReference(CORRECTED_FROM) if copy is not None else None
        return copy if of is not None and of is self.image(modality) else None

    def clinicalValues(self) -> dict[str, str]:
        """What was filled in, by variable; a variable left empty is not in it."""
        try:
            values = json.loads(self.clinical)
        except ValueError:  # of a scene that was edited by hand
            return {}
        return {str(name): str(value) for name, value in values.items()} if isinstance(values, dict) else {}

    def setClinicalValues(self, values: Mapping[str, str]) -> None:
        """Keep what was filled in."""
        text = json.dumps(dict(values), sort_keys=True)
        if text != self.clinical:
            self.clinical = text


def _role(role: str, modality: str) -> str:
    return f"{role}.{quote(modality, safe='')}"
