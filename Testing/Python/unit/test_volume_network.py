"""The network of volumes: its shapes and weights counted by hand, its patches, and what it can learn."""

import numpy as np
import pytest

from FeatureExtractorLib.errors import BundleRejected, InputError
from TumorClassifierLib.networks.patches import patch_starts, patches_of, volume_maps, volume_probabilities
from TumorClassifierLib.networks.state import load_state, save_state
from TumorClassifierLib.networks.volume3d import (
    NetworkSettings,
    build_volume_network,
    check_fits,
    split_volume_network,
)
from TumorClassifierLib.networks.volume_augmentation import VolumeAugment, VolumeAugmentation


def counted(classes: int, width: int, depth: int, channels: int = 1) -> int:
    """Weights and biases, by hand: convolutions 27·in·out + out, two normalisations of 2·width a block."""
    total, before = 0, channels
    for level in range(depth):
        w = width * 2**level
        total += 27 * before * w + w  # into the level
        total += 2 * (27 * w * w + w) + 2 * 2 * w  # its block
        before = w
    return total + before * classes + classes


@pytest.mark.parametrize(("classes", "width", "depth", "channels"), [(2, 4, 2, 1), (7, 8, 4, 1), (3, 5, 3, 2)])
def test_weights_are_as_many_as_the_layers_have(classes: int, width: int, depth: int, channels: int) -> None:
    model = build_volume_network(classes, NetworkSettings(width, depth), channels=channels)
    assert sum(p.numel() for p in model.parameters()) == counted(classes, width, depth, channels)


def test_the_publications_size_has_the_expected_weights() -> None:
    """Five levels of 16 to 256 channels and seven classes: 5.9 million weights."""
    model = build_volume_network(7, NetworkSettings())
    assert sum(p.numel() for p in model.parameters()) == counted(7, 16, 5) == 5_894_727


def test_every_level_halves_the_grid_and_doubles_the_channels() -> None:
    import torch

    model = build_volume_network(7, NetworkSettings(4, 4))
    trunk, head = split_volume_network(model)
    x = torch.zeros(2, 1, 24, 17, 16)
    shapes = []
    for layer in trunk:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes[1::2] == [(4, 24, 17, 16), (8, 12, 9, 8), (16, 6, 5, 4), (32, 3, 3, 2)]
    assert head(x).shape == (2, 7)


def test_the_same_seed_gives_the_same_weights() -> None:
    import torch

    one, again, other = (build_volume_network(2, NetworkSettings(2, 2), seed=seed) for seed in (3, 3, 4))
    pairs = list(zip(one.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


def test_weights_of_another_architecture_are_refused() -> None:
    data = save_state(build_volume_network(2, NetworkSettings(4, 2)))
    for other in (NetworkSettings(4, 3), NetworkSettings(8, 2)):
        with pytest.raises(BundleRejected, match="not for this network"):
            load_state(build_volume_network(2, other), data)
    with pytest.raises(BundleRejected, match="not for this network"):
        load_state(build_volume_network(3, NetworkSettings(4, 2)), data)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"depth": 0}, {"depth": 9}, {"width": 64, "depth": 7}])
def test_networks_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="cannot be"):
        NetworkSettings(**wrong)


def test_grids_too_small_for_the_levels_are_refused() -> None:
    check_fits((32, 32, 32), NetworkSettings(4, 5))
    with pytest.raises(InputError, match="too small"):
        check_fits((16, 16, 16), NetworkSettings(4, 5))
    with pytest.raises(InputError, match="at least two"):
        build_volume_network(1)
    with pytest.raises(InputError, match="dropout"):
        build_volume_network(2, dropout=1.0)


