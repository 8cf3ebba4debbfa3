"""Pictures drawn by Slicer's own slice view, read back pixel by pixel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.preprocessing.resampling import orient
from TumorClassifierLib.scene import view
from TumorClassifierLib.scene.headless import mesa_is_installed
from TumorClassifierLib.scene.overlay import add_cam
from TumorClassifierLib.scene.view import draw_slice
from TumorClassifierLib.scene.volumes import add_segmentation, add_volume

SIZE = 512
STORED = {
    "axial": np.eye(3),
    "from the other side": np.diag([1.0, -1.0, -1.0]),
    "turned": np.diag([-1.0, -1.0, 1.0]),
    "left-handed": np.diag([-1.0, 1.0, 1.0]),
    "sagittal": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "coronal": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}
needs_drawing = pytest.mark.skipif(not mesa_is_installed(), reason="drawing off screen needs libosmesa6")


def pixels(path: Path) -> np.ndarray:
    """Rows from the top, columns, RGB, as int."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(int)


def box(where: np.ndarray) -> tuple[int, int, int, int]:
    """First and last row, first and last column of the True pixels."""
    rows, columns = np.nonzero(where)
    return rows.min(), rows.max(), columns.min(), columns.max()


@pytest.fixture
def brain(scene: Any, data_dir: Path) -> tuple[Any, Any, Any, sitk.Image, sitk.Image]:
    """Volume, segmentation and map nodes of a real tumour, with its image and mask turned to LPS."""
    folder = data_dir / "pyradiomics_cases"
    image = sitk.ReadImage(str(folder / "brain1_image.nrrd"))
    mask = sitk.Cast(sitk.ReadImage(str(folder / "brain1_label.nrrd")), sitk.sitkUInt8)
    hill = sitk.SmoothingRecursiveGaussian(sitk.Cast(mask, sitk.sitkFloat32), 5.0)
    cam = sitk.Clamp(hill / float(sitk.GetArrayViewFromImage(hill).max()), sitk.sitkFloat32, 0.0, 1.0)
    volume = add_volume(scene, image, "brain1")
    segmentation = add_segmentation(scene, mask, volume, "brain1 outline")
    return volume, segmentation, add_cam(scene, cam, volume, "CAM"), orient(image, "LPS"), orient(mask, "LPS")


@needs_drawing
def test_slice_is_upright_and_whole(scene: Any, brain: Any, tmp_path: Path) -> None:
    """The picture is the axial slice as numpy cuts it: patient right on the left, front up, nothing missing."""
    volume, segmentation, _cam, image, mask = brain
    drawn = pixels(draw_slice(scene, volume, segmentation, None, tmp_path / "view.png", (SIZE, SIZE)))
    assert drawn.shape == (SIZE, SIZE, 3)
    k = int(sitk.GetArrayViewFromImage(mask).sum(axis=(1, 2), dtype=int).argmax())
    slice_ = sitk.GetArrayViewFromImage(image)[k].astype(float)
    assert slice_.shape == (256, 256)
    grey = drawn.max(axis=2) == drawn.min(axis=2)
    shrunk = drawn[..., 0].reshape(256, 2, 256, 2).mean(axis=(1, 3))
    drawn_grey = grey.reshape(256, 2, 256, 2).all(axis=(1, 3))
    display = volume.GetDisplayNode()
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    expected = np.clip((slice_ - low) / (high - low), 0, 1) * 255
    assert np.corrcoef(shrunk[drawn_grey], expected[drawn_grey])[0, 1] > 0.995
    head = expected > 40
    assert np.mean(shrunk[head & drawn_grey] > 10) > 0.995


