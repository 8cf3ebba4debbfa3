"""DICOM SEG and RTSTRUCT: on the image's grid, by name or number, or refused."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from FeatureExtractorLib.contours import fill, rasterise
from FeatureExtractorLib.errors import GeometryError, InputError
from FeatureExtractorLib.reading import read_case, read_image, read_mask, segments_of

STORED = np.random.default_rng(0).integers(0, 4000, (7, 20, 24), dtype=np.uint16)
TURNED = np.array(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.4, 0.9).GetMatrix()).reshape(3, 3)
OBLIQUE = tuple(TURNED[:, :2].T.ravel())


def voxels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def box(*ranges: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(STORED.shape, dtype=np.uint8)
    mask[tuple(slice(*r) for r in ranges)] = 1
    return mask


MASKS = {
    "Tumour": box((2, 5), (4, 9), (5, 12)),
    "Oedema": box((1, 6), (3, 15), (8, 20)),
    "Cyst": box((3, 4), (5, 6), (6, 9)),
}


@pytest.fixture(params=["axial", "oblique"])
def series(request, tmp_path: Path, series_writer):
    """A folder with a series, and its files from the first slice to the last."""
    orientation = OBLIQUE if request.param == "oblique" else (1, 0, 0, 0, 1, 0)
    return tmp_path / "dicom", series_writer(tmp_path / "dicom", STORED, orientation=orientation)


def test_segments_of_a_seg_are_found_by_label_and_number(tmp_path: Path, series, seg_writer) -> None:
    folder, files = series
    path = seg_writer(tmp_path / "seg.dcm", files, MASKS)
    image = read_image(folder)
    assert [(s.number, s.name) for s in segments_of(path)] == [(1, "Tumour"), (2, "Oedema"), (3, "Cyst")]
    for number, (label, mask) in enumerate(MASKS.items(), start=1):
        for wanted in (label, str(number)):
            read = read_mask(path, wanted, reference=image)
            np.testing.assert_array_equal(voxels(read), mask)
    np.testing.assert_array_equal(voxels(read_mask(path, reference=image)), np.maximum.reduce(list(MASKS.values())))
    case = read_case({"T2": folder}, path, segment="Oedema")
    np.testing.assert_array_equal(voxels(case.required_mask()), MASKS["Oedema"])
    own = read_mask(path, "Cyst")
    assert voxels(own).sum() == 3 and own.GetSize()[2] < 7
    with pytest.raises(InputError, match=r"no segment 'cyst' \(it has: Tumour, Oedema, Cyst, 1, 2, 3\)"):
        read_mask(path, "cyst", reference=image)


@pytest.mark.parametrize("slices", [(1, 5), (2, 4, 6), (3,), (0, 6)])
@pytest.mark.parametrize("stated", [True, False])
def test_empty_slices_between_full_ones_stay_empty(
    tmp_path: Path, series, seg_writer, slices: tuple[int, ...], stated: bool
) -> None:
    """A SEG leaves empty frames out; where it does not say how far slices are apart, the image does."""
    import pydicom

    folder, files = series
    mask = np.zeros(STORED.shape, dtype=np.uint8)
    mask[list(slices), 4:9, 5:12] = 1
    path = seg_writer(tmp_path / "seg.dcm", files, {"Tumour": mask})
    dataset = pydicom.dcmread(path)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    if not stated:
        del measures.SpacingBetweenSlices, measures.SliceThickness
        dataset.save_as(path)
        if len(slices) > 1:
            with pytest.raises(GeometryError, match="how far"):
                read_mask(path, "Tumour")
    np.testing.assert_array_equal(voxels(read_mask(path, "Tumour", reference=read_image(folder))), mask)


def test_a_fractional_seg_is_cut_at_one_half(tmp_path: Path, series, seg_writer) -> None:
    folder, files = series
    share = np.where(MASKS["Oedema"], 0.8, 0.3).astype(np.float32)
    path = seg_writer(tmp_path / "seg.dcm", files, {"Oedema": share}, "FRACTIONAL")
    np.testing.assert_array_equal(voxels(read_mask(path, reference=read_image(folder))), MASKS["Oedema"])


def test_a_seg_of_another_series_of_the_visit_is_carried_over(tmp_path: Path, series_writer, seg_writer) -> None:
    """Drawn on slices half as thick and pixels half as wide: every voxel takes the mask's value at its centre."""
    fine = np.zeros((14, 40, 48), dtype=np.uint16)
    files = series_writer(
        tmp_path / "fine", fine + 1, spacing=(0.25, 0.375), offsets=[-0.75 + 1.5 * k for k in range(14)]
    )
    series_writer(tmp_path / "coarse", STORED)
    drawn = fine.astype(np.uint8)
    drawn[4:10, 8:18, 10:24] = 1
    path = seg_writer(tmp_path / "seg.dcm", files, {"Tumour": drawn})
    fine_image, coarse = read_image(tmp_path / "fine"), read_image(tmp_path / "coarse")
    mask = read_mask(path, reference=coarse)
    assert mask.GetSize() == coarse.GetSize()
    for z, y, x in np.ndindex(STORED.shape):
        point = np.array(coarse.TransformIndexToPhysicalPoint((x, y, z))) + 1e-6
        index = fine_image.TransformPhysicalPointToIndex(point.tolist())
        inside = all(0 <= i < n for i, n in zip(index, fine_image.GetSize(), strict=True))
        assert mask[x, y, z] == (drawn[index[2], index[1], index[0]] if inside else 0)


