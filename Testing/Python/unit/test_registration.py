"""Registration undoes what was done: on a drawn head, on real brains, whatever the grids and however often."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.preprocessing.registration import matrix_of, overlap, register
from FeatureExtractorLib.preprocessing.resampling import to_geometry_of


def head(size=(48, 52, 40), spacing=(2.5, 2.5, 3.0), second=False) -> sitk.Image:
    """A lopsided head of smooth parts, also as another modality would show it."""
    z, y, x = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * s for n, s in zip(size[::-1], spacing[::-1], strict=True)), indexing="ij"
    )

    def ball(cx, cy, cz, rx, ry, rz):
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 < 1

    parts = [
        ball(0, 0, 0, 44, 52, 46),
        ball(0, 2, 0, 36, 44, 38),
        ball(-14, 8, 6, 7, 16, 9),
        ball(17, -14, -8, 11, 9, 12),
    ]
    levels = (30.0, 90.0, 60.0, 140.0) if not second else (80.0, 40.0, 150.0, 20.0)
    values = np.zeros(x.shape)
    for part, level in zip(parts, levels, strict=True):
        values[part] = level
    values = ndimage.gaussian_filter(values, 0.7) + np.random.default_rng(int(second)).normal(0, 1.5, x.shape)
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin([-(n - 1) / 2 * s + o for n, s, o in zip(size, spacing, (12.0, -30.0, 55.0), strict=True)])
    return image


lattice = np.array(list(np.ndindex(4, 4, 4)))


def centre(image: sitk.Image) -> tuple[float, ...]:
    return image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])


def rigid(image: sitk.Image, degrees, shift) -> sitk.Euler3DTransform:
    return sitk.Euler3DTransform(centre(image), *np.radians(degrees).tolist(), shift)


def moved(image: sitk.Image, motion: sitk.Transform) -> sitk.Image:
    """The image after its patient moved: what was at motion(p) is now at p."""
    outside = float(sitk.GetArrayViewFromImage(image).min())
    return to_geometry_of(image, image, "bspline", outside=outside, transform=motion)


def error_mm(found: sitk.Transform, truth: sitk.Transform, image: sitk.Image) -> float:
    """The largest distance (mm) between what both make of points all over the image's middle half."""
    size = np.array(image.GetSize()) - 1
    points = [image.TransformContinuousIndexToPhysicalPoint(p) for p in (size * (0.25 + lattice / 6)).tolist()]
    return max(np.linalg.norm(np.subtract(found.TransformPoint(p), truth.TransformPoint(p))) for p in points)


@pytest.mark.parametrize(
    ("degrees", "shift"), [((0, 0, 1), (0, 1, 1)), ((5, -3, 8), (10, -5, 6)), ((-9, 8, -7), (-12, 13, 14))]
)
def test_a_known_motion_is_undone(degrees, shift):
    reference = head()
    motion = rigid(reference, degrees, shift)
    found = register(moved(head(second=True), motion), reference, "rigid")
    assert error_mm(found.transform, motion.GetInverse(), reference) < 1.2
    matrix = np.array(found.transform.GetMatrix()).reshape(3, 3)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)


def test_images_of_far_scanners_find_each_other():
    reference, other, shift = head(), head(second=True), (300.0, -1000.0, 80.0)
    other.SetOrigin([o + s for o, s in zip(other.GetOrigin(), shift, strict=True)])
    found = register(other, reference)
    assert error_mm(found.transform, sitk.TranslationTransform(3, shift), reference) < 1.0


def test_an_affine_deformation_is_undone():
    reference = head()
    motion = sitk.AffineTransform(3)
    motion.SetCenter(centre(reference))
    motion.SetMatrix([1.06, 0.03, 0.0, -0.02, 0.95, 0.04, 0.0, 0.02, 1.04])
    motion.SetTranslation((4.0, -5.0, 3.0))
    other = moved(head(second=True), motion)
    stiff = error_mm(register(other, reference, "rigid").transform, motion.GetInverse(), reference)
    found = register(other, reference, "affine")
    assert error_mm(found.transform, motion.GetInverse(), reference) < 1.5 < stiff


