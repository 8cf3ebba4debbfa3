"""Files made to do harm are refused in one sentence, before anything is written, run or believed."""

import io
import json
import os
import pickle
import runpy
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from FeatureExtractorLib.errors import BundleRejected
from TumorClassifierLib.bundle import read_bundle

FORGERY = runpy.run_path(str(Path(__file__).with_name("forgery.py")))
Member, End, zip_of, members = (FORGERY[name] for name in ("Member", "End", "zip_of", "members"))
safetensors, json_bytes, PARTS, NETWORK = (FORGERY[n] for n in ("safetensors", "json_bytes", "PARTS", "NETWORK"))
Run = Callable[..., tuple[int, str, str]]

GOOD = zip_of(members())
TABLE = GOOD.index(b"PK\x01\x02")
END_AT = GOOD.rindex(b"PK\x05\x06")
OTHER_BYTES = "its bytes are not those that its content is written as"
BAD_NAME = "has a name that no model has"


class Harm:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo harmed > harmed",)


def changed(place: int) -> bytes:
    return GOOD[:place] + bytes([GOOD[place] ^ 1]) + GOOD[place + 1 :]


def with_member(**lies: Any) -> bytes:
    """A right model with one more member, which lies; the manifest does not list it."""
    return zip_of([*members(), Member(**{"name": b"extra.json", "data": b"{}\n", **lies})])


def lying(index: int, **lies: Any) -> bytes:
    """A right model, one of whose own members lies in its zip fields."""
    parts = members()
    for name, value in lies.items():
        setattr(parts[index], name, value)
    return zip_of(parts)


def ended(**lies: Any) -> bytes:
    return zip_of(members(), End(**lies))


def document(raw: bytes) -> bytes:
    """A model, one of whose documents is other bytes, rightly listed."""
    return zip_of(members(model_json=raw))


def manifest(**entries: Any) -> bytes:
    return zip_of(members(entries))


def weights(raw: bytes) -> bytes:
    return zip_of(members(network_safetensors=raw))


def tensor(data: bytes = bytes(8), **entry: Any) -> bytes:
    """A model of one tensor, two by two of float16 unless `entry` says otherwise."""
    entry = {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8], **entry}
    return weights(safetensors({"kernel": entry}, data))


def two_tensors(first: list[int], second: list[int], size: int = 16) -> bytes:
    pair = {n: {"dtype": "F16", "shape": [4], "data_offsets": at} for n, at in (("a", first), ("b", second))}
    return weights(safetensors(pair, bytes(size)))


def without(*names: str) -> bytes:
    return zip_of([m for m in members() if m.name.decode() not in names])


def unsorted_members() -> bytes:
    parts = members()
    return zip_of([parts[0], parts[2], parts[1], *parts[3:]])


def swapped_contents() -> bytes:
    parts = members()
    parts[1].data, parts[2].data = parts[2].data, parts[1].data
    return zip_of(parts)


def quoted_overlap() -> bytes:
    """Fifield's better zip bomb: one member's content quotes the whole of the next one."""
    inner = zip_of([Member(b"inner.json", b"{}\n")])
    quoted = inner[: inner.index(b"PK\x01\x02")]
    first = sum(30 + len(m.name) + len(m.data) for m in members()) + 30 + len(b"outer.json")
    return zip_of([*members(), Member(b"outer.json", quoted), Member(b"inner.json", b"", size=3, offset=first, crc=0)])


def zip64() -> bytes:
    """Sizes of 2³² - 1 whose truth is said to be in an extra field, as zip64 has it."""
    lie = struct.pack("<2H2Q", 1, 16, 3, 1 << 60)
    return with_member(size=0xFFFFFFFF, extra=lie, local_extra=lie)


