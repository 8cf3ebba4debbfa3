"""The report's last section: every setting, version and hash."""

from collections.abc import Mapping
from typing import Any

from .content import Block, Heading, Table, facts
from .evidence import Evidence


def closing(e: Evidence) -> list[Block]:
    """What whoever repeats the analysis needs."""
    settings = {name: value for name, value in e.settings.items() if name != "about"}
    blocks: list[Block] = [Heading("Settings, versions and hashes"), _settings("Settings of the recipe", settings)]
    if e.radiomics:
        classes = {name: features or "all" for name, features in (e.radiomics.get("featureClass") or {}).items()}
        radiomics = {**e.radiomics, "featureClass": classes or "all"}
        blocks.append(_settings("Settings of radiomics, as in a PyRadiomics file", radiomics))
    versions = sorted((e.manifest.get("versions") or {}).items())
    hashes = [
        ("SHA-256 of the model file", e.sha256),
        ("SHA-256 of the manifest", str(e.manifest["cohort"].get("manifest", ""))),
    ]
    return [
        *blocks,
        Table(("Package", "Version"), tuple((name, str(version)) for name, version in versions), "Versions"),
        facts(hashes, "Hashes", code=True),
    ]


def flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Nested settings as (dotted name, value) in their own order."""
    found = []
    for name, value in values.items():
        path = f"{before}.{name}" if before else str(name)
        if isinstance(value, Mapping) and value:
            found += flat(value, path)
        else:
            found.append((path, _plain(value)))
    return found


def _settings(caption: str, values: Mapping[str, Any]) -> Table:
    """Two settings a row, read down the left half first."""
    found = flat(values)
    half = -(-len(found) // 2)
    rows = [(*found[i], *(found[i + half] if i + half < len(found) else ("", ""))) for i in range(half)]
    return Table(("Setting", "Value", "Setting", "Value"), tuple(rows), caption, code=(0, 2))


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value)) or "none"
    return "default" if isinstance(value, Mapping) else f"{value:g}" if isinstance(value, float) else str(value)
