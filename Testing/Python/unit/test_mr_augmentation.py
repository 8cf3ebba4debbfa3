"""The augmentations of slices against TorchIO's, with the same numbers drawn."""

import dataclasses

import numpy as np
import pytest
import torch
import torchio

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.networks.mr_augmentation import MrAugmentation, blurred, with_ghosts, with_motion


def picture(rows: int = 30, columns: int = 24, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:rows, :columns]
    blob = np.exp(-((y - rows / 2) ** 2 + (x - columns / 2.5) ** 2) / 40)
    return np.clip(blob + 0.1 * rng.random((channels, rows, columns)), 0, 1)


def by_torchio(transform: torchio.Transform, image: np.ndarray) -> np.ndarray:
    """TorchIO on a slice laid so that its third axis are the columns, its centre at the origin that it turns about."""
    tensor, affine = torch.from_numpy(image[:, None].astype(np.float32)), np.eye(4)
    affine[1:3, 3] = -np.array(image.shape[1:]) / 2
    return transform(torchio.ScalarImage(tensor=tensor, affine=affine)).data.numpy()[:, 0]


def test_blur_is_torchios() -> None:
    image = picture()
    expected = by_torchio(torchio.Blur((0, 1.3, 0.6)), image)
    np.testing.assert_allclose(blurred(image, 1.3, 0.6), expected, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("ghosts", [2, 4, 7])
def test_ghosts_are_torchios(axis: int, ghosts: int) -> None:
    image = picture()
    expected = by_torchio(torchio.Ghosting(ghosts, axis + 1, 0.7, None), image)
    found = with_ghosts(image, ghosts, axis, 0.7)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - image).max() > 0.01


@pytest.mark.parametrize("times", [[0.3, 0.7], [0.1, 0.4]])
def test_motion_is_torchios(times: list[float]) -> None:
    image = np.pad(
        picture(), ((0, 0), (8, 8), (8, 8))
    )  # a dark rim, for ITK and scipy treat the last half pixel apart
    degrees, shifts = np.array([4.0, -7.0]), np.array([[1.5, -2.0], [-3.0, 0.5]])
    zero = np.zeros(2)
    # TorchIO moves in a space whose second axis, here the rows, runs the other way.
    motion = torchio.Motion(
        np.column_stack([-degrees, zero, zero]),
        np.column_stack([zero, -shifts[:, 0], shifts[:, 1]]),
        np.array(times),
        "linear",
    )
    expected = by_torchio(motion, image)
    found = with_motion(image, degrees, shifts, np.array(times))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(found - image).max() > 0.05


def test_noise_and_flips_come_as_often_and_as_strong_as_asked() -> None:
    image = np.full((3, 40, 40), 0.5, np.float32)
    image[:, :, :20] = 0.4
    nothing = MrAugmentation(flip=0, probability=0)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(nothing.augmented(image, rng), image)
    flips = dataclasses.replace(nothing, flip=0.5)
    flipped = [flips.augmented(image, rng)[0, 0, 0] > 0.45 for _ in range(400)]
    assert 0.42 < np.mean(flipped) < 0.58
    noisy = MrAugmentation(flip=0, probability=1, noise=0.05, movements=0, blur=0, ghosting=(0, 0))
    spread = [np.std(noisy.augmented(image, rng) - image) for _ in range(200)]
    assert max(spread) < 0.052
    assert np.mean(spread) == pytest.approx(0.025, rel=0.15)


def test_a_copy_depends_on_image_seed_and_number_only() -> None:
    chosen, image = MrAugmentation(probability=1.0), picture().astype(np.float32)
    torch.manual_seed(1)
    first = chosen.copy_of(image, "a", 0, 1)
    torch.manual_seed(2)
    np.testing.assert_array_equal(chosen.copy_of(image, "a", 0, 1), first)
    for other in (("b", 0, 1), ("a", 1, 1), ("a", 0, 2)):
        assert np.abs(chosen.copy_of(image, *other) - first).max() > 0.01
    assert first.dtype == np.float32 and first.min() >= 0 and first.max() <= 1


def test_a_batch_is_augmented_by_its_generator() -> None:
    batch = torch.from_numpy(np.stack([picture()] * 3)).float()
    one, same, other = (MrAugmentation()(batch, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert one.shape == batch.shape


@pytest.mark.parametrize("wrong", [{"flip": 2.0}, {"noise": -1.0}, {"ghosts": (5, 4)}, {"ghosting": (0.5, 2.0)}])
def test_settings_that_make_no_sense(wrong: dict) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        MrAugmentation(**wrong)
