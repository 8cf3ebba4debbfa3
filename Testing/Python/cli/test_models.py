"""The models commands: installing, replacing, removing, and signatures that can be required."""

import base64
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.bundle import Bundle, read_bundle, write_bundle

Run = Callable[..., tuple[int, str, str]]
SHIPPED = "meningioma-vs-glioma"


def model(path: Path, version: str = "1", name: str = "made", value: float = 0.0, megabytes: float = 0) -> Path:
    manifest = {"recipe": "r", "name": name, "version": version, "classes": ["a", "b"], "modalities": ["T1C"]}
    network = {"network": save({"kernel": np.ones((1, max(1, int(megabytes * 2**19))), np.float16)})}
    write_bundle(Bundle({**manifest, "settings": {}}, {"model": {"x": value}}, network, "# made\n"), path)
    return path


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models, and of trusted keys, that is the test's own."""
    monkeypatch.setenv("TUMORCLASSIFIER_MODELS", str(tmp_path / "store" / "models"))
    return tmp_path / "store" / "models"


@pytest.fixture
def key(tmp_path: Path, run_cli: Run) -> Path:
    assert run_cli("models", "make-key", tmp_path / "k")[0] == 0
    return tmp_path / "k.private.pem"


@pytest.fixture
def signed(tmp_path: Path, key: Path, run_cli: Run) -> Path:
    path = model(tmp_path / "made.tcmodel")
    assert run_cli("models", "sign", path, "--key", key, "--signer", "Klinik für Radiologie, Bonn")[0] == 0
    return path


def told(result: tuple[int, str, str]) -> str:
    """The one sentence with which a command failed."""
    code, out, err = result
    assert code == 1 and out == "" and err.count("\n") == 1 and err.endswith(".\n"), (code, out, err)
    return err


def state(run_cli: Run, path: Path) -> str:
    code, out, err = run_cli("models", "verify", path, "--json")
    assert code == 0, err
    return str(json.loads(out)["signature"])


def test_a_signature_is_good_once_its_key_is_trusted(signed: Path, tmp_path: Path, run_cli: Run) -> None:
    assert state(run_cli, signed) == "unknown"
    assert "which is not trusted here" in told(run_cli("models", "verify", signed, "--require-signature"))
    code, out, _ = run_cli("models", "trust", tmp_path / "k.public.pem", "--json")
    fingerprint = json.loads(out)["fingerprint"]
    assert code == 0 and json.loads(run_cli("models", "trusted", "--json")[1])[0]["fingerprint"] == fingerprint
    found = json.loads(run_cli("models", "verify", signed, "--require-signature", "--json")[1])
    assert (found["signature"], found["signer"], found["key"]) == (
        "good",
        "Klinik für Radiologie, Bonn",
        fingerprint,
    )
    assert run_cli("models", "distrust", "k")[0] == 0
    assert state(run_cli, signed) == "unknown"
    assert "No key is trusted as 'k'" in told(run_cli("models", "distrust", "k"))
    assert "No key is trusted;" in run_cli("models", "trusted")[1]


def test_a_signature_travels_with_an_installed_model(signed: Path, store: Path, tmp_path: Path, run_cli: Run) -> None:
    run_cli("models", "trust", tmp_path / "k.public.pem")
    assert run_cli("models", "install", signed, "--require-signature")[0] == 0
    assert sorted(item.name for item in store.iterdir()) == ["made.tcmodel", "made.tcmodel.sig"]
    assert state(run_cli, Path("made")) == "good"
    rows = {row["name"]: row["signature"] for row in json.loads(run_cli("models", "list", "--json")[1])}
    assert rows["made"] == "good" and rows[SHIPPED] == "none"
    unsigned = model(tmp_path / "other.tcmodel", version="2")
    assert run_cli("models", "install", unsigned, "--replace")[0] == 0
    assert state(run_cli, Path("made")) == "none"  # and not "bad" by the old model's signature
    assert run_cli("models", "install", signed, "--replace")[0] == 0
    assert run_cli("models", "remove", "made")[0] == 0
    assert list(store.iterdir()) == []


