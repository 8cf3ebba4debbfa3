"""Train the weighted fusion's detector on brain slices from random weights, and see how many tumours it finds.

    python scripts/models/brain_t1c_detector.py DATA/brain_t1c_slices --epochs 10

All slices of the training patients are used, each turned and flipped at random every time; every fifth patient of a
class is held back and only judges the detector at the end. A tumour counts as found where the best box of its slice
overlaps its box by half or more (IoU 0.5). The interval is that of 2000 bootstrap samples of the held-back patients.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from brain_t1c_manifest import patients_held_back

from FeatureExtractorLib.regions import resize
from TumorClassifierLib.networks.boxes import boxes_of_mask, overlap
from TumorClassifierLib.networks.detection import DetectorShape, Found, build_detector, detect
from TumorClassifierLib.networks.detector_training import DetectorTraining, LabelledSlice, train_detector
from TumorClassifierLib.networks.state import rounded, save_state

CLASSES = ("glioma", "meningioma", "pituitary")
BRIGHTEST = 99.5  # percentile that becomes 1
FOUND = 0.5  # IoU


def main() -> None:
    """Train, judge and, where a file is named, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pixels", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--most", type=int, help="slices of each part, for a trial")
    parser.add_argument("--out", type=Path, help="safetensors file")
    arguments = parser.parse_args()
    with open(arguments.data / "slices.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    held_back = patients_held_back(rows)
    parts = [
        [row for row in rows if (row["patient"] in held_back) is test][: arguments.most] for test in (False, True)
    ]
    training, test = ([labelled(row, arguments.data, arguments.pixels) for row in part] for part in parts)
    rng = np.random.default_rng(0)
    shown = [turned(one, rng) for _ in range(arguments.epochs) for one in rng.permutation(np.array(training, object))]
    shape = DetectorShape("resnet14", False, arguments.pixels, arguments.pixels / 16, 60, 64, 128)
    settings = DetectorTraining(1, batch_size=8, learning_rate=0.001, optimizer="adamw", cut_mix=None)
    started = time.monotonic()
    detector = rounded(train_detector(build_detector(len(CLASSES), shape), shown, settings).model)
    seconds = time.monotonic() - started
    found = detect(detector, [one.image for one in test])
    patients = [row["patient"] for row in parts[1]]
    for boxes in (1, 5):
        share, low, high = recall(found, test, patients, boxes)
        print(f"recall at IoU {FOUND} of the best {boxes}: {share:.3f} ({low:.3f}–{high:.3f})")
    print(f"{len(training)} slices shown {arguments.epochs} times in {seconds:.0f} s")
    print(f"held back: {len(test)} slices of {len(set(patients))} patients")
    if arguments.out:
        arguments.out.write_bytes(save_state(detector))
        print(f"{arguments.out.stat().st_size / 1e6:.1f} MB")


def labelled(row: dict[str, str], data: Path, pixels: int) -> LabelledSlice:
    """A slice in 0–1 of `pixels` a side, and its tumours' boxes in it."""
    image, mask = (sitk.GetArrayFromImage(sitk.ReadImage(str(data / row[name]))) for name in ("image", "mask"))
    image = image[..., 0] if image.ndim == 3 else image
    bright = np.clip(image / max(1.0, float(np.percentile(image, BRIGHTEST))), 0, 1)
    scale = pixels / np.array([image.shape[1], image.shape[0]] * 2)
    boxes = boxes_of_mask(mask > 0, smallest=4) * scale
    return LabelledSlice(resize(bright, (pixels, pixels)).astype(np.float32), boxes, CLASSES.index(row["class"]))


def turned(one: LabelledSlice, rng: np.random.Generator) -> LabelledSlice:
    """The slice after a random one of the square's eight symmetries."""
    image, boxes, side = one.image, np.array(one.boxes), one.image.shape[0]
    if rng.integers(2):
        image, boxes = image[:, ::-1], np.stack([side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]], 1)
    for _ in range(int(rng.integers(4))):  # a quarter turn: (x, y) to (y, side − x)
        image, boxes = np.rot90(image), np.stack([boxes[:, 1], side - boxes[:, 2], boxes[:, 3], side - boxes[:, 0]], 1)
    return LabelledSlice(np.ascontiguousarray(image), boxes, one.label)


def recall(
    found: list[Found], test: list[LabelledSlice], patients: list[str], boxes: int
) -> tuple[float, float, float]:
    """The share of all tumours that is found among each slice's best boxes, and its 95 % interval."""
    hits = {name: [0, 0] for name in patients}
    for one, true, name in zip(found, test, patients, strict=True):
        hits[name][1] += len(true.boxes)
        if len(one.boxes):
            hits[name][0] += int((overlap(true.boxes, one.boxes[:boxes]) >= FOUND).any(axis=1).sum())
    counts = np.array(list(hits.values()))
    samples = counts[np.random.default_rng(0).integers(len(counts), size=(2000, len(counts)))].sum(axis=1)
    low, high = np.percentile(samples[:, 0] / samples[:, 1], [2.5, 97.5])
    share = counts[:, 0].sum() / counts[:, 1].sum()
    return float(share), float(low), float(high)


if __name__ == "__main__":
    main()
