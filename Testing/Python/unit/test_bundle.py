"""Model files: equal content gives equal files, and whatever is not exactly a model file is refused."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from FeatureExtractorLib.errors import BundleRejected
from FeatureExtractorLib.files import sha256_of_bytes
from TumorClassifierLib.bundle import MANIFEST, Bundle, read_bundle, write_bundle

REQUIRED = {
    "recipe": "dtlr-nomogram",
    "name": "made",
    "version": "1",
    "classes": ["a", "b"],
    "modalities": ["T1C"],
    "settings": {"seed": 0},
}


def made_bundle(**changes: object) -> Bundle:
    return Bundle(
        manifest={**REQUIRED, **changes},
        documents={"model": {"coefficients": [0.1, -2.5e-17, 3.0], "names": ["é", "b"]}},
        weights={"network": save({"kernel": np.arange(240, dtype=np.float16).reshape(8, 30)})},
        card="# made\n",
    )


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "made.tcmodel"
    write_bundle(made_bundle(), path)
    return path


def rezip(
    members: list[tuple[zipfile.ZipInfo | str, bytes]], path: Path, compression: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for entry, raw in members:
            archive.writestr(entry, raw)
    return path


def members_of(path: Path) -> list[tuple[zipfile.ZipInfo | str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        return [(entry, archive.read(entry)) for entry in archive.infolist()]


def test_round_trip_keeps_every_value(good: Path) -> None:
    bundle = read_bundle(good)
    assert dict(bundle.documents) == made_bundle().documents
    assert dict(bundle.weights) == made_bundle().weights
    assert {name: bundle.manifest[name] for name in REQUIRED} == REQUIRED
    assert bundle.card == "# made\n"


def test_equal_content_is_an_equal_file(good: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tcmodel"
    digest = write_bundle(read_bundle(good), again)
    assert again.read_bytes() == good.read_bytes()
    assert digest == made_bundle().sha256


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_changed_byte_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("changed")
    path = folder / "made.tcmodel"
    write_bundle(made_bundle(), path)
    raw = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    with pytest.raises(BundleRejected):
        read_bundle(path)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1, exclude_max=True))
def test_any_truncation_is_refused(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    path = tmp_path_factory.mktemp("cut") / "made.tcmodel"
    write_bundle(made_bundle(), path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(BundleRejected):
        read_bundle(path)


@pytest.mark.parametrize(
    "name", ["../evil.json", "/etc/evil.json", "a/b.json", "evil.py", "..json", "C:\\evil.json", "evil\u202e.json", ""]
)
def test_a_member_with_a_path_is_refused(good: Path, tmp_path: Path, name: str) -> None:
    path = rezip([*members_of(good), (zipfile.ZipInfo(name), b"{}")], tmp_path / "evil.tcmodel")
    with pytest.raises(BundleRejected, match="refused because"):
        read_bundle(path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["evil.tcmodel", "made.tcmodel"]


def test_unlisted_duplicate_compressed_and_linked_members_are_refused(good: Path, tmp_path: Path) -> None:
    members = members_of(good)
    link = zipfile.ZipInfo("link.json")
    link.external_attr = 0o120777 << 16
    bomb = tmp_path / "bomb.tcmodel"
    hostile = {
        "unlisted": rezip([*members, ("extra.json", b"{}")], tmp_path / "unlisted.tcmodel"),
        "link": rezip([*members, (link, b"/etc/passwd")], tmp_path / "link.tcmodel"),
        "missing": rezip(members[:-1], tmp_path / "missing.tcmodel"),
        "bomb": rezip([("manifest.json", b"0" * 10_000_000)], bomb, zipfile.ZIP_DEFLATED),
        "many": rezip([(f"m{i}.json", b"{}") for i in range(200)], tmp_path / "many.tcmodel"),
    }
    with pytest.warns(UserWarning, match="Duplicate name"):
        hostile["duplicate"] = rezip([*members, members[0]], tmp_path / "duplicate.tcmodel")
    for path in hostile.values():
        with pytest.raises(BundleRejected):
            read_bundle(path)


def with_manifest(good: Path, path: Path, change: dict[str, object]) -> Path:
    members = {entry.filename: raw for entry, raw in members_of(good)}  # type: ignore[union-attr]
    manifest = {**json.loads(members.pop(MANIFEST)), **change}
    return rezip([(MANIFEST, json.dumps(manifest).encode()), *members.items()], path)


def test_other_formats_are_told_apart(good: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleRejected, match="update TumorClassifier"):
        read_bundle(with_manifest(good, tmp_path / "newer.tcmodel", {"schema": 2}))
    with pytest.raises(BundleRejected, match="format 'x' is unknown"):
        read_bundle(with_manifest(good, tmp_path / "other.tcmodel", {"schema": "x"}))
    with pytest.raises(BundleRejected, match="its name"):
        read_bundle(with_manifest(good, tmp_path / "named.tcmodel", {"name": "../../x"}))


def test_what_is_no_zip_and_what_is_not_there(tmp_path: Path) -> None:
    text = tmp_path / "text.tcmodel"
    text.write_text("hello")
    with pytest.raises(BundleRejected, match="damaged"):
        read_bundle(text)
    with pytest.raises(BundleRejected, match="does not exist"):
        read_bundle(tmp_path / "nothing.tcmodel")


def with_document(good: Path, path: Path, raw: bytes) -> Path:
    """A model file whose document is other JSON, with the right SHA-256."""
    members = {entry.filename: raw for entry, raw in members_of(good)}  # type: ignore[union-attr]
    members["model.json"] = raw
    manifest = json.loads(members[MANIFEST])
    manifest["members"]["model.json"] = sha256_of_bytes(raw)
    members[MANIFEST] = json.dumps(manifest).encode()
    return rezip(list(members.items()), path)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b'{"coefficients": [NaN]}', "NaN is not a number"),
        (b'{"coefficients": [1e999]}', "what no model does"),
        (b'{"name": "\\ud800"}', "what no model does"),
        (b"[" * 600 + b"]" * 600, "nested deeper"),
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper"),
        (b"9" * 5000, "an integer of 5000 digits"),
        (b'{"a": 1, "a": 2}', "occurs twice"),
    ],
    ids=["NaN", "infinite", "surrogate", "deep", "deeper", "digits", "twice"],
)
def test_json_that_no_model_has_is_refused(good: Path, tmp_path: Path, document: bytes, reason: str) -> None:
    with pytest.raises(BundleRejected, match=reason):
        read_bundle(with_document(good, tmp_path / "odd.tcmodel", document))


@pytest.mark.parametrize(
    "change", [{"classes": 5}, {"classes": [1, 2]}, {"modalities": "T1C"}, {"settings": []}, {"version": 1}]
)
def test_a_manifest_of_other_kinds_is_refused(good: Path, tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(BundleRejected, match=f"does not say its {next(iter(change))}"):
        read_bundle(with_manifest(good, tmp_path / "odd.tcmodel", change))


def test_members_that_claim_more_than_the_file_has_are_refused(good: Path, tmp_path: Path) -> None:
    raw = bytearray(good.read_bytes())
    entry = raw.rindex(b"network.safetensors") - 46  # the central directory's record, its name 46 bytes in
    assert raw[entry : entry + 4] == b"PK\x01\x02"
    for size_at in (20, 24):
        raw[entry + size_at : entry + size_at + 4] = (1 << 29).to_bytes(4, "little")
    path = tmp_path / "overlapping.tcmodel"
    path.write_bytes(raw)
    with pytest.raises(BundleRejected, match="claim more bytes"):
        read_bundle(path)
