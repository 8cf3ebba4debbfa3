"""How long work tells its host where it is, and how the host stops it."""

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with the stage's name and the fraction of it that is done, 0 to 1; raises Cancelled to stop the work."""


def silent(stage: str, fraction: float) -> None:
    """A progress that nobody watches."""
