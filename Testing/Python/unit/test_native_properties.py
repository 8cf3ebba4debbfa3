"""What must hold for the native engine whatever the tumour, and small cases worked out by hand."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from FeatureExtractorLib.errors import GeometryError, InputError
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.native import local_binary_pattern_3d, marching_cubes, matrices, shape2d
from FeatureExtractorLib.radiomics.native.engine import CLASSES
from FeatureExtractorLib.radiomics.native.local_binary_pattern import local_binary_pattern
from FeatureExtractorLib.radiomics.native.local_binary_pattern_3d import patterns
from FeatureExtractorLib.radiomics.native.roi import discretise
from FeatureExtractorLib.radiomics.native.shape import longest_distance
from FeatureExtractorLib.radiomics.presets import parse_settings

ORIGINAL = parse_settings("test", {"setting": {"binWidth": 10, "minimumROIDimensions": 1}})
ENGINE = get_engine("native")
# Directions trade places when an axis is turned round, and sums are then taken in another order.
ROUNDING = 1e-9


def pair(values: np.ndarray, inside: np.ndarray, spacing=(1.0, 1.5, 3.0)) -> tuple[sitk.Image, sitk.Image]:
    image, mask = sitk.GetImageFromArray(values.astype(np.float32)), sitk.GetImageFromArray(inside.astype(np.uint8))
    image.SetSpacing(spacing)
    mask.SetSpacing(spacing)
    return image, mask


@st.composite
def tumours(draw):
    """A noise image and a ragged region of at least eight voxels inside it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(draw(st.integers(4, 7)) for _ in range(3))
    inside = np.zeros(shape, bool)
    inside[1:-1, 1:-1, 1:-1] = rng.random([n - 2 for n in shape]) < draw(st.floats(0.4, 1.0))
    inside[1:3, 1:3, 1:3] = True
    return rng.normal(100, draw(st.floats(5, 60)), shape), inside


def same(a: dict[str, float], b: dict[str, float]) -> None:
    assert list(a) == list(b)
    for name in a:
        assert b[name] == pytest.approx(a[name], rel=ROUNDING, abs=ROUNDING, nan_ok=True), name


@settings(max_examples=15, deadline=None)
@given(tumours(), st.integers(0, 2**32 - 1))
def test_what_lies_outside_the_region_does_not_matter(tumour, seed):
    values, inside = tumour
    other = np.where(inside, values, np.random.default_rng(seed).normal(0, 1e4, values.shape))
    assert ENGINE.extract(*pair(values, inside), ORIGINAL) == ENGINE.extract(*pair(other, inside), ORIGINAL)


@settings(max_examples=15, deadline=None)
@given(tumours(), st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 3))
def test_where_the_image_is_cropped_does_not_matter(tumour, margin):
    values, inside = tumour
    wider = pair(np.pad(values, margin, constant_values=7), np.pad(inside, margin))
    same(ENGINE.extract(*pair(values, inside), ORIGINAL), ENGINE.extract(*wider, ORIGINAL))


@settings(max_examples=15, deadline=None)
@given(tumours(), st.sampled_from([0, 1, 2]))
def test_turning_an_axis_round_changes_nothing_but_ambiguous_faces_of_the_mesh(tumour, axis):
    values, inside = tumour
    plain = ENGINE.extract(*pair(values, inside), ORIGINAL)
    flipped = ENGINE.extract(*pair(np.flip(values, axis), np.flip(inside, axis)), ORIGINAL)
    mesh = ("MeshVolume", "SurfaceArea", "SurfaceVolumeRatio", "Sphericity")
    keep = [name for name in plain if not name.endswith(mesh)]
    same({n: plain[n] for n in keep}, {n: flipped[n] for n in keep})


@settings(max_examples=15, deadline=None)
@given(tumours(), st.integers(-20, 20))
def test_adding_whole_bins_shifts_location_and_leaves_texture(tumour, bins):
    values, inside = tumour
    values = np.round(values)
    plain = ENGINE.extract(*pair(values, inside), ORIGINAL)
    moved = ENGINE.extract(*pair(values + 10 * bins, inside), ORIGINAL)
    texture = [name for name in plain if "firstorder" not in name]
    same({n: plain[n] for n in texture}, {n: moved[n] for n in texture})
    assert moved["original_firstorder_Mean"] == pytest.approx(plain["original_firstorder_Mean"] + 10 * bins)
    assert moved["original_firstorder_Variance"] == pytest.approx(plain["original_firstorder_Variance"])


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 50))
@settings(max_examples=30, deadline=None)
def test_levels_are_those_of_numpys_digitize(seed, width):
    values = np.random.default_rng(seed).normal(0, 100, 200)
    edges = np.arange(values.min() - values.min() % width, values.max() + 2 * width, width)
    np.testing.assert_array_equal(discretise(values, width), np.digitize(values, edges))
    levels = discretise(values, width, bin_count=12)
    assert levels.min() == 1
    assert levels.max() == levels[values.argmax()] == 12


