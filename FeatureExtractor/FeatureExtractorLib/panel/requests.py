"""What the worker process is asked for, from the choices of the panel."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from FeatureExtractorLib.radiomics.presets import load_settings

from .parameters import Preset, Weights

FIRST, SECOND = "1", "2"
"""Which outline a mask is of, the first part of its key; the rest is the segment's id."""


def settings_parts(node: Any) -> dict[str, Any]:
    """Preset and engine, for every kind of work."""
    preset = node.settingsFile if node.preset is Preset.FILE else node.preset.value
    return {"preset": preset, "engine": node.engine.value}


def spacing_of(node: Any) -> list[float] | None:
    """The grid to resample to, mm; None for the preset's own."""
    return [node.spacingX, node.spacingY, node.spacingZ] if node.resample else None


def weights_of(node: Any) -> str:
    """As `parse_weights` reads it."""
    if node.weights is Weights.FILE:
        return f"file:{node.weightsFile}"
    return f"seed:{node.weightsSeed}" if node.weights is Weights.SEED else "imagenet"


def scene_request(
    node: Any,
    images: Mapping[str, str],
    masks: Mapping[str, str],
    names: Mapping[str, str],
    networks: list[str],
    n4: str,
) -> dict[str, Any]:
    """The segments of a scene. images, masks: files, masks by key. n4: "none" where it is done already."""
    return {
        "work": "extract",
        "images": dict(images),
        "masks": dict(masks),
        "names": dict(names),
        **settings_parts(node),
        "n4": n4,
        "spacing": spacing_of(node),
        "backbones": networks,
        "weights": weights_of(node),
    }


def list_request(node: Any, table: Path, networks: list[str]) -> dict[str, Any]:
    """A cohort, or two readers of one."""
    parts = {**settings_parts(node), "n4": node.n4.value, "manifest": node.manifest}
    if node.resample:
        parts["preset"] = str(_resampling_settings(node, table))
    if node.readers:
        return {"work": "agree", **parts}
    network = {"backbone": networks[0], "weights": weights_of(node)} if networks else {}
    return {"work": "cohort", **parts, "out": str(table), "jobs": node.jobs, **network}


def _resampling_settings(node: Any, table: Path) -> Path:
    """The chosen settings with the chosen spacing, in a file beside the table: the same run uses the same file."""
    content = load_settings(settings_parts(node)["preset"]).to_dict()
    content["setting"]["resampledPixelSpacing"] = spacing_of(node)
    path = table.with_name(f"{table.stem}-settings.json")
    text = json.dumps(content, indent=1)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path
