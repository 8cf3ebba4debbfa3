"""One user's case: a scene with its images, the outline and the result."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk
import slicer
from trame_slicer.core import SlicerApp

from FeatureExtractorLib.errors import GeometryError, InputError
from FeatureExtractorLib.reading import read_image, read_mask

from ..scene.case_nodes import tumour_segment
from ..scene.overlay import show_in_slices
from ..scene.volumes import add_segment, add_segmentation, add_volume, image_of, segment_mask
from .seeds import grow_from_seeds

TUMOUR, INSIDE, OUTSIDE = "Tumour", "Inside strokes", "Outside strokes"
STROKE_COLOURS = {INSIDE: (1.0, 0.55, 0.0), OUTSIDE: (0.2, 0.55, 1.0), TUMOUR: (0.1, 1.0, 0.35)}


@dataclass
class CaseImage:
    """An image of the case. key: in the page; label: what the user calls it, which the scene does not know."""

    key: str
    node: Any
    modality: str
    label: str
    corrected: bool = False


class CaseScene:
    """The scene of this process and what the user has put into it. Nothing of it knows the page."""

    def __init__(self, folder: Path) -> None:
        """folder: of this session; files are made below it."""
        self.folder = folder
        self.app = SlicerApp()
        self.scene = self.app.scene
        self.scene.SetRootDirectory(str(folder))
        self.app.app_logic.SetTemporaryPath(str(folder))
        self.scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
        self.images: list[CaseImage] = []
        self.segmentation: Any | None = None
        self._made = 0

    @property
    def editor(self) -> Any:
        """The segment editor of the views."""
        return self.app.segmentation_editor

    @property
    def volume(self) -> Any | None:
        """The image that is outlined and shown: the first."""
        return self.images[0].node if self.images else None

    def add_image(self, image: sitk.Image, modality: str, label: str) -> CaseImage:
        """Put an image into the scene; the first is shown and has an empty segmentation."""
        self._made += 1
        node = add_volume(self.scene, image, f"Image {self._made}")
        added = CaseImage(f"image{self._made}", node, modality, label)
        self.images.append(added)
        if len(self.images) == 1:
            self._begin_outline()
            self.show(node)
        return added

    def remove_image(self, key: str) -> None:
        """Take an image out of the case; without the first one the whole case is empty."""
        image = self.image(key)
        if image is self.images[0]:
            self.clear()
            return
        self.images.remove(image)
        _remove(self.scene, image.node)

    def image(self, key: str) -> CaseImage:
        """The image of that key; raises InputError where there is none."""
        for image in self.images:
            if image.key == key:
                return image
        raise InputError("That image is no longer part of the case; choose another.")

    def clear(self) -> None:
        """Empty the case: images, outline and results."""
        self.editor.deactivate_effect()
        # The segment editor's observers keep its nodes alive, so what they hold is let go of here.
        active = self.editor.active_segmentation
        if active is not None:
            active.segmentation_node.RemoveObserver(active._node_obs)
        if self.segmentation is not None:
            self.segmentation.GetSegmentation().RemoveAllSegments()
        for image in self.images:
            image.node.SetAndObserveImageData(None)
        self.images, self.segmentation = [], None
        self.scene.Clear(0)
        gc.collect()
        _give_back_memory()

    def show(self, node: Any) -> None:
        """Show an image alone in the slice views, along its own planes."""
        show_in_slices(self.scene, node, None)
        for view in self.app.view_manager.get_slice_views():
            view.get_view_node().RotateToVolumePlane(node)
        self.app.display_manager.reset_views()

    def correct(self, key: str, image: sitk.Image) -> None:
        """Give an image its bias-corrected voxels, on the same grid."""
        old = self.image(key)
        fresh = add_volume(self.scene, image, old.node.GetName())
        old.node.SetAndObserveImageData(fresh.GetImageData())
        _remove(self.scene, fresh)
        display = old.node.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.AutoWindowLevelOn()
        old.corrected = True

    # outline

    def open_outline(self, file: Path) -> None:
        """Take the tumour from a file on the first image's grid; raises InputError and GeometryError as reading."""
        assert self.volume is not None
        image = image_of(self.volume)
        mask = read_mask(file, reference=image)
        if mask.GetSize() != image.GetSize():
            raise GeometryError(
                f"The segmentation has {_by(mask.GetSize())} voxels and the image {_by(image.GetSize())}; choose the "
                "segmentation that was drawn on this image."
            )
        self.set_segment(TUMOUR, mask)

    def set_segment(self, name: str, mask: sitk.Image) -> None:
        """Replace or make the segment of that name; one step for Undo where it was there."""
        segment_id = self.segment_named(name)
        if not segment_id:
            add_segment(self.segmentation, mask, name, STROKE_COLOURS.get(name, STROKE_COLOURS[TUMOUR]))
            segment_id = self.segment_named(name)
        else:
            modifier = self.editor.active_segment_modifier
            labelmap = modifier.create_modifier_labelmap()
            self._fill(labelmap, mask)
            modifier.set_segment_labelmap(segment_id, labelmap)
        self.editor.set_active_segment_id(segment_id)

    def stroke_segment(self, name: str) -> str:
        """The id of the segment for strokes, made where there is none."""
        return self.segment_named(name) or self.editor.add_empty_segment(
            segment_name=name, segment_color=list(STROKE_COLOURS[name])
        )

    def show_strokes(self, shown: bool) -> None:
        """Show or hide the strokes in slices; in 3D they would hide the tumour."""
        display = self.segmentation.GetDisplayNode() if self.segmentation is not None else None
        for name in (INSIDE, OUTSIDE):
            if display is not None and (segment_id := self.segment_named(name)):
                display.SetSegmentVisibility(segment_id, shown)
                display.SetSegmentVisibility3D(segment_id, False)

    def grow(self) -> sitk.Image:
        """Make the tumour from the strokes; raises InputError where one kind is missing. Returns its mask."""
        if self.volume is None:
            raise InputError("There is no image yet; open one first.")
        strokes = [self._mask_of(name) for name in (INSIDE, OUTSIDE)]
        mask = grow_from_seeds(image_of(self.volume), *strokes)
        self.set_segment(TUMOUR, mask)
        return mask

    def segment_named(self, name: str) -> str:
        """The id of the first segment of that name; empty where there is none."""
        if self.segmentation is None:
            return ""
        segmentation = self.segmentation.GetSegmentation()
        return next((i for i in segmentation.GetSegmentIDs() if segmentation.GetSegment(i).GetName() == name), "")

    def tumour_id(self) -> str:
        """The segment that is most likely the tumour; empty where there is none."""
        return tumour_segment(self.segmentation)

    def volume_ml(self, segment_id: str) -> float:
        """What a segment encloses; 0 where it is empty."""
        with suppress(InputError, GeometryError):
            mask = segment_mask(self.segmentation, segment_id, self.volume)
            voxel = mask.GetSpacing()[0] * mask.GetSpacing()[1] * mask.GetSpacing()[2]
            return float(sitk.GetArrayViewFromImage(mask).sum(dtype=int)) * voxel / 1000.0
        return 0.0

    def _begin_outline(self) -> None:
        self.segmentation = self.editor.create_empty_segmentation_node()
        self.segmentation.SetName("Segmentation")
        self.editor.set_active_segmentation(self.segmentation, self.volume)

    def _mask_of(self, name: str) -> sitk.Image:
        segment_id = self.segment_named(name)
        if segment_id:
            with suppress(InputError):
                return segment_mask(self.segmentation, segment_id, self.volume)
        image = image_of(self.volume)
        empty = sitk.Image(image.GetSize(), sitk.sitkUInt8)
        empty.CopyInformation(image)
        return empty

    def _fill(self, labelmap: Any, mask: sitk.Image) -> None:
        """Put a mask on the image's grid into a labelmap of the segment editor, wherever its extent begins."""
        node = add_segmentation(self.scene, mask, self.volume, "unfinished")
        try:
            made = slicer.vtkOrientedImageData()
            node.GetBinaryLabelmapRepresentation(node.GetSegmentation().GetNthSegmentID(0), made)
            resample = slicer.vtkOrientedImageDataResample
            labelmap.GetPointData().GetScalars().Fill(0)
            resample.ModifyImage(labelmap, made, resample.OPERATION_MAXIMUM)
        finally:
            _remove(self.scene, node)


def read_upload(file: Path) -> sitk.Image:
    """An uploaded image; what is wrong with it is said without its place on the server."""
    with sentences_without(file):
        return read_image(file)


@contextmanager
def sentences_without(file: Path) -> Iterator[None]:
    """Leave the server's own paths out of what is told to a user."""
    try:
        yield
    except (InputError, GeometryError) as error:
        text = str(error).replace(str(file), "The file").replace(str(file.parent), "the upload")
        raise type(error)(text) from error


def _give_back_memory() -> None:
    """Return freed memory to the system, where the C library keeps it otherwise."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _remove(scene: Any, node: Any) -> None:
    """Remove a node with its display and storage nodes."""
    for i in reversed(range(node.GetNumberOfDisplayNodes())):
        scene.RemoveNode(node.GetNthDisplayNode(i))
    scene.RemoveNode(node)


def _by(size: tuple[int, ...]) -> str:
    return " × ".join(map(str, size))


def size_text(node: Any) -> str:
    """Voxels and their size, in words."""
    size, spacing = node.GetImageData().GetDimensions(), node.GetSpacing()
    return f"{' × '.join(map(str, size))} voxels of {' × '.join(f'{s:.2g}' for s in spacing)} mm"
