"""The publications' own networks and settings: seconds an image, measured over a few batches, and what follows.

A batch or two of random images is trained on as the recipe does, after one that does not count; an epoch of a cohort
and a whole training are these seconds times the images and the epochs, not runs. Random weights take as long as any.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from compare import load, processor

from TumorClassifierLib.networks.detection import build_detector
from TumorClassifierLib.networks.detector_training import LabelledSlice, train_detector
from TumorClassifierLib.networks.frozen import PooledFeatures, train_head
from TumorClassifierLib.networks.resnet2d import build_classifier
from TumorClassifierLib.networks.sequence import build_sequence_classifier
from TumorClassifierLib.networks.training import train_classifier
from TumorClassifierLib.networks.volume3d import build_volume_network
from TumorClassifierLib.recipes import dtlr_nomogram, resnet_transfer, volume_cnn, weighted_fusion

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Measured:
    """An image's seconds in one epoch, and the epochs that the recipe trains for."""

    what: str
    seconds: float
    epochs: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200, help="of the cohort to extrapolate to (default 200)")
    parser.add_argument("--batches", type=int, default=1, help="that are measured (default 1)")
    parser.add_argument("--only", choices=list(WORKS), help="one recipe")
    chosen = parser.parse_args()
    print(f"Machine: {processor()}{load()}. {chosen.batches} measured; the rest is multiplied, not run.")
    print(f"| recipe | what | s an image | s an epoch of {chosen.images} images | epochs | hours in all |")
    print("|---|---|---|---|---|---|")
    for recipe, work in WORKS.items():
        for one in work(chosen.batches) if chosen.only in (None, recipe) else ():
            epoch = one.seconds * chosen.images
            whole = f"{epoch * one.epochs / 3600:.2g}"
            print(f"| {recipe} | {one.what} | {one.seconds:.3g} | {epoch:.3g} | {one.epochs} | {whole} |", flush=True)


def resnet_transfer_steps(batches: int) -> list[Measured]:
    settings = resnet_transfer.Settings()
    training, size = settings.training, settings.crop.size
    images = pictures(training.batch_size * batches, size)
    network = build_classifier(settings.backbone, 2, training.dropout)
    pooled = per_image(lambda: PooledFeatures().of(network, settings.backbone, images), len(images))
    features = RNG.random((2 * training.batch_size, 2048), dtype=np.float32)
    labels, few = np.arange(len(features)) % 2, replace(training, epochs=10)
    head = per_image(lambda: train_head(network, [features], labels, few), len(features) * few.epochs)
    words = f"{settings.backbone} at {size}, batches of {training.batch_size}"
    open_trunk = replace(training, epochs=1, frozen=(), augmentation=False)
    whole = trained(network, images, open_trunk)
    return [
        Measured(
            f"{words}: features of the image and {settings.copies} copies, once", pooled * (1 + settings.copies), 1
        ),
        Measured(f"{words}: the head on kept features", head, training.epochs),
        Measured(f"{words}: fine-tuning all of it instead", whole, training.epochs),
    ]


def dtlr_steps(batches: int) -> list[Measured]:
    settings = dtlr_nomogram.Settings()
    training, size = settings.training, settings.crop.size
    network = build_classifier(settings.backbone, 2, training.dropout)
    seconds = trained(network, pictures(training.batch_size * batches, size), replace(training, epochs=1))
    return [Measured(f"{settings.backbone} at {size}, batches of {training.batch_size}", seconds, training.epochs)]


def volume_steps(batches: int) -> list[Measured]:
    settings = volume_cnn.Settings()
    training, size = settings.training, settings.grid.size
    assert size is not None
    volumes = RNG.random((training.batch_size * batches, 1, *size[::-1]), dtype=np.float32)
    network = build_volume_network(2, settings.network, training.dropout)
    seconds = trained(network, volumes, replace(training, epochs=1, augmentation=False))
    told = f"3D network on {'×'.join(map(str, size))}, batches of {training.batch_size}"
    return [Measured(told, seconds, training.epochs)]


def fusion_steps(batches: int) -> list[Measured]:
    settings = weighted_fusion.Settings()
    detecting, shape = settings.detector_training, settings.detector
    side = shape.image_size
    boxes = np.array([[side / 4, side / 4, side / 2, side / 2]], dtype=np.float32)
    slices = [LabelledSlice(RNG.random((side, side), dtype=np.float32), boxes, i % 2) for i in range(batches)]
    detector = build_detector(2, shape)
    one_each = replace(detecting, epochs=1, batch_size=1)
    found = per_image(lambda: train_detector(detector, slices, one_each), len(slices))
    training, reading = settings.training, settings.classifier
    sequences = RNG.random((training.batch_size * batches, reading.slices, reading.size, reading.size))
    classifier = build_sequence_classifier(2, reading)
    seconds = trained(classifier, sequences.astype(np.float32), replace(training, epochs=1, augmentation=False))
    return [
        Measured(f"Faster R-CNN, {shape.backbone}, slices of {side}, one at a time", found, detecting.epochs),
        Measured(
            f"{reading.backbone} on {reading.slices} slices of {reading.size}, batches of {training.batch_size}",
            seconds,
            training.epochs,
        ),
    ]


def pictures(n: int, size: int) -> np.ndarray:
    return RNG.random((n, 3, size, size), dtype=np.float32)


def trained(network: Any, images: np.ndarray, settings: Any) -> float:
    labels = np.arange(len(images)) % 2
    return per_image(lambda: train_classifier(network, images, labels, settings), len(images))


def per_image(work: Callable[[], Any], images: int) -> float:
    """Seconds of the second of two runs, by its images."""
    work()
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) / images


WORKS: dict[str, Callable[[int], list[Measured]]] = {
    "resnet-transfer": resnet_transfer_steps,
    "dtlr-nomogram": dtlr_steps,
    "volume-cnn": volume_steps,
    "weighted-fusion": fusion_steps,
}


if __name__ == "__main__":
    main()