COMMANDS = {
    "verify": ("models", "verify", "{}"),
    "install": ("models", "install", "{}"),
    "classify": ("classify", "--model", "{}", "--image", "T1C=x.nrrd", "--mask", "y.nrrd", "--out", "out"),
    "evaluate": ("evaluate", "{}", "--manifest", "cohort.csv"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("fault", ["none", "other file", "unknown key", "changed signer", "no json"])
def test_a_required_signature_that_is_not_good_is_refused_everywhere(
    command: str, fault: str, signed: Path, store: Path, tmp_path: Path, run_cli: Run
) -> None:
    if fault != "unknown key":
        run_cli("models", "trust", tmp_path / "k.public.pem")
    signature = tmp_path / "made.tcmodel.sig"
    document = json.loads(signature.read_text())
    if fault == "none":
        signature.unlink()
    elif fault == "other file":
        model(signed, value=1.0)
    elif fault == "changed signer":
        signature.write_text(json.dumps({**document, "signer": "Radiologie, Wien"}))
    elif fault == "no json":
        signature.write_text("hello")
    words = [str(signed) if word == "{}" else word for word in COMMANDS[command]]
    sentence = told(run_cli(*words, "--require-signature"))
    reasons = {
        "none": "has no signature",
        "unknown key": "which is not trusted here",
        "no json": "is no signature",
    }
    assert reasons.get(fault, "does not fit") in sentence and not store.exists()
    code, _, err = run_cli(*words)  # classify and evaluate go on to what else is missing here
    assert code == (0 if command in ("verify", "install") else 1)
    assert ("is no signature" in err or "does not fit" in err) == (fault not in ("none", "unknown key"))


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "none"},
        {"algorithm": "ed25519"},
        {"format": 2},
        {"key": "0" * 63},
        {"key": "é" * 64},
        {"key": None},
        {"signature": ""},
        {"signature": "!!!!"},
        {"signature": base64.b64encode(bytes(63)).decode()},
        {"signature": 5},
        {"signer": ""},
        {"signer": "x" * 201},
        {"signer": "\x1b[2J"},
        {"signer": "Bonn\u202e"},
        {"signer": ["Bonn"]},
        {"more": 1},
    ],
    ids=str,
)
def test_odd_signature_files_are_bad(change: dict[str, object], signed: Path, tmp_path: Path, run_cli: Run) -> None:
    run_cli("models", "trust", tmp_path / "k.public.pem")
    signature = tmp_path / "made.tcmodel.sig"
    signature.write_text(json.dumps({**json.loads(signature.read_text()), **change}))
    assert state(run_cli, signed) == "bad"
    assert "is no signature (" in told(run_cli("models", "verify", signed, "--require-signature"))


def test_every_bit_of_a_signature_counts(signed: Path, tmp_path: Path, run_cli: Run) -> None:
    from TumorClassifierLib.trusted_keys import check_signature

    run_cli("models", "trust", tmp_path / "k.public.pem")
    path, sha256 = tmp_path / "made.tcmodel.sig", read_bundle(signed).sha256
    document = json.loads(path.read_text())
    raw = base64.b64decode(document["signature"])
    assert check_signature(signed, sha256).state == "good"
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_text(json.dumps({**document, "signature": base64.b64encode(changed).decode()}))
        assert check_signature(signed, sha256).state == "bad", bit


