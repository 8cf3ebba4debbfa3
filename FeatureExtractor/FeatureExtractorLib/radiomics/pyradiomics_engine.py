"""PyRadiomics behind our interface (van Griethuysen et al. 2017, Cancer Research 77(21):e104–e107)."""

import importlib.metadata
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .engine import NUMERIC_DIAGNOSTICS, check_inputs
from .presets import OWN_SETTINGS, RadiomicsSettings

# An imaginary part of this share of the value is rounding; more means that the value is not a real number.
_IMAGINARY_TOLERANCE = 1e-6


def is_installed() -> bool:
    """Whether PyRadiomics and its compiled part can be imported."""
    try:
        import radiomics  # noqa: F401
    except ImportError:
        return False
    return True


class PyRadiomicsEngine:
    """Measures by `radiomics.featureextractor.RadiomicsFeatureExtractor`."""

    name = "pyradiomics"

    @property
    def version(self) -> str:
        """PyRadiomics' version."""
        return importlib.metadata.version("pyradiomics")

    def extract(self, image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> dict[str, float]:
        """Features as `RadiomicsEngine.extract` describes."""
        if not settings.setting.get("correctMask"):
            mask = check_inputs(image, mask)
        if settings.needs_native:
            raise InputError(
                f"PyRadiomics cannot follow the settings {settings.name} in {' and '.join(OWN_SETTINGS)}; "
                "choose the engine native."
            )
        if sitk.GetArrayViewFromImage(mask).min() > 0:
            raise InputError(
                "The mask fills its whole volume, which PyRadiomics takes for an empty one; outline the tumour on a "
                "larger image, or choose the engine native."
            )
        try:
            raw = _extractor(settings).execute(image, mask)
        except (ValueError, RuntimeError, LookupError) as error:
            # PyRadiomics and ITK refuse masks and settings with these; what they say is the reason.
            raise InputError(
                f"PyRadiomics cannot measure this tumour with the settings {settings.name} ({_reason(error)}); "
                "correct the mask or choose other settings."
            ) from error
        _check_complete(raw, settings)
        chosen = {name: raw[name] for name in NUMERIC_DIAGNOSTICS if name in raw} if settings.diagnostics else {}
        chosen |= {name: value for name, value in raw.items() if not name.startswith("diagnostics_")}
        return {name: _real(value) for name, value in chosen.items()}


def _extractor(settings: RadiomicsSettings) -> Any:
    from pykwalify.errors import PyKwalifyException
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").setLevel(logging.WARNING)
    # Says with every image that a symmetrical matrix makes one feature redundant: nothing a user could act on.
    logging.getLogger("radiomics.glcm").setLevel(logging.ERROR)
    parameters = settings.to_dict()
    # Image and mask already share one grid, and this one would change ITK's tolerance for the whole process.
    parameters["setting"].pop("geometryTolerance", None)
    for values in (parameters["setting"], *parameters["imageType"].values()):
        for name in OWN_SETTINGS:
            values.pop(name, None)
    try:
        return RadiomicsFeatureExtractor(parameters)
    except PyKwalifyException as error:
        raise InputError(
            f"PyRadiomics does not accept the settings {settings.name} ({_reason(error)}); correct them."
        ) from error


def _check_complete(raw: Mapping[str, Any], settings: RadiomicsSettings) -> None:
    """PyRadiomics leaves a filtered image out, with no more than a log entry, where it cannot make it."""
    if settings.feature_classes is not None and all(name.startswith("shape") for name in settings.feature_classes):
        return
    for image, prefix in _promised_images(settings):
        if not any(name.startswith(prefix) for name in raw):
            raise InputError(
                f"PyRadiomics could not make the {image} image (LoG needs four voxels or more along every axis, LBP "
                "needs scikit-image or trimesh); choose settings without it, or a 2D preset for a single slice."
            )


def _promised_images(settings: RadiomicsSettings) -> Iterator[tuple[str, str]]:
    """What each image of the settings is called, and how the names of its features begin."""
    for image_type, own in settings.image_types.items():
        if image_type == "LoG":
            for sigma in own.get("sigma") or settings.setting["sigma"]:
                yield f"LoG (sigma {sigma:g} mm)", f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D_"
        elif image_type.startswith("LBP"):
            yield image_type, image_type.replace("LBP", "lbp-")
        else:
            yield image_type, image_type.lower()


def _real(value: Any) -> float:
    """A feature as a float. GLCM's MCC comes from an eigenvalue and may be complex: NaN unless that is rounding."""
    number = complex(np.asarray(value).item())
    return number.real if abs(number.imag) <= _IMAGINARY_TOLERANCE * max(1.0, abs(number.real)) else float("nan")


def _reason(error: Exception) -> str:
    """The error's last line without line breaks and final point, fit for brackets."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")[:200]
