"""A report as a PDF by reportlab: the same blocks as the HTML, on A4, with page numbers and bookmarks."""

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from FeatureExtractorLib.errors import InputError

from .content import (
    FOOTER,
    INDENT,
    RESEARCH_ONLY,
    Bars,
    Block,
    Bullets,
    Checklist,
    Figure,
    Figures,
    Heading,
    Headline,
    Picture,
    Report,
    Table,
    Text,
    verdict_text,
)
from .pdf_parts import (
    ACCENT,
    INK,
    LINE,
    PALE,
    VERDICTS,
    bar,
    bookmark_class,
    numbered_canvas,
    styles,
    use_fonts,
    widths_of,
)

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

MARGIN, FRAME = 45.0, 6.0  # points; A4 is 595 by 842; reportlab's frames keep 6 free around their content
WIDTH = 595.28 - 2 * MARGIN
HEIGHT = 841.89 - 2 * MARGIN - 12
TOGETHER = 14  # rows of a table that are not torn apart
CJK = re.compile(r"([\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+)")
HANGUL = re.compile(r"([\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]+)")


def as_pdf(report: Report) -> bytes:
    """The report as the bytes of a PDF; equal reports are equal files.

    Raises InputError where reportlab is not installed.
    """
    try:
        from reportlab.lib.pagesizes import A4
        from reportlab.platypus import SimpleDocTemplate
    except ImportError as error:
        raise InputError(
            'A PDF needs reportlab, which is not installed: pip install "reportlab>=4"; or ask for a file ending in '
            ".html."
        ) from error
    use_fonts()
    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=MARGIN - FRAME,
        rightMargin=MARGIN - FRAME,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 12,
        title=f"{report.title}: {report.subtitle}",
        author="TumorClassifier",
        subject=RESEARCH_ONLY,
        invariant=1,
    )
    story: list[Flowable] = _title(report)
    sections = 0
    for block in report.blocks:
        if isinstance(block, Heading) and block.level == 2 and report.contents:
            sections += 1
            block = Heading(f"{sections}. {block.text}", 2, block.new_page)
        story += _flowables(block)
    story += [_space(8), _paragraph(FOOTER, "note")]

    document.build(story, canvasmaker=numbered_canvas(f"{report.title}: {report.subtitle}", MARGIN, WIDTH))
    return stream.getvalue()


def _title(report: Report) -> "list[Flowable]":
    from reportlab.platypus import HRFlowable
    from reportlab.platypus import Table as Grid

    head = Grid(
        [
            [
                [_paragraph(report.title, "title"), _paragraph(report.subtitle, "note")],
                _paragraph(RESEARCH_ONLY, "badge"),
            ]
        ],
        colWidths=[WIDTH - 130, 130],
    )
    head.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_no_padding()])
    found: list[Flowable] = [head, HRFlowable(width="100%", thickness=1.2, color=ACCENT, spaceBefore=5, spaceAfter=6)]
    if report.contents:
        names = [block.text for block in report.blocks if isinstance(block, Heading) and block.level == 2]
        found += [_paragraph(f"{i}. {name}", "contents") for i, name in enumerate(names, 1)]
    return found


def _flowables(block: Block) -> "list[Flowable]":
    renderers: dict[type, Callable[[Any], list[Flowable]]] = {
        Heading: _heading,
        Text: _text,
        Bullets: lambda bullets: [_paragraph(f"•  {item}", "bullet") for item in bullets.items],
        Headline: lambda line: [_paragraph(line.text, "headline"), *_optional(line.below, "note")],
        Bars: _bars,
        Table: _table,
        Figure: lambda figure: [_together(_figure(figure, WIDTH))],
        Picture: lambda picture: [_together(_image(picture.png, picture, WIDTH))],
        Figures: _figures,
        Checklist: _checklist,
    }
    return renderers[type(block)](block)


def _heading(heading: Heading) -> "list[Flowable]":
    from reportlab.platypus import CondPageBreak, PageBreak

    mark = [bookmark_class()(heading.text)] if heading.level == 2 else []
    return [
        PageBreak() if heading.new_page else CondPageBreak(130),
        *mark,
        _paragraph(heading.text, f"heading{heading.level}"),
    ]


def _text(text: Text) -> "list[Flowable]":
    lines = text.text.split("\n") if text.kind == "formula" else [text.text]
    return [_paragraph(line, text.kind) for line in lines]


def _bars(bars: Bars) -> "list[Flowable]":
    from reportlab.platypus import Table as Grid

    widths = [share * WIDTH for share in ((0.5, 0.4, 0.1) if bars.signed else (0.34, 0.54, 0.12))]
    rows = [
        [_paragraph(one.name, "cell"), bar(one.length, bars.signed, widths[1] - 10), _paragraph(one.text, "number")]
        for one in bars.bars
    ]
    grid = Grid(rows, colWidths=widths)
    grid.setStyle([("VALIGN", (0, 0), (-1, -1), "MIDDLE"), *_no_padding(), ("BOTTOMPADDING", (0, 0), (-1, -1), 3)])
    return [_together([grid, *_optional(bars.caption, "note")]), _space(4)]


