"""Radiomics settings in PyRadiomics' own file format (imageType, featureClass, setting), checked without PyRadiomics.

A user's PyRadiomics file is accepted as it is. What is checked here is what every engine needs to rely on: names and
kinds of value. An engine may refuse more, for instance a filter that it does not have.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..resources import resource_path

IBSI_PRESETS = ("ibsi-a", "ibsi-b", "ibsi-c", "ibsi-d", "ibsi-e")
"""The IBSI-1 configurations of the CT phantom, by IBSI's definitions (docs/ibsi.md)."""

PRESETS = ("original", "original-wavelet", "dtlr", "original-wavelet-2d", *IBSI_PRESETS)

IMAGE_TYPES = (
    "Original",
    "Wavelet",
    "LoG",
    "Square",
    "SquareRoot",
    "Logarithm",
    "Exponential",
    "Gradient",
    "LBP2D",
    "LBP3D",
)

FEATURE_CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape", "shape2D")


@dataclass(frozen=True)
class RadiomicsSettings:
    """What to measure and how, in PyRadiomics' words.

    setting: for all image types. image_types: by name, each with the settings that hold for it alone.
    feature_classes: by name, each with the features to compute, all regular ones where the list is empty;
    None for all classes. diagnostics: whether the numeric diagnostics are columns too, that is
    whether the file says `additionalInfo: true` (PyRadiomics itself reports them unless told not to).
    """

    name: str
    setting: Mapping[str, Any]
    image_types: Mapping[str, Mapping[str, Any]]
    feature_classes: Mapping[str, tuple[str, ...]] | None
    diagnostics: bool

    @property
    def needs_native(self) -> bool:
        """Whether something is asked for that PyRadiomics does not have."""
        return any(
            values.get(name) not in (None, neutral)
            for values in (self.setting, *self.image_types.values())
            for name, neutral in NEUTRAL.items()
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values in the layout of a PyRadiomics settings file; `parse_settings` turns them back."""
        plain: dict[str, Any] = {
            "imageType": {name: dict(own) for name, own in self.image_types.items()},
            "setting": dict(self.setting) | {"additionalInfo": self.diagnostics},
        }
        if self.feature_classes is not None:
            plain["featureClass"] = {name: list(chosen) for name, chosen in self.feature_classes.items()}
        return plain


def load_settings(name_or_path: str | Path) -> RadiomicsSettings:
    """Settings by a preset's name (see PRESETS) or from a PyRadiomics settings file (YAML or JSON).

    Raises InputError when there is no such preset or file, the file is damaged, or something in it is not known.
    """
    is_preset = str(name_or_path) in PRESETS
    path = resource_path(f"Presets/{name_or_path}.yaml", __file__) if is_preset else Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"{name_or_path} is neither a settings file nor a preset; choose one of {', '.join(PRESETS)}, "
            "or give the path of a PyRadiomics settings file."
        )
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as YAML ({reason}); correct it and try again.") from error
    return parse_settings(path.stem, content, str(path))


def parse_settings(name: str, content: Any, source: str = "") -> RadiomicsSettings:
    """Checked settings from what a PyRadiomics settings file holds.

    source: how to call the file in errors. Raises InputError naming the first thing that is unknown or of the wrong
    kind.
    """
    source = source or f"The radiomics settings {name}"
    parts = _mapping(content, source, "the file")
    _refuse_unknown(parts, ("imageType", "featureClass", "setting"), source, "section")
    setting = _mapping(parts.get("setting"), source, "setting")
    image_types = _mapping(parts.get("imageType"), source, "imageType") or {"Original": None}
    feature_classes = _mapping(parts.get("featureClass"), source, "featureClass")
    _refuse_unknown(image_types, IMAGE_TYPES, source, "image type")
    _refuse_unknown(feature_classes, FEATURE_CLASSES, source, "feature class")
    own_settings = {key: _mapping(own, source, f"imageType {key}") for key, own in image_types.items()}
    for values in (setting, *own_settings.values()):
        _check_values(values, source)
    if "LoG" in own_settings and not (own_settings["LoG"].get("sigma") or setting.get("sigma")):
        raise InputError(f"{source} asks for LoG without a sigma; give a list of widths in mm, such as [1.0, 2.0].")
    if "shape2D" in feature_classes and not setting.get("force2D"):
        raise InputError(f"{source} asks for shape2D without force2D; set force2D to true, or ask for shape.")
    return RadiomicsSettings(
        name=name,
        setting=setting,
        image_types=own_settings,
        feature_classes=_feature_lists(feature_classes, source),
        diagnostics=bool(setting.get("additionalInfo", False)),
    )


def _feature_lists(classes: Mapping[str, Any], source: str) -> Mapping[str, tuple[str, ...]] | None:
    lists = {}
    for name, chosen in classes.items():
        if not (chosen is None or isinstance(chosen, list) and all(isinstance(feature, str) for feature in chosen)):
            raise InputError(f"{source} gives {chosen!r} for the class {name}; write a list of features or nothing.")
        lists[name] = tuple(chosen or ())
    return lists or None


def _mapping(value: Any, source: str, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{source} does not hold names and values in {what}; see PyRadiomics' settings file format.")
    return dict(value)


def _refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...], source: str, what: str) -> None:
    for name in given:
        if name not in known:
            raise InputError(f"{source} has an unknown {what} {name!r}; known are {', '.join(known)}.")


def _check_values(values: Mapping[str, Any], source: str) -> None:
    known = SETTINGS | OWN_SETTINGS
    _refuse_unknown(values, tuple(known), source, "setting")
    for name, value in values.items():
        kind, is_right = known[name]
        if value is not None and not is_right(value):
            raise InputError(f"{source} sets {name} to {value!r}, but it must be {kind}.")


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


Check = tuple[str, Callable[[Any], bool]]

_SWITCH: Check = ("true or false", lambda v: isinstance(v, bool))
_POSITIVE: Check = ("a number above zero", lambda v: _number(v) and v > 0)
_INTEGER: Check = ("a whole number", _integer)
_COUNT: Check = ("a whole number above zero", lambda v: _integer(v) and v > 0)
_COUNT_OR_ZERO: Check = ("a whole number, zero or more", lambda v: _integer(v) and v >= 0)
_AXIS: Check = ("0, 1 or 2", lambda v: _integer(v) and 0 <= v <= 2)
_TEXT: Check = ("a name", lambda v: isinstance(v, str))
_WIDTHS: Check = ("a list of numbers above zero", lambda v: _list_of(v, lambda n: _number(n) and n > 0))
_DISTANCES: Check = ("a list of whole numbers above zero", lambda v: _list_of(v, lambda n: _integer(n) and n > 0))
_RANGE: Check = ("a list of one or two numbers", lambda v: _list_of(v, _number) and len(v) <= 2)
_SPACING: Check = (
    "a list of three lengths in mm, 0 to keep an axis",
    lambda v: _list_of(v, lambda n: _number(n) and n >= 0) and len(v) == 3,
)
_ONLY_LABEL: Check = ("1, since masks hold the chosen segment alone here", lambda v: _integer(v) and v == 1)
_ONLY_CHANNEL: Check = ("0, since masks hold the chosen segment alone here", lambda v: _integer(v) and v == 0)


def _one_of(*values: str | int) -> Check:
    return f"one of {', '.join(map(str, values))}", lambda v: v in values


def _list_of(value: Any, is_right: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(is_right(item) for item in value)


SETTINGS: dict[str, Check] = {
    "minimumROIDimensions": ("1, 2 or 3", lambda v: _integer(v) and 1 <= v <= 3),
    "minimumROISize": _COUNT,
    "geometryTolerance": _POSITIVE,
    "correctMask": _SWITCH,
    "additionalInfo": _SWITCH,
    "label": _ONLY_LABEL,
    "label_channel": _ONLY_CHANNEL,
    "binWidth": _POSITIVE,
    "binCount": _COUNT,
    "normalize": _SWITCH,
    "normalizeScale": _POSITIVE,
    "removeOutliers": _POSITIVE,
    "resampledPixelSpacing": _SPACING,
    "interpolator": _one_of(
        "sitkNearestNeighbor",
        "sitkLinear",
        "sitkBSpline",
        "sitkGaussian",
        "sitkLabelGaussian",
        "sitkHammingWindowedSinc",
        "sitkCosineWindowedSinc",
        "sitkWelchWindowedSinc",
        "sitkLanczosWindowedSinc",
        "sitkBlackmanWindowedSinc",
        *range(1, 11),  # SimpleITK's numbers for them
    ),
    "padDistance": _COUNT_OR_ZERO,
    "distances": _DISTANCES,
    "force2D": _SWITCH,
    "force2Ddimension": _AXIS,
    "resegmentRange": _RANGE,
    "resegmentMode": _one_of("absolute", "relative", "sigma"),
    "resegmentShape": _SWITCH,
    "preCrop": _SWITCH,
    "sigma": _WIDTHS,
    "start_level": _COUNT_OR_ZERO,
    "level": _COUNT,
    "wavelet": _TEXT,
    "gradientUseSpacing": _SWITCH,
    "lbp2DRadius": _POSITIVE,
    "lbp2DSamples": _COUNT,
    "lbp2DMethod": _one_of("default", "ror", "uniform", "var"),
    "lbp3DLevels": _COUNT,
    "lbp3DIcosphereRadius": _POSITIVE,
    "lbp3DIcosphereSubdivision": _COUNT_OR_ZERO,
    "voxelArrayShift": _INTEGER,
    "symmetricalGLCM": _SWITCH,
    "weightingNorm": _one_of("euclidean", "manhattan", "infinity", "no_weighting"),
    "gldm_a": _COUNT_OR_ZERO,
}

OWN_SETTINGS: dict[str, Check] = {
    "definition": _one_of("pyradiomics", "ibsi"),
    "resegmentSigma": _POSITIVE,
}
"""Settings of the native engine alone.

definition: whose definitions hold where PyRadiomics' and IBSI's differ (docs/ibsi.md).
resegmentSigma: leave out what is further from the region's mean than that many standard deviations, after
`resegmentRange` (IBSI 7ACA).
"""

NEUTRAL: Mapping[str, Any] = {"definition": "pyradiomics", "resegmentSigma": None}
"""The values at which OWN_SETTINGS ask for nothing that PyRadiomics does not do."""
