"""Whether a model was shown to be better than chance, in a sentence for whoever trains, reads or applies it."""

from collections.abc import Mapping
from typing import Any

CHANCE = 0.5  # area under the ROC curve of two classes, and mean of the areas of several


def chance_warning(metrics: Mapping[str, Any], main: str) -> str | None:
    """A sentence where the interval of the main model's out-of-fold AUC reaches down to chance; else None.

    metrics: by sub-model, as a model file keeps them; None, too, where they do not tell.
    """
    of_main = metrics.get(main)
    auc = of_main.get("auc") if isinstance(of_main, Mapping) else None
    if not isinstance(auc, Mapping):
        return None
    numbers = [auc.get(name) for name in ("value", "low", "high")]
    if not all(isinstance(number, float | int) for number in numbers):
        return None
    value, low, high = (float(number) for number in numbers if number is not None)
    if low > CHANCE:
        return None
    return (
        f"The model was not shown to be better than chance: out of fold its area under the ROC curve is {value:.3f} "
        f"(95 % interval {low:.3f}–{high:.3f}), and {CHANCE} is chance."
    )
