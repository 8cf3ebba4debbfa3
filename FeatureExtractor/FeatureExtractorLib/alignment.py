"""The images and masks of a case on one grid: that of a reference modality."""

from collections.abc import Mapping
from dataclasses import dataclass

import SimpleITK as sitk

from .case import check_same_geometry, same_geometry
from .errors import InputError
from .preprocessing.registration import KINDS, register
from .preprocessing.resampling import to_geometry_of


@dataclass(frozen=True)
class Alignment:
    """How modalities come onto one grid.

    register: "none", "rigid" or "affine". reference: the modality that keeps its grid; the case's first by default.
    With "none" and a reference, images are resliced where the scanner says they are; with neither, they must share
    a grid already.
    """

    register: str = "none"
    reference: str = ""

    def __post_init__(self) -> None:
        if self.register not in ("none", *KINDS):
            known = ", ".join(("none", *KINDS))
            raise InputError(f"There is no registration called {self.register!r}; choose one of {known}.")

    @property
    def wanted(self) -> bool:
        """Whether anything is to be done."""
        return self.register != "none" or bool(self.reference)


@dataclass(frozen=True)
class AlignedImages:
    """images: the reference first. mask: for every modality; masks: of those that have their own.

    transforms: from the reference's points to those of the image as it was read (LPS, mm), by modality.
    """

    images: Mapping[str, sitk.Image]
    mask: sitk.Image | None
    masks: Mapping[str, sitk.Image]
    transforms: Mapping[str, sitk.Transform]


def align(
    images: Mapping[str, sitk.Image],
    mask: sitk.Image | None,
    masks: Mapping[str, sitk.Image],
    alignment: Alignment,
    case_id: str,
) -> AlignedImages:
    """Bring every image and mask onto the reference's grid, registered on request.

    mask: drawn on the reference. masks: each drawn on its own modality, and carried along with it. Images are
    interpolated by cubic B-splines within their own range, masks by nearest neighbour. Raises InputError when the
    case lacks the reference or an image cannot be registered, GeometryError when a mask is not on its image's grid.
    """
    name = alignment.reference or next(iter(images), "")
    if name not in images:
        raise InputError(
            f"Case {case_id} has no {name} image to be the reference (it has: {', '.join(images)}); name another."
        )
    reference = images[name]
    if mask is not None:
        check_same_geometry(reference, mask, f"{name} image", "mask (mask_<MODALITY> if drawn on another)", case_id)
    moved, moved_masks = {name: reference}, {}
    transforms: dict[str, sitk.Transform] = {}
    for modality, image in images.items():
        own = masks.get(modality)
        if own is not None:
            check_same_geometry(image, own, f"{modality} image", f"mask of {modality}", case_id)
        if modality != name:
            transform = _transform(image, reference, alignment, modality, case_id)
            transforms |= {modality: transform} if transform is not None else {}
            moved[modality] = _on_grid(image, reference, transform)
            own = to_geometry_of(own, reference, "nearest", transform=transform) if own is not None else None
        if own is not None:
            moved_masks[modality] = own
    return AlignedImages(moved, mask, moved_masks, transforms)


def _transform(
    image: sitk.Image, reference: sitk.Image, alignment: Alignment, modality: str, case_id: str
) -> sitk.Transform | None:
    if alignment.register == "none":
        return None
    try:
        return register(image, reference, alignment.register).transform
    except InputError as error:
        raise InputError(f"The {modality} image of case {case_id}: {error}") from error


def _on_grid(image: sitk.Image, reference: sitk.Image, transform: sitk.Transform | None) -> sitk.Image:
    if transform is None and same_geometry(image, reference):
        return image
    values = sitk.GetArrayViewFromImage(image)
    darkest, brightest = float(values.min()), float(values.max())
    moved = to_geometry_of(image, reference, "bspline", outside=darkest, transform=transform)
    return sitk.Clamp(moved, moved.GetPixelID(), darkest, brightest)
