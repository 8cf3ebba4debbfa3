"""Which of the loaded images is meant by a model's T1C: a first choice by name, which the user can change."""

import re
from collections.abc import Mapping, Sequence

# Ways in which files and series are named, most telling first; letters and digits only, in small letters.
NAMES: Mapping[str, tuple[str, ...]] = {
    "T1C": ("t1c", "t1ce", "t1gd", "t1gad", "t1post", "t1km", "gd", "post", "contrast", "ce"),
    "T1": ("t1", "t1w", "t1pre"),
    "T2": ("t2", "t2w"),
    "FLAIR": ("flair", "t2flair", "tirm"),
    "T2FS": ("t2fs", "t2fatsat", "stir"),
    "CT": ("ct",),
    "DWI": ("dwi", "trace"),
    "ADC": ("adc",),
}


def first_choices(modalities: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """By modality, the index of the image whose name fits, no image twice; modalities without one are left out.

    A single image for a single modality is chosen whatever its name.
    """
    if len(modalities) == 1 and len(names) == 1:
        return {modalities[0]: 0}
    chosen: dict[str, int] = {}
    for modality in modalities:
        ranked = [
            (rank, i)
            for i, name in enumerate(names)
            if (rank := _rank(modality, name)) is not None and i not in chosen.values()
        ]
        if ranked:
            chosen[modality] = min(ranked)[1]
    if not chosen and len(modalities) == 1 and names:
        chosen[modalities[0]] = 0
    return chosen


def fits(modality: str, name: str) -> bool:
    """Whether an image's name says that it is this one."""
    return _rank(modality, name) is not None


def _rank(modality: str, name: str) -> int | None:
    """How well a name fits a modality, 0 best; None where it does not."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.casefold()) if word]
    pairs = [a + b for a, b in zip(words, words[1:], strict=False)]
    known = NAMES.get(modality.upper(), ())
    for rank, wanted in enumerate((re.sub(r"[^a-z0-9]", "", modality.casefold()), *known)):
        if wanted in words or wanted in pairs:
            return rank
    return None
