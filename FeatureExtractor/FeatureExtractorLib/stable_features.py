"""The list of features that do not depend on the reader, from `agree` to `train`."""

import json
from pathlib import Path

from .errors import InputError
from .files import write_json_atomically
from .readers import ReaderAgreement


def write_stable_features(found: ReaderAgreement, threshold: float, path: Path) -> None:
    """Write the features whose ICC is at least the threshold, and how they were found, as JSON."""
    content = {
        "form": found.agreement.form,
        "threshold": threshold,
        "cases": len(found.keys),
        "compared": len(found.names),
        "features": list(found.stable(threshold)),
    }
    write_json_atomically(path, content)


def read_stable_features(path: Path) -> tuple[str, ...]:
    """The names in a list that `write_stable_features` wrote, or in a text file with one name a line.

    Raises InputError when the file is missing, is no such list or names nothing.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"The list of stable features {path} does not exist; check the name.")
    try:
        text = path.read_text(encoding="utf-8")
        names = json.loads(text)["features"] if path.suffix == ".json" else text.split()
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no list of stable features; write one with `tumorclassifier agree`.") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not names:
        raise InputError(f"{path} names no stable feature; write it again with `tumorclassifier agree`.")
    return tuple(names)
