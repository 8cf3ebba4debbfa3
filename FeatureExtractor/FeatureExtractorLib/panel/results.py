"""The kinds of results there are, and their text in the scene."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from FeatureExtractorLib.errors import InputError

from .measured import Measured, from_text, to_text
from .view import ResultView, view_of_cohort, view_of_measured, view_of_readers

COHORT, READERS = "FeatureExtractor cohort 1", "FeatureExtractor readers 1"


@dataclass(frozen=True)
class ListResult:
    """What the worker told of a list. format: COHORT or READERS."""

    format: str
    document: Mapping[str, Any]


Result = Measured | ListResult


def text_of(result: Result) -> str:
    """For a text node."""
    if isinstance(result, Measured):
        return to_text(result)
    return json.dumps({"format": result.format, "document": dict(result.document)}, indent=1)


def result_of(text: str) -> Result:
    """What `text_of` made a text of; raises InputError for anything else."""
    try:
        document = json.loads(text)
        kind = document["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("The features in this scene cannot be read; measure again.") from error
    if kind not in (COHORT, READERS):
        return from_text(text)
    result = ListResult(kind, document.get("document", {}))
    try:
        view_of(result)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"The list's result in this scene lacks {error}; measure again.") from error
    return result


def view_of(result: Result) -> ResultView:
    """What the panel shows of it."""
    if isinstance(result, Measured):
        return view_of_measured(result)
    return (view_of_cohort if result.format == COHORT else view_of_readers)(result.document)
