"""What the user has chosen, kept in the scene: one parameter node."""

from enum import Enum
from typing import Annotated, Any

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode, vtkMRMLTextNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

IMAGES = 4
"""How many images can be measured at once."""


class Source(Enum):
    """Where the cases come from; the order is that of the tabs."""

    SCENE = "scene"
    LIST = "list"


class Preset(Enum):
    """What is measured; the value is the preset's name, empty for a settings file."""

    ORIGINAL = "original"
    ORIGINAL_WAVELET = "original-wavelet"
    ORIGINAL_WAVELET_2D = "original-wavelet-2d"
    DTLR = "dtlr"
    IBSI_A = "ibsi-a"
    IBSI_B = "ibsi-b"
    IBSI_C = "ibsi-c"
    IBSI_D = "ibsi-d"
    IBSI_E = "ibsi-e"
    FILE = ""

    @staticmethod
    def label(preset: Any) -> str:
        """What the user reads."""
        return {
            Preset.ORIGINAL: _("Original image"),
            Preset.ORIGINAL_WAVELET: _("Original image and wavelets"),
            Preset.ORIGINAL_WAVELET_2D: _("One slice, with wavelets in the plane"),
            Preset.DTLR: _("DTLR: wavelets, LoG and diagnostics"),
            Preset.IBSI_A: _("IBSI configuration A"),
            Preset.IBSI_B: _("IBSI configuration B"),
            Preset.IBSI_C: _("IBSI configuration C"),
            Preset.IBSI_D: _("IBSI configuration D"),
            Preset.IBSI_E: _("IBSI configuration E"),
            Preset.FILE: _("PyRadiomics settings file"),
        }[preset]


class Engine(Enum):
    """What computes radiomics features; the value is the engine's name."""

    AUTO = "auto"
    NATIVE = "native"
    PYRADIOMICS = "pyradiomics"

    @staticmethod
    def label(engine: Any) -> str:
        """What the user reads."""
        return {
            Engine.AUTO: _("Automatic"),
            Engine.NATIVE: _("Native"),
            Engine.PYRADIOMICS: _("PyRadiomics"),
        }[engine]


class BiasField(Enum):
    """How the bias field is corrected; the value is the method's name."""

    NONE = "none"
    FAST = "fast"
    ITK = "itk"
    SLICER = "slicer"

    @staticmethod
    def label(method: Any) -> str:
        """What the user reads."""
        return {
            BiasField.NONE: _("Leave the image as it is"),
            BiasField.FAST: _("N4, fast"),
            BiasField.ITK: _("N4 of ITK"),
            BiasField.SLICER: _("N4 of Slicer's own module"),
        }[method]


class Weights(Enum):
    """Where a network's weights come from."""

    IMAGENET = "imagenet"
    FILE = "file"
    SEED = "seed"

    @staticmethod
    def label(kind: Any) -> str:
        """What the user reads."""
        return {
            Weights.IMAGENET: _("ImageNet, downloaded once"),
            Weights.FILE: _("A file"),
            Weights.SEED: _("Random, from a seed"),
        }[kind]


@parameterNodeWrapper
class FeatureExtractorParameters:
    """Every choice and the last results; saved and loaded with the scene."""

    source: Source
    volume1: vtkMRMLScalarVolumeNode
    volume2: vtkMRMLScalarVolumeNode
    volume3: vtkMRMLScalarVolumeNode
    volume4: vtkMRMLScalarVolumeNode
    modality1: str = "T1C"
    modality2: str = "T1"
    modality3: str = "T2"
    modality4: str = "FLAIR"
    segmentation: vtkMRMLSegmentationNode
    segmentIds: list[str]
    secondSegmentation: vtkMRMLSegmentationNode
    manifest: str
    output: str
    jobs: Annotated[int, WithinRange(1, 64)] = 1
    readers: bool
    preset: Preset
    settingsFile: str
    engine: Engine
    n4: BiasField
    resample: bool
    spacingX: Annotated[float, WithinRange(0, 20)] = 1.0
    spacingY: Annotated[float, WithinRange(0, 20)] = 1.0
    spacingZ: Annotated[float, WithinRange(0, 20)] = 1.0
    networks: list[str]
    weights: Weights
    weightsFile: str
    weightsSeed: Annotated[int, WithinRange(0, 999999999)] = 0
    resultText: vtkMRMLTextNode
    resultTable: vtkMRMLTableNode
