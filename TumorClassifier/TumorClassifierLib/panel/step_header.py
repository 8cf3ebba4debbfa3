"""What the header of a step says, so that the state of the whole panel is seen at a glance."""

from dataclasses import dataclass
from typing import Any

LONGEST = 44  # letters of a state; a header does not wrap and must not widen the panel
MARKS = {"done": "✓", "open": "○", "optional": "–", "running": "…", "wrong": "!"}


@dataclass(frozen=True)
class State:
    """How far a step is: a key of MARKS, and a few words."""

    mark: str
    text: str


def show_state(button: Any, title: str, tip: str, state: State) -> None:
    """Write title and state into the header of a step; its tooltip has the state at full length."""
    text = f"{title}    {MARKS[state.mark]} {shortened(state.text)}".rstrip().replace("&", "&&")
    if button.text != text:
        button.text = text
        button.toolTip = f"{tip} {state.text}".strip()


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text, or its beginning and end where it is longer: names often differ at the end."""
    if len(text) <= longest:
        return text
    tail = longest // 3
    return f"{text[: longest - tail - 1]}…{text[-tail:]}"
