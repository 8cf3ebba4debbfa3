import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation

from FeatureExtractorLib.deep.backbones import parse_weights
from FeatureExtractorLib.errors import Cancelled, InputError
from TumorClassifierLib.networks.boxes import (
    areas,
    boxes_of_mask,
    corners_mm,
    detected_box,
    overlap,
    recall,
    slice_positions,
)
from TumorClassifierLib.networks.deformable import deformable_convolution, make_deformable
from TumorClassifierLib.networks.detection import DetectorShape, Found, build_detector, detect
from TumorClassifierLib.networks.detector_training import DetectorTraining, LabelledSlice, train_detector
from TumorClassifierLib.networks.self_cut_mix import CutMixSettings, self_cut_mix
from TumorClassifierLib.networks.state import load_state, rounded, save_state

SMALL = DetectorShape("resnet14", False, 96, 16, 30, 32, 64)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_boxes_of_masks_by_hand() -> None:
    mask = np.zeros((10, 12), dtype=np.uint8)
    mask[1:3, 2:6] = 1
    mask[3, 6] = 2  # touches at a corner
    mask[7:9, 0:2] = 1
    mask[9, 11] = 1
    assert boxes_of_mask(mask).tolist() == [[2, 1, 7, 4], [0, 7, 2, 9], [11, 9, 12, 10]]
    assert boxes_of_mask(mask, smallest=5).tolist() == [[2, 1, 7, 4]]
    assert boxes_of_mask(np.zeros((4, 4))).shape == (0, 4)
    with pytest.raises(InputError, match="one slice"):
        boxes_of_mask(np.zeros((2, 4, 4)))


@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_boxes_cover_the_mask_and_end_at_it(mask: np.ndarray) -> None:
    boxes = boxes_of_mask(mask).astype(int)
    covered = np.zeros_like(mask)
    for x0, y0, x1, y1 in boxes:
        inside = mask[y0:y1, x0:x1]
        covered[y0:y1, x0:x1] = True
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
    assert not (mask & ~covered).any()


coordinates = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30))
many_boxes = st.lists(coordinates, min_size=1, max_size=5)


@given(many_boxes, many_boxes)
def test_overlap_is_torchvisions(one, other) -> None:
    a, b = (np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], dtype=np.float32) for boxes in (one, other))
    np.testing.assert_allclose(
        overlap(a, b), torchvision.ops.box_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy(), atol=1e-6
    )
    np.testing.assert_allclose(areas(a), torchvision.ops.box_area(torch.from_numpy(a)).numpy())


def test_recall_by_hand() -> None:
    true = [np.array([[0, 0, 10, 10], [20, 20, 30, 30]]), np.zeros((0, 4)), np.array([[0, 0, 4, 4]])]
    found = [np.array([[0, 0, 10, 6]]), np.array([[1, 1, 2, 2]]), np.array([[0, 0, 4, 1]])]
    assert recall(found, true) == pytest.approx(1 / 3)  # IoU 0.6, none, 0.25
    assert recall(found, true, 0.25) == pytest.approx(2 / 3)
    assert recall([np.zeros((0, 4))], [np.zeros((0, 4))]) is None


def test_corners_in_mm_by_hand() -> None:
    image = sitk.Image(8, 6, 4, sitk.sitkUInt8)
    image.SetSpacing((2.0, 3.0, 5.0))
    image.SetOrigin((10.0, 20.0, 30.0))
    image.SetDirection((0, 0, 1, 1, 0, 0, 0, 1, 0))  # a sagittal series: columns run back, rows up, slices left
    found = corners_mm(np.array([1, 2, 3, 4]), 2, image)
    # columns 1 to 3: 20 + 2 · (0.5, 2.5); rows 2 to 4: 30 + 3 · (1.5, 3.5); slice 2: 10 + 5 · 2
    np.testing.assert_allclose(found, [[20, 21, 34.5], [20, 25, 34.5], [20, 25, 40.5], [20, 21, 40.5]])
    sides = np.linalg.norm(np.diff(found, axis=0), axis=1)
    np.testing.assert_allclose(sides, [4, 6, 4])  # two pixels of 2 mm, two of 3 mm


