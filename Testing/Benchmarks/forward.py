"""The forward pass of our classifier against onnxruntime with as many threads, on ResNet-50: `make bench`.

onnxruntime is no dependency of ours: `pip install onnx onnxruntime` for this comparison alone.
"""

import io
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
from compare import Comparison, load, processor, table

from TumorClassifierLib.networks.inputs import batch_outputs
from TumorClassifierLib.networks.resnet2d import build_classifier

SIZE, BATCHES = 224, (1, 16)
NEEDED = ("onnx", "onnxruntime")


def main() -> None:
    if lacking := [name for name in NEEDED if find_spec(name) is None]:
        print(f"Not compared with onnxruntime: {' and '.join(lacking)} not installed; pip install {' '.join(NEEDED)}.")
        return
    print(f"Machine: {processor()}{load()}.")
    for row in table(comparisons()):
        if row.startswith(("| step", "|---")):
            print(row)


def comparisons() -> Iterator[Comparison]:
    import torch

    model = build_classifier("resnet50", 2)
    session = exported(model)
    rng = np.random.default_rng(0)
    for n in BATCHES:
        images = rng.random((n, 3, SIZE, SIZE), dtype=np.float32)
        yield Comparison(
            f"Forward pass, ResNet-50, threads: {torch.get_num_threads()}",
            f"{n} slices of {SIZE}×{SIZE}",
            "onnxruntime",
            lambda images=images: batch_outputs(model, model, images),  # type: ignore[misc]
            lambda images=images: session.run(None, {"images": images})[0],  # type: ignore[misc]
            difference,
        )


def exported(model: Any) -> Any:
    """The same network in onnxruntime, on the processor, with torch's number of threads."""
    import onnxruntime
    import torch

    stream = io.BytesIO()
    example = torch.zeros(1, 3, SIZE, SIZE)
    axes = {"images": {0: "n"}, "logits": {0: "n"}}
    torch.onnx.export(
        model, (example,), stream, input_names=["images"], output_names=["logits"], dynamic_axes=axes, dynamo=False
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(stream.getvalue(), options, providers=["CPUExecutionProvider"])


def difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    return f"{np.abs(ours - theirs).max() / np.abs(theirs).max():.1g} of the maximum"


if __name__ == "__main__":
    main()
