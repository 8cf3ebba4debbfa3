"""A report as one HTML file: pictures inside, no scripts, nothing fetched; prints on A4."""

import base64
from pathlib import Path
from tempfile import TemporaryDirectory

from FeatureExtractorLib.resources import resource_path

from .content import FOOTER, RESEARCH_ONLY, Figure, Heading, Report, verdict_text
from .numbers import fixed

TEMPLATE = "report.html.j2"


def as_html(report: Report) -> str:
    """The report as HTML; every text in it is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(resource_path("Report", __file__)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        report=report,
        research_only=RESEARCH_ONLY,
        footer=FOOTER,
        kind=lambda block: type(block).__name__,
        sections=[block.text for block in report.blocks if isinstance(block, Heading) and block.level == 2],
        svg=_svg_uri,
        png=lambda picture: _data_uri(picture.png, "image/png"),
        verdict=verdict_text,
        offset=lambda bar: fixed(50 + 50 * min(bar.length, 0.0), 2).replace("\N{MINUS SIGN}", "-"),
        extent=lambda bar, signed: fixed((50 if signed else 100) * abs(bar.length), 2),
    )


def _svg_uri(figure: Figure) -> str:
    with TemporaryDirectory(prefix="tumorclassifier-") as folder:
        return _data_uri(figure.draw(Path(folder) / "figure.svg").read_bytes(), "image/svg+xml")


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
