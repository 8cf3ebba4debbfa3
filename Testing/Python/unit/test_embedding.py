"""t-SNE as numbers and as a figure."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.explain.embedding import draw_embedding, embedding_document, tsne


def clusters(n: int = 40, p: int = 12) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    labels = [("a", "b")[i % 2] for i in range(n)]
    return rng.normal(size=(n, p)) + 4.0 * (np.arange(n) % 2)[:, None], labels


def test_neighbours_stay_neighbours_and_a_seed_gives_the_same_points() -> None:
    X, _ = clusters()
    points = tsne(X, perplexity=10)
    assert points.shape == (40, 2)
    assert trustworthiness(X, points, n_neighbors=5) > 0.8
    centres = [points[k::2].mean(axis=0) for k in range(2)]
    spread = max(points[k::2].std() for k in range(2))
    assert np.linalg.norm(centres[0] - centres[1]) > spread
    np.testing.assert_array_equal(tsne(X, perplexity=10), points)
    assert tsne(X[:6, :1]).shape == (6, 2)


def test_the_document_has_every_case_in_an_order_of_its_own_and_is_drawn(tmp_path: Path) -> None:
    X, labels = clusters()
    parts = ["validation" if i % 5 == 0 else "training" for i in range(40)]
    document = embedding_document(X, labels, parts, perplexity=10)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    told = [(point["part"], point["class"]) for point in document["points"]]
    assert told == sorted(zip(parts, labels, strict=True))
    assert document["perplexity"] == 10
    text = draw_embedding(document, tmp_path / "t.svg").read_text()
    for words in ("Training", "Validation", "a (16)", "b (4)"):
        assert words in text, words


@pytest.mark.parametrize("X", [np.zeros((4, 3)), np.zeros((9, 3)), np.full((9, 3), np.nan)])
def test_what_cannot_be_embedded_is_refused(X: np.ndarray) -> None:
    with pytest.raises(InputError, match="needs 5 cases"):
        tsne(X)
