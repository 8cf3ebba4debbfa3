"""Files made to fill the memory do not: what they make of it at most is stated here."""

import runpy
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from FeatureExtractorLib.errors import BundleRejected
from TumorClassifierLib.bundle import LARGEST_BUNDLE_BYTES, LARGEST_DOCUMENTS_BYTES, Bundle, read_bundle, write_bundle
from TumorClassifierLib.strict_json import MOST_NESTED, MOST_VALUES

FORGERY = runpy.run_path(str(Path(__file__).with_name("forgery.py")))
zip_of, members, safetensors = FORGERY["zip_of"], FORGERY["members"], FORGERY["safetensors"]
MB = 1 << 20
READ_AND_MEASURE = """
import re, sys
from pathlib import Path
from TumorClassifierLib.bundle import read_bundle
most = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
before = most()
try:
    read_bundle(Path(sys.argv[1]))
except Exception as error:
    print(most() - before, error)
"""
HALF = MOST_VALUES // 2 - 10


def peak_of(path: Path) -> tuple[int, str]:
    """Most bytes held while a file was read, and why it was refused ("" where it was not)."""
    tracemalloc.start()
    try:
        read_bundle(path)
        reason = ""
    except BundleRejected as error:
        reason = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak, reason


def sparse(size: int, tail: bytes = b"") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with open(path, "wb") as stream:
            stream.seek(size - len(tail))
            stream.write(tail)
            stream.truncate(size)

    return write


def table_of(count: int) -> Callable[[Path], None]:
    """A file that is all table of members, which tells 64 or all of them."""

    def write(path: Path) -> None:
        entry = (
            struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 788, 20, 0, 0, 0, 33, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0) + b"a.json"
        )
        end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 64, 64, len(entry) * count, 0, 0)
        path.write_bytes(entry * count + end)

    return write


def document(raw: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(zip_of(members(model_json=raw))) and None


def weights(raw: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(zip_of(members(network_safetensors=raw))) and None


@pytest.mark.parametrize(
    ("write", "reason", "most"),
    [
        (sparse(LARGEST_BUNDLE_BYTES + 1), "larger than 1 GB", MB),
        (sparse(LARGEST_BUNDLE_BYTES), "no model file", MB),
        (sparse(900 * MB, b"PK\x05\x06" + bytes(18)), "not at its end", MB),
        (table_of(1_000_000), "not at its end", MB),
        (document(b" " * LARGEST_DOCUMENTS_BYTES), "documents are larger", MB),
        (document(b"," * (MOST_VALUES + 1)), "more than 2000000 values", 80 * MB),
        (weights(safetensors({}, b"", b"[" + b"{}," * 300_000 + b"{}]")), "lists no tensors", 80 * MB),
    ],
    ids=["too-large", "zeros", "zeros-with-an-end", "all-table", "documents", "values", "weights-header"],
)
def test_what_is_refused_early_costs_little(
    write: Callable[[Path], None], reason: str, most: int, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.tcmodel"
    write(path)
    peak, why = peak_of(path)
    assert reason in why
    assert peak < most


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the most memory that a process held is asked of Linux")
@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b'{"":0},' * HALF + b"0]",
        b"[" + b"[0]," * HALF + b"0]",
        b"[" * (MOST_NESTED - 1) + b"10000," * (2 * HALF - MOST_NESTED) + b"0" + b"]" * (MOST_NESTED - 1),
        b"[" + b'"0123456789",' * (2 * HALF) + b"0]",
        b'["' + "é😀".encode() + b"x" * (31 * MB) + b'"]',
    ],
    ids=["tables", "lists", "deep", "texts", "one-text"],
)
def test_the_largest_documents_stay_within_768_MB(raw: bytes, tmp_path: Path) -> None:
    """Documents at every bound at once, in the forms that grow most when parsed."""
    path = tmp_path / "bomb.tcmodel"
    document(raw)(path)
    child = subprocess.run([sys.executable, "-c", READ_AND_MEASURE, str(path)], capture_output=True, text=True)
    peak, why = child.stdout.split(" ", 1)
    assert "its bytes are not those" in why  # not as a model writes them, which is found when all is parsed
    assert int(peak) < 768, f"{peak} MB"


def test_a_large_model_is_held_once(tmp_path: Path) -> None:
    path = tmp_path / "large.tcmodel"
    network = save({"kernel": np.ones((4096, 8192), np.float16)})
    manifest = {"recipe": "r", "name": "large", "version": "1", "classes": ["a", "b"], "modalities": ["T1C"]}
    write_bundle(Bundle({**manifest, "settings": {}}, {}, {"network": network}, "# large\n"), path)
    peak, why = peak_of(path)
    assert why == ""
    assert peak < 1.6 * path.stat().st_size  # the weights, and what says of each number whether it is finite