def test_masks_of_another_patient_or_place_are_refused(
    tmp_path: Path, series_writer, seg_writer, structure_writer, identifiers
) -> None:
    series_writer(tmp_path / "here", STORED)
    image = read_image(tmp_path / "here")
    stranger = series_writer(tmp_path / "stranger", STORED, frame="1.2.826.0.1.3680043.8.498.9")
    far = series_writer(tmp_path / "far", STORED, offsets=[100 + 3 * k for k in range(7)])
    shifted = series_writer(tmp_path / "shifted", STORED, offsets=[9 + 3 * k for k in range(7)])
    square = np.array([[-36, 12, 5], [-30, 12, 5], [-30, 18, 5], [-36, 18, 5]], float)
    cut = seg_writer(tmp_path / "cut.dcm", stranger, MASKS)
    cut.write_bytes(cut.read_bytes()[:2000])
    for path, sentence in {
        seg_writer(tmp_path / "a.dcm", stranger, MASKS): "another frame of reference",
        seg_writer(tmp_path / "b.dcm", far, MASKS): "wholly outside",
        seg_writer(tmp_path / "c.dcm", shifted, MASKS): "partly outside",
        structure_writer(tmp_path / "d.dcm", {"GTV": [square]}, frame="1.2.3"): "another frame of reference",
        structure_writer(tmp_path / "e.dcm", {"GTV": [square + 200]}): "wholly outside",
        structure_writer(
            tmp_path / "f.dcm", {"GTV": [square @ TURNED.T - square[0] @ TURNED.T + square[0]]}
        ): "slices",
        structure_writer(tmp_path / "g.dcm", {"GTV": []}): "no closed contour",
        cut: "damaged",
    }.items():
        with pytest.raises(InputError, match=sentence) as caught:
            read_mask(path, reference=image)
        assert not [word for word in identifiers if word in str(caught.value).lower()]
    with pytest.raises(InputError, match="need an image"):
        read_mask(tmp_path / "d.dcm")
    with pytest.raises(InputError, match="no image"):
        read_image(tmp_path / "d.dcm")


