"""Prepare .venv for this checkout; run it as often as you like.

    python3 scripts/setup.py [INTERPRETER]

Nothing happens while .venv still belongs to the present pyproject.toml, constraints.txt and this file. Any Python from
3.8 on can run it, with its standard library alone, because this runs before anything is installed.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "set-up-is-done-for"
LOG = VENV / "set-up.log"
CONSTRAINTS = ROOT / "constraints.txt"
INPUTS = (ROOT / "pyproject.toml", CONSTRAINTS, Path(__file__).resolve())
GIGABYTES = 10
CANDIDATES = ("python3.11", "python3.12", "python3.13", "python3", "python")

IS_USABLE = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
NMS_WORKS = (
    "import torch, torchvision; box = torch.tensor([[0.0, 0.0, 1.0, 1.0]]); "
    "torchvision.ops.nms(box, torch.ones(1), 0.5)"
)
NATIVE_IS_USED = "the native engine is used"


class SetUpError(Exception):
    """Why set-up cannot go on, in one sentence."""


def main(arguments: list[str]) -> int:
    done_for = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == done_for and works([PYTHON, "-c", IS_USABLE]):
        return 0
    started = time.monotonic()
    say_if_disk_is_short()
    try:
        make_environment(arguments[0] if arguments else None)
        LOG.write_text("")
        install_packages()
        mend_torch_pair()
        install_pyradiomics()
        install_offscreen_drawing()
    except SetUpError as error:
        print(f"Set-up stopped: {error}", file=sys.stderr)
        return 1
    STAMP.write_text(done_for)
    print(f"Set-up is complete ({time.monotonic() - started:.0f} s): {VENV}", flush=True)
    return 0


def fingerprint() -> str:
    """Changes when .venv must be looked at again: other requirements, another script, a moved checkout."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in INPUTS:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def say_if_disk_is_short() -> None:
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < GIGABYTES and not STAMP.exists():
        say(f"Only {free:.1f} GB of disk are free at {ROOT}; a first set-up may need {GIGABYTES} GB and may fail.")


def make_environment(interpreter: str | None) -> None:
    if works([PYTHON, "-c", IS_USABLE]):
        return
    python = find_python(interpreter)
    say(f"Creating {VENV} with {python}")
    clear = ["--clear"] if VENV.exists() else []
    if subprocess.run([python, "-m", "venv", *clear, str(VENV)]).returncode:
        raise SetUpError(f"{python} could not create {VENV}; see its message above.")


def find_python(chosen: str | None) -> str:
    """The interpreter that was asked for, else python3.11, else the first newer one that can make environments."""
    for name in [chosen] if chosen else [*CANDIDATES, sys.executable]:
        if works([name, "-c", IS_USABLE]):
            return name
    what = f"{chosen} is not" if chosen else "There is no"
    raise SetUpError(f"{what} a Python 3.11 or newer with the module venv; install python3.11 and python3.11-venv.")


def install_packages() -> None:
    say("Installing packages (the first time about 5 GB to download, some minutes)")
    pip("the build tools", "numpy>=2,<2.5", "setuptools<81", "wheel")
    pip("the packages", "-e", ".[scene,parquet,test]")


def mend_torch_pair() -> None:
    """torch and torchvision must be built for each other; a local wheel of one of them may have come in between."""
    if works([PYTHON, "-c", NMS_WORKS]):
        return
    say("torch and torchvision do not fit together; installing the published pair")
    run([PYTHON, "-m", "pip", "uninstall", "--yes", "torch", "torchvision"], "the present torch could not be removed")
    # "===" takes the published build only: "==" would also take a local one such as 2.15.0+cpu.
    pip("torch and torchvision", *(f"{name}==={pinned(name)}" for name in ("torch", "torchvision")))
    if not works([PYTHON, "-c", NMS_WORKS]):
        raise SetUpError(f"torch and torchvision do not work together here; {PYTHON} -c '{NMS_WORKS}' says why.")


def pinned(name: str) -> str:
    found = re.search(rf"^{name}==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE)
    if found is None:
        raise SetUpError(f"{CONSTRAINTS} does not pin {name}; add a line {name}==VERSION.")
    return found.group(1)


def install_pyradiomics() -> None:
    """PyRadiomics is optional: it has no wheels for our Pythons and cannot be built on 3.12 or newer."""
    if works([PYTHON, "-c", "import radiomics"]):
        return
    if not works([PYTHON, "-c", "import sys; sys.exit(sys.version_info >= (3, 12))"]):
        say(f"PyRadiomics is not installed because it cannot be built on Python 3.12 or newer; {NATIVE_IS_USED}.")
    elif not any(shutil.which(name) for name in ("cc", "gcc", "clang", "cl")):
        say(f"PyRadiomics is not installed because there is no C compiler; {NATIVE_IS_USED}.")
    else:
        try:
            pip("PyRadiomics", "pyradiomics==3.0.1")
        except SetUpError as error:
            say(f"PyRadiomics is not installed because its build failed; {NATIVE_IS_USED} ({error})")


def install_offscreen_drawing() -> None:
    """Slicer's views are drawn without a window through OSMesa, which Linux does not always have."""
    if not sys.platform.startswith("linux") or ctypes.util.find_library("OSMesa"):
        return
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") and works([*root, "true"]):
        say("Installing libosmesa6, for drawing without a window")
        install = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "libosmesa6"]
        if works(install) or (works([*root, "apt-get", "update"]) and works(install)):
            return
    say("Pictures of the scene cannot be drawn without a window; install libOSMesa (Debian, Ubuntu: libosmesa6).")


def pip(what: str, *requirements: str) -> None:
    options = ["--no-build-isolation", "--disable-pip-version-check", "-c", CONSTRAINTS.name]
    run([PYTHON, "-m", "pip", "install", *options, *requirements], f"{what} could not be installed")


def run(command: list[str | Path], failure: str) -> None:
    """Run a command with its output in the log; raises SetUpError with the failure and its own first error."""
    words = [str(part) for part in command]
    finished = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = finished.stdout.decode(errors="replace")
    with LOG.open("a", encoding="utf-8") as log:
        log.write(output)
    if finished.returncode:
        lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no message"]
        reason = next((line for line in lines if line.lower().startswith("error")), lines[-1]).rstrip(".")
        raise SetUpError(f"{failure} ({reason}); all messages are in {LOG}.")


def works(command: list[str | Path]) -> bool:
    """Whether a command exists and succeeds."""
    try:
        return not subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True).returncode
    except OSError:
        return False


def say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
