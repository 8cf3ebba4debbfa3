"""The patient report: one HTML file with its pictures inside, to read on screen or print on A4."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.preprocessing.resampling import orient
from FeatureExtractorLib.regions import bounding_box, maximum_area_slice
from FeatureExtractorLib.resources import resource_path

TEMPLATE = "Report/patient.html.j2"


def patient_report(
    prediction: Mapping[str, Any], model: Mapping[str, Any], picture: bytes, nomogram: bytes | None
) -> str:
    """The report as HTML.

    prediction: as in `prediction.json`. model: the bundle's manifest. picture: PNG of the tumour's slice and map.
    nomogram: SVG of the nomogram with the patient marked. Every text from outside is escaped.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(resource_path(TEMPLATE, __file__).read_text(encoding="utf-8"))
    return template.render(
        prediction=prediction,
        model=model,
        picture=_data_uri(picture, "image/png"),
        nomogram=_data_uri(nomogram, "image/svg+xml") if nomogram else None,
    )


def tumour_picture(image: sitk.Image, mask: sitk.Image, cam: sitk.Image | None) -> bytes:
    """PNG of the maximum-area axial slice: all of it with the outline, and the tumour's surroundings with the map.

    image, mask, cam share one grid. Patient right is on the left of the picture, as radiologists hang images.
    """
    from matplotlib.figure import Figure

    image, mask = orient(image, "LPS"), orient(mask, "LPS")
    k = maximum_area_slice(mask)
    grey, inside = sitk.GetArrayViewFromImage(image)[k], sitk.GetArrayViewFromImage(mask)[k]
    spacing = image.GetSpacing()
    extent = (0.0, grey.shape[1] * spacing[0], grey.shape[0] * spacing[1], 0.0)
    low, high = np.percentile(grey[grey > grey.min()], (1.0, 99.5))
    figure = Figure(figsize=(9.2, 4.4), facecolor="black", layout="constrained")
    whole, close = figure.subplots(1, 2)
    x, y = (np.arange(n) * s + s / 2 for n, s in ((grey.shape[1], spacing[0]), (grey.shape[0], spacing[1])))
    for axis in (whole, close):
        axis.imshow(grey, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear")
        axis.contour(x, y, inside, levels=[0.5], colors="#35e0a1", linewidths=1.3)
        axis.set_axis_off()
    if cam is not None:
        heat = sitk.GetArrayViewFromImage(orient(cam, "LPS"))[k]
        shown = close.imshow(
            np.ma.masked_less(heat, 0.15), cmap="inferno", vmin=0, vmax=1, alpha=0.5, extent=extent,
            interpolation="bilinear",
        )  # fmt: skip
        bar = figure.colorbar(shown, ax=close, shrink=0.8, pad=0.02)
        bar.set_label("class activation (0–1)", color="white")
        bar.ax.tick_params(colors="white")
    box = bounding_box(mask[:, :, k : k + 1])
    rows, columns = box.slices[1], box.slices[2]
    margin = 0.45 * max((rows.stop - rows.start) * spacing[1], (columns.stop - columns.start) * spacing[0])
    close.set_xlim(columns.start * spacing[0] - margin, columns.stop * spacing[0] + margin)
    close.set_ylim(rows.stop * spacing[1] + margin, rows.start * spacing[1] - margin)
    return figure_bytes(figure, "png", facecolor="black", dpi=120)


def figure_bytes(figure: Any, kind: str, **options: Any) -> bytes:
    """A matplotlib figure as PNG or SVG bytes."""
    import io

    stream = io.BytesIO()
    figure.savefig(stream, format=kind, **options)
    return stream.getvalue()


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
