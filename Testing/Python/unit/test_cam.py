from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torchcam.methods import GradCAM

from FeatureExtractorLib.deep.backbones import Weights, seeded
from FeatureExtractorLib.deep.inputs import SliceSettings
from FeatureExtractorLib.errors import Cancelled, InputError
from TumorClassifierLib.explain.cam import cam_volume, grad_cam
from TumorClassifierLib.networks.resnet2d import build_classifier

CROP = SliceSettings(size=96)


@pytest.fixture(scope="module")
def network() -> torch.nn.Sequential:
    return build_classifier("resnet18", 2)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    grey = np.random.default_rng(0).random((3, 1, 224, 224))
    return np.repeat(grey, 3, axis=1).astype(np.float32)


def slope_network() -> torch.nn.Sequential:
    """A classifier by hand whose class 1 is the brightness of 32×32 blocks, so that its map is known."""
    trunk = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 32, stride=32, bias=False), torch.nn.ReLU())
    head = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(1, 2))
    model = torch.nn.Sequential()
    model.add_module("normalise", torch.nn.Identity())
    model.add_module("trunk", trunk)
    model.add_module("pool", torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()))
    model.add_module("head", head)
    with torch.no_grad():
        trunk[0].weight.fill_(1 / (3 * 32 * 32))
        head[1].weight.copy_(torch.tensor([[-1.0], [1.0]]))
    return model.eval()


@pytest.mark.parametrize("class_index", [0, 1])
def test_grad_cam_equals_torchcams(network, images, class_index: int) -> None:
    image = torch.from_numpy(images[:1])
    with GradCAM(network, "trunk", input_shape=(3, 224, 224)) as extractor:
        scores = network(image)
        (expected,) = extractor(class_index, scores, normalized=False)
    expected = torch.nn.functional.interpolate(expected[None], (224, 224), mode="bilinear", align_corners=False)
    found = grad_cam(network, images[:1], class_index)
    assert found.shape == (1, 224, 224)
    assert found.dtype == np.float32
    assert found.max() > 0
    np.testing.assert_allclose(found[0], expected[0, 0].detach().numpy(), rtol=1e-6, atol=1e-6)


def test_grad_cam_is_weighted_by_the_class_and_rectified() -> None:
    image = np.zeros((1, 3, 224, 224), np.float32)
    image[..., 64:96, 160:192] = 1.0
    model = slope_network()
    cam = grad_cam(model, image, 1)[0]
    assert cam[79:81, 175:177].min() == cam.max()
    # The gradient of a mean over 7×7 positions, times 1; the nearest pixel is half a pixel off the block's centre.
    assert cam.max() == pytest.approx((31.5 / 32) ** 2 / 49, rel=1e-4)
    assert not grad_cam(model, image, 0).any(), "nothing speaks for the other class"


def test_randomised_weights_change_the_map(network, images) -> None:
    """The sanity check of Adebayo et al. 2018: a map that ignores the weights explains nothing."""
    other = build_classifier("resnet18", 2, weights=Weights("seed", "1"))
    one, two = (grad_cam(m, images[:1], 1).ravel() for m in (network, other))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.8
    with seeded(2):
        head = torch.nn.Linear(512, 2)
    other = build_classifier("resnet18", 2)
    other.head[1] = head
    assert not np.allclose(grad_cam(other, images[:1], 1), one.reshape(1, 224, 224), rtol=0.1)


def test_a_shifted_image_shifts_the_map(network) -> None:
    """By one position of the last block, 32 pixels, where the padding is out of reach (435 pixels are seen)."""
    image = np.zeros((1, 3, 768, 768), np.float32)
    image[..., 352:416, 352:416] = np.random.default_rng(3).random((64, 64))
    shifted = np.roll(image, (32, 64), axis=(2, 3))
    class_index = int(np.argmax([grad_cam(network, image, c)[:, 300:460, 300:460].max() for c in (0, 1)]))
    cam, moved = grad_cam(network, image, class_index)[0], grad_cam(network, shifted, class_index)[0]
    expected = cam[300 - 32 : 480 - 32, 300 - 64 : 480 - 64]
    assert expected.std() > 0.01 * expected.max()
    np.testing.assert_allclose(moved[300:480, 300:480], expected, atol=1e-4 * expected.max())
    assert np.abs(moved - cam)[300:480, 300:480].max() > 0.05 * expected.max()


def test_maps_do_not_depend_on_the_batch_and_leave_no_gradients(network, images) -> None:
    many = np.concatenate([images] * 4)
    together = grad_cam(network, many, 0)
    alone = grad_cam(network, many[10:11], 0)[0]
    np.testing.assert_allclose(together[10], alone, atol=1e-5 * alone.max())
    assert all(p.grad is None for p in network.parameters())


def test_what_cannot_be_explained_is_refused(network, images) -> None:
    with pytest.raises(InputError, match="no class 2"):
        grad_cam(network, images, 2)
    with pytest.raises(InputError, match="shape"):
        grad_cam(network, images[0], 0)

    def stop(stage: str, fraction: float) -> None:
        raise Cancelled("The explanation was cancelled.")

    with pytest.raises(Cancelled):
        grad_cam(network, images, 0, progress=stop)


