"""Whether maps tell what a network has learnt: it is trained here, in seconds, on a sign that is planted.

Adebayo et al. 2018 (a map must change with the weights), and the pointing game of Zhang et al. 2018 (the brightest
point of the map lies on what decides the class).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from FeatureExtractorLib.deep.backbones import seeded
from TumorClassifierLib.explain.cam import METHODS, activation_maps
from TumorClassifierLib.explain.smooth import Smoothing

SIDE, PATCH = 48, 10
POSITION = 4  # pixels between neighbouring positions of the network's maps


@dataclass(frozen=True)
class Made:
    """images: (n, 1, 48, 48); labels: (n,); corners: (n, 2) upper left ones of the patches of class 1."""

    images: np.ndarray
    labels: np.ndarray
    corners: np.ndarray


def cohort(n: int, seed: int) -> Made:
    """Noise with a dim disc, which says nothing, in every image, and a bright patch in those of class 1."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0.3, 0.08, (n, 1, SIDE, SIDE))
    labels, corners = np.arange(n) % 2, rng.integers(2, SIDE - PATCH - 2, (n, 2))
    y, x = np.indices((SIDE, SIDE))
    for image, label, (row, column) in zip(images[:, 0], labels, corners, strict=True):
        disc = rng.integers(8, SIDE - 8, 2)
        image[(y - disc[0]) ** 2 + (x - disc[1]) ** 2 < 40] += 0.15
        if label:
            image[row : row + PATCH, column : column + PATCH] += 0.4
    return Made(images.astype(np.float32), labels, corners)


def network(seed: int) -> nn.Sequential:
    with seeded(seed):
        trunk = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(),
        )
        return nn.Sequential(trunk, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2))).eval()


@pytest.fixture(scope="module")
def trained() -> Iterator[nn.Sequential]:
    model, made = network(0), cohort(200, 1)
    images, labels = torch.from_numpy(made.images), torch.from_numpy(made.labels)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other take longer than work this small
    for epoch in range(15):
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(len(images)))
        for batch in order.split(50):
            optimiser.zero_grad()
            cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
    yield model.eval()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def unseen(trained: nn.Sequential) -> Made:
    """Images of class 1 that the network was not trained on; it must call them right, or its map has no subject."""
    made = cohort(100, 2)
    with torch.no_grad():
        called = trained(torch.from_numpy(made.images)).argmax(1).numpy()
    assert (called == made.labels).mean() >= 0.98
    return Made(*(values[made.labels == 1] for values in (made.images, made.labels, made.corners)))


def maps(model: nn.Sequential, images: np.ndarray, method: str, class_index: int = 1) -> np.ndarray:
    smoothing = Smoothing(samples=5, std=0.05)
    return activation_maps(model[0], model[1], images, class_index, method, smoothing)


def hits(cams: np.ndarray, made: Made) -> float:
    """The share of maps whose brightest point is on the patch, or nearer to it than the map's positions are apart."""
    peaks = np.array([np.unravel_index(cam.argmax(), cam.shape) for cam in cams])
    low, high = made.corners - POSITION, made.corners + PATCH - 1 + POSITION
    return float(((peaks >= low) & (peaks <= high)).all(axis=1).mean())


@pytest.mark.parametrize("method", METHODS)
def test_maps_point_at_what_decides_the_class(trained: nn.Sequential, unseen: Made, method: str) -> None:
    assert hits(maps(trained, unseen.images, method), unseen) >= 0.95
    elsewhere = Made(unseen.images, unseen.labels, np.roll(unseen.corners, 1, axis=0))
    assert hits(maps(trained, unseen.images, method), elsewhere) < 0.5, "others' patches are no better than chance"


@pytest.mark.parametrize("method", METHODS)
def test_the_other_class_is_not_seen_at_the_patch(trained: nn.Sequential, unseen: Made, method: str) -> None:
    """What speaks against a class is no part of its map."""
    other = maps(trained, unseen.images, method, class_index=0)
    assert hits(other, unseen) < 0.5


@pytest.mark.parametrize("method", METHODS)
def test_randomised_weights_change_the_map(trained: nn.Sequential, unseen: Made, method: str) -> None:
    """Of six networks that have learnt nothing no map resembles the learnt one; most point elsewhere."""
    learnt = maps(trained, unseen.images, method)
    found = []
    for seed in range(5, 11):
        cams = maps(network(seed), unseen.images, method)
        alike = [
            float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) if b.std() > 0 else 0.0
            for a, b in zip(learnt, cams, strict=True)
        ]
        assert np.median(alike) < 0.75
        found.append(hits(cams, unseen))
    assert np.mean(found) < 0.75 < 0.95 <= hits(learnt, unseen)


@pytest.mark.parametrize("method", METHODS)
def test_the_map_of_a_shifted_image_shifts(trained: nn.Sequential, method: str) -> None:
    """By whole positions of the maps, away from the edges: it is the same map elsewhere."""
    image = np.full((1, 1, 96, 96), 0.3, np.float32)
    image[0, 0, 40:50, 36:46] += np.float32(0.4)
    shifted = np.roll(image, (2 * POSITION, 3 * POSITION), axis=(2, 3))

    def of(one: np.ndarray) -> np.ndarray:
        return activation_maps(trained[0], trained[1], one, 1, method, Smoothing(samples=2, std=0.0))[0]

    cam, moved = of(image), of(shifted)
    expected = np.roll(cam, (2 * POSITION, 3 * POSITION), axis=(0, 1))
    inner = slice(24, 80)
    np.testing.assert_allclose(moved[inner, inner], expected[inner, inner], atol=1e-4 * cam.max())
    assert np.abs(moved - cam).max() > 0.2 * cam.max()
