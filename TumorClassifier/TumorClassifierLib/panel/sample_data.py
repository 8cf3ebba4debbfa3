"""Images to try the modules with: a drawn head that needs no network, and two public cases by address and checksum."""

from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from FeatureExtractorLib.resources import resource_path

from ..scene.volumes import add_segmentation, add_volume

CATEGORY = "TumorClassifier"
VOLUME_NAME, SEGMENTATION_NAME, SEGMENT_NAME = "Drawn head", "Drawn head outline", "Tumour"
TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list"
    "~SCT^49755003^Morphologically Altered Structure~SCT^4147007^Mass~^^~Anatomic codes - DICOM master list~^^~^^"
)
REPOSITORY = "https://raw.githubusercontent.com/AIM-Harvard/pyradiomics"


@dataclass(frozen=True)
class PublicCase:
    """An image and its outline of PyRadiomics' own examples (BSD-3-Clause), as they were at one commit."""

    name: str
    commit: str
    image_sha256: str
    outline_sha256: str

    def files(self) -> list[str]:
        """Names of the image and of the outline."""
        return [f"{self.name}_image.nrrd", f"{self.name}_label.nrrd"]

    def addresses(self) -> list[str]:
        """Where both lie."""
        return [f"{REPOSITORY}/{self.commit}/data/{file}" for file in self.files()]

    def checksums(self) -> list[str]:
        """As Slicer writes them."""
        return [f"SHA256:{digest}" for digest in (self.image_sha256, self.outline_sha256)]


PUBLIC_CASES = (
    PublicCase(
        "brain1",
        "086c4470fc8dd5e7fba6b778cfefe58f2dba5ef9",
        "fffdb111ee8b428ede7256707393c927a7d5be912f0604cf3c6f1bd5fc9644cf",
        "ae6d8e6b84f7e99d68c210ee2fa6aaaefa0b2df0a84f55efca4feebe2b216059",
    ),
    PublicCase(
        "brain2",
        "abcbc57caf38882aa0af810da2bc6fe0e0e465e3",
        "d35a1c6a3e1eb72bae97c5515472fbe057fb38ee8e1e199215d1c3c6f292332e",
        "15189c024936ecc337649b9a10c475117c7c40df0d53c22163f9a2023ed741a5",
    ),
)


def load_sample(scene: Any) -> tuple[Any, Any]:
    """Draw the head into the scene: the volume, and the segmentation whose segment is marked as a mass."""
    from FeatureExtractorLib.phantom import head_phantom

    image, mask = head_phantom()
    volume = add_volume(scene, image, scene.GenerateUniqueName(VOLUME_NAME))
    segmentation = add_segmentation(scene, mask, volume, scene.GenerateUniqueName(SEGMENTATION_NAME), SEGMENT_NAME)
    segment = segmentation.GetSegmentation().GetNthSegment(0)
    segment.SetTag(segment.GetTerminologyEntryTagName(), TERMINOLOGY)
    return volume, segmentation


def register() -> None:
    """Offer the images in Slicer's Sample Data module, where there is one; call it when Slicer has started."""
    try:
        import SampleData
    except ImportError:  # Slicer was started without it; the panel's own button still draws the head
        return
    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):  # not yet in Slicer 5.10
        logic.registerCustomSampleDataCategory(CATEGORY, _("Tumor Classifier"))
    logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=VOLUME_NAME,
        uris="",
        customDownloader=_draw,
        thumbnailFileName=str(resource_path("Icons/DrawnHead.png", __file__)),
    )
    for case in PUBLIC_CASES:
        logic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=case.name,
            uris=case.addresses(),
            fileNames=case.files(),
            nodeNames=[case.name, f"{case.name} outline"],
            loadFileTypes=["VolumeFile", "SegmentationFile"],
            checksums=case.checksums(),
        )


def _draw(_source: Any) -> list[Any]:
    """What Slicer calls in the place of a download."""
    volume, segmentation = load_sample(slicer.mrmlScene)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    return [volume, segmentation]
