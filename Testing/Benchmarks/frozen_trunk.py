"""Training a head behind a frozen trunk: through the trunk in every epoch, and on features kept once: `make bench`.

Both train the same head on the same images; their seconds and the difference of what they learn are told.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from compare import load, processor

from TumorClassifierLib.networks.frozen import PooledFeatures, train_head
from TumorClassifierLib.networks.resnet2d import build_classifier, class_probabilities
from TumorClassifierLib.networks.training import TrainingSettings, train_classifier

IMAGES, SIZE, BACKBONE = 48, 96, "resnet50"
EPOCHS = (3, 300)


def main() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.random((IMAGES, 3, SIZE, SIZE)).astype(np.float32), np.arange(IMAGES) % 2
    network = build_classifier(BACKBONE, 2, dropout=0.0)
    print(f"Machine: {processor()}{load()}. {IMAGES} images of {SIZE} × {SIZE}, {BACKBONE}, one thread.")
    settings = [
        TrainingSettings(
            epochs=epochs, batch_size=16, learning_rate=0.01, frozen=("trunk",), augmentation=False, threads=1
        )
        for epochs in EPOCHS
    ]
    through, whole = timed(lambda: train_classifier(network, images, labels, settings[0]))
    pooling, features = timed(lambda: PooledFeatures().of(network, BACKBONE, images))
    on_features, head = timed(lambda: train_head(network, features, labels, settings[0]))
    difference = np.abs(class_probabilities(whole.model, images) - class_probabilities(head.model, images)).max()
    print(f"{EPOCHS[0]} epochs through the trunk: {through:.3g} s, {through / EPOCHS[0]:.3g} s an epoch.")
    print(f"Features once: {pooling:.3g} s; {EPOCHS[0]} epochs of the head: {on_features:.2g} s.")
    print(f"Probabilities differ by {difference:.1g} at most.")
    many, _ = timed(lambda: train_head(network, features, labels, settings[1]))
    expected = through / EPOCHS[0] * EPOCHS[1]
    print(
        f"{EPOCHS[1]} epochs: {pooling + many:.3g} s with features kept, {expected:.3g} s through the trunk by its "
        f"seconds an epoch: {expected / (pooling + many):.3g} times faster."
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()