def working_case() -> tuple[sitk.Image, sitk.Image, tuple[float, float, float]]:
    """An LPS volume of 1 mm voxels with one bright block in a cube of tumour; also the block's centre in mm."""
    array, mask = np.zeros((20, 96, 96), np.float32), np.zeros((20, 96, 96), np.uint8)
    mask[5:15, 24:72, 24:72] = 1
    array[9:12, 56:64, 32:40] = 100.0
    image, outline = sitk.GetImageFromArray(array), sitk.GetImageFromArray(mask)
    for volume in (image, outline):
        volume.SetOrigin((-40.0, 12.0, 7.0))
    return image, outline, image.TransformContinuousIndexToPhysicalPoint((35.5, 59.5, 10.0))


def oblique_reference(image: sitk.Image) -> sitk.Image:
    """An anisotropic, turned and flipped grid that covers the image."""
    turn = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.15, 0.4)
    direction = np.array(turn.GetMatrix()).reshape(3, 3) @ np.diag([-1.0, 1.0, -1.0])
    reference = sitk.Image([90, 120, 30], sitk.sitkInt16)
    reference.SetSpacing((1.7, 1.2, 2.5))
    reference.SetDirection(direction.ravel().tolist())
    centre = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    half = np.array([(n - 1) / 2 * s for n, s in zip(reference.GetSize(), reference.GetSpacing(), strict=True)])
    reference.SetOrigin((centre - direction @ half).tolist())
    return reference


def test_cam_volume_lies_where_the_network_looked_on_any_grid() -> None:
    image, mask, bright = working_case()
    # The crop is 72 pixels (48 and 25 % on each side) at 96: a block of the network is 24 mm.
    for reference in (image, oblique_reference(image)):
        volume = cam_volume(slope_network(), image, mask, CROP, 1, reference)
        assert volume.GetPixelID() == sitk.sitkFloat32
        assert volume.GetSize() == reference.GetSize()
        for name in ("GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(volume, name)() == getattr(reference, name)()
        array = sitk.GetArrayFromImage(volume)
        assert array.min() == 0
        assert array.max() == 1
        marked = reference.TransformPhysicalPointToIndex(bright)
        assert volume[marked] > 0.5
        weights = array / array.sum()
        index = [float((weights * axis).sum()) for axis in np.indices(array.shape)][::-1]
        centre = volume.TransformContinuousIndexToPhysicalPoint(index)
        assert np.linalg.norm(np.subtract(centre, bright)) < 12, "half a block of the network"


def test_cam_volume_has_the_same_values_at_the_same_points_on_any_grid() -> None:
    image, mask, _ = working_case()
    own = cam_volume(slope_network(), image, mask, CROP, 1, image)
    other = cam_volume(slope_network(), image, mask, CROP, 1, oblique_reference(image))
    array = sitk.GetArrayViewFromImage(other)
    found = np.argwhere(array > 0.05)[::97, ::-1].tolist()
    points = [other.TransformIndexToPhysicalPoint(index) for index in found]
    ratios = [own.EvaluateAtPhysicalPoint(p, sitk.sitkLinear) / other[i] for p, i in zip(points, found, strict=True)]
    assert len(ratios) > 20
    # Each volume is scaled to its own maximum, so that only the ratio is free.
    np.testing.assert_allclose(ratios, np.mean(ratios), rtol=1e-4)


def test_cam_volume_is_zero_outside_the_crops() -> None:
    image, mask, _ = working_case()
    array = sitk.GetArrayFromImage(cam_volume(slope_network(), image + 1.0, mask, CROP, 1, image))
    assert array[9:12, 12:84, 12:84].any()
    assert not array[:5].any()
    assert not array[15:].any()
    outside = np.ones((96, 96), bool)
    outside[12:84, 12:84] = False
    assert not array[:, outside].any()


def test_cam_volume_without_evidence_or_without_mask() -> None:
    image, mask, _ = working_case()
    volume = cam_volume(slope_network(), image, mask, CROP, 0, image)
    assert not sitk.GetArrayViewFromImage(volume).any()
    with pytest.raises(InputError, match="mask is empty"):
        cam_volume(slope_network(), image, mask * 0, CROP, 1, image)


def test_cam_volume_of_a_crop_that_reaches_over_the_edge() -> None:
    image, _, _ = working_case()
    mask = np.zeros((20, 96, 96), np.uint8)
    mask[10, 40:90, 0:20] = 1
    outline = sitk.GetImageFromArray(mask)
    outline.CopyInformation(image)
    array = sitk.GetArrayFromImage(cam_volume(slope_network(), image, outline, CROP, 1, image))
    assert array[10].max() == 1
    peak = np.unravel_index(array[10].argmax(), (96, 96))
    assert np.abs(np.subtract(peak, (59.5, 35.5))).max() < 20


def test_cam_volume_of_a_real_brain_tumour_on_the_original_grid(network, data_dir: Path) -> None:
    folder = data_dir / "pyradiomics_cases"
    original = sitk.ReadImage(folder / "brain1_image.nrrd")
    mask = sitk.ReadImage(folder / "brain1_label.nrrd", sitk.sitkUInt8)
    image, outline = sitk.DICOMOrient(original, "LPS"), sitk.DICOMOrient(mask, "LPS")
    volume = cam_volume(network, image, outline, CROP, 0, original)
    assert volume.GetSize() == original.GetSize()
    assert volume.GetDirection() == original.GetDirection()
    array, inside = sitk.GetArrayViewFromImage(volume), sitk.GetArrayViewFromImage(mask) > 0
    assert array.max() == 1
    assert array[inside].mean() > 10 * array[~inside].mean(), "the crops surround the tumour"
