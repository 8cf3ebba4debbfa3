"""What this installation can do, what it lacks, and what to do about it."""

import ctypes.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from FeatureExtractorLib.deep.backbones import BACKBONES
from FeatureExtractorLib.deep.published import torch_cache
from FeatureExtractorLib.provenance import package_version
from FeatureExtractorLib.resources import resource_path

from .places import keys_folder, user_folder
from .store import installed_models

OLDEST_PYTHON = (3, 11)
BROUGHT_BY_SLICER = ("numpy>=2", "scipy>=1.13", "SimpleITK>=2.4")
NETWORKS = ("torch>=2.6", "torchvision>=0.21")
GIGABYTES_TO_WORK = 2

ASK_TORCH = """
import json, torch, torchvision
torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)
found = ["cpu"]
found += [f"cuda ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
found += ["mps"] if torch.backends.mps.is_available() else []
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` is empty where nothing needs doing.

    "missing": something does not work without it; "limited": everything works, but less well or not everywhere.
    """

    name: str
    state: Literal["ok", "missing", "limited"]
    detail: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Every finding, most basic first; takes some seconds because torch is tried in a process of its own."""
    return [
        python_finding(),
        *package_findings(),
        *radiomics_findings(),
        devices_finding(),
        *weights_findings(),
        models_finding(),
        signatures_finding(),
        pdf_finding(),
        slicer_finding(),
        drawing_finding(),
        compiler_finding(),
        disk_finding(),
        cache_finding(),
    ]


def as_text(findings: list[Finding]) -> str:
    """A line per finding, and its remedy below it."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<8} {finding.name:<{width}}  {finding.detail}")
        if finding.remedy:
            lines.append(f"{'':<8} {'':<{width}}  → {finding.remedy}")
    return "\n".join(lines)


def python_finding() -> Finding:
    """Whether this Python is new enough."""
    detail = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info >= OLDEST_PYTHON:
        return Finding("Python", "ok", detail)
    return Finding("Python", "missing", detail, "install Python 3.11 or newer")


def package_findings() -> Iterator[Finding]:
    """The version of every package that the extension needs, against the oldest that it accepts."""
    own = resource_path("requirements.txt", __file__).read_text(encoding="utf-8").splitlines()
    needed = [*BROUGHT_BY_SLICER, *(line for line in own if line and not line.startswith("#")), *NETWORKS]
    for requirement in needed:
        name, _, oldest = requirement.partition(">=")
        version = package_version(name)
        remedy = f'pip install "{requirement}"'
        if requirement in NETWORKS:
            remedy = "install torch and torchvision as a matching pair (in Slicer: the PyTorch extension)"
        if version is None:
            yield Finding(name, "missing", "not installed", remedy)
        elif _numbers(version) < _numbers(oldest):
            yield Finding(name, "missing", f"{version}, too old", remedy)
        else:
            yield Finding(name, "ok", version)


def radiomics_findings() -> Iterator[Finding]:
    """Which engines can measure radiomics features; both give the same numbers."""
    lacking = [name for name in ("numpy", "scipy", "SimpleITK", "PyWavelets") if package_version(name) is None]
    if lacking:
        yield Finding("native radiomics", "missing", f"needs {', '.join(lacking)}", f"pip install {' '.join(lacking)}")
    else:
        yield Finding("native radiomics", "ok", "available")
    version = package_version("pyradiomics")
    if version is not None:
        yield Finding("PyRadiomics", "ok", version)
    elif sys.version_info >= (3, 12):
        yield Finding("PyRadiomics", "limited", "cannot be built on Python 3.12 or newer; the native engine is used")
    else:
        remedy = "optional: install a C compiler, then pip install --no-build-isolation pyradiomics==3.0.1"
        yield Finding("PyRadiomics", "limited", "not installed; the native engine is used", remedy)


