"""Images and masks to nodes and back, on grids of every kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import vtk
from scipy.spatial.transform import Rotation

from FeatureExtractorLib.errors import GeometryError, InputError
from TumorClassifierLib.scene.volumes import add_segment, add_segmentation, add_volume, image_of, segment_mask

OBLIQUE = Rotation.from_euler("xyz", [17, -23, 41], degrees=True).as_matrix()
GRIDS = {
    "axis-aligned": np.eye(3),
    "oblique": OBLIQUE,
    "flipped": np.diag([1.0, -1.0, -1.0]),
    "left-handed": np.diag([-1.0, 1.0, 1.0]),
    "oblique and flipped": OBLIQUE @ np.diag([1.0, -1.0, 1.0]),
}
SHAPE = (9, 12, 15)  # z, y, x
MARK = (11, 3, 7)  # x, y, z


def image_with_mark(direction: np.ndarray, dtype: Any = np.int16) -> sitk.Image:
    array = np.random.default_rng(1).integers(0, 100, SHAPE).astype(dtype)
    array[MARK[::-1]] = 120
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 1.3, 5.0))
    image.SetOrigin((-31.5, 22.25, 7.0))
    image.SetDirection(direction.ravel().tolist())
    return image


def mask_like(image: sitk.Image, *boxes: tuple[slice, slice, slice]) -> sitk.Image:
    array = np.zeros(image.GetSize()[::-1], np.uint8)
    for box in boxes:
        array[box] = 1
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(image)
    return mask


def as_array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


@pytest.mark.parametrize("direction", GRIDS.values(), ids=GRIDS.keys())
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_image_comes_back_unchanged(scene: Any, direction: np.ndarray, dtype: Any) -> None:
    image = image_with_mark(direction, dtype)
    back = image_of(add_volume(scene, image, "image"))
    assert np.linalg.det(np.reshape(back.GetDirection(), (3, 3))) > 0
    if np.linalg.det(direction) < 0:
        back = back[:, :, ::-1]  # the scene holds left-handed images with their slices reversed
    assert back.GetPixelID() == image.GetPixelID()
    np.testing.assert_array_equal(as_array(back), as_array(image))
    for get in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(back, get)(), getattr(image, get)(), atol=1e-12)


@pytest.mark.parametrize("direction", GRIDS.values(), ids=GRIDS.keys())
def test_marked_voxel_stands_where_itk_says(scene: Any, direction: np.ndarray) -> None:
    import slicer

    image = image_with_mark(direction)
    node = add_volume(scene, image, "image")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    marked = np.argwhere(slicer.util.arrayFromVolume(node) == 120)
    assert len(marked) == 1
    x, y, z = image.TransformIndexToPhysicalPoint(MARK)
    np.testing.assert_allclose(matrix.MultiplyPoint((*marked[0][::-1], 1.0))[:3], (-x, -y, z), atol=1e-9)


def test_real_image_is_as_slicer_reads_it(scene: Any, data_dir: Path) -> None:
    import slicer

    path = data_dir / "pyradiomics_cases" / "brain1_image.nrrd"
    ours = add_volume(scene, sitk.ReadImage(str(path)), "ours")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    theirs = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "theirs")
    assert storage.ReadData(theirs)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(ours), slicer.util.arrayFromVolume(theirs))
    a, b = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    ours.GetIJKToRASMatrix(a)
    theirs.GetIJKToRASMatrix(b)
    np.testing.assert_allclose(
        [a.GetElement(*ij) for ij in np.ndindex(4, 4)], [b.GetElement(*ij) for ij in np.ndindex(4, 4)]
    )


@pytest.mark.parametrize("direction", GRIDS.values(), ids=GRIDS.keys())
def test_three_segments_give_three_masks(scene: Any, direction: np.ndarray) -> None:
    """Segments that share one labelmap, and one that overlaps them, come out one by one and exact."""
    image = image_with_mark(direction)
    volume = add_volume(scene, image, "image")
    masks = [
        mask_like(image, np.s_[1:4, 2:6, 3:9]),
        mask_like(image, np.s_[4:8, 2:6, 3:9]),
        mask_like(image, np.s_[2:7, 4:9, 5:14], np.s_[7:8, 0:1, 0:1]),
    ]
    node = add_segmentation(scene, masks[0], volume, "outline", "first")
    ids = [node.GetSegmentation().GetNthSegmentID(0)]
    ids += [add_segment(node, mask, name) for mask, name in zip(masks[1:], ("second", "third"), strict=True)]
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert node.GetSegmentation().GetNumberOfLayers() < len(ids)

    before = scene.GetNumberOfNodes()
    for segment_id, mask in zip(ids, masks, strict=True):
        found = segment_mask(node, segment_id, volume)
        assert found.GetPixelID() == sitk.sitkUInt8
        assert found.GetSize() == image_of(volume).GetSize()
        there = sitk.Resample(found, mask, sitk.Transform(), sitk.sitkNearestNeighbor, 9)
        np.testing.assert_array_equal(as_array(there), as_array(mask))
    assert scene.GetNumberOfNodes() == before


def test_segment_of_another_grid_is_drawn_on_the_volumes(scene: Any) -> None:
    """Drawn on a grid three times finer; SimpleITK's nearest neighbour is the oracle."""
    image = image_with_mark(OBLIQUE)
    fine = sitk.Expand(image, [3, 3, 3], sitk.sitkNearestNeighbor)
    fine_mask = mask_like(fine, np.s_[6:15, 7:20, 10:31])
    fine_volume = add_volume(scene, fine, "fine")
    volume = add_volume(scene, image, "coarse")
    node = add_segmentation(scene, fine_mask, fine_volume, "outline")
    found = segment_mask(node, node.GetSegmentation().GetNthSegmentID(0), volume)
    expected = sitk.Resample(fine_mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    np.testing.assert_array_equal(as_array(found), as_array(expected))


def test_segment_that_is_only_a_surface(scene: Any) -> None:
    """As from an RTSTRUCT: it is converted in a copy, and the user's segmentation keeps its surface only."""
    size, centre, radius = 40, (20.0, 20.0, 20.0), 13.0
    ball = sitk.Cast(
        sitk.GaussianSource(sitk.sitkFloat32, [size] * 3, [radius] * 3, centre, 1.0) > np.exp(-0.5), sitk.sitkUInt8
    )
    volume = add_volume(scene, sitk.Cast(ball, sitk.sitkInt16), "image")
    node = add_segmentation(scene, ball, volume, "outline")
    segmentation = node.GetSegmentation()
    assert node.CreateClosedSurfaceRepresentation()
    segmentation.SetSourceRepresentationName("Closed surface")
    segmentation.RemoveRepresentation("Binary labelmap")

    before = scene.GetNumberOfNodes()
    found = as_array(segment_mask(node, segmentation.GetNthSegmentID(0), volume))
    overlap = 2 * np.sum(found & as_array(ball)) / (found.sum() + as_array(ball).sum())
    assert overlap > 0.97
    assert not segmentation.ContainsRepresentation("Binary labelmap")
    assert scene.GetNumberOfNodes() == before


def test_a_shared_transform_changes_nothing_and_a_bent_one_between_is_refused(scene: Any) -> None:
    image = image_with_mark(np.eye(3))
    mask = mask_like(image, np.s_[2:5, 2:5, 2:5])
    volume = add_volume(scene, image, "image")
    transform = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "patient moved")
    volume.SetAndObserveTransformNodeID(transform.GetID())
    node = add_segmentation(scene, mask, volume, "outline")
    segment_id = node.GetSegmentation().GetNthSegmentID(0)
    assert node.GetParentTransformNode() is transform
    np.testing.assert_array_equal(as_array(segment_mask(node, segment_id, volume)), as_array(mask))
    volume.SetAndObserveTransformNodeID(None)
    with pytest.raises(GeometryError, match="patient moved.*harden"):
        segment_mask(node, segment_id, volume)


