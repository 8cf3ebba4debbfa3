"""A case: the images of one patient visit, the tumour's mask and what is known of the patient."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import SimpleITK as sitk

from .errors import GeometryError, InputError

ClinicalValue = float | str | None

# Two grids are one when corresponding points differ by less than this share of a voxel: file formats that store
# single precision or quaternions cannot do better than about 1e-4.
GEOMETRY_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Case:
    """One patient visit; build it with `make_case`, which checks it.

    images: by modality, the first is the reference; all share one voxel grid with the mask, those with a mask of
    their own excepted.
    mask: uint8, 1 inside the tumour; None where a recipe needs none.
    masks: of modalities on which the tumour was outlined by itself.
    transforms: of images that were registered, from the reference's points to those of the image as it was read.
    hashes: SHA-256 of each input file, by modality and "mask".
    """

    case_id: str
    images: Mapping[str, sitk.Image]
    mask: sitk.Image | None
    patient_id: str
    clinical: Mapping[str, ClinicalValue] = field(default_factory=lambda: MappingProxyType({}))
    label: str | None = None
    segment: str = ""
    cohort: str = ""
    hashes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    masks: Mapping[str, sitk.Image] = field(default_factory=lambda: MappingProxyType({}))
    transforms: Mapping[str, sitk.Transform] = field(default_factory=lambda: MappingProxyType({}))

    def image(self, modality: str) -> sitk.Image:
        """The image of one modality; raises InputError naming the ones there are."""
        if modality not in self.images:
            have = ", ".join(self.images)
            raise InputError(f"Case {self.case_id} has no {modality} image (it has: {have}); add one.")
        return self.images[modality]

    def required_mask(self, modality: str = "") -> sitk.Image:
        """The mask, a modality's own where it has one; raises InputError where the case has none."""
        mask = self.masks.get(modality, self.mask)
        if mask is None:
            raise InputError(f"Case {self.case_id} has no tumour mask; outline the tumour or name a mask file.")
        return mask


def make_case(
    case_id: str,
    images: Mapping[str, sitk.Image],
    mask: sitk.Image | None,
    *,
    patient_id: str = "",
    clinical: Mapping[str, ClinicalValue] | None = None,
    label: str | None = None,
    segment: str = "",
    cohort: str = "",
    hashes: Mapping[str, str] | None = None,
    masks: Mapping[str, sitk.Image] | None = None,
    transforms: Mapping[str, sitk.Transform] | None = None,
) -> Case:
    """A checked case; without a common mask, the reference's own or the only one there is serves all modalities.

    Raises InputError when there is no image, an image has no signal or the mask is empty, has one voxel, or is
    not uint8 0/1; GeometryError when grids differ.
    """
    if not images:
        raise InputError(f"Case {case_id} has no image; give at least one.")
    for name, image in images.items():
        check_image(image, f"{name} image of case {case_id}")
    own = dict(masks or {})
    check_masks_have_images(own, images, case_id)
    for name, own_mask in own.items():
        check_same_geometry(images[name], own_mask, f"{name} image", f"mask of {name}", case_id)
        check_mask(own_mask, f"mask of {name} of case {case_id}")
    if mask is None and own:
        mask = own.get(next(iter(images)), next(iter(own.values())) if len(own) == 1 else None)
    sharing = [(name, image) for name, image in images.items() if name not in own]
    for name, image in sharing[1:]:
        check_same_geometry(sharing[0][1], image, f"{sharing[0][0]} image", f"{name} image", case_id)
    if mask is not None:
        if sharing:
            check_same_geometry(sharing[0][1], mask, f"{sharing[0][0]} image", "mask", case_id)
        check_mask(mask, f"mask of case {case_id}")
    return Case(
        case_id=case_id,
        images=MappingProxyType(dict(images)),
        mask=mask,
        patient_id=patient_id or case_id,
        clinical=MappingProxyType(dict(clinical or {})),
        label=label,
        segment=segment,
        cohort=cohort,
        hashes=MappingProxyType(dict(hashes or {})),
        masks=MappingProxyType(own),
        transforms=MappingProxyType(dict(transforms or {})),
    )


