"""Lay out the extension as Slicer installs it: all modules in one folder, with just the files that CMake lists.

    python Testing/Tools/package_extension.py [FOLDER]     build/package by default; what lay there is replaced

Slicer's own packaging also compiles scripts and makes an archive; what is left out of a list is missing from both.
"""

import runpy
import shutil
import sys
from pathlib import Path

TOOL = runpy.run_path(str(Path(__file__).with_name("update_cmake_lists.py")))
REPOSITORY: Path = TOOL["REPOSITORY"]
MODULES_FOLDER = "lib/Slicer-5.12/qt-scripted-modules"


def lay_out(repository: Path, target: Path) -> Path:
    """Copy every listed file below the target, which is emptied first; returns the folder of the modules.

    Raises FileNotFoundError for a listed file that does not exist, at which CMake stops too.
    """
    shutil.rmtree(target, ignore_errors=True)
    modules = target / MODULES_FOLDER
    for module, listed in TOOL["listed_files"](repository).items():
        for name in (*listed.scripts, *listed.resources):
            place = modules / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repository / module / name, place)
    return modules


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "build" / "package"
    modules = lay_out(REPOSITORY, target)
    files = [path for path in modules.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"{len(files)} files, {size:.1f} MB, in {modules}")


if __name__ == "__main__":
    main()
