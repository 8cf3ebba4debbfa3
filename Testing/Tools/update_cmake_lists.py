"""Write the files that the tree holds into each module's CMakeLists.txt, because Slicer packages only what is listed.

    python Testing/Tools/update_cmake_lists.py

Run it after adding, moving or removing a module's file; a test compares lists and tree by the same functions.
"""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = ("FeatureExtractor", "TumorClassifier")
UNPACKAGED = {"__pycache__", "py.typed"}


@dataclass(frozen=True)
class Packaged:
    """The files of one module, relative to its folder, as CMake lists them."""

    scripts: tuple[str, ...]
    resources: tuple[str, ...]


def tree_files(repository: Path) -> dict[str, Packaged]:
    """What each module must package: its module file, its Lib and its Resources.

    Slicer installs all modules into one folder, so a resource that two of them share is listed by the first only;
    raises ValueError where two resources of the same installed path differ.
    """
    owners: dict[str, str] = {}
    found = {}
    for module in MODULES:
        folder = repository / module
        files = [folder / f"{module}.py", *_files(folder / f"{module}Lib"), *_files(folder / "Resources")]
        names = [path.relative_to(folder).as_posix() for path in files]
        resources = []
        for name in (name for name in names if not name.endswith(".py")):
            owner = owners.setdefault(name, module)
            if owner == module:
                resources.append(name)
            elif (repository / owner / name).read_bytes() != (folder / name).read_bytes():
                raise ValueError(f"{owner}/{name} and {module}/{name} differ but install to one path; rename one.")
        scripts = sorted(name for name in names if name.endswith(".py"))
        found[module] = Packaged(tuple(scripts), tuple(sorted(resources)))
    return found


def listed_files(repository: Path) -> dict[str, Packaged]:
    """What each module's CMakeLists.txt lists now."""
    found = {}
    for module in MODULES:
        text = (repository / module / "CMakeLists.txt").read_text(encoding="utf-8")
        scripts, resources = (_entries(text, f"MODULE_PYTHON_{kind}") for kind in ("SCRIPTS", "RESOURCES"))
        found[module] = Packaged(tuple(scripts), tuple(resources))
    return found


def with_lists(text: str, packaged: Packaged) -> str:
    """The CMake text with both lists replaced."""
    for variable, names in (
        ("MODULE_PYTHON_SCRIPTS", packaged.scripts),
        ("MODULE_PYTHON_RESOURCES", packaged.resources),
    ):
        lines = "".join(f"  {name}\n" for name in names)
        text = _block(variable).sub(f"set({variable}\n{lines}  )", text)
    return text


def _files(folder: Path) -> list[Path]:
    """Every file below a folder that ships: no caches, no hidden files."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part in UNPACKAGED or part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _block(variable: str) -> re.Pattern[str]:
    return re.compile(rf"set\({variable}\b([^)]*)\)")


def _entries(text: str, variable: str) -> list[str]:
    match = _block(variable).search(text)
    return match.group(1).split() if match else []


def main() -> None:
    for module, packaged in tree_files(REPOSITORY).items():
        path = REPOSITORY / module / "CMakeLists.txt"
        path.write_text(with_lists(path.read_text(encoding="utf-8"), packaged), encoding="utf-8")
        print(f"{module}: {len(packaged.scripts)} scripts, {len(packaged.resources)} resources")


if __name__ == "__main__":
    main()
