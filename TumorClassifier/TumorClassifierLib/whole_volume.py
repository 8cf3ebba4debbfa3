"""A whole image as a three-dimensional network sees it: common axes, one grid, comparable intensities."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.preparation import COARSEST_MM, FINEST_MM
from FeatureExtractorLib.preprocessing.intensity import foreground, rescale_percentiles, z_score
from FeatureExtractorLib.preprocessing.resampling import orient, to_geometry_of

ORIENTATIONS = ("RAS", "LPS")
CENTRES = ("head", "image")
INTENSITIES = ("z-score", "percentiles", "none")
FEWEST_VOXELS, MOST_VOXELS_AXIS, MOST_VOXELS = 8, 512, 2**26  # 2**26: 256 MB as float32, a head at 0.6 mm
FEWEST_SLICES = 4  # of the image as it was taken; fewer are slices, not a volume
LARGEST = float(np.finfo(np.float16).max)
Z_RANGE = (-3.0, 5.0)  # neither air nor a vessel or an artefact may outweigh the tissue


@dataclass(frozen=True)
class VolumeSettings:
    """How whole images come onto one grid.

    orientation: the sides of the patient that x, y, z run towards, "RAS" or "LPS"; oblique images keep their angle.
    size: voxels (x, y, z), cropped or padded with the darkest value; None keeps what the image covers. spacing: mm
    (x, y, z); 0 keeps an axis. needs_mask: whether a case without a mask is refused. centre: what the middle of a
    grid of fixed size is laid on, "head" (the centre of mass of what is brighter than the air) or "image" (the
    middle of the image). intensity: "z-score" (of the foreground, clipped to −3 to 5), "percentiles" (the foreground's
    0.5th to 99.5th to 0–1) or "none"; the skull need not be removed for any.
    """

    orientation: str = "RAS"
    size: tuple[int, int, int] | None = None
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    needs_mask: bool = False
    centre: str = "head"
    intensity: str = "z-score"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("orientation", self.orientation, ORIENTATIONS),
            ("centre", self.centre, CENTRES),
            ("intensity", self.intensity, INTENSITIES),
        ):
            if value not in known:
                raise InputError(f"The volume's {name} cannot be {value!r}; choose one of {', '.join(known)}.")
        if len(self.spacing) != 3 or any(mm != 0 and not FINEST_MM <= mm <= COARSEST_MM for mm in self.spacing):
            raise InputError(
                f"The volume's spacing cannot be {self.spacing}; give {FINEST_MM} to {COARSEST_MM:g} mm for each of "
                "x, y and z, or 0 to keep it."
            )
        if self.size is not None:
            if len(self.size) != 3 or not all(FEWEST_VOXELS <= n <= MOST_VOXELS_AXIS for n in self.size):
                raise InputError(
                    f"The volume's size cannot be {self.size}; give {FEWEST_VOXELS} to {MOST_VOXELS_AXIS} voxels for "
                    "each of x, y and z."
                )
            check_voxels(self.size)


@dataclass(frozen=True)
class VolumeInput:
    """An image (float32) and its mask (uint8 0/1, None without one) on the network's grid."""

    image: sitk.Image
    mask: sitk.Image | None

    @property
    def array(self) -> np.ndarray:
        """(z, y, x) float32."""
        return sitk.GetArrayFromImage(self.image)

    @property
    def mask_array(self) -> np.ndarray | None:
        """(z, y, x) uint8, None without a mask."""
        return None if self.mask is None else sitk.GetArrayFromImage(self.mask)


