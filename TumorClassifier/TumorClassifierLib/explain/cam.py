"""Where the network looked: Grad-CAM of slices, and as a volume that lies over the image."""

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

if TYPE_CHECKING:
    from torch import nn

BATCH = 8


def grad_cam(model: "nn.Sequential", images: np.ndarray, class_index: int, progress: Progress = silent) -> np.ndarray:
    """Grad-CAM of the last convolution block for one class, (n, rows, columns) float32, not normalised.

    model: from `build_classifier`, on the device to use. images: (n, 3, rows, columns) float32 in 0–1. Each map is
    ReLU(Σ_k α_k A_k) with α_k the mean of ∂logit/∂A_k over the positions (Selvaraju et al. 2017, eq. 1 and 2),
    brought to the image's size bilinearly. Nothing is differentiated below that block: the gradient is the same and
    most of the work is saved. Raises InputError for images of another shape or a class that the network lacks.
    """
    import torch
    from torch.nn import functional

    check_images(images)
    n_classes = model.head[-1].out_features  # type: ignore[union-attr,index]
    if not 0 <= class_index < n_classes:
        raise InputError(f"The network has no class {class_index}; choose one from 0 to {n_classes - 1}.")
    trunk, head = split(model.eval())
    device = next(model.parameters()).device
    cams = []
    for start in range(0, len(images), BATCH):
        progress("explanation", start / len(images))
        with torch.no_grad():
            maps = trunk(as_tensor(images[start : start + BATCH], device))
        maps.requires_grad_()
        (gradient,) = torch.autograd.grad(head(maps)[:, class_index].sum(), maps)
        with torch.no_grad():
            weights = gradient.mean(dim=(2, 3), keepdim=True)
            cam = (weights * maps).sum(dim=1, keepdim=True).relu_()
            cam = functional.interpolate(cam, images.shape[2:], mode="bilinear", align_corners=False)
        cams.append(cam[:, 0].cpu().numpy())
    progress("explanation", 1.0)
    return np.concatenate(cams)


def weighted_maps(
    backbone: "nn.Sequential", images: np.ndarray, weights: np.ndarray, progress: Progress = silent
) -> np.ndarray:
    """ReLU(Σ_k w_k A_k) of a frozen network's last maps A_k, (n, rows, columns) float32, not normalised.

    backbone: from `build_backbone`. weights: (width,). With w_k the gradient of a score by the k-th pooled feature
    this is that score's Grad-CAM, for averaging gives every position of a map the same gradient.
    """
    import torch
    from torch.nn import functional

    check_images(images)
    device = next(backbone.parameters()).device
    channels = torch.from_numpy(np.asarray(weights, dtype=np.float32)).to(device)[None, :, None, None]
    cams = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            progress("explanation", start / len(images))
            maps = backbone[:2](as_tensor(images[start : start + BATCH], device))
            cam = (channels * maps).sum(dim=1, keepdim=True).relu_()
            cam = functional.interpolate(cam, images.shape[2:], mode="bilinear", align_corners=False)
            cams.append(cam[:, 0].cpu().numpy())
    progress("explanation", 1.0)
    return np.concatenate(cams)


def cam_volume(
    model: "nn.Sequential",
    image: sitk.Image,
    mask: sitk.Image,
    settings: SliceSettings,
    class_index: int,
    reference: sitk.Image,
    progress: Progress = silent,
) -> sitk.Image:
    """Grad-CAM of every axial slice of the tumour, as a float32 volume on the grid of `reference`.

    Raises InputError when the mask is empty; for the rest see `volume_of_slices`.
    """

    def maps(images: np.ndarray) -> np.ndarray:
        return grad_cam(model, images, class_index, progress)

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
    volume = sitk.GetImageFromArray(array)
    volume.CopyInformation(image)
    return _scaled_to_one(sitk.Resample(volume, reference, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32))


def _scaled_to_one(volume: sitk.Image) -> sitk.Image:
    array = sitk.GetArrayFromImage(volume)
    if (top := array.max()) > 0:
        array /= top
    scaled = sitk.GetImageFromArray(array)
    scaled.CopyInformation(volume)
    return scaled