def circle(image: sitk.Image, k: int, centre: tuple[float, float], radius: float, points: int = 180) -> np.ndarray:
    """A circle in slice k; centre in voxels, radius in mm."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    across, down, _ = image.GetSpacing()
    x, y = centre[0] + radius / across * np.cos(angle), centre[1] + radius / down * np.sin(angle)
    return np.array([image.TransformContinuousIndexToPhysicalPoint((a, b, k)) for a, b in zip(x, y, strict=True)])


def test_a_sphere_of_contours_has_the_volume_of_a_sphere(tmp_path: Path, series_writer, structure_writer) -> None:
    stored = np.random.default_rng(0).integers(0, 99, (41, 100, 100), dtype=np.uint16)
    series_writer(
        tmp_path / "dicom", stored, orientation=OBLIQUE, spacing=(0.5, 0.5), offsets=list(0.5 * np.arange(41))
    )
    image = read_image(tmp_path / "dicom")
    outer = [circle(image, k, (50.3, 49.6), np.sqrt(64 - (0.5 * (k - 20)) ** 2)) for k in range(5, 36)]
    hole = [circle(image, k, (50.3, 49.6), 3.0) for k in range(15, 26)]
    path = structure_writer(tmp_path / "rt.dcm", {"GTV": outer, "Rim": outer + hole})
    assert [(s.number, s.name) for s in segments_of(path)] == [(11, "GTV"), (12, "Rim")]
    sphere, rim = (voxels(read_mask(path, name, reference=image)) for name in ("GTV", "12"))
    slabs = np.pi * 0.5 * sum(64 - (0.5 * (k - 20)) ** 2 for k in range(5, 36))
    assert abs(sphere.sum() * 0.125 / slabs - 1) < 0.005
    z, y, x = np.indices(sphere.shape)
    radius = np.hypot((x - 50.3) * 0.5, (y - 49.6) * 0.5)
    limit = np.sqrt(np.maximum(0, 64 - (0.5 * (z - 20)) ** 2)) * (abs(z - 20) <= 15)
    clear = abs(radius - limit) > 0.002  # polygons of 180 corners lie up to 0.0012 mm inside their circles
    np.testing.assert_array_equal(sphere[clear], (radius < limit)[clear])
    clear &= abs(radius - 3) > 0.002
    hollow = (radius < limit) & ((radius > 3) | (abs(z - 20) > 5))
    np.testing.assert_array_equal(rim[clear], hollow[clear])
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(voxels(read_mask(path, reference=image)), sphere)


def test_sparse_contours_stand_for_slabs_and_dense_ones_for_the_nearest_slice(tmp_path: Path, series_writer) -> None:
    series_writer(tmp_path / "dicom", STORED)
    image = read_image(tmp_path / "dicom")
    sparse = rasterise([circle(image, k, (12, 10), 2) for k in (1, 3, 5)], image, "It")
    assert sparse.any(axis=(1, 2)).tolist() == [True, True, True, True, True, True, False]
    dense = rasterise([circle(image, k, (12, 10), 1 + k) for k in (1.6, 2.0, 2.4)], image, "It")
    np.testing.assert_array_equal(dense, rasterise([circle(image, 2.0, (12, 10), 3)], image, "It"))
    two = rasterise(
        [circle(image, 1, (12, 10), 2), circle(image, 2, (12, 10), 2), circle(image, 5, (12, 10), 2)], image, "It"
    )
    assert two.any(axis=(1, 2)).tolist() == [False, True, True, False, False, True, False]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-4, 16), st.floats(-4, 14)), min_size=3, max_size=9))
def test_filling_agrees_with_matplotlib(corners: list[tuple[float, float]]) -> None:
    """Even-odd by ray casting, the oracle being triangles: their exclusive or is the polygon."""
    from matplotlib.path import Path as Outline

    polygon = np.array(corners)
    pixels = np.array([(x, y) for y in range(12) for x in range(14)], float) + [1.234e-5, 2.345e-5]
    expected = np.zeros(len(pixels), dtype=bool)
    for a, b in zip(polygon[1:], polygon[2:], strict=False):
        triangle = np.array([polygon[0], a, b])
        (ux, uy), (vx, vy) = triangle[1:] - triangle[0]
        if abs(ux * vy - uy * vx) > 1e-9:
            expected ^= Outline(triangle).contains_points(pixels)
    np.testing.assert_array_equal(fill([polygon - [1.234e-5, 2.345e-5]], 12, 14), expected.reshape(12, 14))


def test_filling_a_rectangle_takes_the_centres_within() -> None:
    inside = fill([np.array([[1.5, 0.5], [4.5, 0.5], [4.5, 2.5], [1.5, 2.5]])], 5, 6)
    expected = np.zeros((5, 6), dtype=bool)
    expected[1:3, 2:5] = True
    np.testing.assert_array_equal(inside, expected)
    np.testing.assert_array_equal(fill([np.array([[-9, -9], [9, -9], [9, 9], [-9, 9]])], 5, 6), np.ones((5, 6), bool))


@pytest.mark.filterwarnings("ignore:The string")  # highdicom does not like the series' made-up patient name
def test_a_seg_on_a_real_series(tmp_path: Path, data_dir: Path, seg_writer, structure_writer) -> None:
    import pydicom

    folder = data_dir / "dicom_prostate"
    image = read_image(folder)
    files = sorted(
        (pydicom.dcmread(p) for p in folder.glob("*.dcm")), key=lambda ds: float(ds.ImagePositionPatient[2])
    )
    drawn = np.zeros(image.GetSize()[::-1], dtype=np.uint8)
    drawn[25:34, 100:140, 110:150] = 1
    path = seg_writer(tmp_path / "seg.dcm", files, {"Prostate": drawn})
    case = read_case({"T2": folder}, path, segment="Prostate")
    np.testing.assert_array_equal(voxels(case.required_mask()), drawn)
    contours = [circle(image, k, (130, 120), 10.0) for k in range(25, 34)]
    rois = structure_writer(tmp_path / "rt.dcm", {"Prostate": contours}, frame=str(files[0].FrameOfReferenceUID))
    mask = read_case({"T2": folder}, rois, segment="11").required_mask()
    cylinder = np.pi * 100 * 9 / (image.GetSpacing()[0] * image.GetSpacing()[1])
    assert abs(voxels(mask).sum() / cylinder - 1) < 0.01


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(40))
def test_no_damage_is_a_traceback(
    tmp_path: Path, series_writer, seg_writer, structure_writer, caplog, seed: int
) -> None:
    """Random bytes anywhere in a SEG or RTSTRUCT: a mask on the image's grid or a sentence."""
    files = series_writer(tmp_path / "dicom", STORED)
    image = read_image(tmp_path / "dicom")
    rng = np.random.default_rng(seed)
    if seed % 2:
        path = seg_writer(tmp_path / "mask.dcm", files, MASKS)
    else:
        path = structure_writer(tmp_path / "mask.dcm", {"GTV": [circle(image, k, (12, 10), 2.5) for k in (2, 3)]})
    data = bytearray(path.read_bytes())
    for position in rng.integers(128, len(data), 1 + seed % 7):
        data[position] = rng.integers(256)
    path.write_bytes(data[: len(data) if seed % 3 else rng.integers(140, len(data))])
    try:
        mask = read_mask(path, reference=image)
    except InputError as error:
        assert str(error).endswith(".") and "mustermann" not in str(error).lower()
    else:
        assert mask.GetSize() == image.GetSize() and voxels(mask).max() <= 1
    assert caplog.text == ""


@pytest.mark.filterwarnings("ignore:Invalid value", "ignore:The value length")  # of pydicom, which writes them
def test_coordinates_that_are_no_numbers_are_refused(tmp_path: Path, series_writer, structure_writer) -> None:
    series_writer(tmp_path / "dicom", STORED)
    image = read_image(tmp_path / "dicom")
    for wrong in (np.nan, np.inf, 1e30):
        points = circle(image, 3, (12, 10), 2.5)
        points[5, 1] = wrong
        with pytest.raises(InputError):
            read_mask(structure_writer(tmp_path / "rt.dcm", {"GTV": [points]}), reference=image)


def test_grid_errors_are_geometry_errors(tmp_path: Path, series_writer, seg_writer) -> None:
    files = series_writer(tmp_path / "a", STORED)
    series_writer(tmp_path / "b", STORED, frame="1.2.826.0.1.3680043.8.498.9")
    path = seg_writer(tmp_path / "seg.dcm", files, MASKS)
    with pytest.raises(GeometryError):
        read_case({"T2": tmp_path / "b"}, path, segment="Tumour")
