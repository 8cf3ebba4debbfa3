"""What must not be in the repository: machine paths, big files, unsafe calls, swallowed errors, unfinished work."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MEGABYTE = 1024 * 1024
FOLDERS = "|".join(("work", "tmp", "root", "home", "farm"))
MACHINE = re.compile(rf"(?<![\w.$}}*-])/(?:{FOLDERS})/|py" r"pi\.o" "rg|file:" r"//")
UNFINISHED = re.compile("|".join(("TO" "DO", "FIX" "ME", r"\bX" r"XX\b")))
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "pickle.load",
    "pickle.loads",
    "joblib.load",
    "marshal.load",
    "marshal.loads",
    "yaml.load",
    "yaml.unsafe_load",
    "os.system",
    "numpy.random.seed",
    "np.random.seed",
}
FORBIDDEN_ARGUMENTS = {("allow_pickle", True), ("weights_only", False), ("shell", True)}


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    """The files that git tracks and that exist."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    return [repository / name for name in listed.stdout.split("\0") if name and (repository / name).is_file()]


def _texts(tracked: list[Path]) -> Iterator[tuple[Path, str]]:
    for path in tracked:
        data = path.read_bytes()
        if b"\0" not in data:
            yield path, data.decode("utf-8")


def test_no_text_names_a_build_machine(repository: Path, tracked: list[Path]) -> None:
    found = [
        f"{path.relative_to(repository)}:{number}: {line.strip()[:80]}"
        for path, text in _texts(tracked)
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE.search(line)
    ]
    assert found == []


def test_nothing_is_left_unfinished(repository: Path, tracked: list[Path]) -> None:
    found = [
        f"{path.relative_to(repository)}:{number}: {line.strip()[:80]}"
        for path, text in _texts(tracked)
        if path.suffix == ".py"
        for number, line in enumerate(text.splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert found == []


def test_the_tree_is_small(repository: Path, tracked: list[Path]) -> None:
    """The Extension Index refuses checkouts above 100 MB; downloads belong to releases."""
    sizes = {str(path.relative_to(repository)): path.stat().st_size for path in tracked}
    assert [name for name, size in sizes.items() if size > 25 * MEGABYTE] == []
    assert sum(sizes.values()) < 60 * MEGABYTE


def unsafe(source: str) -> list[str]:
    """What a Python source does that ours must not: calls that run data, and errors that nobody hears of."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            arguments = {
                (word.arg, word.value.value) for word in node.keywords if isinstance(word.value, ast.Constant)
            }
            if name in FORBIDDEN_CALLS:
                found.append(f"{node.lineno}: {name}(…)")
            if name == "torch.load" and ("weights_only", True) not in arguments:
                found.append(f"{node.lineno}: torch.load without weights_only=True")
            found += [f"{node.lineno}: {word}={value}" for word, value in arguments & FORBIDDEN_ARGUMENTS]
        elif isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            silent = all(isinstance(step, ast.Pass) for step in node.body)
            if node.type is None or (silent and caught in ("Exception", "BaseException")):
                found.append(f"{node.lineno}: swallows {caught}")
    return found


def test_no_unsafe_call_and_no_swallowed_error(repository: Path, tracked: list[Path]) -> None:
    found = [
        f"{path.relative_to(repository)}:{what}"
        for path, text in _texts(tracked)
        if path.suffix == ".py"
        for what in unsafe(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("pickle.load(f)", ["1: pickle.load(…)"]),
        ("eval(text)", ["1: eval(…)"]),
        ("network.eval()", []),
        ("np.load(f, allow_pickle=True)", ["1: allow_pickle=True"]),
        ("np.load(f, allow_pickle=False)", []),
        ("torch.load(f)", ["1: torch.load without weights_only=True"]),
        ("torch.load(f, weights_only=True)", []),
        ("yaml.safe_load(f)", []),
        ("try:\n  f()\nexcept:\n  g()", ["3: swallows everything"]),
        ("try:\n  f()\nexcept Exception:\n  pass", ["3: swallows Exception"]),
        ("try:\n  f()\nexcept KeyError:\n  pass", []),
    ],
)
def test_unsafe_code_is_recognised(source: str, expected: list[str]) -> None:
    assert unsafe(source) == expected