ALWAYS = CutMixSettings(probability=1.0)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(8, 20), st.integers(8, 20))
def test_cut_mix_adds_a_smaller_copy_beside_the_tumour(seed: int, width: int, height: int) -> None:
    image = np.zeros((96, 80), dtype=np.float32)
    box = np.array([[30, 40, 30 + width, 40 + height]], dtype=np.float32)
    image[40 : 40 + height, 30 : 30 + width] = 1
    mixed, boxes = self_cut_mix(image, box, np.random.default_rng(seed), ALWAYS)
    again, same = self_cut_mix(image, box, np.random.default_rng(seed), ALWAYS)
    np.testing.assert_array_equal(mixed, again)
    np.testing.assert_array_equal(boxes, same)
    assert mixed.dtype == np.float32
    if len(boxes) == 1:
        assert mixed is image
        return
    x0, y0, x1, y1 = boxes[1].astype(int)
    assert width / 2 - 0.5 <= x1 - x0 <= width and height / 2 - 0.5 <= y1 - y0 <= height
    assert overlap(boxes[:1], boxes[1:])[0, 0] == 0
    assert abs((x0 + x1) / 2 - (30 + width / 2)) <= 0.1 * 80 + 1  # along the spine, not across the image
    np.testing.assert_array_equal(mixed[y0:y1, x0:x1], 1)
    mixed[y0:y1, x0:x1] = 0
    np.testing.assert_array_equal(mixed, image)  # nothing else has changed


def test_cut_mix_is_seen_and_leaves_what_has_no_box() -> None:
    image, box = np.random.default_rng(0).random((96, 96)).astype(np.float32), np.array([[40, 40, 56, 56]])
    rng = np.random.default_rng(0)
    counts = [len(self_cut_mix(image, box, rng)[1]) for _ in range(200)]
    assert 60 <= counts.count(2) <= 110  # half of them, less those for which there was no place
    assert self_cut_mix(image, np.zeros((0, 4)), rng, ALWAYS)[0] is image
    whole = np.array([[0, 0, 96, 96]])
    assert self_cut_mix(image, whole, rng, ALWAYS)[0] is image


@pytest.mark.parametrize(
    ("change", "message"),
    [({"probability": 2}, "probability"), ({"smallest": 0}, "scale"), ({"largest": 0.2}, "scale"),
     ({"reach": (-1, 0)}, "reach")],
)  # fmt: skip
def test_cut_mix_that_cannot_be(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CutMixSettings(**change)


def test_deformable_convolutions_start_as_the_plain_ones_and_are_torchvisions() -> None:
    torch.manual_seed(0)
    plain = torch.nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=4, bias=False)
    deformable = deformable_convolution(plain)
    x = torch.randn(2, 8, 15, 17)
    torch.testing.assert_close(deformable(x), plain(x), rtol=1e-5, atol=1e-5)
    # A displacement of one pixel down samples what a shifted image shows.
    plain = torch.nn.Conv2d(3, 4, 3, padding=1)
    deformable = deformable_convolution(plain)
    x = torch.randn(1, 3, 9, 9)
    with torch.no_grad():
        deformable.offset.bias[0::2] = 1.0
    shifted = torch.zeros_like(x)
    shifted[:, :, :-1] = x[:, :, 1:]
    torch.testing.assert_close(deformable(x)[:, :, 1:-2], plain(shifted)[:, :, 1:-2], rtol=1e-4, atol=1e-5)


def test_every_3x3_convolution_of_a_stage_becomes_deformable() -> None:
    stage = torchvision.models.resnet18(weights=None).layer2.eval()
    x = torch.randn(1, 64, 12, 12)
    with torch.no_grad():
        before = stage(x)
        assert make_deformable(stage) == 4
        assert make_deformable(stage) == 0  # once is enough
        torch.testing.assert_close(stage(x), before, rtol=1e-4, atol=1e-5)


