"""What a PDF report is set in: fonts, styles, column widths, bars, page numbers.

reportlab's own fonts lack Greek letters, minus signs and "≥", so matplotlib's DejaVu fonts are embedded.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .content import RESEARCH_ONLY, Verdict

if TYPE_CHECKING:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Flowable

INK, SOFT, LINE, ACCENT, PALE, GREY = "#1c2430", "#5b6675", "#c9d1da", "#0b6e6e", "#f1f4f7", "#7a8794"
RED, GREEN, BROWN = "#aa1111", "#0b6e3c", "#8a4b00"
VERDICTS: dict[Verdict, str] = {"yes": "yes", "no": "no", "authors": "authors", "not applicable": "none"}
FONTS = {"Body": "DejaVuSans", "Body-Bold": "DejaVuSans-Bold", "Body-Mono": "DejaVuSansMono"}
BODY, CELL = 8.5, 7.2


@cache
def use_fonts() -> None:
    """Make the fonts known to reportlab, once."""
    import matplotlib
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name, file in FONTS.items():
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{file}.ttf")))
    for name in ("STSong-Light", "HYSMyeongJo-Medium"):
        pdfmetrics.registerFont(UnicodeCIDFont(name))


@cache
def styles() -> "dict[str, ParagraphStyle]":
    """Every paragraph style by name."""
    from reportlab.lib.enums import TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle

    def style(name: str, size: float, **more: Any) -> ParagraphStyle:
        given = {"fontName": "Body", "leading": 1.36 * size, "textColor": INK, **more}
        return ParagraphStyle(name, fontSize=size, splitLongWords=1, **given)

    cell: dict[str, Any] = {"leading": 1.28 * CELL}
    found = [
        style("title", 15, fontName="Body-Bold", spaceAfter=2),
        style("badge", 8.5, fontName="Body-Bold", textColor=RED, alignment=TA_RIGHT),
        style("contents", BODY, textColor=ACCENT),
        style("heading2", 12, fontName="Body-Bold", textColor=ACCENT, spaceBefore=10, spaceAfter=4, keepWithNext=1),
        style("heading3", 9.5, fontName="Body-Bold", spaceBefore=7, spaceAfter=3, keepWithNext=1),
        style("headline", 20, fontName="Body-Bold", spaceBefore=6, spaceAfter=3),
        style("plain", BODY, spaceAfter=4),
        style("bullet", BODY, leftIndent=12, firstLineIndent=-9, spaceAfter=1.5),
        style("note", 7.2, textColor=SOFT, spaceAfter=4, spaceBefore=2),
        style(
            "warning",
            BODY,
            textColor=BROWN,
            backColor="#fff5e6",
            borderPadding=4,
            leftIndent=4,
            rightIndent=4,
            spaceBefore=5,
            spaceAfter=7,
        ),
        style("formula", 7, fontName="Body-Mono", leftIndent=14, firstLineIndent=-8),
        style("figure", 7.2, textColor=SOFT, spaceBefore=2, spaceAfter=8),
        style("caption", 8, fontName="Body-Bold", spaceBefore=5, spaceAfter=2),
        style("cell", CELL, **cell),
        style("soft", CELL, textColor=SOFT, **cell),
        style("number", CELL, alignment=TA_RIGHT, **cell),
        style("code", 6.6, fontName="Body-Mono", leading=1.28 * CELL),
        style("head-cell", CELL, fontName="Body-Bold", **cell),
        style("head-code", CELL, fontName="Body-Bold", **cell),
        style("head-number", CELL, fontName="Body-Bold", alignment=TA_RIGHT, **cell),
        *(
            style(f"verdict-{name}", CELL, textColor=colour, fontName="Body-Bold" if name in ("yes", "no") else "Body")
            for name, colour in (("yes", GREEN), ("no", RED), ("authors", BROWN), ("none", SOFT))
        ),
    ]
    return {item.name: item for item in found}


def widths_of(rows: Sequence[Sequence[str]], kinds: Sequence[str], width: float, spread: bool = False) -> list[float]:
    """Column widths in points that hold every cell on one line where all fit, and give long texts what is left.

    kinds: the style of each column's cells. spread: the last column takes all the width there is.
    """
    from reportlab.pdfbase.pdfmetrics import stringWidth

    padding, longest_word = 9.0, 0.35 * width

    def needed(text: str, kind: str) -> float:
        font = styles()[kind]
        return max(stringWidth(text, font.fontName, font.fontSize), stringWidth(text, "Body-Bold", CELL) * 0.5)

    whole, least = [], []
    for column, kind in enumerate(kinds):
        cells = [row[column] for row in rows]
        head = stringWidth(cells[0], "Body-Bold", CELL)
        longest = max([head, *(needed(cell, kind) for cell in cells[1:])])
        words = [word for cell in cells for word in cell.split()] or [""]
        shortest = longest if kind == "number" else max(needed(word, "head-cell") for word in words)
        whole.append(longest + padding)
        least.append(min(shortest, longest, longest_word) + padding)
    room = width - sum(least)
    wanted = [most - few for most, few in zip(whole, least, strict=True)]
    if room >= sum(wanted):
        widths = whole
    elif room <= 0:
        widths = [width * few / sum(least) for few in least]
    else:
        widths = [few + room * more / sum(wanted) for few, more in zip(least, wanted, strict=True)]
    if spread:
        widths = [min(max(widths[0], 120.0), 0.4 * width), 0.0]
        widths[1] = width - widths[0]
    return widths


def bar(length: float, signed: bool, width: float) -> "Flowable":
    """One horizontal bar on its ground; length: −1 to 1, a share of the width, from the middle where signed."""
    from reportlab.graphics.shapes import Drawing, Line, Rect
    from reportlab.lib.colors import HexColor

    high = 8.0
    drawing = Drawing(width, high)
    drawing.add(Rect(0, 0, width, high, fillColor=HexColor("#e7ecf2"), strokeColor=None))
    start, span = (width / 2, width / 2) if signed else (0.0, width)
    colour = HexColor(GREY if length < 0 else ACCENT)
    drawing.add(Rect(start + min(length, 0.0) * span, 0, abs(length) * span, high, fillColor=colour, strokeColor=None))
    if signed:
        drawing.add(Line(start, 0, start, high, strokeColor=HexColor(INK), strokeWidth=0.6))
    return drawing


@cache
def bookmark_class() -> type:
    """A flowable without height that puts its text into the PDF's outline."""
    from reportlab.platypus import Flowable

    class Bookmark(Flowable):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text, self.keepWithNext = text, 1

        def wrap(self, *_: float) -> tuple[float, float]:
            return 0.0, 0.0

        def draw(self) -> None:
            self.canv.bookmarkPage(self.text)
            self.canv.addOutlineEntry(self.text, self.text, 0)

    return Bookmark


def numbered_canvas(left: str, margin: float, width: float) -> type:
    """A canvas that writes `left`, the purpose and "page i of n" at the foot of every page."""
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # the number of pages is known at the end only
            self.pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self.pages, 1):
                self.__dict__.update(page)
                self.setFont("Body", 6.8)
                self.setFillColor(SOFT)
                self.drawString(margin, 26, f"{left[:90]} · {RESEARCH_ONLY.lower()}")
                self.drawRightString(margin + width, 26, f"page {number} of {len(self.pages)}")
                Canvas.showPage(self)
            super().save()

    return Numbered
