"""The extension as Slicer installs it opens both panels, from its own files only."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

OPEN_BOTH = """
import json, sys
from pathlib import Path
modules, standin = map(Path, sys.argv[1:])
sys.path[:0] = [str(modules), str(standin)]
from start import start
import problems
running = start()
import slicer
for name in ("FeatureExtractor", "TumorClassifier"):
    running.load(modules / f"{name}.py")
slicer.app.startupCompleted.emit()
opened = [running.open(name).moduleName for name in ("FeatureExtractor", "TumorClassifier")]
running.process(0.05)
import SampleData
SampleData.SampleDataLogic().downloadSample("Drawn head")
from TumorClassifierLib.model_choice import model_summaries
ours = [m for n, m in sys.modules.items() if n.partition(".")[0] in ("FeatureExtractorLib", "TumorClassifierLib")]
print(json.dumps({
    "opened": opened,
    "problems": problems.take(),
    "models": [s.name for s in model_summaries() if not s.damaged],
    "outside": [str(m.__file__) for m in ours if not Path(m.__file__).is_relative_to(modules)],
    "icons": [not getattr(slicer.modules, n).icon.isNull() for n in ("featureextractor", "tumorclassifier")],
}))
"""


@pytest.mark.slow
def test_installed_extension_opens_in_a_fresh_process(repository: Path, tmp_path: Path) -> None:
    tool = runpy.run_path(str(repository / "Testing" / "Tools" / "package_extension.py"))
    modules = tool["lay_out"](repository, tmp_path / "installed")
    assert sorted(path.name for path in modules.glob("*.py")) == ["FeatureExtractor.py", "TumorClassifier.py"]
    done = subprocess.run(
        [sys.executable, "-c", OPEN_BOTH, str(modules), str(repository / "Testing" / "Standin")],
        cwd=tmp_path,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["opened"] == ["FeatureExtractor", "TumorClassifier"]
    assert found["problems"] == [] and found["outside"] == []
    assert "brain-t1c-3class" in found["models"]
    assert found["icons"] == [True, True]


def test_a_listed_file_that_is_missing_stops_the_packaging(repository: Path, tmp_path: Path) -> None:
    tool = runpy.run_path(str(repository / "Testing" / "Tools" / "package_extension.py"))
    for module in ("FeatureExtractor", "TumorClassifier"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "CMakeLists.txt").write_text(
            f"set(MODULE_PYTHON_SCRIPTS\n  {module}.py\n  )\nset(MODULE_PYTHON_RESOURCES)\n", encoding="utf-8"
        )
    (tmp_path / "FeatureExtractor" / "FeatureExtractor.py").touch()
    with pytest.raises(FileNotFoundError, match=r"TumorClassifier\.py"):
        tool["lay_out"](tmp_path, tmp_path / "installed")
