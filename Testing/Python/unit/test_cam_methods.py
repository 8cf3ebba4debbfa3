"""The Grad-CAM family against torchcam and captum, in two and three dimensions."""

import warnings

import numpy as np
import pytest
import torch
from captum.attr import GuidedGradCam
from torch import nn
from torch.nn.functional import interpolate, relu
from torchcam.methods import GradCAM, GradCAMpp, SmoothGradCAMpp

from FeatureExtractorLib.deep.backbones import seeded
from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.explain.cam import METHODS, activation_maps, guided_grad_cam, smooth_grad_cam
from TumorClassifierLib.explain.channels import plus_plus_weights
from TumorClassifierLib.explain.smooth import Smoothing, is_affine
from TumorClassifierLib.networks.resnet2d import build_classifier, split

EPS = 1e-8  # what torchcam adds to the denominator of its weights
CLASS = 1


class Net(nn.Module):
    """A small network of 2 or 3 dimensions, cut where torchcam is to look; its head averages, or convolves on."""

    def __init__(self, dimensions: int, channels: int, averages: bool) -> None:
        super().__init__()
        conv = nn.Conv2d if dimensions == 2 else nn.Conv3d
        pool = nn.AdaptiveAvgPool2d if dimensions == 2 else nn.AdaptiveAvgPool3d
        self.trunk = nn.Sequential(
            conv(channels, 6, 3, padding=1, stride=2), nn.ReLU(inplace=True), conv(6, 8, 3, padding=1), nn.ReLU()
        )
        if averages:
            self.head = nn.Sequential(pool(1), nn.Flatten(), nn.Dropout(), nn.Linear(8, 3))
        else:
            self.head = nn.Sequential(
                conv(8, 12, 3), nn.ReLU(inplace=True), pool(2), nn.Flatten(), nn.Linear(12 * 2**dimensions, 3)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.trunk(x))


def made(dimensions: int, averages: bool = False) -> tuple[Net, np.ndarray]:
    """A network, and one image for it in which something speaks for the class."""
    with seeded(4):
        net = Net(dimensions, 3 if dimensions == 2 else 1, averages).eval()
        with torch.no_grad():
            net.head[-1].weight.mul_(100)  # gradients well above the 1e-8 that torchcam adds
            net.head[-1].weight[CLASS].abs_()
    shape = (1, 3, 40, 48) if dimensions == 2 else (1, 1, 16, 20, 24)
    return net, np.random.default_rng(1).random(shape, dtype=np.float32)


def resized(cam: torch.Tensor, image: np.ndarray) -> np.ndarray:
    mode = "bilinear" if image.ndim == 4 else "trilinear"
    return interpolate(cam[None], image.shape[2:], mode=mode, align_corners=False)[0].detach().numpy()


