"""Packages are asked for when they are needed, and what Slicer brought stays as it is."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from FeatureExtractorLib.errors import InputError


@pytest.fixture
def packaging(standin: Any) -> Iterator[Any]:
    """Slicer's packaging, which installs nothing here; as it was afterwards."""
    yield standin.packaging
    standin.packaging.pretends_missing.clear()
    standin.packaging.asked.clear()
    standin.packaging.declines, standin.packaging.fails = False, None


def test_nothing_is_asked_where_everything_is_there(packaging: Any) -> None:
    from TumorClassifierLib.panel.packages import base, ensure, needed_for

    ensure(needed_for("classify"))
    assert packaging.asked == []
    assert {"PyWavelets", "scikit-learn"} <= set(base()) and "torch" not in base()
    assert {"torch", "pandas"} <= set(needed_for("classify")) and "torch" not in needed_for("extract", networks=False)
    assert "highdicom" in needed_for("dicom")


def test_a_missing_package_is_asked_for_with_what_slicer_brought_kept(
    packaging: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from TumorClassifierLib.panel.packages import ensure

    seen: dict[str, Any] = {}

    def install(requirements: Any, constraints: Any = None, requester: str | None = None) -> None:
        seen.update(asked=requirements, constraints=Path(constraints).read_text(), requester=requester)
        packaging.pretends_missing.clear()

    monkeypatch.setattr(packaging, "pip_ensure", install)
    packaging.pretends_missing.add("pyarrow")
    ensure(["pyarrow", "pandas"])
    assert seen["asked"] == ["pyarrow>=17"] and seen["requester"] == "Tumor Classifier"
    import numpy as np

    assert f"numpy=={np.__version__}\n" in seen["constraints"] and "SimpleITK==" in seen["constraints"]


def test_a_decision_a_failure_and_a_silent_refusal_differ(packaging: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from TumorClassifierLib.panel.packages import Declined, ensure

    packaging.pretends_missing.add("scikit-learn")
    packaging.declines = True
    with pytest.raises(Declined, match="scikit-learn was not installed"):
        ensure(["scikit-learn"])
    packaging.declines, packaging.fails = False, "Collecting\nERROR: no such host"
    with pytest.raises(InputError, match=r"could not be installed \(.*no such host.*check the connection"):
        ensure(["scikit-learn"])
    packaging.fails = None  # and Slicer, in testing mode, installs nothing
    monkeypatch.setattr(packaging, "pip_ensure", lambda *given, **named: None)
    with pytest.raises(InputError, match="scikit-learn is needed for this and is not installed"):
        ensure(["scikit-learn"])


def test_torch_comes_through_its_extension_only(packaging: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from TumorClassifierLib.panel.packages import Declined, ensure

    def utilities(result: Any) -> ModuleType:
        class PyTorchUtilsLogic:
            def installTorch(self, **options: Any) -> Any:
                assert options["askConfirmation"] and options["torchVersionRequirement"] == ">=2.6"
                if isinstance(result, Exception):
                    raise result
                return result

        module = ModuleType("PyTorchUtils")
        module.PyTorchUtilsLogic = PyTorchUtilsLogic  # type: ignore[attr-defined]
        return module

    packaging.pretends_missing.add("torch")
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(InputError, match="install the extension PyTorch in the Extensions Manager"):
        ensure(["torch"])
    monkeypatch.setitem(sys.modules, "PyTorchUtils", utilities(None))
    with pytest.raises(Declined, match="PyTorch was not installed"):
        ensure(["torch"])
    monkeypatch.setitem(sys.modules, "PyTorchUtils", utilities(RuntimeError("no wheel for this card")))
    with pytest.raises(InputError, match=r"no wheel for this card\); open the module PyTorch Utils"):
        ensure(["torch"])
    assert packaging.asked == []  # never by pip


def test_slicer_5_10_has_no_packaging_and_is_asked_by_a_question(
    packaging: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import slicer

    from TumorClassifierLib.panel import packages

    there: set[str] = set()
    commands: list[list[str]] = []
    monkeypatch.setattr(packages, "_packaging", lambda: None)
    monkeypatch.setattr(packages, "installed", lambda name: "99.0" if name in there or name == "numpy" else "")
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *given, **named: False)
    monkeypatch.setattr(
        slicer.util, "pip_install", lambda given: (commands.append(given), there.add("pandas")), raising=False
    )
    with pytest.raises(packages.Declined, match="pandas was not installed"):
        packages.ensure(["pandas"])
    assert commands == []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *given, **named: True)
    packages.ensure(["pandas"])
    (command,) = commands  # a list: a path of Windows goes through no shell's rules
    assert command[0] == "-c" and command[1].endswith("constraints.txt") and command[2:] == ["pandas>=2.3"]


def test_the_status_line_says_what_is_there_and_imports_nothing(
    packaging: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from TumorClassifierLib.panel import status

    before = set(sys.modules)
    assert status.status_text().startswith("Radiomics: ")
    versions = {"pyradiomics": "", "torch": "2.9.0+cu128", "highdicom": ""}
    monkeypatch.setattr(status, "installed", lambda name: versions[name])
    monkeypatch.setattr(status, "graphics_card", lambda: "NVIDIA")
    packaging.pretends_missing.update({"pandas", "Jinja2"})
    assert status.status_text() == (
        "Radiomics: native engine · Networks: PyTorch 2.9.0 on the graphics card (NVIDIA) · "
        "2 packages to be installed at the first run"
    )
    tip = status.status_tip()
    assert "Jinja2, pandas: you are asked" in tip and "PyRadiomics is not needed" in tip and "highdicom" in tip
    versions["torch"] = "2.9.0+cpu"  # cannot use the card
    assert "PyTorch 2.9.0 on the processor ·" in status.status_text() and "a build for it" in status.status_tip()
    monkeypatch.setattr(status, "graphics_card", lambda: "")
    versions["torch"] = "2.9.0"
    assert "PyTorch 2.9.0 on the processor ·" in status.status_text() and "a build for" not in status.status_tip()
    versions["torch"] = ""
    assert "PyTorch is not installed" in status.status_text() and "Extensions Manager" in status.status_tip()
    assert not {name for name in set(sys.modules) - before if name.split(".")[0] in ("torch", "radiomics", "sklearn")}


@pytest.mark.parametrize(
    "system, machine, program, driver, card",
    [
        ("linux", "x86_64", True, False, "NVIDIA"),
        ("linux", "x86_64", False, True, "NVIDIA"),
        ("linux", "x86_64", False, False, ""),
        ("win32", "AMD64", True, False, "NVIDIA"),
        ("darwin", "arm64", False, False, "Apple"),
        ("darwin", "x86_64", False, False, ""),
    ],
)
def test_a_graphics_card_is_seen_by_its_driver(
    standin: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    machine: str,
    program: bool,
    driver: bool,
    card: str,
) -> None:
    from TumorClassifierLib.panel import status

    monkeypatch.setattr(status.sys, "platform", system)
    monkeypatch.setattr(status.platform, "machine", lambda: machine)
    monkeypatch.setattr(status.shutil, "which", lambda name: "/bin/nvidia-smi" if program else None)
    monkeypatch.setattr(status, "DRIVER", tmp_path if driver else tmp_path / "none")
    assert status.graphics_card() == card
