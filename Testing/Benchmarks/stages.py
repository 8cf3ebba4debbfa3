"""Seconds of the heavy stages on the head phantom, best of three: `make bench`."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from FeatureExtractorLib.deep.backbones import build_backbone, parse_weights
from FeatureExtractorLib.deep.features import pooled_features
from FeatureExtractorLib.errors import EngineUnavailable
from FeatureExtractorLib.phantom import head_phantom
from FeatureExtractorLib.preprocessing.n4 import METHODS, correct_bias_field
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.presets import load_settings


def measure(name: str, work: Callable[[], object], repeats: int = 3) -> None:
    """Print the shortest of some runs."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    print(f"{name:<44} {min(seconds):8.3f} s", flush=True)


def main() -> None:
    image, mask = head_phantom()
    print(f"head phantom {image.GetSize()}, spacing {image.GetSpacing()} mm")
    for method in METHODS:
        measure(f"N4, {method}", partial(correct_bias_field, image, method=method))
    for preset in ("original", "dtlr"):
        settings = load_settings(preset)
        for name in ("native", "pyradiomics"):
            try:
                engine = get_engine(name)
            except EngineUnavailable as reason:
                print(reason)
                continue
            measure(f"radiomics {preset}, {name}", partial(engine.extract, image, mask, settings))
    slices = np.random.default_rng(0).random((8, 3, 224, 224), dtype=np.float32)
    model = build_backbone("resnet50", parse_weights("seed:0"))
    measure("ResNet-50 features of 8 slices", partial(pooled_features, model, slices, len(slices)))


if __name__ == "__main__":
    main()
