"""Where the network looked: class activation maps of slices and volumes, and of all the tumour's slices."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.deep.features import as_tensor, check_images
from FeatureExtractorLib.deep.inputs import SliceSettings, slice_input, tumour_slices
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.progress import Progress, silent
from FeatureExtractorLib.regions import place_square, resize

from ..networks.resnet2d import split
from .channels import grad_cam_weights, plus_plus_weights, weighted_sum
from .guided import guided_gradient
from .smooth import Smoothing, smooth_map

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

BATCH = 8
GRAD_CAM = "grad-cam"
NAMES = {
    GRAD_CAM: "Grad-CAM",
    "grad-cam++": "Grad-CAM++",
    "smooth-grad-cam++": "Smooth Grad-CAM++",
    "guided-grad-cam": "Guided Grad-CAM",
}
METHODS = tuple(NAMES)


def activation_maps(
    trunk: "nn.Module",
    head: "nn.Module",
    images: np.ndarray,
    class_index: int,
    method: str = GRAD_CAM,
    smoothing: Smoothing | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """Maps of one class, (n, rows, columns) or (n, z, y, x) float32, 0 or more, not normalised.

    trunk: images to the maps A of its last convolution block; head: maps to logits (n, classes); both on the device
    to use. images: (n, channels, rows, columns) or (n, channels, z, y, x) float32. method:

    - "grad-cam": ReLU(Σ_k w_k A_k) with w_k the mean of ∂logit/∂A_k over the positions (Selvaraju et al. 2017);
    - "grad-cam++": w_k counts positions by how much they are needed (Chattopadhay et al. 2018);
    - "smooth-grad-cam++": that over images with noise (Omeiza et al. 2019), as `smoothing` says;
    - "guided-grad-cam": Grad-CAM times the guided gradient of each pixel, see `guided_grad_cam`; here the size of its
      sum over the channels, which for a grey picture on three channels is the gradient by the grey value.

    Maps are brought to the images' size linearly, pixel centres aligned. Nothing is differentiated below the block,
    save for guided gradients: maps are the same and most of the work is saved.
    Raises InputError for another method, images of another shape or not finite, and a class that the network lacks.
    """
    check_method(method)
    if method == "guided-grad-cam":
        guided = guided_grad_cam(trunk, head, images, class_index, progress)
        return np.asarray(np.abs(guided.sum(axis=1)))
    if method == "smooth-grad-cam++":
        return smooth_grad_cam(trunk, head, images, class_index, smoothing or Smoothing(), progress=progress)

    def of(batch: "Tensor") -> "Tensor":
        import torch

        with torch.no_grad():
            maps = trunk(batch)
        gradient = logit_gradient(head, maps, class_index)
        if method == GRAD_CAM:
            return weighted_sum(grad_cam_weights(gradient), maps)
        weights = plus_plus_weights(gradient, gradient.square(), gradient.pow(3), maps)
        return weighted_sum(weights, maps)

    return _in_batches(of, trunk, head, images, progress)


def smooth_grad_cam(
    trunk: "nn.Module",
    head: "nn.Module",
    images: np.ndarray,
    class_index: int,
    smoothing: Smoothing,
    noise: np.ndarray | None = None,
    eps: float = 0.0,
    progress: Progress = silent,
) -> np.ndarray:
    """Smooth Grad-CAM++ as in `activation_maps`. noise: (samples, channels, *positions), by default the seed's."""
    drawn = smoothing.noise(images.shape[1:]) if noise is None else noise

    def of(batch: "Tensor") -> "Tensor":
        return smooth_map(
            trunk, head, batch, drawn, smoothing, lambda maps: logit_gradient(head, maps, class_index), eps
        )

    return _in_batches(of, trunk, head, images, progress)


def guided_grad_cam(
    trunk: "nn.Module", head: "nn.Module", images: np.ndarray, class_index: int, progress: Progress = silent
) -> np.ndarray:
    """Grad-CAM times the guided gradient: float32 of the images' shape, with a sign (Selvaraju et al. 2017, sec. 3.2).

    Raises InputError as `activation_maps`.
    """

    def of(batch: "Tensor") -> "Tensor":
        import torch

        with torch.no_grad():
            maps = trunk(batch)
        cam = weighted_sum(grad_cam_weights(logit_gradient(head, maps, class_index)), maps)
        return guided_gradient(trunk, head, batch, class_index) * _resized(cam[:, None], batch.shape[2:])

    return _in_batches(of, trunk, head, images, progress)


def logit_gradient(head: "nn.Module", maps: "Tensor", class_index: int) -> "Tensor":
    """∂logit/∂A of one class, of the maps' shape; raises InputError when the head has no such class."""
    import torch

    with torch.enable_grad():
        maps = maps.detach().requires_grad_()
        logits = head(maps.clone())  # a copy, for a head may begin with a ReLU that works in place
        if not 0 <= class_index < logits.shape[1]:
            raise InputError(f"The network has no class {class_index}; choose one from 0 to {logits.shape[1] - 1}.")
        (gradient,) = torch.autograd.grad(logits[:, class_index].sum(), maps)
    return gradient


def check_method(method: str) -> None:
    """Raises InputError for a method that is none of METHODS."""
    if method not in METHODS:
        raise InputError(f"There is no class activation method {method!r}; choose one of {', '.join(METHODS)}.")


def grad_cam(model: "nn.Sequential", images: np.ndarray, class_index: int, progress: Progress = silent) -> np.ndarray:
    """Grad-CAM of a classifier's last convolution block for one class, (n, rows, columns) float32, not normalised.

    model: from `build_classifier`, on the device to use. images: (n, 3, rows, columns) float32 in 0–1. See
    `activation_maps`.
    """
    return slice_maps(model, images, class_index, progress=progress)