@pytest.mark.parametrize(("n", "length"), [(10, 10), (10, 12), (11, 10), (96, 32), (97, 31), (9, 1), (8, 3)])
def test_patches_cover_an_axis_and_overlap(n: int, length: int) -> None:
    starts = patch_starts(n, length)
    covered = sorted({i for s in starts for i in range(s, min(n, s + length))})
    assert covered == list(range(n)) and starts[0] == 0 and max(starts) <= max(0, n - length)
    assert all(b - a <= max(1, length - length // 2) for a, b in zip(starts, starts[1:], strict=False))


def test_whole_volumes_are_one_patch() -> None:
    """None and a patch of the volume's size are the same, and the mean over patches is the mean."""
    model = build_volume_network(3, NetworkSettings(2, 2))
    volumes = np.random.default_rng(0).normal(0, 1, (2, 1, 8, 8, 12)).astype(np.float32)
    whole = volume_probabilities(model, volumes)
    np.testing.assert_array_equal(volume_probabilities(model, volumes, (12, 8, 8)), whole)
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-12)
    parts = [volume_probabilities(model, volumes[(..., *where)]) for where in patches_of((8, 8, 12), (8, 8, 8))]
    assert len(parts) == 2
    np.testing.assert_allclose(volume_probabilities(model, volumes, (8, 8, 8)), np.mean(parts, axis=0), atol=1e-12)
    maps = volume_maps(model, volumes, 1, (8, 8, 8))
    first = volume_maps(model, volumes[..., :8], 1)
    np.testing.assert_array_equal(maps[..., :4], first[..., :4])  # seen by the first patch alone


def test_augmentation_changes_each_volume_in_its_own_way() -> None:
    import torch

    volume = torch.arange(4 * 5 * 6, dtype=torch.float32).reshape(1, 4, 5, 6)
    batch = torch.stack([volume] * 24)
    flipped = VolumeAugment(VolumeAugmentation(shift=0, gain=0, offset=0, noise=0))(
        batch, torch.Generator().manual_seed(0)
    )
    kinds = [torch.equal(one, volume) for one in flipped], [torch.equal(one, volume.flip(-1)) for one in flipped]
    assert all(a or b for a, b in zip(*kinds, strict=True)) and any(kinds[0]) and any(kinds[1])
    nothing = VolumeAugment(VolumeAugmentation(False, 0, 0, 0, 0))
    assert torch.equal(nothing(batch, torch.Generator().manual_seed(0)), batch)
    light = VolumeAugment(VolumeAugmentation())
    a, b, c = (light(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_shifts_bring_in_the_darkest_value() -> None:
    """A spot moves by at most the reach; nothing wraps around."""
    import torch

    volume = torch.full((1, 9, 9, 9), -1.0)
    volume[0, 4, 4, 4] = 1.0
    augment = VolumeAugment(VolumeAugmentation(flips=False, shift=2, gain=0, offset=0, noise=0))
    moved = augment(torch.stack([volume] * 40), torch.Generator().manual_seed(0))
    where = torch.stack([torch.nonzero(one[0] > 0)[0] for one in moved])
    assert (where - 4).abs().max() == 2 and len(torch.unique(where, dim=0)) > 20
    edge = torch.zeros(1, 5, 5, 5)
    edge[0, 0] = 1.0
    gone = VolumeAugment(VolumeAugmentation(flips=False, shift=5, gain=0, offset=0, noise=0))
    for one in gone(torch.stack([edge] * 20), torch.Generator().manual_seed(0)):
        assert int((one[0].amax(dim=(1, 2)) > 0).sum()) <= 1


def test_patches_are_cut_at_random_and_of_their_size() -> None:
    import torch

    batch = torch.arange(6 * 7 * 8, dtype=torch.float32).reshape(1, 1, 6, 7, 8).repeat(30, 1, 1, 1, 1)
    cut = VolumeAugment(None, (5, 4, 3))(batch, torch.Generator().manual_seed(0))
    assert cut.shape == (30, 1, 3, 4, 5)
    first = cut[:, 0, 0, 0, 0].long()
    assert set((first // 56).tolist()) == {0, 1, 2, 3} and set((first % 8).tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("wrong", [{"shift": -1}, {"gain": -0.1}, {"noise": -1.0}])
def test_augmentation_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="augmentation"):
        VolumeAugmentation(**wrong)  # type: ignore[arg-type]
