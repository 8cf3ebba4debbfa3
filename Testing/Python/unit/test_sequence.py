import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from FeatureExtractorLib.deep.backbones import BACKBONES, Weights, build_backbone
from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.explain.cam import activation_maps
from TumorClassifierLib.networks.resnet2d import split
from TumorClassifierLib.networks.sequence import (
    SequenceShape,
    build_sequence_classifier,
    largest_box,
    pick_slices,
    region_of,
    sequence_input,
    sequence_probabilities,
)
from TumorClassifierLib.networks.state import load_state, rounded, save_state
from TumorClassifierLib.networks.training import TrainingSettings, train_classifier


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("n", [4, 8, 16])
def test_the_published_network_takes_n_slices(n: int) -> None:
    """ResNeXt101 32×8d has 88 791 336 weights in torchvision's table, 2 049 000 of them its last layer."""
    with torch.device("meta"):
        import torchvision

        reference = torchvision.models.resnext101_32x8d(weights=None)
    parameters = sum(p.numel() for p in reference.parameters())
    assert parameters == 88_791_336
    shape = SequenceShape(slices=n)
    assert (shape.backbone, shape.size) == ("resnext101_32x8d", 112)
    if n == 16:  # the largest is built once; its first convolution tells of the others
        model = build_sequence_classifier(2, shape)
        assert sum(p.numel() for p in model.parameters()) == parameters - 2_049_000 + 4098 + (n - 3) * 64 * 49
        assert SequenceShape().slices == n
    small = build_sequence_classifier(2, SequenceShape("resnet14", n, 32))
    assert small(torch.zeros(2, n, 32, 32)).shape == (2, 2)


@pytest.mark.parametrize("reading", ["channels", "average"])
def test_equal_slices_give_what_a_grey_picture_gave(reading: str) -> None:
    shape = SequenceShape("resnet14", 6, 48, reading)
    model, backbone = build_sequence_classifier(3, shape), build_backbone("resnet14", Weights("seed", "0"))
    # One mean and deviation for all colours, so that grey is grey to both.
    backbone.normalise.mean = (float(np.mean(BACKBONES["resnet14"].mean)),) * 3
    backbone.normalise.std = (float(np.mean(BACKBONES["resnet14"].std)),) * 3
    if reading == "average":
        model.normalise[1].mean, model.normalise[1].std = backbone.normalise.mean, backbone.normalise.std
    grey = torch.rand(2, 1, 48, 48)
    with torch.no_grad():
        expected = model.head[1](backbone(grey.expand(-1, 3, -1, -1)))
        torch.testing.assert_close(model(grey.expand(-1, 6, -1, -1)), expected, rtol=1e-4, atol=1e-5)


def test_averaging_is_the_mean_of_the_slices_logits() -> None:
    model = build_sequence_classifier(2, SequenceShape("resnet14", 3, 32, "average"))
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        one_by_one = [model[:3](x[:, i : i + 1].expand(-1, 3, -1, -1)).unflatten(0, (2, 3))[:, 0] for i in range(3)]
        expected = torch.stack([model.head[1](pooled) for pooled in one_by_one]).mean(0)
        torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 60), st.integers(1, 20), st.integers(0, 2**31))
def test_picked_slices_have_tumour_and_repeat_only_where_they_must(found, centre, n, seed) -> None:
    for rng in (None, np.random.default_rng(seed)):
        picked = pick_slices(sorted(found), centre, n, rng)
        assert len(picked) == n
        assert list(picked) == sorted(picked)
        assert set(picked) <= found
        counts = [picked.count(i) for i in found]
        assert max(counts) - min(counts) <= 1
        assert n < len(found) or min(counts) >= 1
    run = pick_slices(sorted(found), centre, n)
    if n <= len(found):
        order = sorted(found)
        assert order[order.index(run[0]) : order.index(run[0]) + n] == list(run)  # nothing left out in between
        nearest = min(order, key=lambda i: (abs(i - centre), i))
        assert nearest in run


def test_training_draws_runs_and_any_slices_about_as_often() -> None:
    rng = np.random.default_rng(0)
    drawn = [pick_slices(range(30), 15, 4, rng) for _ in range(400)]
    runs = sum(one[3] - one[0] == 3 for one in drawn)
    assert 160 <= runs <= 240
    assert {one[0] for one in drawn} >= set(range(20))


