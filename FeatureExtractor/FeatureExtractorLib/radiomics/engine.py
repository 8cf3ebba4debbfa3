"""One interface to the engines that turn an image and a mask into radiomics features."""

from typing import Protocol

import SimpleITK as sitk

from ..case import check_image, check_mask, check_same_geometry
from ..errors import EngineUnavailable, InputError
from .presets import RadiomicsSettings

ENGINES = ("auto", "pyradiomics", "native")

NUMERIC_DIAGNOSTICS = (
    "diagnostics_Image-original_Mean",
    "diagnostics_Image-original_Minimum",
    "diagnostics_Image-original_Maximum",
    "diagnostics_Mask-original_VoxelNum",
    "diagnostics_Mask-original_VolumeNum",
    "diagnostics_Image-interpolated_Mean",
    "diagnostics_Image-interpolated_Minimum",
    "diagnostics_Image-interpolated_Maximum",
    "diagnostics_Mask-interpolated_VoxelNum",
    "diagnostics_Mask-interpolated_VolumeNum",
    "diagnostics_Mask-interpolated_Mean",
    "diagnostics_Mask-interpolated_Minimum",
    "diagnostics_Mask-interpolated_Maximum",
)
"""The diagnostics that are single numbers, in order; the last eight exist only where the settings resample."""


class RadiomicsEngine(Protocol):
    """What measures: PyRadiomics or our own engine, with the same names and numbers."""

    @property
    def name(self) -> str:
        """One of ENGINES."""

    @property
    def version(self) -> str:
        """The version of the code that computes."""

    def extract(self, image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> dict[str, float]:
        """Features by PyRadiomics' names ("original_firstorder_Mean") in PyRadiomics' order.

        image: scalar volume, one slice or more, bias-corrected and oriented if at all; any resampling that the
        settings ask for happens inside. mask: uint8 0/1 on the same grid. With `settings.diagnostics` the
        NUMERIC_DIAGNOSTICS come first, 13 where the settings resample and 5 where they do not.
        A feature that is not defined for the tumour is NaN. Raises InputError when image, mask or settings
        cannot be measured, GeometryError when the grids differ.
        """


def get_engine(name: str = "auto", settings: RadiomicsSettings | None = None) -> RadiomicsEngine:
    """The engine of that name; "auto" is PyRadiomics where it is installed and can do what the settings ask.

    settings: what it will be asked for; without them "auto" takes PyRadiomics wherever it is installed.
    Raises EngineUnavailable when PyRadiomics is asked for and not installed, InputError on an unknown name.
    """
    if name not in ENGINES:
        raise InputError(f"The radiomics engine {name!r} is unknown; choose one of {', '.join(ENGINES)}.")
    if name == "pyradiomics" or name == "auto" and not (settings and settings.needs_native):
        from .pyradiomics_engine import PyRadiomicsEngine, is_installed

        if is_installed():
            return PyRadiomicsEngine()
        if name == "pyradiomics":
            raise EngineUnavailable(
                "PyRadiomics is not installed in this Python; choose the engine native, which gives the same numbers."
            )
    from .native.engine import NativeEngine

    return NativeEngine()


def check_inputs(image: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """The mask in exactly the image's geometry, for engines to start from.

    File formats round geometry differently; a mask that lies within a thousandth of a voxel of the image is
    taken to lie on it. Raises InputError and GeometryError as `RadiomicsEngine.extract`.
    """
    check_image(image, "image to measure")
    check_mask(mask, "mask to measure")
    check_same_geometry(image, mask, "image", "mask", "in hand")
    placed = sitk.Image(mask)
    placed.CopyInformation(image)
    return placed
