"""Every picture that a page shows is there, every picture that is there is shown, and they stay small."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
PICTURES = REPOSITORY / "docs" / "pictures"
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
MOST_BYTES = 2_500_000  # of all pictures together: whoever clones the repository gets them


def shown() -> set[Path]:
    """The picture files that the pages name."""
    found = set()
    for page in PAGES:
        for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                found.add((page.parent / target).resolve())
    return found


def test_pictures_and_pages_agree() -> None:
    assert {path for path in shown() if not path.is_file()} == set()
    assert {path.resolve() for path in PICTURES.glob("*")} - shown() == set()


def test_pictures_are_described_in_words() -> None:
    for page in PAGES:
        assert "![](" not in page.read_text(encoding="utf-8"), page.name


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in shown()}
    assert sum(sizes.values()) < MOST_BYTES, sizes
