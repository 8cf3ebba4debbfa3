"""Our own radiomics engine: PyRadiomics' features and numbers where that cannot be installed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from ...errors import InputError
from ..engine import check_inputs
from ..presets import RadiomicsSettings
from . import first_order, glcm, gldm, glrlm, glszm, ngtdm, shape, shape2d
from .definition import first_edge, is_ibsi
from .feature import FeatureClass
from .filters import FILTERS
from .matrices import Neighbourhood, neighbourhood
from .preparation import Prepared, prepare
from .roi import make_roi

INTENSITY_CLASSES: Mapping[str, FeatureClass] = {
    "firstorder": first_order.CLASS,
    "glcm": glcm.CLASS,
    "gldm": gldm.CLASS,
    "glrlm": glrlm.CLASS,
    "glszm": glszm.CLASS,
    "ngtdm": ngtdm.CLASS,
}
SHAPE_CLASSES: Mapping[str, FeatureClass] = {"shape": shape.CLASS, "shape2D": shape2d.CLASS}
CLASSES = {**INTENSITY_CLASSES, **SHAPE_CLASSES}


class NativeEngine:
    """Measures with numpy, scipy, SimpleITK and PyWavelets alone."""

    name = "native"
    version = "1.0"

    def extract(self, image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> dict[str, float]:
        """Features as `RadiomicsEngine.extract` describes.

        1. Check that image and mask share a grid (unless the settings have the mask corrected).
        2. Normalise, resample and resegment; find the region's box.
        3. Diagnostics, then shape, from the masks.
        4. For each filtered image: discretise the region once, then every class from the same levels and neighbours.
        """
        if not settings.setting.get("correctMask"):
            mask = check_inputs(image, mask)
        classes = _classes(settings)
        prepared = prepare(image, mask > 0, settings.setting, settings.diagnostics)
        features = dict(prepared.diagnostics)
        for name in [n for n in classes if n in SHAPE_CLASSES]:
            measured = SHAPE_CLASSES[name].measure((prepared.shape, prepared.image.GetSpacing()), settings.setting)
            features |= _values(f"original_{name}", SHAPE_CLASSES[name], measured, classes[name], settings.setting)
        wanted = {n: chosen for n, chosen in classes.items() if n in INTENSITY_CLASSES}
        return features | _intensity_features(prepared, settings, wanted) if wanted else features


def _intensity_features(
    prepared: Prepared, settings: RadiomicsSettings, wanted: Mapping[str, list[str]]
) -> dict[str, float]:
    """The features of every filtered image, for the classes and features wanted."""
    features: dict[str, float] = {}
    hoods: dict[Any, Neighbourhood] = {}
    spacing = np.array(prepared.image.GetSpacing()[::-1])

    def hood(distances: tuple[int, ...], own: Mapping[str, Any]) -> Neighbourhood:
        flat = own.get("force2Ddimension", 0) if own.get("force2D", False) else None
        if (distances, flat) not in hoods:
            hoods[distances, flat] = neighbourhood(prepared.texture, distances, flat)
        return hoods[distances, flat]

    for image_type, changes in settings.image_types.items():
        own = {**settings.setting, **changes}
        near, far = hood((1,), own), hood(tuple(own.get("distances") or (1,)), own)
        for prefix, values in FILTERS[image_type](prepared.image, prepared.box, own):
            inside = values[prepared.texture]
            roi = make_roi(inside, near, far, spacing, own, first_edge(inside, own, image_type == "Original"))
            for name, chosen in wanted.items():
                measured = INTENSITY_CLASSES[name].measure(roi, own)
                features |= _values(f"{prefix}_{name}", INTENSITY_CLASSES[name], measured, chosen, own)
    return features


def _classes(settings: RadiomicsSettings) -> dict[str, list[str]]:
    """Classes to compute and the features of each, in the settings' order; all classes where they name none."""
    if settings.feature_classes is None:
        flat = settings.setting.get("force2D", False)
        return {name: c.chosen(None) for name, c in CLASSES.items() if flat or name != "shape2D"}
    chosen = {name: CLASSES[name].chosen(list(features)) for name, features in settings.feature_classes.items()}
    for name, features in chosen.items():
        for feature in features:
            if feature not in CLASSES[name].features:
                raise InputError(
                    f"The settings {settings.name} ask for {name}_{feature}, which is not a feature; "
                    f"choose among {', '.join(CLASSES[name].features)}."
                )
    return chosen


def _values(
    prefix: str, family: FeatureClass, measured: Any, chosen: list[str], settings: Mapping[str, Any]
) -> dict[str, float]:
    """Features by full name; values by direction are averaged, NaN where there are none."""
    values = {name: np.asarray(family.features[name].by(is_ibsi(settings))(measured)) for name in chosen}
    return {f"{prefix}_{name}": float(v.mean()) if v.size else float("nan") for name, v in values.items()}