def devices_finding(seconds: float = 120) -> Finding:
    """What networks can run on, asked in a child process so that a broken torch cannot take this one down."""
    remedy = "install torch and torchvision as a matching pair (in Slicer: the PyTorch extension)"
    if package_version("torch") is None:
        return Finding("devices", "missing", "torch is not installed", remedy)
    try:
        child = subprocess.run([sys.executable, "-c", ASK_TORCH], capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Finding("devices", "missing", f"torch did not answer within {seconds:.0f} s", remedy)
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        return Finding("devices", "missing", f"torch does not work: {reason}", remedy)
    return Finding("devices", "ok", ", ".join(json.loads(child.stdout.splitlines()[-1])))


def weights_findings() -> Iterator[Finding]:
    """The networks, and those ImageNet weights that were downloaded already, so that no connection is needed."""
    lacks_timm = package_version("timm") is None
    for name, spec in BACKBONES.items():
        if spec.package == "timm" and lacks_timm:
            yield Finding(f"{name} network", "limited", "needs timm, which is not installed", "pip install timm")
        file = spec.published.path
        if file.is_file():
            yield Finding(f"{name} weights", "ok", file.name)
        else:
            detail = f"not on this computer: {spec.published.describe()}"
            remedy = f"downloaded on first use; without a network put it into {file.parent}, or use file: weights"
            yield Finding(f"{name} weights", "limited", detail, remedy)


def models_finding() -> Finding:
    """The models that can classify now."""
    models = installed_models()
    if models:
        return Finding("models", "ok", ", ".join(f"{model.name} ({model.origin})" for model in models))
    remedy = "`tumorclassifier train` makes one, `tumorclassifier models install FILE` adds one"
    return Finding("models", "limited", "none installed", remedy)


def signatures_finding() -> Finding:
    """Whether signatures of models can be made and checked."""
    version = package_version("cryptography")
    if version is not None:
        return Finding("signatures", "ok", f"cryptography {version}")
    return Finding("signatures", "limited", "cannot be checked", 'pip install "cryptography>=42"')


def pdf_finding() -> Finding:
    """Whether reports can be written as PDF; as HTML they always can."""
    version = package_version("reportlab")
    if version is not None:
        return Finding("PDF reports", "ok", f"reportlab {version}")
    return Finding("PDF reports", "limited", "reports are written as HTML only", 'pip install "reportlab>=4"')


def slicer_finding() -> Finding:
    """Whether results can be put into a Slicer scene here."""
    if "SLICER_HOME" in os.environ:
        return Finding("scene", "ok", "inside 3D Slicer")
    version = package_version("slicer-core")
    if version is not None:
        return Finding("scene", "ok", f"slicer-core {version}")
    remedy = 'pip install "slicer-core==5.12.4.0"'
    return Finding("scene", "limited", "neither in 3D Slicer nor with slicer-core", remedy)


def drawing_finding() -> Finding:
    """Whether the scene's views can be drawn without a window."""
    name = "off-screen drawing"
    if not sys.platform.startswith("linux"):
        return Finding(name, "ok", "by the system's own OpenGL")
    library = ctypes.util.find_library("OSMesa")
    if library:
        return Finding(name, "ok", library)
    remedy = "install libOSMesa (Debian, Ubuntu: apt-get install libosmesa6)"
    return Finding(name, "limited", "libOSMesa was not found; scenes are made, but no pictures of them", remedy)


def compiler_finding() -> Finding:
    """A C compiler, which nothing but the building of PyRadiomics needs."""
    compiler = next((path for path in map(shutil.which, ("cc", "gcc", "clang", "cl")) if path), None)
    if compiler:
        return Finding("C compiler", "ok", compiler)
    return Finding("C compiler", "limited", "none found; only the optional PyRadiomics needs one")


def disk_finding() -> Finding:
    """Room for results and downloads, where the caches are."""
    folder = user_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    detail = f"{free:.1f} GB free at {folder}"
    if free >= GIGABYTES_TO_WORK:
        return Finding("disk", "ok", detail)
    return Finding("disk", "limited", detail, f"free some space; a cohort may need {GIGABYTES_TO_WORK} GB")


def cache_finding() -> Finding:
    """What was stored on this computer outside the installation, and where, so that it can be removed."""
    places = {"models": user_folder(), "trusted keys": keys_folder(), "network weights": torch_cache()}
    return Finding("stored files", "ok", "; ".join(f"{what}: {path} ({_size(path)})" for what, path in places.items()))


def _size(folder: Path) -> str:
    if not folder.is_dir():
        return "nothing yet"
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return f"{megabytes:.1f} MB"


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparing: "2.4.0rc1" is (2, 4, 0)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()
