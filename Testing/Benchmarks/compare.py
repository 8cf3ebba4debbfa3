"""Our heavy steps against their peers, written to docs/benchmarks.md: `make bench`.

Both run alternately in one process, so that whatever else the machine does slows both, and each pair of runs gives a
ratio. Real images are taken where there are any (see Testing/Python/conftest.py), the head phantom always.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.agreement import intraclass_correlation
from FeatureExtractorLib.errors import EngineUnavailable
from FeatureExtractorLib.files import write_text_atomically
from FeatureExtractorLib.phantom import head_phantom
from FeatureExtractorLib.preprocessing.intensity import rescale_percentiles
from FeatureExtractorLib.preprocessing.n4 import correct_bias_field
from FeatureExtractorLib.preprocessing.resampling import resample, resample_mask
from FeatureExtractorLib.provenance import package_version
from FeatureExtractorLib.radiomics.engine import get_engine
from FeatureExtractorLib.radiomics.presets import load_settings
from TumorClassifierLib.evaluation.intervals import bootstrap_by_patient
from TumorClassifierLib.evaluation.resampled import resampled_auc
from TumorClassifierLib.explain.cam import grad_cam
from TumorClassifierLib.networks.resnet2d import build_classifier

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
DATA = Path(os.environ.get("TUMORCLASSIFIER_TEST_DATA") or ROOT.parent / "shared" / "data")
LONG = 3.0
"""Seconds from which on a pair of runs is repeated three times instead of seven."""


@dataclass(frozen=True)
class Comparison:
    """A step on some data by us and by a peer; difference: of both results, in words."""

    step: str
    data: str
    peer: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    difference: Callable[[Any, Any], str]


def main() -> None:
    lines = list(table(comparisons()))
    write_text_atomically(PAGE, "\n".join([*introduction(), *lines, ""]))
    print(f"{PAGE.relative_to(ROOT)} is written.")


def introduction() -> list[str]:
    """What was measured, how and on which machine."""
    peers = ("pyradiomics", "SimpleITK", "pingouin", "scikit-learn", "torchcam", "numpy", "torch")
    versions = ", ".join(f"{name} {package_version(name) or 'absent'}" for name in peers)
    return [
        "# Speed against the named peers",
        "",
        "Written by `make bench`. Ours and the peer's run alternately in one process, after one run of each that does",
        "not count. Seconds are medians; the ratio is the median, over the pairs, of the peer's time by ours, with",
        "the lowest and the highest. The last column is how far the results of both differ.",
        "",
        f"Machine: {processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}; "
        f"{versions}; ITK uses {sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()} threads{load()}.",
        "",
    ]


def table(comparisons: Iterator[Comparison]) -> Iterator[str]:
    """Lines of a Markdown table, each also printed as it gets done."""
    rows = ["| step | data | peer | ours, s | peer, s | times faster | pairs | results differ by |", "|---" * 8 + "|"]
    for row in rows:
        yield row
    for comparison in comparisons:
        row = measured(comparison)
        print(row, flush=True)
        yield row


def measured(c: Comparison) -> str:
    """One row: both sides warmed up, then timed alternately, each first in every other pair."""
    started = time.perf_counter()
    difference = c.difference(c.ours(), c.theirs())
    count = 3 if time.perf_counter() - started > LONG else 7
    pairs = []
    for i in range(count):
        sides = (c.ours, c.theirs) if i % 2 == 0 else (c.theirs, c.ours)
        taken = [seconds(side) for side in sides]
        pairs.append(taken if i % 2 == 0 else taken[::-1])
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratios = sorted(peer / own for own, peer in pairs)
    spread = f"{statistics.median(ratios):.3g} ({ratios[0]:.3g}–{ratios[-1]:.3g})"
    return f"| {c.step} | {c.data} | {c.peer} | {ours:.3g} | {theirs:.3g} | {spread} | {count} | {difference} |"


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def comparisons() -> Iterator[Comparison]:
    """All of them; images are read when their turn comes."""
    yield from bias_field()
    yield from radiomics()
    yield agreement()
    yield bootstrap()
    yield from explanation()


def bias_field() -> Iterator[Comparison]:
    """The fast N4 against ITK's, with the defaults of Slicer's module."""
    for name, image, head in heads():
        ours, theirs = (partial(correct_bias_field, image, head, method=method) for method in ("fast", "itk"))
        yield Comparison("N4 in a given mask", described(name, image), "ITK", ours, theirs, field_difference)


def heads() -> Iterator[tuple[str, sitk.Image, sitk.Image]]:
    """Images of heads, and what of them is not air."""
    files = {name: f"pyradiomics_cases/{name}_image.nrrd" for name in ("brain1", "brain2")}
    files |= {name: f"brain_t1/{name}.nii.gz" for name in ("chris_t1", "MR_Gd")}
    images = {name: sitk.ReadImage(str(DATA / file)) for name, file in files.items() if (DATA / file).is_file()}
    for name, image in {"head phantom": head_phantom()[0], **images}.items():
        yield name, image, sitk.OtsuThreshold(image, 0, 1)
    for folder in sorted((DATA / "brats_2013").glob("*_1")):
        image = sitk.ReadImage(str(folder / "T1c_subtrMeanDivStd.nii.gz"), sitk.sitkFloat32)
        head = sitk.ReadImage(str(folder / "brainmask.nii.gz")) > 0
        yield folder.name, rescale_percentiles(image, mask=head), head


def radiomics() -> Iterator[Comparison]:
    """The native engine against PyRadiomics, preset dtlr."""
    settings = load_settings("dtlr")
    try:
        peer = get_engine("pyradiomics")
    except EngineUnavailable as reason:
        print(reason)
        return
    for name, image, mask in tumours():
        ours, theirs = (partial(engine.extract, image, mask, settings) for engine in (get_engine("native"), peer))
        yield Comparison(
            "radiomics, dtlr", described(name, image), "PyRadiomics", ours, theirs, largest_relative_difference
        )


def tumours() -> Iterator[tuple[str, sitk.Image, sitk.Image]]:
    """Outlined tumours: thick slices, and whole heads at 1 mm with few and with many grey levels."""
    image, mask = head_phantom()
    yield "head phantom", image, mask
    whole, outline = resample(image, (1.0, 1.0, 1.0)), resample_mask(mask, (1.0, 1.0, 1.0))
    yield "head phantom at 1 mm", whole, outline
    folder = DATA / "pyradiomics_cases"
    if folder.is_dir():
        label = sitk.ReadImage(str(folder / "brain1_label.nrrd"), sitk.sitkUInt8)
        yield "brain1", sitk.ReadImage(str(folder / "brain1_image.nrrd")), label
    folder = DATA / "brats_2013" / "brats_2013_pat0005_1"
    if folder.is_dir():
        image = sitk.ReadImage(str(folder / "T1c_subtrMeanDivStd.nii.gz"), sitk.sitkFloat32)
        label = sitk.ReadImage(str(folder / "OTMultiClass.nii.gz")) > 0
        head = sitk.ReadImage(str(folder / "brainmask.nii.gz")) > 0
        for top in (1000.0, 4000.0):
            yield f"brats_2013, 0–{top:.0f}", rescale_percentiles(image, out_max=top, mask=head), label


def agreement() -> Comparison:
    """ICC(2,1) of all features at once against one call a feature."""
    import pandas as pd
    import pingouin

    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 1, 200)) + 0.3 * rng.normal(size=(20, 2, 200))
    case, reader = (index.ravel() for index in np.indices((20, 2)))
    tables = [pd.DataFrame({"case": case, "reader": reader, "value": values[:, :, j].ravel()}) for j in range(200)]

    def loop() -> np.ndarray:
        found = (
            pingouin.intraclass_corr(table, targets="case", raters="reader", ratings="value")["ICC"]
            for table in tables
        )
        return np.array([icc.iloc[1] for icc in found])

    return Comparison(
        "ICC with intervals",
        "200 features × 20 cases × 2 readers",
        "pingouin, a feature at a time",
        lambda: intraclass_correlation(values),
        loop,
        lambda ours, theirs: f"{np.abs(ours.icc - theirs).max():.1g}",
    )


def bootstrap() -> Comparison:
    """The interval of an AUC from all resamples at once against one call a resample, the same resamples."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], (70, 50))
    score = rng.normal(y * 0.8)
    kept: list[np.ndarray] = []

    def keep(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
        kept.extend([y, score, weights])
        return resampled_auc(y, score, weights)

    bootstrap_by_patient(keep, y, score)
    ordered, values, drawn = kept[:3]

    def loop() -> np.ndarray:
        aucs = [roc_auc_score(ordered, values, sample_weight=row) for row in drawn]
        return np.quantile(aucs, (0.025, 0.975))

    return Comparison(
        "bootstrap interval of the AUC",
        "2000 resamples × 120 patients",
        "scikit-learn, a resample at a time",
        lambda: bootstrap_by_patient(resampled_auc, y, score),
        loop,
        lambda ours, theirs: f"{np.abs(np.subtract((ours.low, ours.high), theirs)).max():.1g}",
    )


def explanation() -> Iterator[Comparison]:
    """Grad-CAM without a graph below the last convolution block against graphs of the whole network."""
    import torch
    from torch.nn.functional import interpolate
    from torchcam.methods import GradCAM

    model = build_classifier("resnet50", 2)
    image = np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32)
    spoken_for = int(np.argmax([grad_cam(model, image, c).max() for c in (0, 1)]))

    def upsampled(cam: torch.Tensor) -> np.ndarray:
        return interpolate(cam, (224, 224), mode="bilinear", align_corners=False)[0].detach().numpy()

    def torchcam() -> np.ndarray:
        with GradCAM(model, "trunk", input_shape=(3, 224, 224)) as extractor:
            (cam,) = extractor(spoken_for, model(torch.from_numpy(image)), normalized=False)
        return upsampled(cam[None])

    def full_backward() -> np.ndarray:
        maps = model[:2](torch.from_numpy(image))
        maps.retain_grad()
        model[2:](maps)[0, spoken_for].backward()
        model.zero_grad()
        return upsampled((maps.grad.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True).relu())

    for peer, theirs in (("gradients of all layers, plain torch", full_backward), ("torchcam", torchcam)):
        yield Comparison(
            f"Grad-CAM, ResNet-50, threads: {torch.get_num_threads()}",
            "1 slice of 224×224",
            peer,
            lambda: grad_cam(model, image, spoken_for),
            theirs,
            lambda ours, theirs: f"{np.abs(ours - theirs).max() / np.abs(theirs).max():.1g} of the maximum",
        )


def field_difference(ours: Any, theirs: Any) -> str:
    """Of the logarithms of both bias fields."""
    fields = (sitk.GetArrayViewFromImage(correction.log_field) for correction in (ours, theirs))
    return f"{np.abs(np.subtract(*fields)).max():.1g} in log field"


def largest_relative_difference(ours: dict[str, float], theirs: dict[str, float]) -> str:
    """Of features that both name; values nearer to 0 than 1e-6 count as that."""
    names = [name for name in theirs if name in ours]
    a, b = (np.array([features[name] for name in names]) for features in (ours, theirs))
    relative = np.where(np.isnan(a) & np.isnan(b), 0.0, np.abs(a - b) / np.maximum(np.abs(b), 1e-6))
    return f"{relative.max():.1g} relative, {len(names)} features"


def described(name: str, image: sitk.Image) -> str:
    size, spacing = ("×".join(f"{n:.3g}" for n in values) for values in (image.GetSize(), image.GetSpacing()))
    return f"{name} ({size}, {spacing} mm)"


def load() -> str:
    """How busy the machine was with other work when this began, where the system tells."""
    return f"; load before the first run {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
