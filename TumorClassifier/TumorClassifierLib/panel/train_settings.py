"""A recipe's settings as the fields of a form: what its dataclasses and their docstrings say of themselves."""

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from FeatureExtractorLib.deep.backbones import BACKBONES
from FeatureExtractorLib.deep.inputs import COLOURS, VIEWS
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.preparation import INTENSITIES, N4_METHODS, REGIONS
from FeatureExtractorLib.preprocessing.registration import KINDS
from FeatureExtractorLib.radiomics.engine import ENGINES
from FeatureExtractorLib.radiomics.presets import PRESETS

from ..calibrator import METHODS as CALIBRATIONS
from ..explain.cam import METHODS as MAPS
from ..networks.training_settings import OPTIMIZERS, SCHEDULES
from ..settings import settings_of
from ..whole_volume import CENTRES, ORIENTATIONS
from ..whole_volume import INTENSITIES as VOLUME_INTENSITIES

# What texts may be, by the class that has them ("" for any) and their name; nothing else is accepted.
CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "engine"): ENGINES,
    ("", "n4"): N4_METHODS,
    ("", "activation"): MAPS,
    ("", "backbone"): tuple(BACKBONES),
    ("Preparation", "intensity"): INTENSITIES,
    ("Preparation", "region"): REGIONS,
    ("SliceSettings", "view"): VIEWS,
    ("SliceSettings", "colour"): COLOURS,
    ("VolumeSettings", "orientation"): ORIENTATIONS,
    ("VolumeSettings", "centre"): CENTRES,
    ("VolumeSettings", "intensity"): VOLUME_INTENSITIES,
    ("TrainingSettings", "schedule"): SCHEDULES,
    ("TrainingSettings", "optimizer"): OPTIMIZERS,
    ("TrustSettings", "calibration"): CALIBRATIONS,
    ("Alignment", "register"): ("none", *KINDS),
    ("Settings", "plane"): ("axial", "coronal", "sagittal"),
}
# What texts are often, by name; others are accepted too.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "threshold": ("youden", "fixed:0.5", "sensitivity:0.95", "specificity:0.95"),
    "weights": ("imagenet", "seed:0"),
    "radiomics": PRESETS,
}


@dataclasses.dataclass(frozen=True)
class Field:
    """One setting, or with `fields` a group of them.

    path: its names from the outermost group on. kind: as the dataclass declares it, without None. optional: whether
    it may be left empty, or a group out; default: of a group, whether it is in. choices: what it may be, or with
    `free` only what it often is.
    """

    path: tuple[str, ...]
    kind: Any
    default: Any
    explanation: str
    optional: bool = False
    choices: tuple[str, ...] = ()
    free: bool = True
    fields: tuple["Field", ...] = ()

    @property
    def name(self) -> str:
        """As the settings file has it."""
        return self.path[-1]

    @property
    def label(self) -> str:
        """As a form has it."""
        return self.name.replace("_", " ").capitalize() if len(self.name) > 3 else self.name.upper()

    @property
    def kind_in_words(self) -> str:
        """What a value must be."""
        words = self.choices and not self.free and ", ".join(self.choices) or _in_words(self.kind)
        return _("{kind}, or empty").format(kind=words) if self.optional else words


def form_of(settings: Any, path: tuple[str, ...] = ()) -> tuple[Field, ...]:
    """The fields of a settings object in its own order, groups within; its values are the defaults."""
    kind = type(settings)
    hints, words = typing.get_type_hints(kind), explanations(kind)
    return tuple(
        _field(kind, (*path, f.name), hints[f.name], getattr(settings, f.name), words.get(f.name, ""))
        for f in dataclasses.fields(kind)
    )


def leaves(fields: tuple[Field, ...]) -> list[Field]:
    """Every setting of a form, without the groups."""
    return [leaf for field in fields for leaf in (leaves(field.fields) if field.fields else [field])]


def explanations(settings: type) -> dict[str, str]:
    """What the docstring says of each field; several named together share their words, a subclass inherits them."""
    names = [f.name for f in dataclasses.fields(settings)]
    found: dict[str, str] = {}
    for cls in reversed(settings.__mro__):
        if dataclasses.is_dataclass(cls):
            text = " ".join((cls.__doc__ or "").split())
            found |= _told(text, names)
    return found


def text_of(value: Any) -> str:
    """A value as it stands in a form: parts of a list by commas, lists of lists by semicolons."""
    if value is None:
        return ""
    if isinstance(value, tuple | list):
        nested = any(isinstance(part, tuple | list) for part in value)
        return ("; " if nested else ", ").join(text_of(part) for part in value)
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def value_of(field: Field, text: str) -> Any:
    """The plain value of what was typed; raises InputError, naming the setting, for what is none."""
    text = text.strip()
    if not text and field.optional:
        return None
    return _parsed(field.kind, text, field)


def checked(settings: type, values: Mapping[str, Any]) -> Any:
    """The settings of plain values; raises InputError with one sentence where the recipe refuses them."""
    return settings_of(settings, values, _("settings"))


