"""What a report says, before it is HTML or PDF: a title and a list of blocks.

Both renderers (`html.py`, `pdf.py`) take the same description, so that the two files cannot tell different numbers.
Every text is plain: the renderers escape it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

INDENT = 3 * "\N{NO-BREAK SPACE}"
RESEARCH_ONLY = "For research use only"
FOOTER = (
    "Made on this computer; nothing was sent anywhere. Research use only: not a medical device, not for diagnosis or "
    "treatment decisions."
)

Verdict = Literal["yes", "no", "authors", "not applicable"]


@dataclass(frozen=True)
class Heading:
    """A title of level 2 (section) or 3; sections are listed in the contents."""

    text: str
    level: int = 2
    new_page: bool = False


@dataclass(frozen=True)
class Text:
    """A paragraph. kind: "plain", "note" (small), "warning", or "formula" (lines kept, one width of letters)."""

    text: str
    kind: Literal["plain", "note", "warning", "formula"] = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list of short sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Headline:
    """The one result that a reader looks for first, and a line below it."""

    text: str
    below: str = ""


@dataclass(frozen=True)
class Bar:
    """length: share of the full width, 0–1, or −1–1 where bars go both ways. text: the number as it is written."""

    name: str
    length: float
    text: str


@dataclass(frozen=True)
class Bars:
    """Horizontal bars; signed: they start in the middle and go to the left or to the right."""

    bars: tuple[Bar, ...]
    caption: str = ""
    signed: bool = False


@dataclass(frozen=True)
class Table:
    """Cells as text, rows as long as `columns`; numeric: columns set flush right; code: columns of hashes or names.

    facts: a table of two columns, name and value, without a head.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    note: str = ""
    numeric: tuple[int, ...] = ()
    code: tuple[int, ...] = ()
    facts: bool = False

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"A row of the table {self.caption!r} is not as long as its head.")


@dataclass(frozen=True)
class Figure:
    """draw: writes the figure to a path ending in .svg or .png. width: share of the text's width."""

    draw: Callable[[Path], Path]
    caption: str
    alt: str
    width: float = 1.0


@dataclass(frozen=True)
class Picture:
    """A ready PNG; width: share of the text's width."""

    png: bytes
    caption: str
    alt: str
    width: float = 1.0


@dataclass(frozen=True)
class Figures:
    """Figures side by side, two a row."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Entry:
    """One item of a checklist; note: where or what; weight: empty where the checklist has none."""

    number: int
    section: str
    item: str
    verdict: Verdict
    note: str
    weight: str = ""


@dataclass(frozen=True)
class Checklist:
    """A filled-in checklist."""

    caption: str
    entries: tuple[Entry, ...]


Block = Heading | Text | Bullets | Headline | Bars | Table | Figure | Picture | Figures | Checklist


@dataclass(frozen=True)
class Report:
    """A whole report. contents: whether its sections are listed at its start."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...]
    contents: bool = False


def facts(rows: Sequence[tuple[str, str]], caption: str = "", code: bool = False) -> Table:
    """A table of names and values."""
    return Table(("", ""), tuple(rows), caption, facts=True, code=(1,) if code else ())


def verdict_text(verdict: Verdict) -> str:
    """A verdict as it is printed."""
    return {"yes": "yes", "no": "no", "authors": "authors to fill in", "not applicable": "does not apply"}[verdict]
