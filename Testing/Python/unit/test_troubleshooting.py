"""docs/troubleshooting.md quotes what the code says: every heading is a sentence of the code, word for word."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = REPOSITORY / "docs" / "troubleshooting.md"
HEADINGS = re.findall(r"^### `(.+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@cache
def sentences() -> str:
    """Every text of the two libraries, with … where a value goes, a line each."""
    texts = []
    for path in REPOSITORY.glob("*/*Lib/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(p.value if isinstance(p, ast.Constant) else "…" for p in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(re.sub(r"\{\w*\}", "…", node.value))
    return "\n".join(texts)


def test_the_page_has_headings() -> None:
    assert len(HEADINGS) == len(set(HEADINGS)) >= 15


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_code_says_so(heading: str) -> None:
    assert heading in sentences().splitlines()
