"""Registration: the rigid or affine transform that lays one image of a patient over another.

Mattes mutual information, which also compares different modalities, from coarse to fine. The same images give the
same transform to the last bit: samples are drawn from a fixed seed and summed by one thread, because ITK adds what
several threads have found in the order in which they finish.
"""

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..threads import one_thread

KINDS = ("rigid", "affine")

# The voxel width (mm) of each level, from coarse to fine; no step of the search is longer.
_LEVELS = (4.0, 2.0, 1.0)
_ITERATIONS = 50
_CONVERGED, _CONVERGED_OVER = 1e-5, 5
_SAMPLES = 20_000
_BINS = 50
_SEED = 1  # 0 is SimpleITK's word for the clock

# Thinner stacks do not say how they are tilted.
_FEWEST_SLICES = 4
# Mutual information of a small overlap says little: such a position is neither a start nor a result.
_LEAST_OVERLAP = 0.25


@dataclass(frozen=True)
class Registration:
    """A transform and how good it is.

    transform: takes points of the reference image (LPS, mm) to points of the moving one, as ITK resamples and as
    Slicer reads from a .tfm file. information: Mattes mutual information of both images, in nats.
    """

    kind: str
    transform: sitk.AffineTransform
    information: float


def register(moving: sitk.Image, reference: sitk.Image, kind: str = "rigid") -> Registration:
    """Find the transform that lays `moving` over `reference`.

    kind: "rigid" (six parameters) or "affine" (twelve, started from the rigid result). The search starts where most
    information is shared: at the scanner's positions, at equal centres of the grids or at equal centres of mass.
    Mattes et al. 2003, IEEE TMI 22(1):120. Raises InputError for another kind, images of fewer than four slices, and
    images that do not come to lie over each other.
    """
    if kind not in KINDS:
        raise InputError(f"There is no registration called {kind!r}; choose one of {', '.join(KINDS)}.")
    for image in (moving, reference):
        if min(image.GetSize()) < _FEWEST_SLICES:
            raise InputError(
                f"An image of {'×'.join(map(str, image.GetSize()))} voxels is too thin to be registered; take whole "
                "volumes, or images that already share a grid."
            )
    if _volume(moving) < _volume(reference) / 2:
        # Samples are drawn all over the reference: most of a whole head's would miss a slab.
        other_way = register(reference, moving, kind)
        return replace(other_way, transform=_about_origin(other_way.transform.GetInverse()))
    pyramid = _pyramid(moving, reference)
    found = _start(*pyramid[0][:2])
    for level in pyramid:
        value = _optimise(*level, found)
    if kind == "affine":
        looser = sitk.AffineTransform(found.GetMatrix(), found.GetTranslation(), found.GetCenter())
        for level in pyramid[1:]:
            value = _optimise(*level, looser)
    transform = _about_origin(looser if kind == "affine" else found)
    if not _overlap_enough(moving, reference, transform):
        raise InputError("The images do not come to lie over each other; check that they show the same patient.")
    return Registration(kind, transform, -value)


def overlap(moving: sitk.Image, reference: sitk.Image, transform: sitk.Transform) -> float:
    """The share (0 to 1) of the reference's volume that the moving image reaches through a transform."""
    size = np.array(reference.GetSize())
    inside = 0
    lattice = (np.array(list(np.ndindex(6, 6, 6))) + 0.5) / 6 * size - 0.5
    for index in lattice:
        point = transform.TransformPoint(reference.TransformContinuousIndexToPhysicalPoint(index.tolist()))
        there = np.array(moving.TransformPhysicalPointToContinuousIndex(point))
        inside += bool((there >= -0.5).all() and (there <= np.array(moving.GetSize()) - 0.5).all())
    return inside / len(lattice)


