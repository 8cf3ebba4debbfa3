"""The set-up script's decisions, and the exit code and last line of the continuous-integration script."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def setup(repository: Path, tmp_path: Path) -> ModuleType:
    """scripts/setup.py working in a checkout of its own, with no environment."""
    spec = importlib.util.spec_from_file_location("setup_script", repository / "scripts" / "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shutil.copy(repository / "constraints.txt", tmp_path)
    (tmp_path / ".venv").mkdir()
    for name, value in {
        "ROOT": tmp_path,
        "VENV": tmp_path / ".venv",
        "PYTHON": Path(sys.executable),
        "STAMP": tmp_path / ".venv" / "stamp",
        "LOG": tmp_path / ".venv" / "log",
        "CONSTRAINTS": tmp_path / "constraints.txt",
    }.items():
        setattr(module, name, value)
    return module


def test_a_finished_environment_is_left_alone(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(interpreter: str | None) -> None:
        raise AssertionError("set-up looked at a finished environment")

    monkeypatch.setattr(setup, "make_environment", refuse)
    setup.STAMP.write_text(setup.fingerprint())
    assert setup.main([]) == 0
    monkeypatch.setattr(setup, "ROOT", setup.VENV)  # the checkout was moved
    with pytest.raises(AssertionError):
        setup.main([])


def test_no_suitable_python_is_one_sentence(setup: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    setup.PYTHON = Path("no-such-python")
    assert setup.main(["no-such-python"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Set-up stopped: no-such-python is not a Python 3.11 or newer")
    assert setup.find_python(sys.executable) == sys.executable


def test_a_failed_command_names_its_own_reason_and_the_log(setup: ModuleType) -> None:
    code = "import sys; print('ERROR: No matching distribution'); print('hint: see above'); sys.exit(1)"
    with pytest.raises(setup.SetUpError, match=r"^no luck \(ERROR: No matching distribution\); all messages are in "):
        setup.run([sys.executable, "-c", code], "no luck")
    assert "hint: see above" in setup.LOG.read_text()


def test_little_disk_is_said(setup: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    setup.GIGABYTES = 10**9
    setup.say_if_disk_is_short()
    assert "GB of disk are free" in capsys.readouterr().out
    setup.GIGABYTES = 0
    setup.say_if_disk_is_short()
    assert capsys.readouterr().out == ""


def test_a_pair_that_does_not_fit_is_replaced_by_the_published_one(setup: ModuleType) -> None:
    answers = iter([False, True])
    commands: list[str] = []
    setup.works = lambda command: next(answers)
    setup.run = lambda command, failure: commands.append(" ".join(map(str, command)))
    setup.mend_torch_pair()
    uninstall, install = commands
    assert uninstall.endswith("uninstall --yes torch torchvision")
    assert install.endswith(f"torch==={setup.pinned('torch')} torchvision==={setup.pinned('torchvision')}")


@pytest.mark.parametrize("reason", ["no C compiler", "its build failed", "on Python 3.12 or newer"])
def test_a_missing_pyradiomics_is_said_and_does_not_stop(
    setup: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def fail(what: str, *requirements: str) -> None:
        raise setup.SetUpError("no headers")

    python_is_old_enough = reason != "on Python 3.12 or newer"
    monkeypatch.setattr(setup, "works", lambda command: "radiomics" not in command[-1] and python_is_old_enough)
    monkeypatch.setattr(setup.shutil, "which", lambda name: None if reason == "no C compiler" else f"/bin/{name}")
    monkeypatch.setattr(setup, "pip", fail)
    setup.install_pyradiomics()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("PyRadiomics is not installed because") and reason in line
    assert "the native engine is used" in line


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "make", "awk"))), reason="needs bash, make and awk")
@pytest.mark.parametrize(("recipe", "code"), [("echo '3 passed'", 0), ("echo '1 failed'; exit 1", 1), ("exit 5", 5)])
def test_ci_ends_with_the_tests_own_line_and_code(repository: Path, tmp_path: Path, recipe: str, code: int) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(repository / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / "Makefile").write_text(f"test:\n\t@echo started; {recipe}\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run([tmp_path / ".ci" / "run"], capture_output=True, text=True, env=environment)
    assert done.returncode == code
    expected = recipe.split("'")[1] if "'" in recipe else "started"
    assert done.stdout.splitlines()[-1] == expected
    assert done.stderr == ""
