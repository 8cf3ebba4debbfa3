"""How a checklist is filled in: an item, a small function that decides it, and the answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .content import Checklist, Entry, Verdict
from .evidence import Evidence

Answer = tuple[Verdict, str]
Decide = Callable[[Evidence], Answer]


@dataclass(frozen=True)
class Item:
    """One item in short words of our own; weight: of METRICS, 0 where a checklist has none."""

    number: int
    section: str
    text: str
    decide: Decide
    weight: float = 0.0


def authors(note: str) -> Decide:
    """An item that no software can know."""
    return lambda _: ("authors", note)


def yes(note: str) -> Decide:
    """An item that this software always does."""
    return lambda _: ("yes", note)


def filled(items: Sequence[Item], evidence: Evidence, caption: str) -> Checklist:
    """The checklist with every item decided."""
    entries = []
    for item in items:
        verdict, note = item.decide(evidence)
        weight = f"{item.weight:.4f}" if item.weight else ""
        entries.append(Entry(item.number, item.section, item.text, verdict, note[:1].upper() + note[1:], weight))
    return Checklist(caption, tuple(entries))
