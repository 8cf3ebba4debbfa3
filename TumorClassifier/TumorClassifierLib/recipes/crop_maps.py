"""The map of a measured case's slice, for tables of where maps point."""

from typing import TYPE_CHECKING

from ..blocks import crops_of
from ..explain.cam import slice_maps
from ..explain.focus_cases import CaseMap
from ..explain.smooth import Smoothing
from ..measures import CaseMeasures

if TYPE_CHECKING:
    from torch import nn


def map_of_crop(
    network: "nn.Sequential",
    case: CaseMeasures,
    modality: str,
    class_index: int,
    method: str,
    smoothing: Smoothing | None = None,
) -> CaseMap | None:
    """The map over the crop that the network sees; None where the crop's outline was not kept."""
    measures = case.first[modality]
    if measures.crop_mask is None or measures.crop_spacing is None:
        return None
    values = slice_maps(network, crops_of([case], modality), class_index, method, smoothing)[0]
    return CaseMap(values, measures.crop_mask, measures.crop_spacing)
