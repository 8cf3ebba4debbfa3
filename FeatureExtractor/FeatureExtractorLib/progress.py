"""How long work tells its host where it is, and how the host stops it."""

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with the stage's name and the fraction of it that is done, 0 to 1; raises Cancelled to stop the work.

The name may be followed by " · " and words on how the stage is going, which change from call to call.
"""


def stage_name(stage: str) -> str:
    """The name of a stage without the words on how it is going."""
    return stage.partition(" · ")[0]


def silent(stage: str, fraction: float) -> None:
    """A progress that nobody watches."""
