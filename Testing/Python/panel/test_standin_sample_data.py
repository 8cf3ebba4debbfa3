"""The sample images are offered in Slicer's Sample Data module once Slicer has started."""

import hashlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def sources(standin: Any, repository: Path) -> Any:
    """The sources by name, registered as Slicer does it: a module is loaded, then Slicer says that it has started."""
    import slicer

    slicer.modules.sampleDataSources.clear()
    standin.load(repository / "TumorClassifier" / "TumorClassifier.py")
    assert slicer.modules.sampleDataSources == {}
    slicer.app.startupCompleted.emit()
    return {source.sampleName: source for source in slicer.modules.sampleDataSources["TumorClassifier"]}


def test_the_drawn_head_is_made_on_the_spot(sources: Any, standin: Any) -> None:
    import SampleData

    from TumorClassifierLib.scene.case_nodes import tumour_segment

    volume, segmentation = SampleData.SampleDataLogic().downloadSample("Drawn head")
    assert volume.GetImageData().GetDimensions() == (256, 256, 32)
    assert tumour_segment(segmentation) == segmentation.GetSegmentation().GetNthSegmentID(0)
    again, _outline = SampleData.SampleDataLogic().downloadSample("Drawn head")
    assert again.GetName() != volume.GetName()
    assert Path(sources["Drawn head"].thumbnailFileName).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["brain1", "brain2"])
def test_checksums_are_those_of_the_public_files(name: str, sources: Any, data_dir: Path) -> None:
    source = sources[name]
    for file, checksum, address in zip(source.fileNames, source.checksums, source.uris, strict=True):
        content = (data_dir / "pyradiomics_cases" / file).read_bytes()
        assert checksum == f"SHA256:{hashlib.sha256(content).hexdigest()}"
        assert address.startswith("https://") and address.endswith(f"/data/{file}")


def test_slicer_5_10_has_no_titles_of_categories(sources: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import SampleData
    import slicer

    from TumorClassifierLib.panel.sample_data import register

    monkeypatch.delattr(SampleData.SampleDataLogic, "registerCustomSampleDataCategory")
    slicer.modules.sampleDataSources.clear()
    register()
    assert len(slicer.modules.sampleDataSources["TumorClassifier"]) == 3
    monkeypatch.setitem(__import__("sys").modules, "SampleData", None)
    register()