def test_values_on_an_edge_belong_to_the_bin_above_it():
    np.testing.assert_array_equal(discretise(np.array([0, 24, 25, 49, 50]), 25), [1, 1, 2, 2, 3])
    np.testing.assert_array_equal(discretise(np.array([250, 255], np.uint8), 25), [1, 1])
    np.testing.assert_array_equal(discretise(np.full(3, 50.0), 25), [1, 1, 1])


def test_matrices_of_a_row_of_voxels():
    hood = matrices.neighbourhood(np.array([[[True, True, True, True, False, True]]]))
    levels = np.array([0, 0, 1, 0, 1])
    assert hood.directions.tolist() == [[0, 0, 1]]
    assert matrices.cooccurrence(levels, 2, hood).tolist() == [[[1, 1], [1, 0]]]
    assert matrices.run_lengths(levels, 2, hood)[0, :, :3].tolist() == [[1, 1, 0], [2, 0, 0]]
    counts, sizes = matrices.zones(levels, 2, hood)
    assert (counts.tolist(), sizes.tolist()) == ([[1, 1], [2, 0]], [1, 2])
    assert matrices.dependence(levels, np.array([1, 5]), hood).tolist() == [[1, 2, 0], [2, 0, 0]]
    counts, differences = matrices.tone_difference(levels, np.array([1, 5]), hood)
    assert (counts.tolist(), differences.tolist()) == ([3, 2], [0 + 2 + 4, 4 + 0])


def test_neighbours_of_a_cube_are_counted_once():
    hood = matrices.neighbourhood(np.ones((3, 3, 3), bool), distances=(1, 2))
    assert len(hood.directions) == 62
    assert hood.links.sum() == 27 * 26 // 2
    assert len(matrices.neighbourhood(np.ones((3, 3, 3), bool), flat_axis=0).directions) == 4


def test_mesh_of_a_box_is_the_box_with_bevelled_edges():
    mask = np.pad(np.ones((4, 5, 6), bool), 1)
    area, volume = marching_cubes.surface(mask, np.ones(3))
    faces, edges = 2 * (3 * 4 + 4 * 5 + 5 * 3), 4 * (3 + 4 + 5)
    assert volume == pytest.approx(3 * 4 * 5 + faces / 2 + edges / 8 + 8 / 48)
    assert area == pytest.approx(faces + edges * np.sqrt(0.5) + 8 * np.sqrt(3) / 8)
    assert len(marching_cubes.vertices(mask, np.ones(3))) == 2 * (20 + 24 + 30)


def test_outline_of_a_square_pixel_is_a_diamond():
    perimeter, area = shape2d.outline(np.pad(np.ones((1, 1), bool), 1), np.array([2.0, 2.0]))
    assert (perimeter, area) == pytest.approx((4 * np.sqrt(2), 2.0))


@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
@settings(max_examples=30, deadline=None)
def test_longest_distance_is_that_of_all_pairs(seed, n):
    points = np.unique(np.random.default_rng(seed).integers(0, 8, (n, 3)), axis=0) * np.array([3.0, 1.0, 0.5])
    pairs = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert longest_distance(points) == pytest.approx(pairs.max())


def test_local_binary_pattern_by_hand():
    image = np.zeros((3, 3))
    image[1, 2] = 2
    # Of the centre's neighbours only the first point, to the right, is brighter; the others equal it.
    assert local_binary_pattern(image, 4, 1)[1, 1] == 4
    image[1, 1] = 1
    assert local_binary_pattern(image, 4, 1)[1, 1] == 1
    assert local_binary_pattern(image, 4, 1, "default")[1, 1] == 1
    assert local_binary_pattern(image, 4, 1, "var")[1, 1] == pytest.approx(0.75)