@needs_drawing
def test_outline_and_map_lie_on_the_tumour(scene: Any, brain: Any, tmp_path: Path) -> None:
    volume, segmentation, cam, image, mask = brain
    drawn = pixels(draw_slice(scene, volume, segmentation, cam, tmp_path / "view.png", (SIZE, SIZE)))
    red, green, blue = np.moveaxis(drawn, 2, 0)
    outline = (green > 200) & (red < 80) & (blue < 140)
    hill = sitk.SmoothingRecursiveGaussian(sitk.Cast(mask, sitk.sitkFloat32), 5.0)
    k = int(np.unravel_index(sitk.GetArrayViewFromImage(hill).argmax(), hill.GetSize()[::-1])[0])
    rows = box(sitk.GetArrayViewFromImage(mask)[k] > 0)
    expected = np.array([2 * rows[0], 2 * rows[1] + 1, 2 * rows[2], 2 * rows[3] + 1])
    assert np.abs(np.array(box(outline)) - expected).max() <= 4
    warm = (red > green + 30) & (red > blue + 30)
    tumour, legend = warm.copy(), warm.copy()
    tumour[:, int(0.9 * SIZE) :] = False
    legend[: SIZE // 2] = False
    legend[:, : int(0.9 * SIZE)] = False
    assert tumour.sum() > 1000
    assert np.abs(np.array(box(tumour)) - expected).max() <= 30
    assert legend.sum() > 200  # the colour bar in the lower right corner


@needs_drawing
def test_opacity_is_the_one_asked_for(scene: Any, brain: Any, tmp_path: Path) -> None:
    volume, segmentation, cam, _image, _mask = brain
    cam.GetDisplayNode().SetOpacity(0.0)
    without = pixels(draw_slice(scene, volume, segmentation, cam, tmp_path / "a.png", (SIZE, SIZE)))
    cam.GetDisplayNode().SetOpacity(0.5)
    half = pixels(draw_slice(scene, volume, segmentation, cam, tmp_path / "b.png", (SIZE, SIZE)))
    cam.GetDisplayNode().SetOpacity(1.0)
    full = pixels(draw_slice(scene, volume, segmentation, cam, tmp_path / "c.png", (SIZE, SIZE)))
    assert np.abs(half - (without + full) / 2).max() <= 2


@needs_drawing
@pytest.mark.parametrize("axes", STORED.values(), ids=STORED.keys())
@pytest.mark.parametrize("degrees", [0.0, 12.0])
def test_patient_right_front_is_drawn_left_top(scene: Any, tmp_path: Path, axes: np.ndarray, degrees: float) -> None:
    """However the image is stored."""
    rotation = Rotation.from_euler("xyz", [degrees, -degrees, degrees], degrees=True).as_matrix()
    image = sitk.Image(40, 40, 10, sitk.sitkInt16) + 100
    image.SetSpacing((2.0, 2.0, 6.0))
    image.SetDirection((rotation @ axes).ravel().tolist())
    centre = np.array(image.TransformContinuousIndexToPhysicalPoint([19.5, 19.5, 4.5]))
    points = [image.TransformIndexToPhysicalPoint((i, j, k)) for k in range(10) for j in range(40) for i in range(40)]
    inside = (np.array(points) - centre) @ rotation
    array = np.where((inside[:, 0] < -15) & (inside[:, 1] < -15), 900, 100).reshape(10, 40, 40)
    marked = sitk.GetImageFromArray(array.astype(np.int16))
    marked.CopyInformation(image)
    volume = add_volume(scene, marked, "marked")
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevelMinMax(0, 1000)
    drawn = pixels(draw_slice(scene, volume, None, None, tmp_path / "view.png", (400, 400)))[..., 0]
    bright = drawn > 150
    rows, columns = np.nonzero(bright)
    assert 0.04 < bright.mean() < 0.16
    assert rows.max() < 200
    assert columns.max() < 200


@needs_drawing
def test_scene_is_left_as_it_was(scene: Any, brain: Any, tmp_path: Path) -> None:
    import slicer

    volume, segmentation, cam, _image, mask = brain
    other = add_segmentation(scene, orient(mask, "LPS"), volume, "other outline")
    segmentation.GetDisplayNode().SetVisibility2DFill(True)
    before = [scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())]
    logics = slicer.app.applicationLogic().GetSliceLogics().GetNumberOfItems()
    for _ in range(2):
        draw_slice(scene, volume, segmentation, cam, tmp_path / "view.png", (200, 200))
    assert [scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())] == before
    assert slicer.app.applicationLogic().GetSliceLogics().GetNumberOfItems() == logics
    assert segmentation.GetDisplayNode().GetVisibility2DFill()
    assert segmentation.GetDisplayNode().GetSliceIntersectionThickness() == 1
    assert other.GetDisplayNode().GetVisibility()


@needs_drawing
def test_other_segmentations_are_left_out(scene: Any, brain: Any, tmp_path: Path) -> None:
    volume, segmentation, _cam, _image, mask = brain
    alone = pixels(draw_slice(scene, volume, segmentation, None, tmp_path / "a.png", (200, 200)))
    grown = sitk.BinaryDilate(mask, [12, 12, 0])
    add_segmentation(scene, grown, volume, "other outline")
    np.testing.assert_array_equal(
        alone, pixels(draw_slice(scene, volume, segmentation, None, tmp_path / "b.png", (200, 200)))
    )


@needs_drawing
def test_no_drawing_is_a_sentence(scene: Any, brain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume, segmentation, cam, _image, _mask = brain
    monkeypatch.setattr(view, "mesa_is_installed", lambda: False)
    before = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="libosmesa6"):
        draw_slice(scene, volume, segmentation, cam, tmp_path / "view.png")
    assert scene.GetNumberOfNodes() == before
    assert not (tmp_path / "view.png").exists()