def test_thick_slices_and_other_grids_are_no_hindrance():
    reference = head()
    thick = head((60, 60, 20), (2.0, 2.2, 6.0), second=True)
    found = register(thick, reference)
    assert error_mm(found.transform, sitk.Transform(), reference) < 1.0
    assert to_geometry_of(thick, reference, transform=found.transform).GetSize() == reference.GetSize()


def test_a_slab_is_laid_into_its_head():
    reference = head((80, 84, 64), (1.5, 1.5, 1.9))
    slab = head((80, 84, 64), (1.5, 1.5, 1.9), second=True)[:, :, 24:38]
    motion = rigid(slab, (0, 0, 4), (4, -3, 2))
    into = register(moved(slab, motion), reference)
    assert error_mm(into.transform, motion.GetInverse(), slab) < 1.5
    around = register(reference, moved(slab, motion))
    np.testing.assert_allclose(matrix_of(around.transform.GetInverse()), matrix_of(into.transform), atol=1e-9)


def test_one_result_to_the_last_bit_whatever_the_threads():
    reference, other = head(), moved(head(second=True), rigid(head(), (3, -4, 5), (6, -4, 2)))
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    results = []
    try:
        for threads in (1, 5):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            found = register(other, reference)
            results.append((found.transform.GetParameters(), found.information))
            assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert results[0] == results[1]


def test_the_matrix_and_the_overlap_say_what_the_transform_does():
    image = head()
    motion = rigid(image, (10, 20, -30), (5, 6, 7))
    point = (13.0, -4.0, 60.0)
    np.testing.assert_allclose(np.array(matrix_of(motion)) @ [*point, 1], [*motion.TransformPoint(point), 1])
    assert overlap(image, image, sitk.Transform()) == 1.0
    half = sitk.TranslationTransform(3, (48 * 2.5 / 2, 0.0, 0.0))
    assert overlap(image, image, half) == pytest.approx(0.5, abs=1e-9)
    assert overlap(image, image, sitk.TranslationTransform(3, (500.0, 0.0, 0.0))) == 0.0


def test_what_cannot_be_registered_is_refused():
    image = head()
    with pytest.raises(InputError, match="no registration called 'elastic'"):
        register(image, image, "elastic")
    with pytest.raises(InputError, match="48×52×1 voxels is too thin"):
        register(image[:, :, 3:4], image)


def brats(data_dir, modality, case="brats_2013_pat0005_1"):
    return sitk.ReadImage(str(data_dir / "brats_2013" / case / f"{modality}_subtrMeanDivStd.nii.gz"))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["brats_2013_pat0005_1", "brats_2013_pat0006_1"])
def test_real_t1c_and_flair_find_each_other_again(data_dir, case):
    """The published images are aligned; a motion is undone to within a voxel (1 mm), tumour and all."""
    t1c, flair = brats(data_dir, "T1c", case), brats(data_dir, "Flair", case)
    assert error_mm(register(flair, t1c).transform, sitk.Transform(), t1c) < 0.7
    motion = rigid(t1c, (4, -6, 8), (9, -12, 6))
    found = register(moved(flair, motion), t1c)
    assert error_mm(found.transform, motion.GetInverse(), t1c) < 0.7


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "within"), [("rigid", 0.2), ("affine", 0.4)])
def test_a_real_brain_of_thick_slices_is_laid_over_itself(data_dir, kind, within):
    brain = sitk.ReadImage(str(data_dir / "pyradiomics_cases" / "brain1_image.nrrd"))
    motion = rigid(brain, (2, -3, 6), (7, -5, 8))
    found = register(moved(brain, motion), brain, kind)
    assert error_mm(found.transform, motion.GetInverse(), brain) < within
