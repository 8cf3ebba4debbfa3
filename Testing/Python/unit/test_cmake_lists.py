"""Slicer packages only the files that CMakeLists.txt names: a file that is not listed is silently left out."""

import json
import re
import runpy
from pathlib import Path

import pytest

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "Tools" / "update_cmake_lists.py"))
REMEDY = "run Testing/Tools/update_cmake_lists.py"


@pytest.mark.parametrize("module", TOOL["MODULES"])
def test_lists_and_tree_are_the_same(repository: Path, module: str) -> None:
    listed, tree = TOOL["listed_files"](repository)[module], TOOL["tree_files"](repository)[module]
    for kind in ("scripts", "resources"):
        named, present = getattr(listed, kind), getattr(tree, kind)
        assert len(named) == len(set(named)), f"{module} lists a file twice; {REMEDY}"
        assert set(named) - set(present) == set(), f"{module} lists {kind} that do not exist; {REMEDY}"
        assert set(present) - set(named) == set(), f"{module} does not list {kind} that exist; {REMEDY}"


@pytest.mark.parametrize("module", TOOL["MODULES"])
def test_only_the_module_lies_beside_the_package(repository: Path, module: str) -> None:
    """Slicer takes any other Python file there for a module of its own."""
    assert [path.name for path in (repository / module).glob("*.py")] == [f"{module}.py"]


def test_the_tool_adds_and_removes(tmp_path: Path) -> None:
    for module in TOOL["MODULES"]:
        (tmp_path / module / f"{module}Lib" / "part" / "__pycache__").mkdir(parents=True)
        (tmp_path / module / "Resources").mkdir()
        for name in (f"{module}.py", f"{module}Lib/part/new.py", f"{module}Lib/part/__pycache__/new.pyc"):
            (tmp_path / module / name).touch()
        (tmp_path / module / "Resources" / "shared.txt").write_text("same")
        text = "set(MODULE_PYTHON_SCRIPTS\n  gone.py\n  )\nset(MODULE_PYTHON_RESOURCES)\nother(KEPT)\n"
        (tmp_path / module / "CMakeLists.txt").write_text(text)
    first, second = TOOL["MODULES"]
    tree = TOOL["tree_files"](tmp_path)
    assert tree[first].scripts == (f"{first}.py", f"{first}Lib/part/new.py")
    assert tree[first].resources == ("Resources/shared.txt",)
    assert tree[second].resources == ()
    for module in TOOL["MODULES"]:
        path = tmp_path / module / "CMakeLists.txt"
        path.write_text(TOOL["with_lists"](path.read_text(), tree[module]))
        assert path.read_text().endswith("other(KEPT)\n")
    assert TOOL["listed_files"](tmp_path) == tree


def test_two_different_resources_of_one_installed_path_are_refused(tmp_path: Path) -> None:
    for module in TOOL["MODULES"]:
        (tmp_path / module / "Resources").mkdir(parents=True)
        (tmp_path / module / "Resources" / "list.txt").write_text(module)
    with pytest.raises(ValueError, match="list.txt differ but install to one path"):
        TOOL["tree_files"](tmp_path)


def _literal(text: str, variable: str) -> str:
    """The one quoted string of a `set`, found the way the Extension Index finds it."""
    return re.findall(rf'set\s*\({variable}\s*"([^"]+)"[ ]*\)', text)[0]


def test_extension_index_entry_agrees_with_cmake(repository: Path) -> None:
    text = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    raw = (repository / "TumorClassifier.json").read_bytes()
    entry = json.loads(raw)
    assert b"\r" not in raw
    assert re.findall(r"project\s*\(\s*([^\s)]+)", text)[0] == "TumorClassifier"
    assert _literal(text, "EXTENSION_DEPENDS").split() == entry["build_dependencies"]
    assert entry["scm_url"] == _literal(text, "EXTENSION_HOMEPAGE") + ".git"


@pytest.mark.parametrize("name", ["HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"])
def test_what_the_index_reads_is_one_literal_string(repository: Path, name: str) -> None:
    text = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    assert len(re.findall(rf"set\s*\(\s*EXTENSION_{name}\b", text)) == 1
    value = _literal(text, f"EXTENSION_{name}")
    assert value.strip() == value and "${" not in value and ";" not in value.replace("; ", "")
    assert "EXTENSION_CATEGORY" not in text, "the category is in the catalogue's entry"


def test_entry_of_the_catalogue_keeps_to_its_schema(repository: Path) -> None:
    """Keys and values of catalog-entry-schema v1.0.1; anything else is refused there."""
    entry = json.loads((repository / "TumorClassifier.json").read_text(encoding="utf-8"))
    optional = {"build_dependencies", "build_subdirectory", "scm_revision", "tier", "enabled"}
    assert {"$schema", "category", "scm_url"} <= set(entry) <= {"$schema", "category", "scm_url"} | optional
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert entry["category"] == "Quantification" and entry["tier"] in (1, 3, 5)
    assert entry["scm_url"].startswith("https://") and entry["scm_url"].endswith(".git")


def test_slicer_finds_every_part_that_its_template_has(repository: Path) -> None:
    text = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    for line in ("find_package(Slicer REQUIRED)", "include(${Slicer_USE_FILE})", "## NEXT_MODULE"):
        assert line in text
    assert text.index("Slicer_EXTENSION_GENERATE_CONFIG") < text.index("Slicer_EXTENSION_CPACK")
    for module in TOOL["MODULES"]:
        assert f"add_subdirectory({module})" in text
        own = (repository / module / "CMakeLists.txt").read_text(encoding="utf-8")
        assert "WITH_GENERIC_TESTS" in own and "slicer_add_python_unittest(SCRIPT ${MODULE_NAME}.py)" in own


@pytest.mark.parametrize("variable", ["EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"])
def test_pictures_that_the_index_downloads_exist(repository: Path, variable: str) -> None:
    text = (repository / "CMakeLists.txt").read_text(encoding="utf-8")
    project = _literal(text, "EXTENSION_HOMEPAGE").removeprefix("https://github.com/")
    for url in _literal(text, variable).split():
        path = url.removeprefix(f"https://raw.githubusercontent.com/{project}/main/")
        assert (repository / path).read_bytes().startswith(b"\x89PNG"), f"{variable} names {path}"