def close(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    """Equal but for rounding in float32; the tolerance is a share of the map's maximum."""
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert expected.max() > 0, "a map of nothing would prove nothing"
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("averages", [True, False])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_grad_cam_equals_torchcams(dimensions: int, averages: bool) -> None:
    net, image = made(dimensions, averages)
    with GradCAM(net, "trunk", input_shape=image.shape[1:]) as extractor:
        (expected,) = extractor(CLASS, net(torch.from_numpy(image)), normalized=False)
    close(activation_maps(net.trunk, net.head, image, CLASS), resized(expected, image), 1e-6)


@pytest.mark.parametrize("maps", ["last", "clean"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_smooth_grad_cam_equals_torchcams_with_the_same_noise(dimensions: int, maps: str) -> None:
    """As torchcam does it, with the last sample's maps; and with the clean ones, where it is kept from losing them.

    For heads that average, as those of all our networks: for others torchcam multiplies the third derivatives by the
    maps before it sums over the positions, which is not the publication's equation.
    """
    net, image = made(dimensions, averages=True)
    tensor = torch.from_numpy(image)
    with seeded(7), SmoothGradCAMpp(net, "trunk", 5, 0.2, image.shape[1:]) as extractor:
        net(tensor)
        if maps == "clean":
            extractor.hook_handles[0].remove()
        (expected,) = extractor(CLASS, normalized=False)
    with seeded(7):
        distribution = torch.distributions.normal.Normal(0, 0.2)
        noise = torch.cat([distribution.sample(tensor.size()) for _ in range(5)]).numpy()
    found = smooth_grad_cam(net.trunk, net.head, image, CLASS, Smoothing(5, maps=maps), noise, EPS)
    close(found, resized(expected, image))
    without = activation_maps(net.trunk, net.head, image, CLASS, "grad-cam++")
    noise_counts = bool(np.abs(found - without).max() > 0.01 * without.max())
    assert noise_counts is (maps == "last")


@pytest.mark.parametrize("dimensions", [2, 3])
def test_grad_cam_plus_plus_equals_torchcams_smooth_one_without_noise(dimensions: int) -> None:
    """One sample with noise below float32's resolution; see above on heads that average."""
    net, image = made(dimensions, averages=True)
    with SmoothGradCAMpp(net, "trunk", 1, 1e-20, image.shape[1:]) as extractor:
        net(torch.from_numpy(image))
        (expected,) = extractor(CLASS, normalized=False)
    close(activation_maps(net.trunk, net.head, image, CLASS, "grad-cam++"), resized(expected, image), 1e-4)


def test_torchcams_grad_cam_plus_plus_leaves_out_the_division() -> None:
    """Its α is divided in a copy, so that its map is the one with α = gradient²: no oracle for Grad-CAM++."""
    net, image = made(2)
    with GradCAMpp(net, "trunk", input_shape=image.shape[1:]) as extractor:
        (theirs,) = extractor(CLASS, net(torch.from_numpy(image)), normalized=False)
    maps = net.trunk(torch.from_numpy(image)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(net.head(maps.clone())[:, CLASS].sum(), maps)
    undivided = ((gradient**2 * relu(gradient)).flatten(2).sum(-1)[..., None, None] * maps).sum(1).relu()
    np.testing.assert_allclose(theirs.numpy(), undivided.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_alpha_is_made_of_the_exponential_scores_derivatives() -> None:
    """α of Chattopadhay et al. 2018, eq. 10, with second and third derivatives of exp(logit) by autograd."""
    torch.manual_seed(0)
    maps = torch.rand(1, 3, 2, 2, dtype=torch.float64)
    weight = torch.randn(3, 2, 2, dtype=torch.float64)
    gradient = weight[None].clone()
    expected = torch.zeros(3, dtype=torch.float64)
    for k in range(3):
        for i in range(2):
            for j in range(2):
                a = maps[0, k, i, j].clone().requires_grad_()
                logit = (weight * maps[0]).sum() + weight[k, i, j] * (a - maps[0, k, i, j])
                score = logit.exp()
                (d1,) = torch.autograd.grad(score, a, create_graph=True)
                (d2,) = torch.autograd.grad(d1, a, create_graph=True)
                (d3,) = torch.autograd.grad(d2, a)
                alpha = d2 / (2 * d2 + maps[0, k].sum() * d3)
                expected[k] += (alpha * relu(d1) / score).detach()
    found = plus_plus_weights(gradient, gradient**2, gradient**3, maps)[0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_weights_are_finite_where_there_is_no_gradient_or_the_denominator_vanishes() -> None:
    gradient = torch.tensor([[[[0.0, -1.0], [0.0, 0.5]]]])
    maps = torch.full((1, 1, 2, 2), 0.5)  # 2·1 - 1·ΣA = 0 at the negative gradient
    weights = plus_plus_weights(gradient, gradient**2, gradient**3, maps)
    assert weights.item() == pytest.approx(0.25 / (2 * 0.25 + 0.125 * 2.0) * 0.5)


@pytest.mark.parametrize("name", ["resnet", "made 2D", "made 3D"])
def test_guided_grad_cam_equals_captums(name: str) -> None:
    if name == "resnet":
        net = build_classifier("resnet18", 2)
        trunk, head = split(net)
        layer, image = net[1], np.random.default_rng(0).random((1, 3, 96, 96), dtype=np.float32)
    else:
        net, image = made(int(name[-2]))
        trunk, head, layer = net.trunk, net.head, net.trunk
    mode = "bilinear" if image.ndim == 4 else "trilinear"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that hooks are set for a while
        for module in net.modules():  # captum cannot hook what works in place
            if isinstance(module, nn.ReLU):
                module.inplace = False
        expected = GuidedGradCam(net, layer).attribute(torch.from_numpy(image), CLASS, interpolate_mode=mode)
    found = guided_grad_cam(trunk, head, image, CLASS)
    assert np.abs(found).max() > 0
    assert found.min() < 0 < found.max(), "it has a sign"
    close(found, expected.detach().numpy())
    one = activation_maps(trunk, head, image, CLASS, "guided-grad-cam")
    np.testing.assert_allclose(one, np.abs(found.sum(1)), rtol=1e-6)


def test_rectifiers_that_are_functions_are_guided_too() -> None:
    class Functional(nn.Module):
        def __init__(self, layers: nn.Sequential) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = relu(self.layers[0](x), inplace=True)
            return torch.relu_(self.layers[2](x))

    net, image = made(2)
    found = guided_grad_cam(Functional(net.trunk), net.head, image, CLASS)
    np.testing.assert_array_equal(found, guided_grad_cam(net.trunk, net.head, image, CLASS))


def test_a_network_that_ends_in_averaging_and_a_line_needs_no_noise_for_its_gradient() -> None:
    """So that with clean maps Smooth Grad-CAM++ is Grad-CAM++, found without a sample; the long way finds it, too."""
    assert is_affine(split(build_classifier("resnet18", 2))[1])
    net, images = made(2, averages=True)
    trunk, head = net.trunk, net.head
    assert is_affine(head) and not is_affine(made(2)[0].head)
    clean = Smoothing(3, 0.1, maps="clean")
    short = smooth_grad_cam(trunk, head, images, CLASS, clean)

    class Opaque(nn.Module):  # the same head, of which nothing is known
        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return head(maps)

    close(smooth_grad_cam(trunk, Opaque(), images, CLASS, clean), short)
    np.testing.assert_array_equal(short, activation_maps(trunk, head, images, CLASS, "grad-cam++"))
    mean = activation_maps(trunk, head, images, CLASS, "smooth-grad-cam++")
    assert np.abs(mean - short).max() > 1e-3 * short.max()


def test_smoothing_averages_maps_and_derivatives() -> None:
    """Against the same sums written out for each sample alone."""
    net, image = made(2)
    smoothing = Smoothing(4, 0.3, seed=5)
    gradients, maps = [], []
    for sample in smoothing.noise(image.shape[1:]):
        a = net.trunk(torch.from_numpy(image + sample)).detach().requires_grad_()
        gradients.append(torch.autograd.grad(net.head(a.clone())[0, CLASS], a)[0].double().numpy())
        maps.append(a.detach().double().numpy())
    a, g, g2, g3 = np.mean(maps, 0), *(np.mean(np.power(gradients, p), 0) for p in (1, 2, 3))
    with np.errstate(invalid="ignore"):
        alpha = np.nan_to_num(g2 / (2 * g2 + g3 * a.sum((2, 3), keepdims=True)))
    weights = (alpha * np.maximum(g, 0)).sum((2, 3), keepdims=True)
    cam = np.maximum((weights * a).sum(1), 0)
    expected = resized(torch.from_numpy(cam.astype(np.float32)), image)
    close(activation_maps(net.trunk, net.head, image, CLASS, "smooth-grad-cam++", smoothing), expected)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_leaves_the_network_as_it_was_and_does_not_depend_on_the_batch(method: str) -> None:
    net, image = made(2)
    net.head.append(nn.Dropout(0.9))
    net.train()
    images = np.concatenate([np.roll(image, 2 * i, 3) for i in range(9)])
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    together = activation_maps(net.trunk, net.head, images, CLASS, method, Smoothing(2))
    assert together.shape == (9, 40, 48) and together.min() >= 0 and together.max() > 0
    alone = activation_maps(net.trunk, net.head, images[8:], CLASS, method, Smoothing(2))
    close(together[8:], alone, 1e-4)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in net.modules())


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_differentiated_below_the_maps_unless_it_must(method: str) -> None:
    net, image = made(2)
    graphs = []
    net.trunk.register_forward_hook(lambda module, given, maps: graphs.append(maps.requires_grad))
    activation_maps(net.trunk, net.head, image, CLASS, method, Smoothing(2))
    assert any(graphs) is (method == "guided-grad-cam")


def test_what_cannot_be_explained_is_refused() -> None:
    net, image = made(3)
    with pytest.raises(InputError, match="no class 3; choose one from 0 to 2"):
        activation_maps(net.trunk, net.head, image, 3)
    with pytest.raises(InputError, match="'score-cam'; choose one of grad-cam"):
        activation_maps(net.trunk, net.head, image, 0, "score-cam")
    with pytest.raises(InputError, match="NaN"):
        activation_maps(net.trunk, net.head, image * np.nan, 0)
    with pytest.raises(InputError, match="shape"):
        activation_maps(net.trunk, net.head, image[0, 0], 0)
    for wrong in ({"samples": 0}, {"std": -1.0}, {"maps": "some"}):
        with pytest.raises(InputError):
            Smoothing(**wrong)