def zip64_end() -> bytes:
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 1 << 50, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, END_AT, 1)
    return ended(before=record + locator, count=0xFFFF, table_start=0xFFFFFFFF, table_bytes=0xFFFFFFFF)


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no model file"),
    "text": (b"hello\n", "no model file"),
    "half": (GOOD[: len(GOOD) // 2], "cut short"),
    "one-byte-short": (GOOD[:-1], "cut short"),
    "one-byte-long": (GOOD + b"\0", "something follows"),
    "two-archives": (GOOD + GOOD, "not at its end"),
    "program-in-front": (zip_of(members(), lead=b"MZ" + bytes(510)), "does not begin where"),
    "bytes-in-front": (b"#!/bin/sh\n" + GOOD, "not at its end"),
    "comment": (ended(comment=b"x" * 30), "cut short, or something follows"),
    "comment-that-ends-archives": (ended(comment=GOOD[END_AT:]), "not at its end"),
    "several-disks": (ended(disk=1), "a part of several"),
    "fewer-members-told": (ended(count=3), "between its members"),
    "more-members-told": (ended(count=9), "table of members is damaged"),
    "other-members-here": (ended(here=1), "a part of several"),
    "65535-members-told": (ended(count=65535), "65535 members"),
    "table-far-away": (ended(table_start=0xFFFFFFF0), "not at its end"),
    "table-larger-than-the-file": (ended(table_bytes=0xFFFFFFF0), "not at its end"),
    "table-cut": (ended(table_start=TABLE + 1, table_bytes=END_AT - TABLE - 1), "damaged"),
    "something-before-the-end": (ended(before=b"hidden"), "not at its end"),
    "zip64-sizes": (zip64(), "claim more bytes"),
    "zip64-end": (zip64_end(), "members"),
    "many-members": (
        zip_of([*members(), *(Member(b"m%d.json" % i, b"{}\n") for i in range(60))]),
        "65 members",
    ),
    "encrypted": (with_member(flags=1), "encrypted"),
    "deflated": (with_member(method=8, stored=2, size=1 << 30), "compressed"),
    "deflated-with-equal-sizes": (lying(1, method=8), "compressed"),
    "strange-method": (with_member(method=99), "compressed"),
    "stored-and-real-size-differ": (with_member(stored=1), "compressed"),
    "size-beyond-the-file": (lying(3, size=1 << 29), "does not begin|claim more bytes"),
    "negative-size": (lying(4, size=0xFFFFFFFF), "claim more bytes"),
    "same-place-twice": (with_member(offset=0), "does not begin where"),
    "quoted-overlap": (quoted_overlap(), "does not begin where"),
    "gap": (lying(1, gap=b"hidden"), "does not begin where"),
    "gap-before-the-table": (lying(4, gap=b"hidden"), "between its members"),
    "header-names-another": (lying(1, local_name=b"model.JSON"), OTHER_BYTES),
    "header-name-longer": (lying(1, local_name=b"/etc/evil.json"), "does not begin where"),
    "header-extra-field": (lying(4, local_extra=b"\xca\xfe\0\0"), "between its members"),
    "table-extra-field": (lying(4, extra=b"\xca\xfe\0\0"), OTHER_BYTES),
    "unicode-path-field": (lying(4, extra=struct.pack("<2HBI", 0x7075, 8, 1, 0) + b"/et"), OTHER_BYTES),
    "table-comment": (lying(4, comment=b"hidden"), OTHER_BYTES),
    "wrong-crc": (lying(1, crc=7), OTHER_BYTES),
    "other-date": (lying(1, date=0x5000), OTHER_BYTES),
    "sizes-after-the-data": (lying(1, flags=8), OTHER_BYTES),
    "other-system": (lying(1, system=0), OTHER_BYTES),
    "set-user-id": (lying(1, mode=0o104755), OTHER_BYTES),
    "link": (with_member(data=b"/etc/passwd", mode=0o120777), "a link, a folder or a device"),
    "block-device": (with_member(mode=0o060644), "a link, a folder or a device"),
    "character-device": (with_member(mode=0o020644), "a link, a folder or a device"),
    "pipe": (with_member(mode=0o010644), "a link, a folder or a device"),
    "socket": (with_member(mode=0o140644), "a link, a folder or a device"),
    "folder": (with_member(mode=0o040755), "a link, a folder or a device"),
    "duplicate": (with_member(name=b"model.json"), "two members of one name"),
    "names-that-differ-in-case": (with_member(name=b"Model.json"), "two members of one name"),
    "second-manifest": (with_member(name=b"MANIFEST.json"), "two members of one name"),
    **{
        f"changed-byte-{what}": (changed(place), "refused because|has format")
        for what, place in {
            "in-local-header": 12,
            "in-manifest": GOOD.index(b'"recipe"') + 3,
            "in-document": GOOD.index(b"-2.5e-17"),
            "in-weights-header": GOOD.index(b'"F16"') + 2,
            "in-weights": GOOD.index(b"kernel") + 400,
            "in-card": GOOD.index(b"# made"),
            "in-table": TABLE + 16,
            "in-end": END_AT + 12,
        }.items()
    },
}

NAMES: dict[str, tuple[bytes, str]] = {
    name: (with_member(name=raw), BAD_NAME)
    for name, raw in {
        "name-empty": b"",
        "name-up": b"../evil.json",
        "name-up-inside": b"a/../../evil.json",
        "name-absolute": b"/etc/evil.json",
        "name-home": b"~/evil.json",
        "name-folder": b"a/b.json",
        "name-drive": b"C:\\evil.json",
        "name-drive-without-root": b"C:evil.json",
        "name-backslash": b"..\\evil.json",
        "name-network": b"\\\\server\\share\\evil.json",
        "name-stream": b"evil.json:hidden.json",
        "name-zero": b"evil.py\0.json",
        "name-line-end": b"evil.json\n",
        "name-hidden": b".evil.json",
        "name-option": b"-rf.json",
        "name-space": b"evil .json",
        "name-right-to-left": "evil\u202enosj.json".encode(),
        "name-fullwidth-point": "evil\uff0ejson".encode(),
        "name-fullwidth-up": "\uff0e\uff0e\uff0fevil.json".encode(),
        "name-composed": "mod\u00e8le.json".encode(),
        "name-decomposed": "mode\u0300le.json".encode(),
        "name-no-utf-8": b"\xff\xfe.json",
        "name-overlong": b"\xc0\xae\xc0\xae\xc0\xafevil.json",
        "name-long": b"a" * 70 + b".json",
        "name-program": b"evil.py",
        "name-pickle": b"model.pkl",
        "name-torch": b"network.pt",
        "name-two-suffixes": b"evil.json.exe",
    }.items()
}

MEMBERS: dict[str, tuple[bytes, str]] = {
    "unlisted": (with_member(), "not those that its manifest.json lists"),
    "missing": (without("notes.json"), "not those that its manifest.json lists"),
    "no-manifest": (without("manifest.json"), "has no manifest.json"),
    "no-card": (without("MODEL_CARD.md"), "or no MODEL_CARD.md"),
    "swapped-contents": (swapped_contents(), "does not have the SHA-256"),
    "other-order": (unsorted_members(), OTHER_BYTES),
    "wrong-sha": (manifest(members={**dict.fromkeys(PARTS, "0" * 64)}), "does not have the SHA-256"),
    "sha-of-other-kind": (manifest(members=dict.fromkeys(PARTS)), "does not have the SHA-256"),
    "listing-of-other-kind": (manifest(members=list(PARTS)), "not those that its manifest.json lists"),
    "listing-of-itself": (manifest(members=dict.fromkeys([*PARTS, "manifest.json"], "0")), "not those that"),
    "manifest-pickle": (zip_of([Member(b"manifest.json", pickle.dumps(Harm())), *members()[1:]]), "manifest.json is"),
    "document-pickle": (document(pickle.dumps(Harm())), "model.json is not JSON"),
    "weights-pickle": (weights(pickle.dumps({"state": Harm()})), "weights network are damaged"),
    "document-yaml": (document(b"!!python/object/apply:os.system ['echo x > harmed']\n"), "not JSON"),
    "card-no-utf-8": (zip_of(members(MODEL_CARD_md=b"\xff\xfe")), "not UTF-8"),
}

MANIFESTS: dict[str, tuple[bytes, str]] = {
    "format-newer": (manifest(schema=2), "has format 2, newer than the 1 that is read here; update"),
    "format-text": (manifest(schema="1"), "its format '1' is unknown"),
    "format-true": (manifest(schema=True), "its format True is unknown"),
    "format-fraction": (manifest(schema=1.0), "its format 1.0 is unknown"),
    "format-none": (manifest(schema=None), "its format None is unknown"),
    "format-below": (manifest(schema=-1), "its format -1 is unknown"),
    "format-huge": (manifest(schema=10**30), "an integer of 31 digits"),
    "format-long-text": (manifest(schema="x" * 10_000), "is unknown"),
    "manifest-list": (zip_of([Member(b"manifest.json", b"[]\n"), *members()[1:]]), "not a table"),
    "name-of-a-path": (manifest(name="../../evil"), "other characters"),
    "name-of-a-drive": (manifest(name="C:evil"), "other characters"),
    "name-of-a-device": (manifest(name="Con"), "no file's name"),
    "name-of-a-device-with-suffix": (manifest(name="com1.v2"), "no file's name"),
    "name-with-line-end": (manifest(name="made\n"), "does not say its name"),
    "name-yaml": (manifest(name="!!python/name:os.system"), "other characters"),
    "name-is-a-number": (manifest(name=7), "does not say its name"),
    "name-composed-letters": (manifest(name="mod\u00e8le"), "other characters"),
    "one-class": (manifest(classes=["a"]), "does not say its classes"),
    "class-twice": (manifest(classes=["a", "a"]), "does not say its classes"),
    "class-that-steers-a-terminal": (manifest(classes=["a", "\x1b[2Jb"]), "does not say its classes"),
    "class-right-to-left": (manifest(classes=["a", "b\u202e"]), "does not say its classes"),
    "class-empty": (manifest(classes=["a", ""]), "does not say its classes"),
    "no-modality": (manifest(modalities=[]), "does not say its modalities"),
    "settings-none": (manifest(settings=None), "does not say its settings"),
    "recipe-long": (manifest(recipe="x" * 100_000), "does not say its recipe"),
}

DOCUMENTS: dict[str, tuple[bytes, str]] = {
    name: (document(raw), reason)
    for name, (raw, reason) in {
        "not-a-number": (b'{"a": NaN}', "NaN is not a number"),
        "infinity": (b'{"a": -Infinity}', "-Infinity is not a number"),
        "too-large": (b'{"a": 1e999}', "hold what no model does"),
        "too-negative": (b'{"a": [-1e999]}', "hold what no model does"),
        "half-surrogate": (b'{"a": "\\ud800"}', "hold what no model does"),
        "half-surrogate-name": (b'{"\\udc00": 1}', "hold what no model does"),
        "deep": (b"[" * 40 + b"]" * 40, "nested deeper than 32"),
        "deeper": (b"[" * 900_000 + b"]" * 900_000, "nested deeper than 32"),
        "deep-tables": (b'{"a":' * 500 + b"1" + b"}" * 500, "nested deeper than 32"),
        "deep-and-open": (b"[" * 100_000, "not JSON|nested deeper"),
        "long-integer": (b"[" + b"9" * 21 + b"]", "an integer of 21 digits"),
        "longer-integer": (b"[-" + b"9" * 1_000_000 + b"]", "an integer of"),
        "name-twice": (b'{"a": 1, "a": 2}', "occurs twice"),
        "too-many-values": (b"[" + b"1," * 2_000_000 + b"1]", "more than 2000000 values"),
        "byte-order-mark": (b"\xef\xbb\xbf{}", "not JSON"),
        "utf-16": ('{"a": 1}'.encode("utf-16"), "not JSON"),
        "no-utf-8": (b'{"a": "\xff"}', "not JSON"),
        "surrogate-bytes": (b'{"a": "\xed\xa0\x80"}', "not JSON"),
        "two-values": (b"{}{}", "not JSON"),
        "nothing": (b"", "not JSON"),
        "remark": (b"{} // harmless", "not JSON"),
        "single-quotes": (b"{'a': 1}", "not JSON"),
        "line-end-in-text": (b'{"a": "\n"}', "not JSON"),
        "other-spacing": (b'{"a":1}', OTHER_BYTES),
        "other-order": (b'{\n "b": 1,\n "a": 1\n}\n', OTHER_BYTES),
        "other-digits": (b'{\n "a": 1.00\n}\n', OTHER_BYTES),
    }.items()
}

WEIGHTS: dict[str, tuple[bytes, str]] = {
    "weights-empty": (weights(b""), "header is longer"),
    "weights-short": (weights(b"\1\0"), "header is longer"),
    "weights-header-huge": (weights(struct.pack("<Q", 1 << 63) + b"{}"), "header is longer"),
    "weights-header-beyond": (weights(struct.pack("<Q", 500) + b"{}"), "header is longer"),
    "weights-header-2-MB": (weights(safetensors({}, b"", b"{" + b" " * (2 << 20) + b"}")), "header is longer"),
    "weights-header-text": (weights(safetensors({}, b"", b"hello")), "damaged"),
    "weights-header-list": (weights(safetensors({}, b"", b"[]")), "lists no tensors"),
    "weights-header-empty": (weights(safetensors({}, b"")), "lists no tensors"),
    "weights-header-deep": (weights(safetensors({}, b"", b'{"a":' * 999 + b"1" + b"}" * 999)), "nested deeper"),
    "weights-tensor-twice": (weights(NETWORK[:8] + b'{"a":1,"a":2}'.ljust(66) + bytes(480)), "occurs twice"),
    "weights-metadata": (weights(safetensors({"__metadata__": {"a": "b"}}, b"")), "is no tensor"),
    "weights-more-fields": (tensor(code="x"), "is no tensor"),
    "weights-bfloat16": (tensor(dtype="BF16"), "another kind"),
    "weights-integers": (tensor(dtype="I16"), "another kind"),
    "weights-float64": (tensor(data=bytes(32), dtype="F64", data_offsets=[0, 32]), "another kind"),
    "weights-kind-unknown": (tensor(dtype="OBJECT"), "another kind"),
    "weights-kind-no-text": (tensor(dtype=["F16"]), "another kind"),
    "weights-shape-larger": (tensor(shape=[2, 3]), "not where its shape says"),
    "weights-shape-huge": (tensor(shape=[1 << 40, 1 << 40]), "not where its shape says"),
    "weights-shape-overflows": (tensor(shape=[1 << 62, 4]), "not where its shape says"),
    "weights-shape-negative": (tensor(shape=[-2, -2]), "no shape or place"),
    "weights-shape-zero": (tensor(data=b"", shape=[0], data_offsets=[0, 0]), "no shape or place"),
    "weights-shape-true": (tensor(shape=[True, 4]), "no shape or place"),
    "weights-shape-fraction": (tensor(shape=[2.0, 2]), "no shape or place"),
    "weights-shape-long": (tensor(shape=[1] * 99), "no shape or place"),
    "weights-place-negative": (tensor(data_offsets=[-8, 0]), "no shape or place"),
    "weights-place-beyond": (tensor(data_offsets=[0, 1 << 50]), "not where its shape says"),
    "weights-place-reversed": (tensor(data_offsets=[8, 0]), "not where its shape says"),
    "weights-place-missing": (tensor(data_offsets=[]), "no shape or place"),
    "weights-overlap": (two_tensors([0, 8], [4, 12], 12), "not where its shape says"),
    "weights-same-place": (two_tensors([0, 8], [0, 8], 8), "not where its shape says"),
    "weights-gap": (two_tensors([0, 8], [16, 24], 24), "not where its shape says"),
    "weights-data-missing": (two_tensors([0, 8], [8, 16], 12), "not where its shape says"),
    "weights-data-left-over": (two_tensors([0, 8], [8, 16], 20), "something follows"),
    "weights-not-a-number": (tensor(data=b"\x00\x7e" * 4), "not finite"),
    "weights-infinite": (tensor(data=b"\x00\x7c" * 4), "not finite"),
    "weights-infinite-float32": (
        tensor(data=b"\0\0\x80\xff" * 4, dtype="F32", data_offsets=[0, 16]),
        "not finite",
    ),
}

HOSTILE = {**ARCHIVES, **NAMES, **MEMBERS, **MANIFESTS, **DOCUMENTS, **WEIGHTS}


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p.relative_to(folder)): (p.lstat().st_size, p.lstat().st_mtime_ns) for p in folder.rglob("*")}


