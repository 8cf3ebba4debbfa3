"""The stand-in for Slicer's application; what Slicer would only print fails a test."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NEEDED = [name for name in ("slicer", "PySide6") if importlib.util.find_spec(name) is None]
STANDIN = Path(__file__).resolve().parents[2] / "Standin"

if STANDIN.as_posix() not in sys.path:
    sys.path.insert(0, STANDIN.as_posix())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the packages the tests of this folder are skipped, with the reason."""
    if NEEDED:
        reason = f"{' and '.join(NEEDED)} not installed: pip install tumorclassifier[scene,test]"
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def standin() -> Any:
    """The application, started once."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")
    from start import start
    from vtk_messages import captured

    with captured() as window:
        started = start()
    assert window.GetOutput() == "", f"VTK complained: {window.GetOutput()}"
    return started


@pytest.fixture(autouse=True)
def same_library() -> Iterator[None]:
    """A panel that is reloaded reads the libraries anew; the tests after it get those that they know again."""

    def libraries() -> dict[str, Any]:
        ours = ("FeatureExtractorLib", "TumorClassifierLib")
        return {name: found for name, found in sys.modules.items() if name.partition(".")[0] in ours}

    before = libraries()
    yield
    after = libraries()
    if any(after.get(name) is not found for name, found in before.items()):
        for name in after:
            del sys.modules[name]
            package, _dot, part = name.rpartition(".")
            if isinstance(getattr(before.get(package), part, None), ModuleType):
                delattr(before[package], part)  # else `from . import` finds what is not known any more
        sys.modules.update(before)
        for name, found in before.items():
            package, _dot, part = name.rpartition(".")
            if package in before and not hasattr(before[package], part):
                setattr(before[package], part, found)


@pytest.fixture(autouse=True)
def no_problems(standin: Any, same_library: None) -> Iterator[Any]:
    """An empty scene; afterwards nothing may have been recorded that Slicer would only have printed."""
    import problems
    from vtk_messages import captured

    problems.install()  # a command run in this process may have put its own hook in the place of ours
    problems.take()
    with captured() as window:
        standin.scene.Clear()
        yield problems
        standin.process()
        standin.scene.Clear()
        standin.process()
    standin.questions.clear()
    standin.testing(True)
    recorded = problems.take()
    assert recorded == [], "\n".join(recorded)
    assert window.GetOutput() == "", f"VTK complained: {window.GetOutput()}"


@pytest.fixture
def window(standin: Any) -> Iterator[Any]:
    """Slicer's main window with four views; without this fixture there is neither, nor a layout manager."""
    yield standin.open_window()
    standin.close_window()


@pytest.fixture
def module(standin: Any, no_problems: Any, repository: Path) -> Iterator[Callable[..., Any]]:
    """Loads a module of the extension by name and shows its panel, which is closed after the test.

    shown=False: as when Slicer runs a module's test, which nobody has opened.
    """
    opened = []

    def load(name: str, shown: bool = True) -> Any:
        representation = standin.load(repository / name / f"{name}.py").widgetRepresentation()
        opened.append(name)
        panel = standin.open(name) if shown else representation.self()
        recorded = no_problems.take()
        assert recorded == [], "\n".join(recorded)
        return panel

    yield load
    for name in reversed(opened):
        standin.close(name)
