"""Opening a panel costs nothing and works with none of the heavy packages installed."""

import runpy
import subprocess
import sys
from pathlib import Path

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "Tools" / "imports.py"))
HEAVY = {
    "captum",
    "cryptography",
    "dask",
    "highdicom",
    "matplotlib",
    "monai",
    "pandas",
    "pywt",
    "radiomics",
    "reportlab",
    "sklearn",
    "statsmodels",
    "timm",
    "torch",
    "torchcam",
    "torchio",
    "torchvision",
}
IMPORT_EACH = """
import importlib, sys
heavy, found = set(sys.argv[1].split()), set()
for name in sys.argv[2:]:
    importlib.import_module(name)
    new = (heavy & set(sys.modules)) - found
    found |= new
    if new:
        print(name, "loads", *sorted(new))
"""


def test_no_file_imports_a_heavy_package_at_its_scope(repository: Path) -> None:
    heavy = []
    for folder in (repository / "FeatureExtractor", repository / "TumorClassifier"):
        for path in folder.rglob("*.py"):
            for found in TOOL["imports_of"](path, folder):
                if found.eager and found.name.split(".")[0] in HEAVY:
                    heavy.append(f"{path.relative_to(repository)}:{found.line} imports {found.name}")
    assert heavy == []


def test_importing_every_module_loads_no_heavy_package(repository: Path) -> None:
    """All modules that need neither Slicer nor a web server, in a fresh process; the one that loads it is named."""
    names = [
        TOOL["module_name"](path, repository / module)
        for module in ("FeatureExtractor", "TumorClassifier")
        for path in sorted((repository / module / f"{module}Lib").rglob("*.py"))
        if not {"scene", "panel", "web"} & set(path.parts)
    ]
    assert "TumorClassifierLib.cli" in names
    command = [sys.executable, "-c", IMPORT_EACH, " ".join(sorted(HEAVY)), *names]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    assert child.stdout == ""