def test_flat_region():
    values = np.random.default_rng(0).normal(0, 9, (5, 5, 5))
    inside = np.zeros((5, 5, 5), bool)
    inside[1:4, 1:4, 1:4] = True
    features = ENGINE.extract(*pair(np.where(inside, 50, values), inside), ORIGINAL)
    assert features["original_firstorder_Entropy"] == 0
    assert features["original_firstorder_Kurtosis"] == 0
    assert features["original_glcm_Correlation"] == 1
    assert features["original_glcm_MCC"] == 1
    assert features["original_ngtdm_Coarseness"] == 1e6
    assert features["original_glszm_ZonePercentage"] == pytest.approx(1 / 27)


def test_what_cannot_be_measured_is_refused_in_a_sentence():
    values = np.random.default_rng(0).normal(0, 9, (5, 5, 5))
    inside = np.zeros((5, 5, 5), bool)
    inside[2, 2, 2] = True
    with pytest.raises(InputError, match="single voxel"):
        ENGINE.extract(*pair(values, inside), ORIGINAL)
    inside[2, 2, 3] = True
    with pytest.raises(InputError, match="1 of 3 axes"):
        ENGINE.extract(*pair(values, inside), parse_settings("test", {}))
    inside[1:4, 1:4, 1:4] = True
    image, mask = pair(values, inside)
    for setting, reason in (({"minimumROISize": 27}, "27 voxels"), ({"resegmentRange": [1e6]}, "leaves 0")):
        with pytest.raises(InputError, match=reason):
            ENGINE.extract(image, mask, parse_settings("test", {"setting": setting}))
    with pytest.raises(InputError, match="LoG"):
        ENGINE.extract(image, mask, parse_settings("test", {"imageType": {"LoG": {"sigma": [9.0]}}}))
    with pytest.raises(InputError, match="wavelet 'coif99'"):
        ENGINE.extract(image, mask, parse_settings("test", {"imageType": {"Wavelet": {"wavelet": "coif99"}}}))
    with pytest.raises(InputError, match="glcm_Entropy"):
        ENGINE.extract(image, mask, parse_settings("test", {"featureClass": {"glcm": ["Entropy"]}}))
    with pytest.raises(InputError, match="one slice"):
        flat = parse_settings("test", {"setting": {"force2D": True}, "featureClass": {"shape2D": None}})
        ENGINE.extract(image, mask, flat)
    mask.SetOrigin((50, 0, 0))
    with pytest.raises(GeometryError, match="out of the image"):
        ENGINE.extract(image, mask, parse_settings("test", {"setting": {"correctMask": True}}))


def test_every_feature_says_its_formula_and_has_its_own_tag():
    numbers = {name: len(family.chosen(None)) for name, family in CLASSES.items()}
    assert numbers == {
        "firstorder": 18,
        "glcm": 24,
        "gldm": 14,
        "glrlm": 16,
        "glszm": 16,
        "ngtdm": 5,
        "shape": 14,
        "shape2D": 9,
    }
    features = [feature for family in CLASSES.values() for feature in family.features.values()]
    assert all(feature.compute.__doc__ for feature in features)
    tags = [feature.ibsi for feature in features if feature.ibsi]
    assert len(tags) == len(set(tags))
    assert all(len(tag) == 4 for tag in tags)


def test_local_binary_pattern_in_3d_of_drawn_neighbourhoods():
    """Y_00 is 1 / sqrt(4 pi), so that a pattern of k of n points has k sqrt(n) / (4 pi) of degree 0."""
    dark = np.full((9, 9, 9), 5.0)
    dark[4, 4, 4] = -100.0
    voxels = np.array([[4, 4, 4], [1, 1, 1]])
    for values, points in ((dark, 42), (-dark, 0)):
        shares, _ = patterns(values, voxels[:1], 3, 1.0, 1)
        assert shares[0, 0] == pytest.approx(points * np.sqrt(42) / (4 * np.pi), rel=1e-12)
    assert patterns(np.zeros((9, 9, 9)), voxels, 2, 1.0, 1)[1].tolist() == [-3.0, -3.0]


@pytest.mark.parametrize("blocks", [1, 500, 10**6])
def test_local_binary_pattern_in_3d_is_the_same_in_blocks(monkeypatch, blocks):
    image = np.random.default_rng(0).normal(100, 30, (8, 9, 10)).astype(np.float32)
    voxels = np.indices((6, 5, 4)).reshape(3, -1).T + 2
    whole = patterns(image, voxels, 2, 1.3, 1)
    monkeypatch.setattr(local_binary_pattern_3d, "BLOCK", blocks)
    for a, b in zip(whole, patterns(image, voxels, 2, 1.3, 1), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
