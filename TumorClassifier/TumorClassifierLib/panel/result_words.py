"""A result in words: as rich text for the panel and as plain text for the clipboard.

Both are made of the blocks of the patient report, so that panel and report cannot tell different numbers.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from slicer.i18n import tr as _

from ..feature_words import feature_in_words
from ..report.content import FOOTER, RESEARCH_ONLY, Bar, Bars, Block, Headline, Table, Text
from ..report.patient import MOST_CONTRIBUTIONS, answer_blocks, contribution_blocks, score_blocks


@dataclass(frozen=True)
class Colours:
    """What bars and warnings are drawn in; every pair keeps its contrast on its own background."""

    bar: str
    lower: str
    track: str
    warning: str
    warning_text: str


LIGHT = Colours(bar="#2a70b8", lower="#c2571a", track="#e1e5ea", warning="#fff1cc", warning_text="#4a3500")
DARK = Colours(bar="#5aa2e6", lower="#e8894a", track="#4a4f57", warning="#4d3d10", warning_text="#ffe9b0")


def answer_html(prediction: Mapping[str, Any], colours: Colours = LIGHT) -> str:
    """The called class, the probabilities as bars, interval and prediction set in words, and the warnings."""
    return _html(answer_blocks(prediction), colours)


def contributions_html(prediction: Mapping[str, Any], colours: Colours = LIGHT) -> str:
    """What moved the probability, as bars to both sides, features in words; empty where the model cannot tell."""
    told = [
        {**item, "feature": feature_in_words(item["feature"])} if item["feature"] not in prediction["scores"] else item
        for item in prediction.get("contributions") or ()
    ]
    blocks = contribution_blocks({**prediction, "contributions": told})
    return _html([block for block in blocks if isinstance(block, Bars)], colours)


def contributions_tip(prediction: Mapping[str, Any]) -> str:
    """What the bars are, and the name in tables and files of every feature that they tell in words."""
    found = sorted(prediction.get("contributions") or (), key=lambda item: -abs(item["contribution"]))
    names = [str(item["feature"]) for item in found[:MOST_CONTRIBUTIONS]]
    named = [f"{feature_in_words(name)}: {name}" for name in names if feature_in_words(name) != name]
    return "\n".join([_("Parts of the logit, against the training average."), *named])


def as_text(prediction: Mapping[str, Any], map_in_words: str = "") -> str:
    """The whole result as plain text, with the line on its use first and last."""
    case, model = prediction["case"], prediction["model"]
    lines = [
        RESEARCH_ONLY + ".",
        "",
        _("Case: {case}").format(case=case["case_id"]),
        _("Model: {name} {version} (SHA-256 {digest})").format(
            name=model["name"], version=model["version"], digest=model["sha256"][:12]
        ),
        "",
        *_lines(answer_blocks(prediction)),
    ]
    if map_in_words:
        lines += ["", map_in_words]
    for title, blocks in (
        (_("What moved the probability"), contribution_blocks(prediction)),
        (_("Scores"), score_blocks(prediction)),
    ):
        if blocks:
            lines += ["", f"{title}:", *_lines(blocks)]
    return "\n".join([*lines, "", FOOTER])


def _lines(blocks: Iterable[Block]) -> list[str]:
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Headline):
            lines.append(f"{block.text} ({block.below})")
        elif isinstance(block, Text):
            lines.append(_("Warning: {text}").format(text=block.text) if block.kind == "warning" else block.text)
        elif isinstance(block, Bars):
            lines += [f"  {bar.name}: {bar.text}" for bar in block.bars]
        elif isinstance(block, Table):
            lines += [block.caption] if block.caption else []
            lines += ["  " + "\t".join(block.columns), *("  " + "\t".join(row) for row in block.rows)]
    return lines


def _html(blocks: Iterable[Block], colours: Colours) -> str:
    parts = []
    for block in blocks:
        if isinstance(block, Headline):
            called = f'<span style="font-size:x-large; font-weight:600">{escape(block.text)}</span>'
            parts.append(f'<p style="margin-bottom:8px">{called}<br>{escape(block.below)}</p>')
        elif isinstance(block, Bars):
            parts.append(_bars(block, colours))
            parts.append(f"<p><small>{escape(block.caption)}</small></p>" if block.caption else "")
        elif isinstance(block, Text) and block.kind == "warning":
            parts.append(
                f'<table width="100%" cellspacing="0" cellpadding="6" style="margin-top:6px"><tr>'
                f'<td bgcolor="{colours.warning}" style="color:{colours.warning_text}">'
                f"<b>{escape(_('Warning'))}:</b> {escape(block.text)}</td></tr></table>"
            )
        elif isinstance(block, Text):
            parts.append(f"<p>{escape(block.text)}</p>")
    return "".join(parts)


def _bars(block: Bars, colours: Colours) -> str:
    rows = "".join(
        f"<tr><td>{_breakable(bar.name)}</td>"
        f'<td align="right" style="white-space:nowrap">&nbsp;{escape(bar.text)}</td></tr>'
        f'<tr><td colspan="2" style="padding-bottom:5px">{_bar(bar, block.signed, colours)}</td></tr>'
        for bar in block.bars
    )
    return f'<table width="100%" cellspacing="0" cellpadding="1" style="margin-top:6px">{rows}</table>'


def _breakable(name: str) -> str:
    """A name that may go on in the next line after each of its parts, so that it cannot widen the panel.

    A value stays with its sign of equality.
    """
    parted = re.sub(r"([._])(?=\w)|(?<=[a-z])(?=[A-Z])", "\\1&#8203;", escape(name))
    return parted.replace(" = ", " =&nbsp;")


def _bar(bar: Bar, signed: bool, colours: Colours) -> str:
    """A row of cells: what is coloured is the bar; of signed bars zero is in the middle."""
    length = max(-1.0, min(1.0, bar.length))
    if not signed:
        cells = [(length, colours.bar), (1 - length, colours.track)]
    elif length < 0:
        cells = [((1 + length) / 2, colours.track), (-length / 2, colours.lower), (0.5, colours.track)]
    else:
        cells = [(0.5, colours.track), (length / 2, colours.bar), ((1 - length) / 2, colours.track)]
    drawn = "".join(
        f'<td width="{100 * share:.1f}%" bgcolor="{colour}" style="font-size:4pt">&nbsp;</td>'
        for share, colour in cells
        if share >= 0.005
    )
    return f'<table width="100%" cellspacing="0" cellpadding="0"><tr>{drawn}</tr></table>'