def test_no_slice_with_tumour_is_said() -> None:
    with pytest.raises(InputError, match="no slice with tumour"):
        pick_slices([], 3, 4)


def test_the_largest_box_and_its_region_by_hand() -> None:
    boxes = [None, np.array([0.0, 0, 4, 4]), np.array([[1.0, 1, 2, 2], [2.5, 1.2, 9.0, 5.0]]), np.zeros((0, 4))]
    index, box = largest_box(boxes)
    assert index == 2
    assert box.tolist() == [2.5, 1.2, 9.0, 5.0]
    assert largest_box([None, np.zeros((0, 4))]) is None
    assert region_of(box, (20, 30)) == (2, 1, 9, 5)
    assert region_of(np.array([-3.0, 2, 99, 99]), (20, 30)) == (0, 2, 30, 20)
    with pytest.raises(InputError, match="not within a slice of 30 × 20"):
        region_of(np.array([31.0, 2, 40, 9]), (20, 30))


def test_the_input_is_the_same_region_of_every_picked_slice() -> None:
    volume = np.zeros((5, 40, 40), dtype=np.float32)
    for k in range(5):
        volume[k, 10:20, 5:35] = (k + 1) / 10
    made = sequence_input(volume, np.array([5.0, 10, 35, 20]), (1, 1, 3), 112)
    assert made.shape == (3, 112, 112)
    assert made.dtype == np.float32
    for plane, value in zip(made, (0.2, 0.2, 0.4), strict=True):
        np.testing.assert_allclose(plane, value, atol=1e-6)
    left = np.zeros((1, 40, 40), dtype=np.float32)
    left[0, :, :20] = 1
    half = sequence_input(left, np.array([0.0, 0, 40, 40]), (0,), 112)[0]
    np.testing.assert_allclose(half[:, :50], 1, atol=1e-6)
    np.testing.assert_allclose(half[:, 62:], 0, atol=1e-6)


def banded(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences whose slices become brighter (class 1) or darker (class 0): what no single slice tells."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    ramp = np.linspace(0.2, 0.8, 4)
    levels = np.where(y[:, None] == 1, ramp, ramp[::-1])[:, :, None, None]
    return np.clip(levels + 0.1 * rng.normal(size=(n, 4, 32, 32)), 0, 1).astype(np.float32), y


@pytest.fixture(scope="module")
def trained() -> torch.nn.Sequential:
    torch.set_num_threads(1)
    model = build_sequence_classifier(2, SequenceShape("resnet14", 4, 32, dropout=0.0))
    settings = TrainingSettings(epochs=8, batch_size=8, threads=1, augmentation=False)
    return train_classifier(model, *banded(24, 0), settings).model


def test_the_common_loop_teaches_it_the_order_of_slices(trained) -> None:
    sequences, y = banded(16, 1)
    P = sequence_probabilities(trained, sequences)
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-12)
    assert (P.argmax(axis=1) == y).mean() >= 0.9


def test_it_is_stored_bit_by_bit(trained) -> None:
    data = save_state(trained)
    loaded = load_state(build_sequence_classifier(2, SequenceShape("resnet14", 4, 32, dropout=0.0)), data)
    assert save_state(loaded) == data
    sequences = banded(3, 2)[0]
    np.testing.assert_array_equal(
        sequence_probabilities(loaded, sequences), sequence_probabilities(rounded(trained), sequences)
    )


def test_it_is_explained_on_its_input(trained) -> None:
    sequences = banded(2, 3)[0]
    maps = activation_maps(*split(trained), sequences, 1)
    assert maps.shape == (2, 32, 32)
    assert np.isfinite(maps).all() and (maps >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"slices": 0}, "0 slices"), ({"size": 8}, "of 8 pixels"), ({"reading": "video"}, "'video'"),
     ({"dropout": 1.0}, "dropout")],
)  # fmt: skip
def test_shapes_that_cannot_be(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SequenceShape(**arguments)


def test_networks_that_cannot_be() -> None:
    with pytest.raises(InputError, match="vgg16 has no first convolution"):
        build_sequence_classifier(2, SequenceShape("vgg16", 4))
    with pytest.raises(InputError, match="1 classes"):
        build_sequence_classifier(1)
