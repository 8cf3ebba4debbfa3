"""The segments of a mask: what there are, and which one is meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError

# In a manifest or on the command line: every segment, each in a row of its own.
EACH = "*"


@dataclass(frozen=True)
class Segment:
    """One segment of a mask.

    number: its label value, DICOM segment number or ROI number; name: empty where the file gives none; layer: of a
    Slicer segmentation whose segments overlap.
    """

    number: float
    name: str = ""
    layer: int = 0

    @property
    def number_text(self) -> str:
        """The number as a user writes it."""
        return f"{self.number:g}"


def keys_of(segments: Sequence[Segment]) -> tuple[str, ...]:
    """What each segment is called in a table: its name, or its number where the name is empty or shared."""
    names = [segment.name for segment in segments]
    return tuple(s.name if s.name and names.count(s.name) == 1 else s.number_text for s in segments)


def choose(segments: Sequence[Segment], wanted: str, path: Path) -> tuple[Segment, ...]:
    """The segment of a name or, failing that, of a number; all of them when `wanted` is empty.

    Raises InputError naming the ones there are when there is none or more than one.
    """
    if not wanted:
        return tuple(segments)
    chosen = [s for s in segments if s.name == wanted] or [s for s in segments if _is_number(wanted, s.number)]
    if len(chosen) == 1:
        return (chosen[0],)
    names = [s.name for s in segments if s.name][:20]
    numbers = [f"{number:g}" for number in sorted({s.number for s in segments})][:20]
    listed = ", ".join(dict.fromkeys(names + numbers)) or "nothing but background"
    if wanted == EACH:
        raise InputError(f"The mask {path} was not asked for one segment (it has: {listed}); name one instead of *.")
    if chosen:
        raise InputError(
            f"The mask {path} has {len(chosen)} segments {wanted!r} (it has: {listed}); name one exactly."
        )
    raise InputError(f"The mask {path} has no segment {wanted!r} (it has: {listed}); name one of these.")


def _is_number(text: str, number: float) -> bool:
    try:
        return float(text) == number
    except ValueError:
        return False
