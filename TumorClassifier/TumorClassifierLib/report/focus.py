"""What a report says of where the maps of a judged cohort point."""

from collections.abc import Mapping
from typing import Any

from ..explain.focus_cases import rows_of
from ..explain.focus_cohort import MEASURES
from ..explain.focus_figure import draw_focus
from .content import Block, Figure, Heading, Table, Text
from .evidence import Part
from .numbers import DASH, counted, fixed, p_value, percent

GROUPS = {"all": "all cases", "right": "called right", "wrong": "called wrong"}


def focus_blocks(part: Part) -> list[Block]:
    """Box plots and tests of focal points, as in Chen et al. 2022, figure 6; nothing without outlines or maps."""
    document = part.get("focus")
    if not document:
        return []
    rows, classes = rows_of(document), list(map(str, part["classes"]))
    inside, dice, pointing = document["inside"], document["dice"], document["pointing"]
    text = (
        f"Maps of the called class in {counted(int(document['patients']), 'patient')} with an outline, by networks "
        f"that had not seen them. On average {percent(inside, 0)} of a map lies in the tumour, and the Dice of the "
        f"tumour and the map above half its maximum is {fixed(dice, 2)}; the brightest point lies in the tumour in "
        f"{percent(pointing, 0)} of the patients."
    )
    caption = (
        "Distance of the map's brightest point from the tumour's centre (above) and, of points outside the tumour, "
        "from its edge (below), by actual class, in all cases and in those called right and wrong; p of Wilcoxon's "
        "rank-sum test, of three or more classes of Kruskal and Wallis's, not corrected."
    )
    return [
        Heading("Where the maps point", 3),
        Text(text),
        Figure(lambda path: draw_focus(rows, classes, path), caption, "Box plots of focal points"),
        _tests(document),
    ]


def _tests(document: Mapping[str, Any]) -> Table:
    return Table(
        ("Measure", "Compared", "In", "Medians (cases)", "p", f"p ({document['correction']})"),
        tuple(
            (
                MEASURES.get(test["measure"], test["measure"]),
                test["between"],
                GROUPS.get(test["group"], test["group"]),
                "; ".join(f"{name} {_median(test['median'][name])} ({n})" for name, n in test["n"].items()),
                p_value(test["p"]),
                p_value(test["p_corrected"]),
            )
            for test in document["tests"]
        ),
        "Where the maps point: tests",
        "Wilcoxon's rank-sum test between two groups, Kruskal and Wallis's between more; a dash where a group has "
        "fewer than two cases.",
        numeric=(4, 5),
    )


def _median(value: float | None) -> str:
    return DASH if value is None else fixed(value, 2)
