"""Where maps point, in millimetres: on shapes whose distances are known, turned, moved and scaled."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from FeatureExtractorLib.errors import GeometryError, InputError
from TumorClassifierLib.explain.focus import Focus, distance_to_outline, focus_of, measure_focus


def made(seed: int = 0, spacing: tuple[float, ...] = (0.5, 1.0, 3.0)) -> tuple[sitk.Image, sitk.Image]:
    """A map with one hill and some noise, and a lumpy mask, on one grid."""
    rng = np.random.default_rng(seed)
    grid = np.indices((8, 14, 17))
    middle = rng.uniform((1, 2, 2), (6, 11, 14))
    hill = np.exp(-((grid - middle[:, None, None, None]) ** 2).sum(0) / 6) + 0.01 * rng.random((8, 14, 17))
    centre = rng.uniform((2, 4, 4), (5, 9, 12))
    lump = ((grid - centre[:, None, None, None]) ** 2).sum(0) < 12 + 4 * rng.random((8, 14, 17))
    cam, mask = sitk.GetImageFromArray(hill), sitk.GetImageFromArray(lump.astype(np.uint8))
    for image in (cam, mask):
        image.SetSpacing(spacing)
    return cam, mask


def distances(focus: Focus) -> list[float]:
    points = (focus.peak, focus.centroid)
    return [value for point in points for value in (point.to_centre_mm, point.to_edge_mm)] + [focus.mass_inside]


def box_case(peak: tuple[int, int, int]) -> tuple[sitk.Image, sitk.Image]:
    """A tumour of 4×6×4 voxels (z, y, x), 2×1×1 mm each, centre at index (5.5, 9.5, 7.5); a map of one voxel."""
    mask, cam = np.zeros((12, 20, 16), np.uint8), np.zeros((12, 20, 16), np.float32)
    mask[4:8, 7:13, 6:10] = 1
    cam[peak] = 3.0
    images = sitk.GetImageFromArray(cam), sitk.GetImageFromArray(mask)
    for image in images:
        image.SetSpacing((1.0, 1.0, 2.0))
        image.SetOrigin((-10.0, 20.0, 5.0))
    return images


@pytest.mark.parametrize(
    ("peak", "to_edge", "inside"),
    [
        ((5, 9, 7), -1.5, True),  # x: 7 - 5.5
        ((4, 9, 6), -0.5, True),
        ((5, 9, 10), 0.5, False),  # next to it, half a voxel from the face
        ((5, 9, 14), 4.5, False),
        ((9, 9, 7), 3.0, False),  # two slices above the last one's face: (9 - 7.5)·2
        ((5, 15, 13), float(np.hypot(2.5, 3.5)), False),  # an edge, not a face, is nearest
        ((1, 4, 3), float(np.sqrt(5.0**2 + 2.5**2 + 2.5**2)), False),  # a corner
    ],
)
def test_distances_to_a_box_are_exact(peak: tuple[int, int, int], to_edge: float, inside: bool) -> None:
    focus = measure_focus(*box_case(peak))
    k, j, i = peak
    assert focus.peak.to_edge_mm == pytest.approx(to_edge, abs=1e-12)
    assert focus.peak.inside is inside
    assert focus.peak.to_centre_mm == pytest.approx(np.linalg.norm([(k - 5.5) * 2, j - 9.5, i - 7.5]), abs=1e-12)
    assert focus.peak.position_mm == pytest.approx((-10 + i, 20 + j, 5 + 2 * k))
    assert focus.centre_mm == pytest.approx((-2.5, 29.5, 16.0))
    assert focus.centroid == focus.peak, "of a single voxel"
    assert focus.mass_inside == float(inside)


def test_centroid_and_mass_of_two_voxels() -> None:
    cam, mask = box_case((5, 9, 7))
    cam[13, 9, 5] = 1.0
    focus = measure_focus(cam, mask)
    assert focus.peak.position_mm == pytest.approx((-3.0, 29.0, 15.0))
    assert focus.centroid.position_mm == pytest.approx((-10 + (3 * 7 + 13) / 4, 29.0, 15.0))
    assert focus.mass_inside == pytest.approx(0.75)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.lists(st.floats(-300, 300), min_size=3, max_size=3),
    st.floats(0.2, 5),
)
def test_moving_and_turning_keep_distances_and_spacing_scales_them(
    seed: int, turn: list[float], shift: list[float], scale: float
) -> None:
    cam, mask = made(seed)
    before = measure_focus(cam, mask)
    matrix = Rotation.from_rotvec(turn).as_matrix()
    moved = [sitk.Image(image) for image in (cam, mask)]
    for image in moved:
        image.SetDirection(matrix.ravel().tolist())
        image.SetOrigin(shift)
    after = measure_focus(*moved)
    np.testing.assert_allclose(distances(after), distances(before), atol=1e-9)
    for one, other in ((before.peak, after.peak), (before.centroid, after.centroid)):
        np.testing.assert_allclose(other.position_mm, matrix @ one.position_mm + shift, atol=1e-6)
        between = np.linalg.norm(np.subtract(other.position_mm, after.centre_mm))
        assert between == pytest.approx(other.to_centre_mm, abs=1e-6), "physical points say the same"
    for image in moved:
        image.SetSpacing((np.array(image.GetSpacing()) * scale).tolist())
    scaled = distances(measure_focus(*moved))
    np.testing.assert_allclose(scaled, np.multiply(distances(before), [scale] * 4 + [1.0]), rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.permutations([0, 1, 2]), st.lists(st.booleans(), min_size=3, max_size=3))
def test_how_voxels_are_stored_does_not_matter(seed: int, order: list[int], flips: list[bool]) -> None:
    cam, mask = made(seed)
    stored = [sitk.Flip(sitk.PermuteAxes(image, order), flips) for image in (cam, mask)]
    before, after = measure_focus(cam, mask), measure_focus(*stored)
    np.testing.assert_allclose(distances(after), distances(before), atol=1e-9)
    np.testing.assert_allclose(after.peak.position_mm, before.peak.position_mm, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_outlines_distance_is_the_smallest_over_many_points_of_it(seed: int) -> None:
    """Against all corners and points between them of a surface drawn ten times as finely."""
    rng = np.random.default_rng(seed)
    inside = np.zeros((4, 5), bool)
    inside[1:3, 1:4] = rng.random((2, 3)) < 0.6
    inside[1, 2] = True
    spacing, point = np.array([1.5, 0.7]), rng.uniform(-0.4, 3.4, 2)
    fine = np.kron(np.pad(inside, 1), np.ones((40, 40), bool))
    position = (np.argwhere(np.ones_like(fine)).reshape(*fine.shape, 2) + 0.5) / 40 - 1.5  # in voxels
    here = np.floor(point + 0.5).astype(int)
    within = bool(inside[tuple(np.clip(here, 0, (3, 4)))]) and bool(((here >= 0) & (here < (4, 5))).all())
    gaps = np.linalg.norm((position - point) * spacing, axis=-1)
    expected = gaps[~fine].min() if within else gaps[fine].min()
    assert distance_to_outline(inside, spacing, point) == pytest.approx(expected, abs=1.5 / 40)


def test_a_slice_is_measured_in_its_plane() -> None:
    cam, mask = box_case((5, 9, 7))
    focus = measure_focus(cam[:, :, 5], mask[:, :, 5])
    assert focus.peak.to_edge_mm == pytest.approx(-1.5)
    assert len(focus.peak.position_mm) == 2
    cam, mask = box_case((7, 9, 7))
    assert measure_focus(cam, mask).peak.to_edge_mm == pytest.approx(-1.0), "the face above is nearer"
    assert measure_focus(cam[:, :, 7], mask[:, :, 7]).peak.to_edge_mm == pytest.approx(-1.5)


def test_focus_as_plain_values_and_none_of_an_empty_map() -> None:
    import json

    cam, mask = box_case((5, 9, 14))
    found = json.loads(json.dumps(focus_of(cam, mask)))
    assert set(found) == {"peak", "centroid", "mass_inside", "centre_mm"}
    assert found["peak"] == {
        "position_mm": pytest.approx([4.0, 29.0, 15.0]),
        "to_centre_mm": pytest.approx(float(np.linalg.norm([1.0, 0.5, 6.5]))),
        "to_edge_mm": 4.5,
        "inside": False,
    }
    assert focus_of(cam * 0, mask) is None


def test_what_cannot_be_measured_is_refused() -> None:
    cam, mask = box_case((5, 9, 7))
    with pytest.raises(InputError, match="mask is empty"):
        measure_focus(cam, mask * 0)
    with pytest.raises(InputError, match="0 everywhere"):
        measure_focus(cam * 0, mask)
    with pytest.raises(InputError, match="below 0"):
        measure_focus(cam - 1.0, mask)
    with pytest.raises(GeometryError, match="different grids"):
        measure_focus(cam[1:], mask)
    with pytest.raises(GeometryError, match="different grids"):
        measure_focus(cam[:, :, 3], mask)


def test_a_map_of_a_real_tumour_is_measured_in_time(data_dir: Path) -> None:
    """A hill over the tumour points into it, whichever way the image is stored."""
    mask = sitk.ReadImage(str(data_dir / "pyradiomics_cases" / "brain1_label.nrrd")) > 0
    hill = sitk.SmoothingRecursiveGaussian(sitk.Cast(mask, sitk.sitkFloat32), 5.0)
    focus = measure_focus(sitk.Clamp(hill, sitk.sitkFloat32, 0.0, 1.0), mask)
    assert focus.peak.inside and focus.peak.to_edge_mm < -3
    assert focus.centroid.to_centre_mm < 1.0
    inside = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(mask, squaredDistance=False, useImageSpacing=True))
    index = mask.TransformPhysicalPointToIndex(focus.peak.position_mm)
    # Maurer's distance is to the centre of the nearest voxel of the rim: up to a voxel from its face.
    assert inside[index[::-1]] == pytest.approx(focus.peak.to_edge_mm, abs=max(mask.GetSpacing()))