def _table(table: Table) -> "list[Flowable]":
    from reportlab.platypus import CondPageBreak, LongTable

    def style(column: int) -> str:
        return "number" if column in table.numeric else "code" if column in table.code else "cell"

    head = [] if table.facts else [[_paragraph(n, f"head-{style(i)}") for i, n in enumerate(table.columns)]]
    rows = [
        [_paragraph(cell, "soft" if table.facts and not i else style(i)) for i, cell in enumerate(row)]
        for row in table.rows
    ]
    widths = widths_of([table.columns, *table.rows], [style(i) for i in range(len(table.columns))], WIDTH, table.facts)
    grid = LongTable([*head, *rows], colWidths=widths, repeatRows=len(head), hAlign="LEFT")
    grid.setStyle(_lines(bool(head)))
    caption = _optional(table.caption, "caption")
    parts: list[Flowable] = [*caption, grid, *_optional(table.note, "note"), _space(6)]
    return [_together(parts)] if len(rows) <= TOGETHER else [CondPageBreak(80), *parts]


def _checklist(checklist: Checklist) -> "list[Flowable]":
    from reportlab.platypus import CondPageBreak, LongTable

    weighed = any(entry.weight for entry in checklist.entries)
    columns = ["No.", "Item", "Answer", "Where or what", *(["Weight"] if weighed else [])]
    rows: list[list[Flowable]] = [
        [_paragraph(name, "head-number" if name == "Weight" else "head-cell") for name in columns]
    ]
    style = _lines(True)
    section = ""
    for entry in checklist.entries:
        if entry.section != section:
            section = entry.section
            here, end = (0, len(rows)), (-1, len(rows))
            style += [("SPAN", here, end), ("BACKGROUND", here, end, PALE), ("NOSPLIT", here, (-1, len(rows) + 1))]
            rows.append([_paragraph(section, "head-cell"), *[_paragraph("", "cell")] * (len(columns) - 1)])
        answer = _paragraph(verdict_text(entry.verdict), f"verdict-{VERDICTS[entry.verdict]}")
        cells = [_paragraph(str(entry.number), "cell"), _paragraph(entry.item, "cell"), answer]
        cells += [_paragraph(entry.note, "cell"), *([_paragraph(entry.weight, "number")] if weighed else [])]
        rows.append(cells)
    last = 44.0 if weighed else 0.0
    widths = [26.0, 150.0, 74.0, WIDTH - 250 - last, *([last] if weighed else [])]
    grid = LongTable(rows, colWidths=widths, repeatRows=1, hAlign="LEFT")
    grid.setStyle(style)
    return [CondPageBreak(80), *_optional(checklist.caption, "caption"), grid, _space(6)]


def _figures(figures: Figures) -> "list[Flowable]":
    from reportlab.platypus import Table as Grid

    half = (WIDTH - 16) / 2
    found: list[Flowable] = []
    for i in range(0, len(figures.figures), 2):
        cells = [_figure(figure, half) for figure in figures.figures[i : i + 2]]
        grid = Grid([[*cells, *[""] * (2 - len(cells))]], colWidths=[half + 16, half])
        grid.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_no_padding()])
        found += [grid, _space(6)]
    return found


def _figure(figure: Figure, width: float) -> "list[Flowable]":
    with TemporaryDirectory(prefix="tumorclassifier-") as folder:
        return _image(figure.draw(Path(folder) / "figure.png").read_bytes(), figure, width)


def _image(png: bytes, figure: Figure | Picture, width: float) -> "list[Flowable]":
    """An image, no larger than a page, and its caption."""
    from reportlab.lib.utils import ImageReader
    from reportlab.platypus import Image

    pixels_wide, pixels_high = ImageReader(io.BytesIO(png)).getSize()
    wide = width * figure.width
    high = wide * pixels_high / pixels_wide
    shrink = min(1.0, (HEIGHT - 60) / high)
    image = Image(io.BytesIO(png), width=wide * shrink, height=high * shrink)
    return [image, _paragraph(figure.caption, "figure")]


def _together(parts: "list[Flowable]") -> "Flowable":
    from reportlab.platypus import KeepTogether

    return KeepTogether(parts)


def _lines(head: bool) -> list[Any]:
    below = [("LINEBELOW", (0, 0), (-1, 0), 0.9, INK)] if head else []
    return [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        *below,
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 5),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
    ]


def _no_padding() -> list[Any]:
    return [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")]


def _optional(text: str, style: str) -> "Sequence[Flowable]":
    return [_paragraph(text, style)] if text else []


def _paragraph(text: str, style: str) -> "Flowable":
    from reportlab.platypus import Paragraph

    return Paragraph(_markup(text), styles()[style])


def _space(points: float) -> "Flowable":
    from reportlab.platypus import Spacer

    return Spacer(1, points)


def _markup(text: str) -> str:
    """A plain text for reportlab, which reads a paragraph as XML; Asian letters in a font that has them."""
    safe = escape("".join(letter if letter.isprintable() or letter == INDENT[0] else " " for letter in text))
    safe = CJK.sub(r'<font name="STSong-Light">\1</font>', safe)
    return HANGUL.sub(r'<font name="HYSMyeongJo-Medium">\1</font>', safe)