def test_openssl_agrees_with_a_signature(signed: Path, tmp_path: Path) -> None:
    """The signature is plain Ed25519 over the documented text, so that others can check it."""
    document = json.loads((tmp_path / "made.tcmodel.sig").read_text())
    text = f"TumorClassifier model signature 1\n{read_bundle(signed).sha256}\n{document['signer']}"
    (tmp_path / "text").write_bytes(text.encode())
    (tmp_path / "raw").write_bytes(base64.b64decode(document["signature"]))
    words = ["pkeyutl", "-verify", "-pubin", "-inkey", "k.public.pem", "-rawin", "-in", "text", "-sigfile", "raw"]
    try:
        done = subprocess.run(["openssl", *words], cwd=tmp_path, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no openssl on this machine")
    assert done.returncode == 0 and "Verified Successfully" in done.stdout, done.stderr


def test_keys_are_private_locked_and_never_overwritten(
    tmp_path: Path, run_cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, locked = model(tmp_path / "made.tcmodel"), tmp_path / "k.private.pem"
    words = ("models", "sign", made, "--key", locked, "--signer", "Bonn")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert "no terminal to ask" in told(run_cli("models", "make-key", tmp_path / "k", "--password"))
    monkeypatch.setenv("TUMORCLASSIFIER_KEY_PASSWORD", "vier Wörter")
    assert run_cli("models", "make-key", tmp_path / "k", "--password")[0] == 0
    if os.name != "nt":
        assert stat.S_IMODE(locked.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in locked.read_bytes()
    assert run_cli(*words)[0] == 0
    monkeypatch.setenv("TUMORCLASSIFIER_KEY_PASSWORD", "wrong")
    assert "the password is wrong" in told(run_cli(*words))
    monkeypatch.delenv("TUMORCLASSIFIER_KEY_PASSWORD")
    assert "needs a password and there is no terminal" in told(run_cli(*words))
    assert "a key is never overwritten" in told(run_cli("models", "make-key", tmp_path / "k"))
    assert "is a private key, which its owner must not give away" in told(run_cli("models", "trust", locked))


def test_what_cannot_sign_or_be_trusted_is_said(tmp_path: Path, key: Path, run_cli: Run) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    other = ec.generate_private_key(ec.SECP256R1())
    options = (form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    (tmp_path / "ec.private.pem").write_bytes(other.private_bytes(*options))
    (tmp_path / "ec.pem").write_bytes(
        other.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )
    made, public = model(tmp_path / "made.tcmodel"), tmp_path / "k.public.pem"
    sign = ("models", "sign", made, "--signer")
    assert "of another kind than Ed25519" in told(run_cli(*sign, "Bonn", "--key", tmp_path / "ec.private.pem"))
    assert "it is no private key in PEM form" in told(run_cli(*sign, "Bonn", "--key", public))
    assert "does not exist" in told(run_cli(*sign, "Bonn", "--key", tmp_path / "nothing"))
    assert "cannot be used; give 1 to 200 printable" in told(run_cli(*sign, "a\nb", "--key", key))
    assert not (tmp_path / "made.tcmodel.sig").exists()
    assert "of another kind than Ed25519" in told(run_cli("models", "trust", tmp_path / "ec.pem"))
    assert "is no public key" in told(run_cli("models", "trust", made))
    assert "is no name of a key" in told(run_cli("models", "trust", public, "--name", "../x"))
    assert run_cli("models", "trust", public, "--name", "bonn")[0] == 0
    assert "trusted already, as bonn" in told(run_cli("models", "trust", public, "--name", "again"))
    run_cli("models", "make-key", tmp_path / "second")
    assert "Another key is trusted as bonn" in told(
        run_cli("models", "trust", tmp_path / "second.public.pem", "--name", "Bonn")
    )


def test_without_cryptography_a_signature_is_unchecked_and_cannot_be_required(
    signed: Path, tmp_path: Path, run_cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("signing", "trusted_keys"):
        monkeypatch.setattr(f"TumorClassifierLib.{module}.has_cryptography", lambda: False)
    assert state(run_cli, signed) == "unchecked"
    assert 'pip install "cryptography>=42"' in told(run_cli("models", "verify", signed, "--require-signature"))
    assert 'pip install "cryptography>=42"' in told(run_cli("models", "make-key", tmp_path / "other"))
    code, _, err = run_cli("models", "install", signed)
    assert code == 0 and "was not checked" in err


def test_another_model_of_a_name_is_replaced_on_request_only(tmp_path: Path, store: Path, run_cli: Run) -> None:
    old = model(tmp_path / "old.tcmodel", version="1.9")
    assert run_cli("models", "install", old)[0] == 0
    assert run_cli("models", "install", old)[0] == 0  # the same file again
    for version, words in (
        ("1.10", "a newer version, 1.10;"),
        ("1.2", "an older version, 1.2;"),
        ("1.9", "another file of the same version"),
        ("beta", "another version, beta;"),
    ):
        new = model(tmp_path / "new.tcmodel", version=version, value=1.0)
        sentence = told(run_cli("models", "install", new))
        assert f"made 1.9 is installed, and this file is {words}" in sentence and "--replace" in sentence
        assert (store / "made.tcmodel").read_bytes() == old.read_bytes()
    code, out, _ = run_cli("models", "install", new, "--replace", "--json")
    assert code == 0 and json.loads(out)["replaced"] == "made 1.9"
    assert (store / "made.tcmodel").read_bytes() == new.read_bytes()
    (store / "made.tcmodel").write_bytes(b"damaged")
    assert "made (damaged) is installed" in told(run_cli("models", "install", new))
    assert run_cli("models", "install", new, "--replace")[0] == 0


def test_shipped_models_stay_and_are_hidden_on_request_only(tmp_path: Path, run_cli: Run) -> None:
    mine = model(tmp_path / "mine.tcmodel", name=SHIPPED, version="2")
    assert "(it comes with the extension)" in told(run_cli("models", "install", mine))
    assert "comes with the extension and stays" in told(run_cli("models", "remove", SHIPPED))
    code, out, _ = run_cli("models", "install", mine, "--replace")
    assert code == 0 and "that comes with the extension, which it hides" in out
    assert run_cli("models", "remove", SHIPPED)[0] == 0
    rows = {row["name"]: row["origin"] for row in json.loads(run_cli("models", "list", "--json")[1])}
    assert rows[SHIPPED] == "shipped" and set(rows.values()) == {"shipped"}
    assert "no model called 'nothing' to remove" in told(run_cli("models", "remove", "nothing"))


def test_names_that_differ_in_case_alone_are_refused(tmp_path: Path, store: Path, run_cli: Run) -> None:
    run_cli("models", "install", model(tmp_path / "a.tcmodel", name="made"))
    other = model(tmp_path / "b.tcmodel", name="Made")
    assert "differs from Made in case alone" in told(run_cli("models", "install", other, "--replace"))
    assert [item.name for item in store.iterdir()] == ["made.tcmodel"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"manifest": {"name": "con"}}, "no file's name"),
        ({"manifest": {"version": "1\n"}}, "does not say its version"),
        ({"manifest": {"classes": ["a"]}}, "does not say its classes"),
        ({"documents": {"model": {"x": float("nan")}}}, "not JSON compliant"),
        ({"documents": {"model": 10**25}}, "an integer of 26 digits"),
        ({"weights": {"network": b"x"}}, "header is longer"),
    ],
    ids=["name", "version", "classes", "nan", "integer", "weights"],
)
def test_what_would_be_refused_is_not_written(change: dict[str, dict], reason: str, tmp_path: Path) -> None:
    held = read_bundle(model(tmp_path / "made.tcmodel"))
    parts = {name: {**getattr(held, name), **change.get(name, {})} for name in ("manifest", "documents", "weights")}
    with pytest.raises(InputError, match=reason):
        write_bundle(Bundle(card="", **parts), tmp_path / "other.tcmodel")
    assert [item.name for item in tmp_path.iterdir()] == ["made.tcmodel"]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A function that mounts a file system of its own with given options, where that is allowed."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def mount(options: str) -> Path:
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        try:
            allowed = subprocess.run(words, capture_output=True).returncode == 0
        except FileNotFoundError:
            allowed = False
        if not allowed:
            pytest.skip("no file system can be mounted here; run as root to see such disks")
        return folder

    yield mount
    if os.path.ismount(folder):
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_keeps_the_old_model_and_its_signature(
    mounted, signed: Path, tmp_path: Path, run_cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mounted("size=64k") / "models"
    monkeypatch.setenv("TUMORCLASSIFIER_MODELS", str(folder))
    assert run_cli("models", "install", signed)[0] == 0
    before = {item.name: item.read_bytes() for item in folder.iterdir()}
    large = model(tmp_path / "large.tcmodel", version="2", megabytes=1)
    assert "disk is full" in told(run_cli("models", "install", large, "--replace"))
    assert {item.name: item.read_bytes() for item in folder.iterdir()} == before
    assert len(before) == 2


def test_a_read_only_store_is_a_sentence(
    mounted, tmp_path: Path, run_cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mounted("size=1m")
    monkeypatch.setenv("TUMORCLASSIFIER_MODELS", str(folder))
    made = model(tmp_path / "made.tcmodel")
    run_cli("models", "install", made)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    newer = model(tmp_path / "newer.tcmodel", version="2")
    for words in (("install", newer, "--replace"), ("remove", "made")):
        sentence = told(run_cli("models", *words))
        assert "made.tcmodel cannot be written (Read-only file system); choose a folder you may write to" in sentence
    assert (folder / "made.tcmodel").read_bytes() == made.read_bytes()


def test_a_file_in_the_place_of_the_store_is_a_sentence(tmp_path: Path, store: Path, run_cli: Run) -> None:
    store.parent.write_text("a file")
    assert "cannot be written" in told(run_cli("models", "install", model(tmp_path / "made.tcmodel")))


def test_models_installed_at_once_are_each_whole(tmp_path: Path, store: Path) -> None:
    """Eight processes put two models of one name into one place: what is there is one of the two, whole."""
    files = [model(tmp_path / f"{i}.tcmodel", version=str(i), megabytes=4) for i in (1, 2)]
    command = [sys.executable, "-m", "TumorClassifierLib", "models", "install", "--replace"]
    running = [subprocess.Popen([*command, str(files[i % 2])], stderr=subprocess.PIPE, text=True) for i in range(8)]
    errors = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * 8, errors
    assert [item.name for item in store.iterdir()] == ["made.tcmodel"]
    assert (store / "made.tcmodel").read_bytes() in {path.read_bytes() for path in files}


def test_a_card_cannot_steer_the_terminal(tmp_path: Path, run_cli: Run) -> None:
    held = read_bundle(model(tmp_path / "made.tcmodel"))
    card = "# made é\n\x1b]0;owned\x07\u202e\n"
    write_bundle(Bundle(held.manifest, held.documents, held.weights, card), tmp_path / "odd.tcmodel")
    assert run_cli("models", "show", tmp_path / "odd.tcmodel")[1] == "# made é\n\\x1b]0;owned\\x07\\u202e\n\n"


@pytest.mark.parametrize(
    "command",
    ["list", "show", "verify", "install", "remove", "make-key", "sign", "trust", "trusted", "distrust"],
)
def test_every_models_command_has_help_and_an_example(command: str, run_cli: Run) -> None:
    code, out, _ = run_cli("models", command, "--help")
    assert code == 0 and f"Example: tumorclassifier models {command}" in " ".join(out.split())