def test_the_forger_can_make_a_right_model(tmp_path: Path) -> None:
    """Without lies the hand-made file is a model: what follows is refused for its lie and not for its maker."""
    path = tmp_path / "made.tcmodel"
    path.write_bytes(GOOD)
    assert read_bundle(path).documents["notes"] == {"x": 1}
    later = members({"a later entry": [1, {"b": None}]})
    path.write_bytes(zip_of(later))
    assert read_bundle(path).manifest["a later entry"] == [1, {"b": None}]


def test_the_watch_sees_what_is_written_and_run(tmp_path: Path, run_cli: Run, watch) -> None:
    path = tmp_path / "made.tcmodel"
    path.write_bytes(GOOD)
    watch.on = True
    code, _, err = run_cli("models", "install", path)
    pickle.Unpickler(io.BytesIO(pickle.dumps(Harm()))).load()  # noqa: S301
    watch.on = False
    assert code == 0, err
    seen = {event.split()[0] for event in watch.events}
    assert {"open", "os.mkdir", "os.rename", "pickle.find_class", "os.system"} <= seen
    assert (tmp_path / "work" / "harmed").is_file()
    assert [item.name for item in (tmp_path / "store" / "models").iterdir()] == ["made.tcmodel"]


def test_there_are_enough_and_no_two_are_one() -> None:
    assert len({raw for raw, _ in HOSTILE.values()}) == len(HOSTILE) >= 150
    assert GOOD not in {raw for raw, _ in HOSTILE.values()}


