"""`tumorclassifier report` on a model that the command line has trained."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def outside(trained: Path, make_cohort, run_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `evaluate --out` writes of another cohort."""
    path = tmp_path_factory.mktemp("outside") / "north.json"
    code, _, err = run_cli("evaluate", trained, "--manifest", make_cohort(12, seed=77), "--out", path)
    assert code == 0, err
    return path


def test_html_and_pdf_of_a_trained_model_and_another_cohort(
    trained: Path, outside: Path, run_cli: Run, tmp_path: Path
) -> None:
    from pypdf import PdfReader

    for name in ("report.html", "report.pdf"):
        code, out, err = run_cli("report", trained, "--out", tmp_path / name, "--evaluation", outside)
        assert (code, err) == (0, "") and out.strip() == str(tmp_path / name)
    html = (tmp_path / "report.html").read_text()
    pdf = "".join(page.extract_text() for page in PdfReader(tmp_path / "report.pdf").pages)
    auc = json.loads(outside.read_text())["metrics"]["nomogram"]["auc"]
    shown = f"{auc['value']:.3f} ({auc['low']:.3f}–{auc['high']:.3f})"
    for text in (html, pdf):
        assert "For research use only" in text and shown in text and "External cohort (north)" in text
        assert "CLEAR" in text and "METRICS" in text
    assert "http" not in html and "p0" not in html.split("Settings, versions")[0].split("base64")[0]


def test_what_cannot_be_reported_is_a_sentence(
    trained: Path, outside: Path, make_cohort, run_cli: Run, tmp_path: Path
) -> None:
    broken, other, own = tmp_path / "broken.json", tmp_path / "other.json", tmp_path / "own.json"
    broken.write_text("{")
    document = json.loads(outside.read_text())
    other.write_text(json.dumps({**document, "model": {"sha256": "0" * 64}}))
    from TumorClassifierLib.bundle import read_bundle

    own.write_text(json.dumps({**document, "manifest": read_bundle(trained).manifest["cohort"]["manifest"]}))
    empty = tmp_path / "empty.json"
    empty.write_text("[1]")
    for arguments, sentence in (
        (["--out", tmp_path / "report.docx"], "end its name in .html or .pdf"),
        (["--out", tmp_path / "r.html", "--evaluation", tmp_path / "none.json"], "does not exist"),
        (["--out", tmp_path / "r.html", "--evaluation", broken], "is not JSON"),
        (["--out", tmp_path / "r.html", "--evaluation", empty], "holds no evaluation"),
        (["--out", tmp_path / "r.html", "--evaluation", other], "about another model"),
        (["--out", tmp_path / "r.html", "--evaluation", own], "judges the very patients"),
    ):
        code, out, err = run_cli("report", trained, *arguments)
        assert (code, out) == (1, "") and sentence in err and err.count("\n") == 1, sentence
    assert {path.suffix for path in tmp_path.iterdir()} == {".json"}


def test_without_reportlab_a_pdf_is_a_sentence(
    trained: Path, run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "reportlab"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "reportlab", None)
    code, out, err = run_cli("report", trained, "--out", tmp_path / "report.pdf")
    assert (code, out) == (1, "") and "pip install" in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