def test_the_default_network_is_torchvisions_of_five_scales() -> None:
    """Counts and shapes of the published design, against torchvision's own builder."""
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    with torch.device("meta"):
        fpn = resnet_fpn_backbone(
            backbone_name="resnext101_32x8d", weights=None, trainable_layers=5, norm_layer=torch.nn.BatchNorm2d
        )
        reference = FasterRCNN(fpn, num_classes=3)
    model = build_detector(2, DetectorShape(deformable=False))
    shapes = {name: p.shape for name, p in model.named_parameters()}
    assert sorted(map(str, shapes.values())) == sorted(str(p.shape) for p in reference.parameters())
    with torch.no_grad():
        maps = model.backbone(torch.zeros(1, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps.values()] == [(256, n, n) for n in (16, 8, 4, 2, 1)]
    assert model.roi_heads.box_predictor.cls_score.out_features == 3
    assert [s[0] for s in model.rpn.anchor_generator.sizes] == [16, 32, 64, 128, 256]


def test_pretrained_statistics_stay_and_files_are_read(tmp_path) -> None:
    given = torchvision.models.resnet18(weights=None)
    torch.nn.init.uniform_(given.bn1.running_mean, 1, 2)
    torch.save(given.state_dict(), tmp_path / "weights.pth")
    shape = dataclasses.replace(SMALL, backbone="resnet18", deformable=True)
    model = build_detector(2, shape, parse_weights(f"file:{tmp_path / 'weights.pth'}"))
    kinds = {type(m).__name__ for m in model.backbone.body.modules()}
    assert "FrozenBatchNorm2d" in kinds and "BatchNorm2d" not in kinds and "Deformable" in kinds
    torch.testing.assert_close(model.backbone.body.bn1.running_mean, given.bn1.running_mean)
    torch.testing.assert_close(model.backbone.body.layer2[0].conv1.weight, given.layer2[0].conv1.weight)
    assert len(model.rpn.anchor_generator.sizes) == 5


def planted(n: int, seed: int) -> list[LabelledSlice]:
    """Noisy slices with one dark (class 0) or bright (class 1) rectangle."""
    rng = np.random.default_rng(seed)
    slices = []
    for i in range(n):
        image = 0.35 + 0.05 * rng.normal(size=(96, 96))
        w, h = rng.integers(20, 40, 2)
        x, y = rng.integers(0, 96 - w), rng.integers(0, 96 - h)
        image[y : y + h, x : x + w] = (0.85 if i % 2 else 0.0) + 0.05 * rng.normal(size=(h, w))
        box = np.array([[x, y, x + w, y + h]], dtype=np.float32)
        slices.append(LabelledSlice(np.clip(image, 0, 1).astype(np.float32), box, i % 2))
    return slices


QUICK = DetectorTraining(epochs=6, batch_size=4, learning_rate=0.002, optimizer="adamw")


@pytest.fixture(scope="module")
def trained() -> torch.nn.Module:
    torch.set_num_threads(1)
    result = train_detector(build_detector(2, SMALL), planted(40, 0), QUICK)
    assert len(result.losses) == QUICK.epochs
    assert sum(result.losses[-1].values()) < sum(result.losses[0].values())
    return result.model


@pytest.mark.slow
def test_a_short_training_finds_planted_boxes_and_their_kind(trained) -> None:
    unseen = planted(20, 1)
    found = detect(trained, [one.image for one in unseen])
    best = [one.boxes[:1] for one in found]
    assert recall(best, [one.boxes for one in unseen]) >= 0.8
    P = np.array([one.probabilities(2, 0.1) for one in found])
    told = np.isfinite(P).all(axis=1)
    assert told.mean() >= 0.8
    np.testing.assert_allclose(P[told].sum(axis=1), 1)
    assert (P[told].argmax(axis=1) == np.array([one.label for one in unseen])[told]).mean() >= 0.8
    for one in found:
        assert np.all(np.diff(one.scores) <= 0)
        assert np.all((one.boxes >= 0) & (one.boxes <= 96))


@pytest.mark.slow
def test_what_is_stored_computes_the_same_bits(trained) -> None:
    data = save_state(trained)
    loaded = load_state(build_detector(2, SMALL), data)
    assert save_state(loaded) == data
    images = [one.image for one in planted(3, 2)]
    for one, other in zip(detect(rounded(trained), images), detect(loaded, images), strict=True):
        for name in ("boxes", "scores", "labels"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_one_seed_gives_the_same_bits_and_the_given_network_stays() -> None:
    model, slices = build_detector(2, SMALL), planted(4, 3)
    slices.append(LabelledSlice(slices[0].image, np.zeros((0, 4), np.float32), 0))  # a slice without tumour
    before = save_state(model, "float32")
    quick = dataclasses.replace(QUICK, epochs=1)
    one, other = (train_detector(model, slices, quick).model for _ in range(2))
    assert save_state(one, "float32") == save_state(other, "float32") != before
    assert save_state(model, "float32") == before
    changed = train_detector(model, slices, dataclasses.replace(quick, seed=1)).model
    assert save_state(changed, "float32") != save_state(one, "float32")


def test_class_probabilities_of_an_image_are_those_at_its_best_box() -> None:
    found = Found(
        np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]], dtype=np.float32),
        np.array([0.6, 0.3, 0.5]),
        np.array([1, 0, 0]),
    )
    np.testing.assert_allclose(found.probabilities(2, 0.5), [1 / 3, 2 / 3])
    assert np.isnan(found.probabilities(2, 0.7)).all()
    assert found.best(0.7) is None
    nothing = Found(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=int))
    assert np.isnan(nothing.probabilities(3, 0.0)).all()


