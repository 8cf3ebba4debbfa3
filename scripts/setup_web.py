"""Prepare .venv-web, for the page in the browser; run it as often as you like, after setup.py.

    python3 scripts/setup_web.py

trame-slicer is built for another slicer-core than the rest, so it has an environment of its own. That one holds only
what differs and sees the packages of .venv behind its own: a quarter of a gigabyte instead of eight.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import setup

VENV = setup.ROOT / ".venv-web"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "set-up-is-done-for"
CONSTRAINTS = setup.ROOT / "constraints-web.txt"
OWN_FIRST = "zz-packages-of-the-main-environment.pth"
SITE_PACKAGES = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
WORKS = "import trame_slicer.core, trame_slicer.rca_view, aiohttp, slicer, TumorClassifierLib, torch"


def main() -> int:
    done_for = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == done_for and setup.works([PYTHON, "-c", ""]):
        return 0
    started = time.monotonic()
    try:
        if not setup.works([setup.PYTHON, "-c", setup.IS_USABLE]):
            raise setup.SetUpError("there is no .venv yet; run `python3 scripts/setup.py` first.")
        make_environment()
        install()
    except setup.SetUpError as error:
        print(f"Set-up of the page stopped: {error}", file=sys.stderr)
        return 1
    STAMP.write_text(done_for)
    setup.say(f"Set-up of the page is complete ({time.monotonic() - started:.0f} s): {VENV}")
    return 0


def fingerprint() -> str:
    digest = hashlib.sha256(setup.fingerprint().encode())
    for path in (CONSTRAINTS, Path(__file__).resolve()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_environment() -> None:
    setup.say(f"Creating {VENV}")
    if VENV.exists():
        shutil.rmtree(VENV)
    setup.run([setup.PYTHON, "-m", "venv", VENV], f"{VENV} could not be created")
    own, main_packages = site_packages(PYTHON), site_packages(setup.PYTHON)
    (own / OWN_FIRST).write_text(f"import site; site.addsitedir({str(main_packages)!r})\n", encoding="utf-8")
    # slicer-core looks for VTK's libraries beside itself.
    try:
        os.symlink(main_packages / "vtkmodules", own / "vtkmodules", target_is_directory=True)
    except OSError:
        shutil.copytree(main_packages / "vtkmodules", own / "vtkmodules")


def install() -> None:
    setup.say("Installing trame-slicer (the first time about 150 MB to download)")
    options = ["--disable-pip-version-check", "-c", CONSTRAINTS.name]
    pip = [PYTHON, "-m", "pip", "install", *options, "trame-slicer[standalone]"]
    setup.run(pip, "trame-slicer could not be installed")
    if not setup.works([PYTHON, "-c", WORKS]):
        raise setup.SetUpError(f"it was installed but does not work; {PYTHON} -c '{WORKS}' says why.")


def site_packages(python: Path) -> Path:
    answer = subprocess.run([str(python), "-c", SITE_PACKAGES], capture_output=True, text=True, check=True)
    return Path(answer.stdout.strip())


if __name__ == "__main__":
    sys.exit(main())
