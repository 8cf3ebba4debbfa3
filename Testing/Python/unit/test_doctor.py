"""The doctor's findings on this machine and on machines that lack something."""

import json
import sys
from pathlib import Path

import pytest

from FeatureExtractorLib.provenance import package_version
from TumorClassifierLib import doctor
from TumorClassifierLib.doctor import Finding


def _by_name(findings: object) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}  # type: ignore[attr-defined]


def test_versions_are_those_installed() -> None:
    findings = _by_name(doctor.package_findings())
    for name in ("numpy", "scikit-learn", "torch"):
        assert findings[name] == Finding(name, "ok", str(package_version(name)))


def test_missing_and_old_packages_come_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "package_version", {"numpy": "1.26.4", "scipy": "1.13"}.get)
    findings = _by_name(doctor.package_findings())
    assert findings["numpy"] == Finding("numpy", "missing", "1.26.4, too old", 'pip install "numpy>=2"')
    assert findings["scipy"].state == "ok"
    assert findings["PyWavelets"].remedy == 'pip install "PyWavelets>=1.6"'
    assert "matching pair" in findings["torchvision"].remedy
    assert _by_name(doctor.radiomics_findings())["native radiomics"].detail == "needs SimpleITK, PyWavelets"


def test_devices_start_with_the_processor() -> None:
    assert doctor.devices_finding().detail.split(", ")[0] == "cpu"


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("raise RuntimeError('operator nms does not exist')", "operator nms does not exist"),
        ("import os; os.abort()", "exit code -"),
        ("import time; time.sleep(60)", "did not answer within 1 s"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="exit codes of aborted processes are positive on Windows")
def test_a_broken_torch_is_a_finding(monkeypatch: pytest.MonkeyPatch, code: str, detail: str) -> None:
    monkeypatch.setattr(doctor, "ASK_TORCH", code)
    finding = doctor.devices_finding(seconds=1)
    assert finding.state == "missing"
    assert detail in finding.detail


def test_weights_are_found_in_torchs_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert {finding.state for finding in doctor.weights_findings()} == {"limited"}
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet50-0676ba61.pth").write_bytes(b"x" * 2_000_000)
    findings = _by_name(doctor.weights_findings())
    assert findings["resnet50 weights"] == Finding("resnet50 weights", "ok", "resnet50-0676ba61.pth")
    assert findings["resnet18 weights"].state == "limited"
    assert "47 MB, licence BSD-3-Clause, from https://" in findings["resnet18 weights"].detail
    assert f"{folder} (2.0 MB)" in doctor.cache_finding().detail


def test_cache_is_where_torch_keeps_it() -> None:
    import torch

    assert doctor.torch_cache() == Path(torch.hub.get_dir()) / "checkpoints"


def test_the_text_has_every_finding_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ASK_TORCH", "print('[\"cpu\"]')")
    findings = doctor.examine()
    names = [finding.name for finding in findings]
    assert len(names) == len(set(names))
    assert all(finding.remedy or finding.state != "missing" for finding in findings)
    text = doctor.as_text(findings)
    assert all(finding.name in text and finding.remedy in text for finding in findings)
    assert json.loads(json.dumps([vars(finding) for finding in findings]))[0]["name"] == "Python"


def test_reports_are_html_only_without_reportlab(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.pdf_finding().state == "ok"
    monkeypatch.setattr(doctor, "package_version", lambda name: None)
    finding = doctor.pdf_finding()
    assert finding.state == "limited" and "reportlab" in finding.remedy