def matrix_of(transform: sitk.Transform) -> list[list[float]]:
    """The four rows of a linear transform's matrix on homogeneous points (LPS, mm)."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    axes = [np.array(transform.TransformPoint(axis)) - origin for axis in np.eye(3).tolist()]
    return [*np.column_stack([*axes, origin]).tolist(), [0.0, 0.0, 0.0, 1.0]]


def _overlap_enough(moving: sitk.Image, reference: sitk.Image, transform: sitk.Transform) -> bool:
    """Whether either image covers enough of the other: a slab of a few slices covers little of a whole head."""
    shares = overlap(moving, reference, transform), overlap(reference, moving, transform.GetInverse())
    return max(shares) >= _LEAST_OVERLAP


def _start(moving: sitk.Image, reference: sitk.Image) -> sitk.Euler3DTransform:
    """The start, turning around the reference's centre, that shares most information."""
    centre = reference.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in reference.GetSize()])
    starts = [sitk.Euler3DTransform(centre)]
    for mode in (sitk.CenteredTransformInitializerFilter.GEOMETRY, sitk.CenteredTransformInitializerFilter.MOMENTS):
        centred = sitk.CenteredTransformInitializer(reference, moving, sitk.Euler3DTransform(), mode)
        starts.append(sitk.Euler3DTransform(centred))
    # Equal centres of the grids come next to the scanner's own positions: they always overlap.
    enough = [start for start in starts if _overlap_enough(moving, reference, start)] or starts[1:2]
    return min(enough, key=lambda start: _method(reference, start).MetricEvaluate(reference, moving))


def _volume(image: sitk.Image) -> float:
    """The volume (mm³) that an image covers."""
    return float(np.prod(image.GetSpacing()) * np.prod(image.GetSize()))


def _pyramid(moving: sitk.Image, reference: sitk.Image) -> list[tuple[sitk.Image, sitk.Image, float]]:
    """Both images and the voxel width of each level; a level that is no finer than the one before is left out."""
    levels = [(_coarser(moving, width), _coarser(reference, width), width) for width in _LEVELS]
    sizes = [(level[0].GetSize(), level[1].GetSize()) for level in levels]
    return [level for i, level in enumerate(levels) if i == 0 or sizes[i] != sizes[i - 1]]


def _coarser(image: sitk.Image, width: float) -> sitk.Image:
    """The image (float32), voxels averaged until they are nearly `width` (mm) wide, as long as there are enough."""
    sizes = zip(image.GetSpacing(), image.GetSize(), strict=True)
    factors = [max(1, min(int(width / spacing + 0.5), n // _FEWEST_SLICES)) for spacing, n in sizes]
    return sitk.BinShrink(sitk.Cast(image, sitk.sitkFloat32), factors)


def _optimise(moving: sitk.Image, reference: sitk.Image, longest_step: float, transform: sitk.Transform) -> float:
    """Improve `transform` in place; returns the metric, the negative mutual information.

    By conjugate gradients: plain steps of a shrinking length get stuck between turning and shifting.
    """
    method = _method(reference, transform)
    method.SetOptimizerAsConjugateGradientLineSearch(
        learningRate=1.0,
        numberOfIterations=_ITERATIONS,
        convergenceMinimumValue=_CONVERGED,
        convergenceWindowSize=_CONVERGED_OVER,
        lineSearchMaximumIterations=10,
        estimateLearningRate=method.EachIteration,
        maximumStepSizeInPhysicalUnits=longest_step,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    try:
        with one_thread():  # the metric takes ITK's general number of threads, whatever the method is told
            method.Execute(reference, moving)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"The images cannot be registered ({reason}); check that they show one patient.") from error
    return method.GetMetricValue()


def _method(reference: sitk.Image, transform: sitk.Transform) -> sitk.ImageRegistrationMethod:
    """ITK's registration with the metric set; it moves `transform` itself."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(min(1.0, _SAMPLES / reference.GetNumberOfPixels()), _SEED)
    method.MetricUseMovingImageGradientFilterOff()
    method.MetricUseFixedImageGradientFilterOff()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetInitialTransform(transform, inPlace=True)
    return method


def _about_origin(transform: sitk.Transform) -> sitk.AffineTransform:
    """The same map as one kind of transform, whatever it turned around."""
    rows = np.array(matrix_of(transform))[:3]
    return sitk.AffineTransform(rows[:, :3].ravel().tolist(), rows[:, 3].tolist())
