"""Images and masks to MRML nodes and back: SimpleITK counts in LPS millimetres, MRML in RAS."""

from typing import Any

import numpy as np
import SimpleITK as sitk
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from FeatureExtractorLib.errors import GeometryError, InputError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SMALLEST_SCALE = 1e-12  # of a transform's volume
BINARY_LABELMAP = "Binary labelmap"
TUMOUR_COLOUR = (0.1, 1.0, 0.35)  # green: neither the grey of the image nor the reds and yellows of a CAM


def image_of(volume_node: Any, reference_node: Any | None = None) -> sitk.Image:
    """The volume as an image in LPS, voxels copied; a parent transform is not applied.

    reference_node: in whose own space the image is wanted, where it stands under another transform; the node itself
    is not changed. Raises InputError when the node holds no scalar voxels or its axes are not at right angles,
    GeometryError as `linear_between`.
    """
    data = volume_node.GetImageData()
    if data is None or data.GetNumberOfPoints() == 0:
        raise InputError(f"Volume {volume_node.GetName()} has no voxels; load the image again.")
    if data.GetNumberOfScalarComponents() != 1:
        raise InputError(
            f"Volume {volume_node.GetName()} has {data.GetNumberOfScalarComponents()} values a voxel; "
            "convert it to a grey volume first."
        )
    ijk_to_ras = _ijk_to_ras(volume_node)
    if reference_node is not None:
        ijk_to_ras = linear_between(volume_node, reference_node) @ ijk_to_ras
    axes = ijk_to_ras[:3, :3] / np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-4):
        raise InputError(f"Volume {volume_node.GetName()} has slanted axes (a tilted gantry or a shear); resample it.")
    return _with_geometry(sitk.GetImageFromArray(_array_of(data)), ijk_to_ras)


def add_volume(scene: Any, image: sitk.Image, name: str) -> Any:
    """A scalar volume node (with display) of a three-dimensional scalar image, voxel type and positions kept.

    Slices are stored in reverse order where the image's axes are left-handed, as Slicer does when it reads a file;
    otherwise the scene would change when it is saved and opened again.
    """
    image = _right_handed(image)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(_matrix(_ijk_to_ras_of(image)))
    data = vtk.vtkImageData()
    _fill(data, sitk.GetArrayViewFromImage(image))
    node.SetAndObserveImageData(data)
    node.CreateDefaultDisplayNodes()
    return node


def segment_mask(segmentation_node: Any, segment_id: str, volume_node: Any) -> sitk.Image:
    """One segment as a uint8 0/1 mask on the volume's grid (nearest neighbour where grids differ).

    No node is added to the scene or changed. Segments that share a labelmap or overlap come out one by one.
    Raises InputError for an unknown or empty segment, GeometryError as `linear_between` and where the segment lies
    outside the volume.
    """
    import slicer

    segmentation = segmentation_node.GetSegmentation()
    segment = segmentation.GetSegment(segment_id)
    if segment is None:
        have = ", ".join(segmentation.GetSegmentIDs()) or "none"
        raise InputError(
            f"Segmentation {segmentation_node.GetName()} has no segment {segment_id} (it has: {have}); choose another."
        )
    to_volume = linear_between(segmentation_node, volume_node)
    name = f"Segment {segment.GetName()} of {segmentation_node.GetName()}"
    labelmap = slicer.vtkOrientedImageData()
    _labelmap_of(segmentation_node, segment_id, volume_node, to_volume, labelmap)
    if labelmap.GetNumberOfPoints() == 0 or not _array_of(labelmap).any():
        raise InputError(f"{name} is empty; outline the tumour first.")
    moved = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(moved)
    labelmap.SetGeometryFromImageToWorldMatrix(_matrix(to_volume @ _array_of_matrix(moved)))
    reference = _oriented(np.zeros(_dimensions(volume_node)[::-1], np.uint8), _ijk_to_ras(volume_node))
    resampled = slicer.vtkOrientedImageData()
    resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
    if not resample(labelmap, reference, resampled, False):
        raise InputError(f"{name} cannot be drawn on the grid of {volume_node.GetName()}; check both in the viewer.")
    mask = (_array_of(resampled) != 0).astype(np.uint8)
    if not mask.any():
        raise GeometryError(f"{name} lies outside {volume_node.GetName()}; choose the image it was drawn on.")
    return _with_geometry(sitk.GetImageFromArray(mask), _ijk_to_ras(volume_node))