def check_masks_have_images(masks: Mapping[str, object], images: Mapping[str, object], case_id: str) -> None:
    """Raises InputError when a modality has a mask but no image."""
    for name in masks:
        if name not in images:
            raise InputError(f"Case {case_id} has a mask of {name} but no {name} image; name both alike.")


def check_image(image: sitk.Image, name: str) -> None:
    """Raises InputError unless `image` is a scalar volume with finite values that are not all equal."""
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            f"The {name} has {image.GetDimension()} dimensions and {image.GetNumberOfComponentsPerPixel()} values a "
            "voxel, but a single three-dimensional grey volume is needed; extract one first."
        )
    array = sitk.GetArrayViewFromImage(image)
    slices = [(part.min(), part.max()) for part in array]  # one by one: each is fetched from memory once
    low, high = np.min([low for low, _ in slices]), np.max([high for _, high in slices])  # NaN where one voxel is
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"The {name} holds NaN or infinite values; replace them before loading it.")
    if low == high:
        raise InputError(f"The {name} has the same value everywhere ({array.flat[0]}); load the real image.")


def check_mask(mask: sitk.Image, name: str) -> None:
    """Raises InputError unless `mask` is a uint8 0/1 volume of at least two voxels."""
    array = sitk.GetArrayViewFromImage(mask)
    if mask.GetPixelID() != sitk.sitkUInt8 or array.max(initial=0) > 1:
        raise InputError(f"The {name} must be a binary volume of 8-bit integers; threshold it first.")
    size = int(np.count_nonzero(array))
    if size == 0:
        raise InputError(f"The {name} is empty; outline the tumour first.")
    if size == 1:
        raise InputError(f"The {name} has a single voxel, too little to measure; outline the whole tumour.")


def check_same_geometry(a: sitk.Image, b: sitk.Image, a_name: str, b_name: str, case_id: str) -> None:
    """Raises GeometryError, saying what differs, unless both images share one voxel grid.

    Grids are compared by size and by the physical position (mm) of the eight corners.
    """
    if a.GetSize() != b.GetSize():
        raise GeometryError(
            f"The {a_name} and the {b_name} of case {case_id} differ in size ({_by(a.GetSize())} and "
            f"{_by(b.GetSize())} voxels); resample the {b_name} to the {a_name}'s grid."
        )
    apart = _corners_apart(a, b)
    if apart > GEOMETRY_TOLERANCE * max(a.GetSpacing()):
        raise GeometryError(
            f"The {a_name} and the {b_name} of case {case_id} lie up to {apart:.3g} mm apart in space; resample the "
            f"{b_name} to the {a_name}'s grid."
        )


def same_geometry(a: sitk.Image, b: sitk.Image) -> bool:
    """Whether both images share one voxel grid, as `check_same_geometry` compares them."""
    return a.GetSize() == b.GetSize() and _corners_apart(a, b) <= GEOMETRY_TOLERANCE * max(a.GetSpacing())


def _corners_apart(a: sitk.Image, b: sitk.Image) -> float:
    """The largest distance (mm, along an axis) between corresponding corners of two grids of one size, 2D or 3D.

    ITK converts index to point in double precision, so the corners carry spacing, origin and direction at once.
    """
    size = a.GetSize()
    corners = [[i * (n - 1) for i, n in zip(at, size, strict=True)] for at in np.ndindex(*(2 for _ in size))]
    return max(
        float(np.abs(np.subtract(*(image.TransformIndexToPhysicalPoint(corner) for image in (a, b)))).max())
        for corner in corners
    )


def _by(size: tuple[int, ...]) -> str:
    return "×".join(str(n) for n in size)