def test_unusable_segments_are_refused_in_a_sentence(scene: Any) -> None:
    image = image_with_mark(np.eye(3))
    volume = add_volume(scene, image, "image")
    node = add_segmentation(scene, mask_like(image, np.s_[2:5, 2:5, 2:5]), volume, "outline", "Core")
    with pytest.raises(InputError, match="no segment Rim.*it has: Segment_1|it has"):
        segment_mask(node, "Rim", volume)
    empty = node.GetSegmentation().AddEmptySegment("", "Nothing")
    with pytest.raises(InputError, match="Nothing of outline is empty"):
        segment_mask(node, empty, volume)
    elsewhere = sitk.Image(image)
    elsewhere.SetOrigin((500.0, 500.0, 500.0))
    with pytest.raises(GeometryError, match="lies outside elsewhere"):
        segment_mask(node, node.GetSegmentation().GetNthSegmentID(0), add_volume(scene, elsewhere, "elsewhere"))


def test_unusable_volumes_are_refused_in_a_sentence(scene: Any) -> None:
    with pytest.raises(InputError, match="empty has no voxels"):
        image_of(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"))
    colour = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "colour")
    data = vtk.vtkImageData()
    data.SetDimensions(2, 2, 2)
    data.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colour.SetAndObserveImageData(data)
    with pytest.raises(InputError, match="colour has 3 values a voxel"):
        image_of(colour)
    tilted = add_volume(scene, image_with_mark(np.eye(3)), "tilted")
    matrix = vtk.vtkMatrix4x4()
    tilted.GetIJKToRASMatrix(matrix)
    matrix.SetElement(1, 2, 1.5)
    tilted.SetIJKToRASMatrix(matrix)
    with pytest.raises(InputError, match="tilted has slanted axes"):
        image_of(tilted)
