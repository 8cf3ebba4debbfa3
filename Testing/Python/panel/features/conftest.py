"""A small drawn head in the scene, and the FeatureExtractor panel that measures it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

LONGEST_RUN = 120.0  # seconds that a worker may take on a busy computer


@pytest.fixture(scope="session")
def small_head() -> tuple[Any, Any]:
    """Image and mask of the phantom's tumour with a margin: quick to measure."""
    import SimpleITK as sitk

    from FeatureExtractorLib.phantom import head_phantom

    image, mask = head_phantom()
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    box = shape.GetBoundingBox(1)
    start = [max(0, low - 6) for low in box[:3]]
    size = [min(n - low, extent + 12) for n, low, extent in zip(image.GetSize(), start, box[3:], strict=True)]
    return sitk.RegionOfInterest(image, size, start), sitk.RegionOfInterest(mask, size, start)


@pytest.fixture
def head(standin: Any, no_problems: Any, small_head: tuple[Any, Any]) -> Any:
    """The phantom in the scene: `volume`, `segmentation` with the segments whole and core, and their `ids`."""
    import SimpleITK as sitk

    from TumorClassifierLib.scene.volumes import add_segment, add_segmentation, add_volume

    image, mask = small_head
    volume = add_volume(standin.scene, image, "Head")
    segmentation = add_segmentation(standin.scene, mask, volume, "Reader A", "whole")
    add_segment(segmentation, sitk.BinaryErode(mask, [2, 2, 0]), "core", (0.9, 0.4, 0.1))
    ids = list(segmentation.GetSegmentation().GetSegmentIDs())
    return SimpleNamespace(volume=volume, segmentation=segmentation, ids=ids, image=image, mask=mask)


@pytest.fixture
def panel(module: Callable[[str], Any]) -> Any:
    """The open panel."""
    return module("FeatureExtractor").panel


@pytest.fixture
def measure(standin: Any) -> Callable[[Any], None]:
    """Presses the button of a panel and waits until the results are in the scene."""

    def run(panel: Any) -> None:
        assert panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip
        panel.ui.applyButton.click()
        standin.wait(lambda: not panel.run.button.busy, LONGEST_RUN)

    return run


@pytest.fixture
def manifest(tmp_path: Path, small_head: tuple[Any, Any]) -> Iterator[Callable[..., Path]]:
    """Writes a manifest of some copies of the phantom; `bad` has an empty mask, and some have a second reader."""
    import SimpleITK as sitk

    image, mask = small_head
    for name, written in (("image", image), ("mask", mask), ("empty", mask * 0)):
        sitk.WriteImage(written, str(tmp_path / f"{name}.nrrd"))
    sitk.WriteImage(sitk.BinaryErode(mask, [1, 1, 0]), str(tmp_path / "second.nrrd"))
    for i in range(8):
        sitk.WriteImage(sitk.ShiftScale(image, 0.0, 1.0 + i / 10), str(tmp_path / f"image{i}.nrrd"))

    def write(cases: int, bad: bool = False, second: bool = False) -> Path:
        lines = ["case_id,image_T1C,mask,mask_second_reader"]
        lines += [f"case{i},image{i}.nrrd,mask.nrrd,{'second.nrrd' if second else ''}" for i in range(cases)]
        if bad:
            lines.insert(2, "bad,image.nrrd,empty.nrrd,")
        path = tmp_path / "manifest.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    yield write
