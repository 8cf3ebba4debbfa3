"""How work on many cases is going: rate, remaining time and failures."""

import time


class Pace:
    """Counts cases as they get done; those that an earlier run had finished do not count towards the rate."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._start = time.monotonic()
        self._measured = 0
        self.kept = 0
        self.failed = 0

    def add(self, *, measured: bool, failed: bool) -> None:
        """Count one more case."""
        self._measured += measured
        self.kept += not measured
        self.failed += failed

    @property
    def fraction(self) -> float:
        """The share of cases that are done, 0 to 1."""
        return (self._measured + self.kept) / self._total

    def words(self) -> str:
        """Such as "12 of 200 cases, 31 a minute, 6 min left, 2 failed"."""
        done = self._measured + self.kept
        parts = [f"{done} of {self._total} cases"]
        if self._measured:
            seconds = max(time.monotonic() - self._start, 1e-9) / self._measured
            parts.append(f"{60 / seconds:.3g} a minute")
            if done < self._total:
                parts.append(f"{duration(seconds * (self._total - done))} left")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Such as "40 s", "6 min" or "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
