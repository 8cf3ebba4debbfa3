"""An import only ever points downward: hosts → scene → decide → measure."""

import runpy
from pathlib import Path

import pytest

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "Tools" / "imports.py"))
REPOSITORY = Path(__file__).parents[3]

MEASURE, DECIDE, SCENE, HOST = range(4)
HOSTS = (
    "FeatureExtractor",
    "FeatureExtractorLib.panel",
    "TumorClassifier",
    "TumorClassifierLib.__main__",
    "TumorClassifierLib.cli",
    "TumorClassifierLib.cli_measure",
    "TumorClassifierLib.cli_models",
    "TumorClassifierLib.cli_options",
    "TumorClassifierLib.cli_report",
    "TumorClassifierLib.cli_train",
    "TumorClassifierLib.cli_web",
    "TumorClassifierLib.outputs",
    "TumorClassifierLib.panel",
    "TumorClassifierLib.web",
    "TumorClassifierLib.worker",
)
KNOW_SLICER = {"scene", "panel", "web"}
SLICER = {"slicer", "vtk", "vtkmodules", "qt", "ctk", "sitkUtils", "PythonQt", "SampleData"}

SOURCES = [
    (path, folder)
    for folder in (REPOSITORY / "FeatureExtractor", REPOSITORY / "TumorClassifier")
    for path in sorted(folder.rglob("*.py"))
]


def _layer(name: str) -> int | None:
    """The layer of one of our modules; None for the modules of others."""
    if any(name == host or (host.count(".") and name.startswith(f"{host}.")) for host in HOSTS):
        return HOST
    top, _, rest = name.partition(".")
    if top == "TumorClassifierLib":
        return SCENE if rest.split(".")[0] == "scene" else DECIDE
    return MEASURE if top == "FeatureExtractorLib" else None


@pytest.mark.parametrize(("path", "folder"), SOURCES, ids=[path.name for path, _ in SOURCES])
def test_imports_point_downward(path: Path, folder: Path) -> None:
    own = _layer(TOOL["module_name"](path, folder))
    assert own is not None
    imports = TOOL["imports_of"](path, folder)
    assert [(found.name, found.line) for found in imports if (_layer(found.name) or MEASURE) > own] == []


@pytest.mark.parametrize(("path", "folder"), SOURCES, ids=[path.name for path, _ in SOURCES])
def test_slicer_is_known_to_scene_panels_page_and_module_files_only(path: Path, folder: Path) -> None:
    knows_slicer = path.parent == folder or KNOW_SLICER & set(path.relative_to(folder).parts)
    imports = TOOL["imports_of"](path, folder)
    assert knows_slicer or [(found.name, found.line) for found in imports if found.name.split(".")[0] in SLICER] == []


def test_every_layer_was_looked_at() -> None:
    layers = {_layer(TOOL["module_name"](path, folder)) for path, folder in SOURCES}
    assert layers == {MEASURE, DECIDE, SCENE, HOST}


def test_imports_are_read_in_full(tmp_path: Path) -> None:
    """The tests above see what they forbid: relative, nested, typing-only and dotted imports."""
    path = tmp_path / "ALib" / "part" / "file.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "from ..top import x\n"
        "from . import near\n"
        "if TYPE_CHECKING:\n    import torch\n"
        "try:\n    import a.b\nexcept ImportError:\n    pass\n"
        "class C:\n    import c\n    def f(self):\n        import d\n"
    )
    found = {(entry.name, entry.eager) for entry in TOOL["imports_of"](path, tmp_path)}
    assert found == {
        ("typing.TYPE_CHECKING", True),
        ("ALib.top.x", True),
        ("ALib.part.near", True),
        ("torch", False),
        ("a.b", True),
        ("c", True),
        ("d", False),
    }
