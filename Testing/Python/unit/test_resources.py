"""Resources are found in a checkout, in Slicer and in an installed wheel."""

from pathlib import Path

import pytest

from FeatureExtractorLib.resources import resource_path


@pytest.mark.parametrize("place", ["Resources", "ALib/Resources"])
@pytest.mark.parametrize("caller", ["ALib/module.py", "ALib/part/deeper/module.py"])
def test_beside_the_package_or_inside_it(tmp_path: Path, place: str, caller: str) -> None:
    wanted = tmp_path / place / "Presets" / "one.yaml"
    wanted.parent.mkdir(parents=True)
    wanted.touch()
    assert resource_path("Presets/one.yaml", str(tmp_path / caller)) == wanted


def test_a_missing_resource_has_a_path_all_the_same(tmp_path: Path) -> None:
    path = resource_path("Models", str(tmp_path / "ALib" / "module.py"))
    assert path == tmp_path / "ALib" / "Resources" / "Models"
    assert not path.exists()


def test_a_file_outside_any_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no package whose name ends in Lib"):
        resource_path("Models", str(tmp_path / "module.py"))