@pytest.mark.parametrize("name", HOSTILE)
def test_is_refused_in_one_sentence_and_leaves_no_trace(name: str, tmp_path: Path, run_cli: Run, watch) -> None:
    raw, reason = HOSTILE[name]
    path = tmp_path / "hostile.tcmodel"
    path.write_bytes(raw)
    with pytest.raises(BundleRejected, match=reason):
        read_bundle(path)
    before = listing(tmp_path)
    watch.on = True
    code, out, err = run_cli("models", "install", path)
    watch.on = False
    assert (code, out, watch.events) == (1, "", [])
    assert listing(tmp_path) == before
    assert err.startswith(str(path)) and err.endswith(".\n") and err.count("\n") == 1 and len(err) < 600
    assert err.isascii() and "Traceback" not in err and "unforeseen" not in err


@pytest.mark.parametrize("command", ["verify", "show", "sign", "classify", "evaluate"])
def test_every_command_that_takes_a_model_refuses(command: str, tmp_path: Path, run_cli: Run, watch) -> None:
    path = tmp_path / "hostile.tcmodel"
    path.write_bytes(MEMBERS["document-pickle"][0])
    words = {
        "classify": ["classify", "--model", path, "--image", "T1C=x", "--mask", "y", "--out", "out"],
        "evaluate": ["evaluate", path, "--manifest", "cohort.csv"],
        "sign": ["models", "sign", path, "--key", path, "--signer", "x"],
    }
    watch.on = True
    code, out, err = run_cli(*words.get(command, ["models", command, path]))
    watch.on = False
    assert (code, out, watch.events) == (1, "", [])
    assert "was refused because" in err and err.count("\n") == 1


