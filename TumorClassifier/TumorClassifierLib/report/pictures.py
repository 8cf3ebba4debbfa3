"""The picture of a patient's tumour under its class-activation map."""

import io
from typing import Any

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.preprocessing.resampling import orient
from FeatureExtractorLib.regions import bounding_box, maximum_area_slice

from ..figure_file import house_style

HEAT = "inferno"


def tumour_picture(image: sitk.Image, mask: sitk.Image | None, cam: sitk.Image | None) -> bytes:
    """PNG of the tumour's largest axial slice, whole and close up with the map, and of the slice of its peak.

    Without a mask: of the slice of the map's peak, without the map and under it, or of the middle slice where there
    is no map either. image, mask, cam share one grid. Patient right is on the left of the picture, as radiologists
    hang images.
    """
    if mask is None:
        return _whole_picture(image, cam)
    from matplotlib.figure import Figure

    image, mask = orient(image, "LPS"), orient(mask, "LPS")
    values, inside = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(mask)
    heat = None if cam is None else sitk.GetArrayFromImage(orient(cam, "LPS"))
    largest = maximum_area_slice(mask)
    strongest = largest
    if heat is not None and heat.any():
        strongest = int(np.where(inside.any(axis=(1, 2)), heat.max(axis=(1, 2)), 0.0).argmax())
    slices = {"close up": largest, **({} if heat is None else {"strongest activation": strongest})}
    with house_style():
        figure = Figure(figsize=(3.2 * (1 + len(slices)), 3.6), facecolor="black", layout="constrained")
        whole, *close = figure.subplots(1, 1 + len(slices), width_ratios=(1.1, *[1] * len(slices)))
        _draw_slice(whole, values[largest], inside[largest], image.GetSpacing(), "largest slice")
        for axis, (title, k) in zip(close, slices.items(), strict=True):
            _draw_slice(axis, values[k], inside[k], image.GetSpacing(), title)
            _zoom_to(axis, mask[:, :, k : k + 1])
            if heat is not None:
                _draw_heat(axis, heat[k], image.GetSpacing())
        if heat is not None:
            _draw_scale(figure, close[-1])
        return figure_bytes(figure, "png", facecolor="black", dpi=120)


def _whole_picture(image: sitk.Image, cam: sitk.Image | None) -> bytes:
    from matplotlib.figure import Figure

    image = orient(image, "LPS")
    values = sitk.GetArrayViewFromImage(image)
    heat = None if cam is None else sitk.GetArrayFromImage(orient(cam, "LPS"))
    k = len(values) // 2 if heat is None or not heat.any() else int(heat.max(axis=(1, 2)).argmax())
    titles = ("axial slice",) if heat is None else ("strongest activation", "with the map")
    with house_style():
        figure = Figure(figsize=(4.2 * len(titles), 4.2), facecolor="black", layout="constrained")
        axes = figure.subplots(1, len(titles), squeeze=False)[0]
        for axis, title in zip(axes, titles, strict=True):
            _draw_slice(axis, values[k], None, image.GetSpacing(), title)
        if heat is not None:
            _draw_heat(axes[-1], heat[k], image.GetSpacing())
            _draw_scale(figure, axes[-1])
        return figure_bytes(figure, "png", facecolor="black", dpi=120)


def _draw_scale(figure: Any, axis: Any) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), HEAT), ax=axis, shrink=0.8, pad=0.02)
    bar.set_label("class activation (0–1)", color="white")
    bar.ax.tick_params(colors="white")


def _draw_heat(axis: Any, heat: np.ndarray, spacing: tuple[float, ...]) -> None:
    fade = np.clip(0.8 * heat, 0.0, 0.6)
    extent = _extent(heat, spacing)
    axis.imshow(heat, cmap=HEAT, vmin=0, vmax=1, alpha=fade, extent=extent, interpolation="bilinear")


def _draw_slice(
    axis: Any, grey: np.ndarray, inside: np.ndarray | None, spacing: tuple[float, ...], title: str
) -> None:
    tissue = grey[grey > grey.min()]
    low, high = np.percentile(tissue if tissue.size else grey, (1.0, 99.5))
    extent = _extent(grey, spacing)
    axis.imshow(grey, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear")
    if inside is not None:
        _draw_outline(axis, inside, spacing)
    axis.set_axis_off()
    axis.set_title(title, color="white", fontsize=9)


def _draw_outline(axis: Any, inside: np.ndarray, spacing: tuple[float, ...]) -> None:
    y, x = (np.arange(n) * s + s / 2 for n, s in zip(inside.shape, (spacing[1], spacing[0]), strict=True))
    axis.contour(x, y, inside, levels=[0.5], colors="#35e0a1", linewidths=1.3)


def _extent(grey: np.ndarray, spacing: tuple[float, ...]) -> tuple[float, float, float, float]:
    """Where matplotlib draws a slice, in mm."""
    return 0.0, grey.shape[1] * spacing[0], grey.shape[0] * spacing[1], 0.0


def _zoom_to(axis: Any, mask: sitk.Image) -> None:
    rows, columns = bounding_box(mask).slices[1:]
    spacing = mask.GetSpacing()
    top, bottom, left, right = (
        edge * s
        for edge, s in zip(
            (rows.start, rows.stop, columns.start, columns.stop), (spacing[1],) * 2 + (spacing[0],) * 2, strict=True
        )
    )
    half = 0.9 * max(bottom - top, right - left)
    axis.set_xlim((left + right) / 2 - half, (left + right) / 2 + half)
    axis.set_ylim((top + bottom) / 2 + half, (top + bottom) / 2 - half)


def figure_bytes(figure: Any, kind: str, **options: Any) -> bytes:
    """A matplotlib figure as PNG or SVG bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, **options)
    return stream.getvalue()