def slice_maps(
    model: "nn.Sequential",
    images: np.ndarray,
    class_index: int,
    method: str = GRAD_CAM,
    smoothing: Smoothing | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """`activation_maps` of a classifier from `build_classifier`, for images (n, 3, rows, columns) in 0–1."""
    check_images(images)
    return activation_maps(*split(model), images, class_index, method, smoothing, progress)


def weighted_maps(
    backbone: "nn.Sequential", images: np.ndarray, weights: np.ndarray, progress: Progress = silent
) -> np.ndarray:
    """ReLU(Σ_k w_k A_k) of a frozen network's last maps A_k, (n, rows, columns) float32, not normalised.

    backbone: from `build_backbone`. weights: (width,). With w_k the gradient of a score by the k-th pooled feature
    this is that score's Grad-CAM, for averaging gives every position of a map the same gradient.
    """
    import torch

    check_images(images)
    trunk = backbone[:2]
    channels = torch.from_numpy(np.asarray(weights, dtype=np.float32))[None]

    def of(batch: "Tensor") -> "Tensor":
        with torch.no_grad():
            return weighted_sum(channels.to(batch.device), trunk(batch))

    return _in_batches(of, trunk, backbone, images, progress)


def _in_batches(
    function: "Callable[[Tensor], Tensor]",
    trunk: "nn.Module",
    head: "nn.Module",
    images: np.ndarray,
    progress: Progress,
) -> np.ndarray:
    """`function` of all images, batch by batch, at the images' size; both networks in evaluation mode meanwhile."""
    import torch

    if images.ndim not in (4, 5) or len(images) == 0:
        raise InputError(f"The network takes images of the shape (n, channels, *positions), not {images.shape}.")
    if not np.isfinite(images).all():
        raise InputError("The network was given NaN or infinite values; standardise the images first.")
    device = _device_of(trunk)
    modes = [(module, module.training) for network in (trunk, head) for module in network.modules()]
    found = []
    try:
        trunk.eval()
        head.eval()
        for start in range(0, len(images), BATCH):
            progress("explanation", start / len(images))
            batch = images[start : start + BATCH]
            tensor = as_tensor(batch, device) if batch.ndim == 4 else torch.from_numpy(np.float32(batch)).to(device)
            output = function(tensor)
            if output.ndim == batch.ndim - 1:
                output = _resized(output[:, None], batch.shape[2:])[:, 0]
            found.append(output.cpu().numpy())
    finally:
        for module, training in modes:
            module.training = training
    progress("explanation", 1.0)
    return np.concatenate(found)


def _device_of(network: "nn.Module") -> "torch.device":
    import torch

    parameter = next(network.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _resized(maps: "Tensor", size: tuple[int, ...]) -> "Tensor":
    from torch.nn import functional

    mode = "bilinear" if len(size) == 2 else "trilinear"
    return functional.interpolate(maps, tuple(size), mode=mode, align_corners=False)


def cam_volume(
    model: "nn.Sequential",
    image: sitk.Image,
    mask: sitk.Image,
    settings: SliceSettings,
    class_index: int,
    reference: sitk.Image,
    progress: Progress = silent,
    method: str = GRAD_CAM,
    smoothing: Smoothing | None = None,
) -> sitk.Image:
    """The map of every axial slice of the tumour, as a float32 volume on the grid of `reference`.

    method, smoothing: see `activation_maps`. Raises InputError when the mask is empty and for another method; for the
    rest see `volume_of_slices`.
    """
    check_method(method)

    def maps(images: np.ndarray) -> np.ndarray:
        return slice_maps(model, images, class_index, method, smoothing, progress)

    return volume_of_slices(maps, image, mask, settings, reference)


def volume_of_slices(
    maps: Callable[[np.ndarray], np.ndarray],
    image: sitk.Image,
    mask: sitk.Image,
    settings: SliceSettings,
    reference: sitk.Image,
) -> sitk.Image:
    """Maps of every axial slice of the tumour, as a float32 volume on the grid of `reference`.

    maps: gives (n, rows, columns) for images (n, 3, rows, columns). image, mask: the working image and mask on one
    grid of axial slices. Each slice is cropped as for classification and its map laid back over the crop; values are
    linear between slices, 0 outside the crops, and scaled so that the volume's maximum is 1 (all 0 where nothing
    speaks for the class). Raises InputError when the mask is empty.
    """
    indices = tumour_slices(mask)
    if not indices:
        raise InputError("The mask is empty, so there is nothing to explain; outline the tumour first.")
    grey, outline = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(mask)
    inputs, regions = zip(*(slice_input(grey[k], outline[k], settings) for k in indices), strict=True)
    cams = maps(np.stack(inputs))
    array = np.zeros(grey.shape, dtype=np.float32)
    for k, cam, region in zip(indices, cams, regions, strict=True):
        array[k] = place_square(resize(cam, (region.side, region.side)), region, array[k].shape)
    return map_on_grid(array, image, reference)


def map_on_grid(array: np.ndarray, image: sitk.Image, reference: sitk.Image) -> sitk.Image:
    """A map (z, y, x) on the grid of `image` as a float32 volume on the grid of `reference`, its maximum 1.

    Linear in between, 0 outside the image; all 0 where nothing speaks for the class.
    """
    volume = sitk.GetImageFromArray(np.asarray(array, dtype=np.float32))
    volume.CopyInformation(image)
    return _scaled_to_one(sitk.Resample(volume, reference, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32))


def _scaled_to_one(volume: sitk.Image) -> sitk.Image:
    array = sitk.GetArrayFromImage(volume)
    if (top := array.max()) > 0:
        array /= top
    scaled = sitk.GetImageFromArray(array)
    scaled.CopyInformation(volume)
    return scaled