def test_a_hostile_model_in_the_folder_does_not_hide_the_others(tmp_path: Path, run_cli: Run, watch) -> None:
    folder = tmp_path / "store" / "models"
    folder.mkdir(parents=True)
    (folder / "hostile.tcmodel").write_bytes(ARCHIVES["quoted-overlap"][0])
    (folder / "made.tcmodel").write_bytes(GOOD)
    code, out, _ = run_cli("models", "list", "--json")
    found = {row["name"]: row["what"] for row in json.loads(out)}
    assert code == 0 and found["made"].startswith("dtlr-nomogram: a / b")
    assert "was refused because" in found["hostile"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing", "link to itself", "device", "nothing"])
def test_what_is_no_file_is_not_opened(kind: str, tmp_path: Path, run_cli: Run, watch) -> None:
    path = tmp_path / "hostile.tcmodel"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind.startswith("link"):
        path.symlink_to(path if kind == "link to itself" else tmp_path / "nowhere")
    before = listing(tmp_path)
    watch.on = True
    code, out, err = run_cli("models", "install", path)
    watch.on = False
    assert (code, out, watch.events) == (1, "", [])
    assert "does not exist or is not a file" in err and err.count("\n") == 1
    assert listing(tmp_path) == before


def test_what_may_not_be_read_is_said(tmp_path: Path, run_cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a file of mode 000, which the superuser would be let read."""
    path = tmp_path / "hostile.tcmodel"
    path.write_bytes(GOOD)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("TumorClassifierLib.bundle.open", refuse, raising=False)
    code, _, err = run_cli("models", "install", path)
    assert code == 1 and err == f"{path} cannot be read (Permission denied); check its permissions.\n"
