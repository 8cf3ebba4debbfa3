"""What a network's features, or clinical factors, look like in two dimensions: t-SNE, as numbers and as a figure."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from FeatureExtractorLib.errors import InputError

from ..evaluation.figure_parts import short
from ..figure_file import COLOURS, house_style, save_figure

FEWEST = 5
NEAREST = 5.0  # neighbours that tell where a new case lies
MARKERS = ("o", "^", "s", "D")


def tsne(X: np.ndarray, perplexity: float = 30.0, seed: int = 0) -> np.ndarray:
    """(n, 2) t-distributed stochastic neighbour embedding of X (n, p) (van der Maaten & Hinton 2008).

    perplexity: lowered to (n − 1) / 3 where there are few cases. It starts from the first two principal components,
    and with one thread: the same input gives the same points. Raises InputError for fewer than 5 cases, cases that
    are all alike, and values that are not finite.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    X = np.asarray(X, dtype=np.float64)
    if len(X) < FEWEST or not np.isfinite(X).all() or not np.ptp(X, axis=0).any():
        raise InputError(
            f"An embedding needs {FEWEST} cases or more that differ, without gaps; it was given {len(X)}."
        )
    if X.shape[1] == 1:
        X = np.column_stack([X, np.zeros(len(X))])
    embedded = TSNE(
        perplexity=min(perplexity, (len(X) - 1) / 3), init="pca", learning_rate="auto", random_state=seed, n_jobs=1
    )
    with threadpool_limits(limits=1):
        return np.asarray(embedded.fit_transform(X), dtype=np.float64)


def embedding_document(
    X: np.ndarray, labels: Sequence[str], parts: Sequence[str], perplexity: float = 30.0, seed: int = 0
) -> dict[str, Any]:
    """Plain JSON: every case's point, class and part ("training", "validation"), in an order that names nobody.

    Points are rounded to 1e-3, for finer differences mean nothing. Raises InputError as `tsne`.
    """
    rounded = [[round(float(value), 3) for value in point] for point in tsne(X, perplexity, seed)]
    rows = sorted(zip(parts, labels, rounded, strict=True))
    points = [{"x": x, "y": y, "class": label, "part": part} for part, label, (x, y) in rows]
    return {"method": "t-SNE", "perplexity": min(perplexity, (len(X) - 1) / 3), "seed": seed, "points": points}


def place_among(X: np.ndarray, points: np.ndarray, x: np.ndarray, perplexity: float = NEAREST) -> tuple[float, float]:
    """Where a new case lies in an embedding that stays as it is: the mean of the points of the cases it is most like.

    X: (n, p) of the embedded cases, points: (n, 2), x: (p,). Each case weighs as t-SNE weighs neighbours, by a
    Gaussian of the distance in X whose width gives `perplexity` neighbours (as openTSNE starts new points;
    Poličar et al. 2024).
    """
    squares = ((np.asarray(X, dtype=np.float64) - x) ** 2).sum(axis=1)
    squares = (squares - squares.min()) / max(float(np.ptp(squares)), np.finfo(float).tiny)
    wanted = math.log(min(perplexity, len(squares)))
    low, high = 0.0, 1e12  # of the Gaussian's precision: the entropy falls from log n to that of the nearest alone
    for _ in range(200):
        beta = (low + high) / 2 if high < 1e12 else max(2 * low, 1.0)
        weights = np.exp(-beta * squares)
        weights /= weights.sum()
        entropy = -float((weights * np.log(np.where(weights > 0, weights, 1.0))).sum())
        if entropy > wanted:
            low = beta
        else:
            high = beta
    first, second = (weights @ np.asarray(points, dtype=np.float64)).tolist()
    return first, second


def draw_embedding(document: Mapping[str, Any], path: Path) -> Path:
    """Write the points, a panel for each part, coloured by class; returns the path.

    document: from `embedding_document`. Raises InputError at a suffix other than .svg, .png and .pdf.
    """
    from matplotlib.figure import Figure

    points = document["points"]
    parts, classes = ([*dict.fromkeys(sorted(point[key] for point in points))] for key in ("part", "class"))
    with house_style():
        figure = Figure(figsize=(3.0 * len(parts) + 0.4, 3.0), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(parts), sharex=True, sharey=True))
        for axes, part in zip(panels, parts, strict=True):
            for k, name in enumerate(classes):
                at = [(p["x"], p["y"]) for p in points if p["part"] == part and p["class"] == name]
                x, y = zip(*at, strict=True) if at else ((), ())
                colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
                axes.scatter(x, y, s=14, color=colour, marker=marker, label=f"{short(name)} ({len(at)})")
            axes.set(title=part.capitalize(), xlabel="t-SNE 1", ylabel="t-SNE 2")
            axes.legend()
        return save_figure(figure, path)
