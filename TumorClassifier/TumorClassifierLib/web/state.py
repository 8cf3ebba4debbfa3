"""What the page knows, as it is at the beginning."""

import re
from collections.abc import Sequence
from typing import Any

from ..scene.overlay import COLOURS

MODALITIES = ["T1C", "T1", "T2", "FLAIR", "T2FS", "CT"]
WORDS = {
    "t1c": "T1C",
    "t1ce": "T1C",
    "t1gd": "T1C",
    "flair": "FLAIR",
    "t2fs": "T2FS",
    "t2": "T2",
    "t1": "T1",
    "ct": "CT",
}

DEFAULTS: dict[str, Any] = {
    "step": 1,
    "busy": "",
    "upload_text": "",
    "error": "",
    "error_details": "",
    "one_view": False,
    "shown_in_3d": False,
    "modalities": MODALITIES,
    "images": [],
    "marking": "",
    "segment_choices": [],
    "tumour": "",
    "tumour_text": "",
    "models_read": False,
    "models": [],
    "model": "",
    "model_summary": None,
    "clinical": {},
    "cam_methods": [],
    "cam_method": "",
    "cam_classes": [],
    "cam_class": "",
    "missing": [],
    "running": False,
    "cancelling": False,
    "stage": "",
    "progress": 0.0,
    "seconds": 0,
    "result": None,
    "outdated": False,
    "map_shown": True,
    "map_colours": ", ".join(f"rgb({', '.join(str(round(255 * c)) for c in colour)})" for colour in COLOURS),
    "map_opacity": 0.5,
    "map_threshold": 0.3,
}


def guess(given: Sequence[str], name: str) -> str:
    """What kind of image a file is by its name, else the first kind that the case has not yet."""
    words = re.split(r"[^a-z0-9]+", name.lower())
    named = next((kind for word, kind in WORDS.items() if word in words and kind not in given), "")
    return named or next((kind for kind in MODALITIES if kind not in given), "")