def volume_input(image: sitk.Image, mask: sitk.Image | None, settings: VolumeSettings, name: str = "") -> VolumeInput:
    """Orient, normalise and resample one image and, where there is one, its mask (same grid).

    Intensities are rounded to half precision, as a cache keeps them, so that a case gives the same numbers whether
    it was measured before or not. A mask that has no voxel on the grid is None. name: of the image, for errors.
    Raises InputError for a few slices, a grid too large, nothing of the image on the grid, a mask that is needed
    but lost there, and numbers that half precision cannot hold.
    """
    told = f"{name} image".strip()
    if min(image.GetSize()) < FEWEST_SLICES:
        raise InputError(
            f"The {told} has {'×'.join(map(str, image.GetSize()))} voxels, which is no volume; give one of "
            f"{FEWEST_SLICES} slices or more."
        )
    image = sitk.Cast(orient(image, settings.orientation), sitk.sitkFloat32)
    inside = foreground(image)
    grid = _grid(image, inside, settings)
    values = _normalised(image, inside, settings.intensity)
    darkest = float(sitk.GetArrayViewFromImage(values).min())
    made = to_geometry_of(_smoothed(values, grid), grid, outside=darkest)
    array = sitk.GetArrayFromImage(made)
    if (largest := float(np.abs(array).max())) > LARGEST:
        raise InputError(
            f"The {told} has values up to {largest:g}, too large for half precision; set the volume's intensity to "
            "z-score."
        )
    array = array.astype(np.float16).astype(np.float32)
    if array.min() == array.max():
        raise InputError(f"Nothing of the {told} lies on the volume's grid; check the image's spacing and the size.")
    return VolumeInput(_like(array, made), _on_grid(mask, grid, settings, told))


def check_voxels(size: tuple[int, ...]) -> None:
    """Raises InputError for a grid of more voxels than a network can be given."""
    if np.prod(size, dtype=float) > MOST_VOXELS:
        raise InputError(
            f"A volume of {'×'.join(map(str, size))} voxels is too large for a network; choose a coarser spacing or a "
            "smaller size."
        )


def _on_grid(mask: sitk.Image | None, grid: sitk.Image, settings: VolumeSettings, told: str) -> sitk.Image | None:
    if mask is not None:
        placed = to_geometry_of(orient(mask, settings.orientation), grid, "nearest")
        if sitk.GetArrayViewFromImage(placed).any():
            return placed
    if not settings.needs_mask:
        return None
    lost = "has no mask" if mask is None else "has a mask of which nothing is left on the volume's grid"
    raise InputError(f"The {told} {lost}; outline the whole tumour, or choose a finer or larger grid.")


def _grid(image: sitk.Image, inside: sitk.Image, settings: VolumeSettings) -> sitk.Image:
    """An empty image with the grid: around the head's or the image's centre, along the image's own axes."""
    old_size, old = np.array(image.GetSize()), np.array(image.GetSpacing())
    new = np.where(np.array(settings.spacing) == 0, old, settings.spacing)
    middle = (old_size - 1) / 2
    if settings.size is None:
        size = np.maximum(1, np.ceil(old_size * old / new - 1e-6)).astype(int)
        check_voxels(tuple(size.tolist()))
    else:
        size = np.array(settings.size)
        if settings.centre == "head":
            middle = _centre_of_mass(sitk.GetArrayViewFromImage(inside))[::-1]
    first = middle - (size - 1) / 2 * new / old
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    grid.SetSpacing(new.tolist())
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return grid


def _centre_of_mass(inside: np.ndarray) -> np.ndarray:
    """Mean index (z, y, x) of the voxels that are not 0."""
    counts = inside.astype(bool)
    sums = [counts.sum(axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)]
    return np.array([float(np.average(np.arange(len(of_axis)), weights=of_axis)) for of_axis in sums])


def _normalised(image: sitk.Image, inside: sitk.Image, intensity: str) -> sitk.Image:
    if intensity == "z-score":
        return sitk.Clamp(z_score(image, inside), sitk.sitkFloat32, *Z_RANGE)
    if intensity == "percentiles":
        return rescale_percentiles(image, out_max=1.0, mask=inside)
    return image


def _smoothed(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """The image blurred along axes that become coarser, so that a voxel stands for all that it covers.

    The Gaussian's standard deviation is √(new² − old²) / √12: that of the new voxel's box less that of the old one's.
    """
    old, new = np.array(image.GetSpacing()), np.array(grid.GetSpacing())
    variance = np.maximum(0.0, new**2 - old**2) / 12
    if not variance.any():
        return image
    blur = sitk.DiscreteGaussianImageFilter()
    blur.SetVariance(variance.tolist())
    blur.SetUseImageSpacing(True)
    return blur.Execute(image)


def _like(array: np.ndarray, image: sitk.Image) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made
