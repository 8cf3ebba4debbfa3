"""The work on reports for a panel: that of a case in the scene, and the figures of a model's report by themselves."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.files import json_text
from FeatureExtractorLib.progress import Progress
from FeatureExtractorLib.reading import read_image, read_mask

from ..report.content import Block, Figure, Figures, Heading
from .works import Tell


def case_report(
    folder: Path,
    progress: Progress,
    tell: Tell,
    *,
    model: str,
    result: str,
    image: str,
    mask: str | None = None,
    pdf: bool = False,
) -> dict[str, Any]:
    """Write the report of a classified case anew: report.html, or report.pdf.

    result: a folder that `write_result` wrote, perhaps with the map of another class. image: what the map lies over;
    mask: the outline on its grid. Raises InputError where the model is not the one that classified the case.
    """
    from ..report import patient_pdf, patient_report, tumour_picture
    from ..result_files import read_result
    from ..store import load_model

    progress("reading", 0.0)
    bundle, found = load_model(model), read_result(Path(result))
    made_by = found.prediction["model"]
    if made_by["sha256"] != bundle.sha256:
        raise InputError(
            f"The case was classified by {made_by['name']} {made_by['version']}, which has been replaced since; "
            "classify it again."
        )
    volume = read_image(Path(image))
    outline = read_mask(Path(mask), reference=volume) if mask else None
    progress("drawing", 0.0)
    picture = tumour_picture(volume, outline, found.cam)
    progress("writing", 0.0)
    name = "report.pdf" if pdf else "report.html"
    if pdf:
        (folder / name).write_bytes(patient_pdf(found, bundle.manifest, picture, outlined=outline is not None))
    else:
        report = patient_report(found, bundle.manifest, picture, outlined=outline is not None)
        (folder / name).write_text(report, encoding="utf-8")
    return {"files": [name]}


def figures(folder: Path, progress: Progress, tell: Tell, *, model: str) -> dict[str, Any]:
    """Draw the figures of how good a model is as PNG; figures.json lists them: section, title, caption, file."""
    from ..report.evidence import evidence_of
    from ..report.performance import performance_section
    from ..store import load_model

    progress("reading", 0.0)
    drawn = list(_figures(performance_section(evidence_of(load_model(model), ()))))
    listed = []
    for i, (section, figure) in enumerate(drawn):
        progress(f"drawing · {i + 1} of {len(drawn)} figures", i / len(drawn))
        path = figure.draw(folder / f"figure_{i + 1:02d}.png")
        listed.append({"section": section, "title": figure.alt, "caption": figure.caption, "file": path.name})
    progress("drawing", 1.0)
    (folder / "figures.json").write_text(json_text(listed), encoding="utf-8")
    return {"figures": len(listed)}


def _figures(blocks: Iterable[Block]) -> Iterator[tuple[str, Figure]]:
    """Every figure with the section that it stands in."""
    section = ""
    for block in blocks:
        if isinstance(block, Heading):
            section = block.text
        elif isinstance(block, Figure):
            yield section, block
        elif isinstance(block, Figures):
            yield from ((section, figure) for figure in block.figures)