def test_what_cannot_be_trained_or_built() -> None:
    model, slices = build_detector(2, SMALL), planted(2, 0)
    for bad, message in (
        ([dataclasses.replace(slices[0], boxes=np.zeros((0, 4)))], "No training slice has a box"),
        ([dataclasses.replace(slices[0], label=2)], "label 2"),
        ([dataclasses.replace(slices[0], boxes=np.array([[5, 5, 5, 9]]))], "not within its slice"),
        ([dataclasses.replace(slices[0], boxes=np.array([[5, 5, 97, 9]]))], "not within its slice"),
        ([dataclasses.replace(slices[0], image=np.full((96, 96), np.nan))], "finite values"),
    ):
        with pytest.raises(InputError, match=message):
            train_detector(model, bad, dataclasses.replace(QUICK, cut_mix=None))
    with pytest.raises(InputError, match="finite values"):
        detect(model, [np.zeros((3, 96, 96))])
    with pytest.raises(InputError, match="vgg16 has no stages"):
        build_detector(2, dataclasses.replace(SMALL, backbone="vgg16"))
    with pytest.raises(InputError, match="0 classes"):
        build_detector(0, SMALL)
    with pytest.raises(InputError, match="no optimizer 'lion'"):
        DetectorTraining(optimizer="lion")
    with pytest.raises(InputError, match="image_size cannot be 0"):
        DetectorShape(image_size=0)


def test_training_can_be_cancelled() -> None:
    def stop(_stage: str, _fraction: float) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        train_detector(build_detector(2, SMALL), planted(2, 0), QUICK, stop)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [("LPS", [11.0, 15.0]), ("LPI", [11.0, 7.0]), ("PSL", [-5.0, -9.0]), ("PSR", [-5.0, -1.0]), ("SLP", [7.0, 3.0])],
)
def test_slices_have_slicers_offsets(axes: str, expected: list[float]) -> None:
    image = sitk.Image((3, 3, 2), sitk.sitkUInt8)
    image.SetSpacing((1.0, 1.0, 4.0))
    image.SetOrigin((5.0, -7.0, 11.0))
    turned = sitk.DICOMOrientImageFilter.GetDirectionCosinesFromOrientation(axes)
    image.SetDirection(turned)
    assert slice_positions(image) == pytest.approx(expected)


def test_a_box_of_a_slice_is_a_box_in_space() -> None:
    image = sitk.Image((20, 16, 4), sitk.sitkUInt8)
    image.SetSpacing((0.7, 0.9, 2.5))
    image.SetOrigin((12.0, -30.0, 44.0))
    image.SetDirection(Rotation.from_rotvec([0.2, -0.5, 0.3]).as_matrix().ravel().tolist())
    box = detected_box(np.array([4, 5, 10, 9]), 2, image, "high", 0.75)
    assert box.size == pytest.approx((6 * 0.7, 4 * 0.9, 2.5))
    assert box.centre == pytest.approx(image.TransformContinuousIndexToPhysicalPoint((6.5, 6.5, 2.0)))
    corner = np.array(box.centre) + np.array(box.axes) @ (-0.5 * np.array(box.size))
    assert corner == pytest.approx(image.TransformContinuousIndexToPhysicalPoint((3.5, 4.5, 1.5)))