def add_segmentation(scene: Any, mask: sitk.Image, volume_node: Any, name: str, segment_name: str = "Tumour") -> Any:
    """A segmentation node (with display) of one segment from a 0/1 mask, tied to the volume's grid."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    add_segment(node, mask, segment_name)
    return node


def add_segment(
    segmentation_node: Any,
    mask: sitk.Image,
    segment_name: str,
    colour: tuple[float, float, float] = TUMOUR_COLOUR,
) -> str:
    """Add a 0/1 mask as a segment; returns its id."""
    mask = _right_handed(mask)
    labelmap = _oriented(sitk.GetArrayViewFromImage(mask).astype(np.uint8), _ijk_to_ras_of(mask))
    return segmentation_node.AddSegmentFromBinaryLabelmapRepresentation(labelmap, segment_name, colour)


def check_linear_between(node: Any, other: Any) -> None:
    """Raises GeometryError as `linear_between`: nodes under different linear transforms can be used together."""
    linear_between(node, other)


def linear_between(node: Any, other: Any) -> np.ndarray:
    """The (4, 4) matrix from a node's own space (RAS, mm) to another's; the identity under one shared transform.

    Raises GeometryError where what stands between them is not linear or cannot be inverted.
    """
    import slicer

    above, target = node.GetParentTransformNode(), other.GetParentTransformNode()
    if above is target:
        return np.eye(4)
    bent = [t for t in (above, target) if t is not None and not t.IsTransformToWorldLinear()]
    if bent:
        raise GeometryError(
            f"{node.GetName()} and {other.GetName()} stand under different transforms, and {bent[0].GetName()} is not "
            "linear; harden it in the Data module first."
        )
    matrix = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(above, target, matrix)
    values = _array_of_matrix(matrix)
    if not np.isfinite(values).all() or abs(np.linalg.det(values)) < SMALLEST_SCALE:
        raise GeometryError(
            f"The transform between {node.GetName()} and {other.GetName()} leaves nothing of its space; correct it."
        )
    return values


def _labelmap_of(
    segmentation_node: Any, segment_id: str, volume_node: Any, to_volume: np.ndarray, labelmap: Any
) -> None:
    """Copy one segment's labelmap, made from its surface on the volume's grid where it has nothing else."""
    import slicer

    segmentation = segmentation_node.GetSegmentation()
    if segmentation.GetSegment(segment_id).GetRepresentation(BINARY_LABELMAP) is not None:
        segmentation_node.GetBinaryLabelmapRepresentation(segment_id, labelmap)
        return
    # Converting the user's own segmentation would change it, so a copy of this segment is converted.
    copy = slicer.vtkSegmentation()
    copy.SetSourceRepresentationName(segmentation.GetSourceRepresentationName())
    copy.CopySegmentFromSegmentation(segmentation, segment_id)
    geometry = slicer.vtkSegmentationConverter.SerializeImageGeometry(
        _matrix(np.linalg.inv(to_volume) @ _ijk_to_ras(volume_node)), volume_node.GetImageData()
    )
    copy.SetConversionParameter(slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName(), geometry)
    if copy.CreateRepresentation(BINARY_LABELMAP):
        labelmap.DeepCopy(copy.GetSegment(segment_id).GetRepresentation(BINARY_LABELMAP))


def _right_handed(image: sitk.Image) -> sitk.Image:
    left_handed = np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) < 0
    return image[:, :, ::-1] if left_handed else image


def _ijk_to_ras(volume_node: Any) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    return _array_of_matrix(matrix)


def _array_of_matrix(matrix: Any) -> np.ndarray:
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def _ijk_to_ras_of(image: sitk.Image) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ matrix


def _with_geometry(image: sitk.Image, ijk_to_ras: np.ndarray) -> sitk.Image:
    matrix = LPS_TO_RAS @ ijk_to_ras
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    return image


def _matrix(values: np.ndarray) -> Any:
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(values.ravel().tolist())
    return matrix


def _dimensions(volume_node: Any) -> tuple[int, int, int]:
    return volume_node.GetImageData().GetDimensions()


def _array_of(data: Any) -> np.ndarray:
    """Voxels in z, y, x order, shared with the image data."""
    return vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1])


def _fill(data: Any, array: np.ndarray) -> None:
    data.SetDimensions(array.shape[::-1])
    data.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True))


def _oriented(array: np.ndarray, ijk_to_ras: np.ndarray) -> Any:
    import slicer

    data = slicer.vtkOrientedImageData()
    _fill(data, array)
    data.SetGeometryFromImageToWorldMatrix(_matrix(ijk_to_ras))
    return data
