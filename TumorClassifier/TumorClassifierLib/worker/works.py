"""What a worker process can be asked for: the names of the work, and the functions that do it.

A request is a JSON table: "work" is one of the names below, the rest are the named arguments of its function, paths as
texts. Each function writes into the folder that becomes `out` and returns a summary, which the event "done" carries.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress

Tell = Callable[[Mapping[str, Any]], None]
"""Sends data to the host while the work goes on, as an event of its own."""

WORKS = MappingProxyType(
    {
        "classify": "case_works",
        "correct": "case_works",
        "dicom": "case_works",
        "extract": "feature_works",
        "agree": "feature_works",
        "cohort": "feature_works",
        "check": "model_works",
        "train": "model_works",
        "evaluate": "model_works",
        "report": "model_works",
        "case_report": "report_works",
        "figures": "report_works",
    }
)
"""Each work's name, which is also its function's, and the module that has it."""


def do(request: Mapping[str, Any], folder: Path, progress: Progress, tell: Tell) -> Mapping[str, Any]:
    """Do what a request asks for; raises InputError for one that cannot be understood, and as the work does."""
    arguments = dict(request)
    name = arguments.pop("work", None)
    if not isinstance(name, str) or name not in WORKS:
        raise InputError(f"There is no work called {name!r}; ask for one of {', '.join(WORKS)}.")
    function = getattr(import_module(f".{WORKS[name]}", __package__), name)
    parameters = list(inspect.signature(function).parameters.values())[3:]  # after folder, progress and tell
    known = [parameter.name for parameter in parameters]
    unknown = [argument for argument in arguments if argument not in known]
    if unknown:
        raise InputError(f"The work {name} has no {unknown[0]!r}; it has {', '.join(known)}.")
    needed = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
    missing = [argument for argument in needed if arguments.get(argument) is None]
    if missing:
        raise InputError(f"The work {name} needs {missing[0]!r}; give it.")
    summary: Mapping[str, Any] = function(folder, progress, tell, **arguments)
    return summary