def nested(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Values by path as groups within groups, as a settings file has them."""
    result: dict[str, Any] = {}
    for path, value in values.items():
        group = result
        for name in path[:-1]:
            group = group.setdefault(name, {})
        group[path[-1]] = value
    return result


def _field(owner: type, path: tuple[str, ...], kind: Any, default: Any, explanation: str) -> Field:
    explanation = explanation or _common().get(path[-1], "")
    optional = typing.get_origin(kind) in (typing.Union, types.UnionType)
    if optional:
        kind = next(option for option in typing.get_args(kind) if option is not type(None))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        own = (kind.__doc__ or "").strip().partition("\n")[0]
        fields = form_of(kind() if default is None else default, path)
        return Field(path, kind, default is not None, explanation or own, optional, fields=fields)
    names = ("", *(cls.__name__ for cls in owner.__mro__))
    choices = next((CHOICES[name, path[-1]] for name in names if (name, path[-1]) in CHOICES), ())
    if kind is not str:
        choices = ()
    free = not choices
    return Field(path, kind, default, explanation, optional, choices or _examples(kind, path[-1]), free)


def _examples(kind: Any, name: str) -> tuple[str, ...]:
    return EXAMPLES.get(name, ()) if kind is str else ()


def _told(text: str, names: list[str]) -> dict[str, str]:
    """The words after "name:" or "name, name:" up to the next such head, for every name."""
    name = "(?:" + "|".join(map(re.escape, sorted(names, key=len, reverse=True))) + ")"
    heads = list(re.finditer(rf"(?:(?<=^)|(?<=[.;]\s)|(?<=\s))((?:{name}, )*{name}): ", text))
    found: dict[str, str] = {}
    for head, following in zip(heads, [*heads[1:], None], strict=False):
        words = text[head.end() : following.start() if following else len(text)].strip()
        words = words if words.startswith("mm ") else words[:1].upper() + words[1:]
        found |= dict.fromkeys(head[1].split(", "), words if words.endswith((".", ":")) else f"{words.rstrip(';,')}.")
    return found


def _common() -> dict[str, str]:
    """What every recipe means by the names that the docstrings take as known."""
    return {
        "modality": _("The image that is looked at: T1C stands for the manifest's column image_T1C."),
        "slice_spacing": _("mm (x, y, z) of PNG and JPEG slices, which do not know their own."),
        "engine": _("What measures radiomics features; auto takes PyRadiomics where it is installed."),
        "backbone": _("The network's architecture."),
        "weights": _("What the network starts from: imagenet, seed:N for chance, or file:PATH."),
        "epochs": _("How often the network sees every training image."),
        "batch_size": _("Images a step; fewer need less memory."),
        "learning_rate": _("How far a step goes."),
        "momentum": _("Share of the last step that the next one keeps."),
        "weight_decay": _("How strongly large weights are drawn back to 0."),
        "dropout": _("Share of the last layer's inputs that are left out at random while training."),
        "augmentation": _("Whether training images are changed at random, so that the network sees new ones."),
        "step_epochs": _("Of the schedule step: epochs between two changes of the learning rate."),
        "step_factor": _("Of the schedule step: what the learning rate is multiplied by."),
        "seed": _("Starts everything that is random: the same number gives the same model."),
        "n4": _("Bias field correction: none, itk, or the faster fast."),
        "positive": _("Of two classes the one whose probability is given (empty: the last by name)."),
        "threshold": _("At which probability the positive class is called."),
        "folds": _("Parts of the patient-wise cross-validation that judges the recipe."),
        "repeats": _("How often that cross-validation is repeated with other parts."),
        "data": _("For the model card: where the cases come from."),
        "licence": _("For the model card: under which terms the data and the model may be used."),
        "intended_use": _("For the model card: what the model is for."),
        "limits": _("For the model card: what the model cannot do, separated by commas."),
        "optimizer": _("The rule by which steps are made."),
    }


def _in_words(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        if Ellipsis in parts:
            return _("list of {kind}").format(kind=_in_words(parts[0]))
        return _("{count} of {kind}").format(count=len(parts), kind=" / ".join(dict.fromkeys(map(_in_words, parts))))
    words = {bool: _("yes or no"), int: _("whole number"), float: _("number")}
    return words.get(kind, _("text"))


def _parsed(kind: Any, text: str, field: Field) -> Any:
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        separator = ";" if any(typing.get_origin(part) is tuple for part in parts) else ","
        texts = [part.strip() for part in text.split(separator)] if text.strip(" ,;") else []
        kinds = parts[:1] * len(texts) if Ellipsis in parts else parts
        if len(kinds) != len(texts):
            raise InputError(
                _("{name} needs {count} values, separated by commas, not {found}.").format(
                    name=field.name, count=len(kinds), found=len(texts)
                )
            )
        return [_parsed(part, one, field) for part, one in zip(kinds, texts, strict=True)]
    if kind is bool:
        if text not in ("True", "False"):
            raise InputError(_("{name} must be yes or no.").format(name=field.name))
        return text == "True"
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise InputError(
                _("{name} is {text!r}, which is no {kind}; correct it.").format(
                    name=field.name, text=text, kind=_in_words(kind)
                )
            ) from None
    return text
