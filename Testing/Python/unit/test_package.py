"""The installable package: what is in it, what it needs, and that its versions agree."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

MODULES = ("FeatureExtractor", "TumorClassifier")
IN_SLICER = {"numpy", "scipy", "SimpleITK"}
FROM_PYTORCH_EXTENSION = {"torch", "torchvision"}


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    """The [project] table of pyproject.toml."""
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that no build folder stays in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignore = shutil.ignore_patterns("__pycache__", ".*")
    for name in MODULES:
        shutil.copytree(repository / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (repository / name).exists():
            shutil.copy(repository / name, source / name)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    return next(folder.glob("*.whl"))


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _shipped(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(folder).parts)
    }


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_the_wheel_has_every_source_and_every_resource(repository: Path, wheel: Path, module: str) -> None:
    lib = f"{module}Lib"
    expected = {f"{lib}/{name}" for name in _shipped(repository / module / lib)}
    expected |= {f"{lib}/Resources/{name}" for name in _shipped(repository / module / "Resources")}
    with zipfile.ZipFile(wheel) as archive:
        present = {name for name in archive.namelist() if name.startswith(f"{lib}/")}
    assert expected - present == set(), "add the sub-package to pyproject.toml"
    assert present - expected == set()


@pytest.mark.slow
def test_resources_are_found_from_the_installed_wheel(repository: Path, wheel: Path, tmp_path: Path) -> None:
    """Presets from a file two packages deep, models, and the list for Slicer, outside the checkout."""
    _pip("install", "--no-deps", "--no-index", "--target", str(tmp_path / "site"), str(wheel))
    names = {
        "FeatureExtractorLib.radiomics.presets": _some(repository / "FeatureExtractor", "Presets/*.yaml"),
        "TumorClassifierLib.store": _some(repository / "TumorClassifier", "Models/*.tcmodel"),
        "TumorClassifierLib.doctor": ["requirements.txt"],
    }
    code = (
        "import importlib, pathlib, sys\n"
        f"site = pathlib.Path({str(tmp_path / 'site')!r}); sys.path.insert(0, str(site))\n"
        "from FeatureExtractorLib.resources import resource_path\n"
        f"for module, files in {names!r}.items():\n"
        "    for name in files:\n"
        "        path = resource_path(name, importlib.import_module(module).__file__)\n"
        "        assert path.is_file() and site in path.parents, path\n"
    )
    child = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr


def _some(module: Path, pattern: str) -> list[str]:
    """Resources that match, relative to the Resources folder; there is at least one."""
    found = [path.relative_to(module / "Resources").as_posix() for path in (module / "Resources").glob(pattern)]
    assert found, f"{module} has no {pattern}"
    return found


def test_the_command_is_installed(project: dict[str, Any]) -> None:
    (command,) = entry_points(group="console_scripts", name="tumorclassifier")
    assert command.value == project["scripts"]["tumorclassifier"]
    assert callable(command.load())


def test_versions_agree(repository: Path, project: dict[str, Any]) -> None:
    newest = re.search(r"^## (\S+)", (repository / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == project["version"] == version("tumorclassifier")


def _requirements(lines: list[str]) -> dict[str, Requirement]:
    parsed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {requirement.name: requirement for requirement in parsed}


def test_every_direct_dependency_is_pinned_within_its_range(repository: Path, project: dict[str, Any]) -> None:
    extras = {"": project["dependencies"], **project["optional-dependencies"]}
    for extra, lines in extras.items():
        file = "constraints-web.txt" if extra == "web" else "constraints.txt"  # an environment of its own
        pins = _requirements((repository / file).read_text(encoding="utf-8").splitlines())
        for name, requirement in _requirements(lines).items():
            (pin,) = pins[name].specifier
            assert pin.operator == "==", f"{name} is not pinned"
            assert requirement.specifier.contains(pin.version), f"{name} is pinned outside its range"


@pytest.mark.parametrize("module", MODULES)
def test_slicer_is_asked_for_what_it_lacks(repository: Path, project: dict[str, Any], module: str) -> None:
    """The same ranges as the package's, without what Slicer and its PyTorch extension bring; no inline comments."""
    lines = (repository / module / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert not any(" #" in line for line in lines)
    own = {name: str(found) for name, found in _requirements(project["dependencies"]).items()}
    brought = IN_SLICER | FROM_PYTORCH_EXTENSION
    assert {name: str(found) for name, found in _requirements(lines).items()} == {
        name: text for name, text in own.items() if name not in brought
    }
