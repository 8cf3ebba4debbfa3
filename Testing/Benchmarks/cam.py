"""Class activation maps against the usual ways to make them, on ResNet-50: `make bench`.

Peers: gradients of the whole network, slice by slice; torchcam as its page shows it, slice by slice; and for the
smooth map torchcam with the same noise. Both sides run alternately and every pair gives a ratio, as in compare.py.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from compare import Comparison, load, processor, table

from FeatureExtractorLib.deep.backbones import seeded
from TumorClassifierLib.explain.cam import grad_cam, smooth_grad_cam
from TumorClassifierLib.explain.smooth import Smoothing
from TumorClassifierLib.networks.resnet2d import build_classifier, split

SIZE, STD = 224, 0.15
EPS = 1e-8  # what torchcam adds to the denominator of its weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=40, help="of the volume (default 40)")
    parser.add_argument("--samples", type=int, default=25, help="noisy images of the smooth map (default 25)")
    chosen = parser.parse_args()
    print(f"Machine: {processor()}{load()}.")
    for row in table(comparisons(chosen.slices, chosen.samples)):
        if row.startswith(("| step", "|---")):
            print(row)


def comparisons(slices: int, samples: int) -> Iterator[Comparison]:
    """Grad-CAM of a volume's slices twice, then one smooth map twice: as torchcam makes it, and as cheaply."""
    import torch

    model = build_classifier("resnet50", 2)
    images = np.random.default_rng(0).random((slices, 3, SIZE, SIZE), dtype=np.float32)
    of = int(np.argmax([grad_cam(model, images[:1], c).max() for c in (0, 1)]))
    for peer, theirs in (
        ("gradients of all layers, plain torch", each(full_backward, model, of)),
        ("torchcam", each(torchcam, model, of)),
    ):
        yield Comparison(
            f"Grad-CAM, ResNet-50, threads: {torch.get_num_threads()}",
            f"{slices} slices of {SIZE}×{SIZE}",
            peer,
            partial(grad_cam, model, images, of),
            partial(theirs, images),
            difference,
        )
    one = images[:1]
    with seeded(0):
        distribution = torch.distributions.normal.Normal(0, STD)
        noise = torch.cat([distribution.sample((1, 3, SIZE, SIZE)) for _ in range(samples)]).numpy()
    trunk, head = split(model)
    data = f"1 slice, {samples} samples"
    last, clean = Smoothing(samples, STD, maps="last"), Smoothing(samples, STD, maps="clean")
    yield Comparison(
        "Smooth Grad-CAM++, maps of the last sample",
        data,
        "torchcam",
        lambda: smooth_grad_cam(trunk, head, one, of, last, noise, EPS),
        lambda: torchcam_smooth(model, one, of, samples),
        difference,
    )
    yield Comparison(
        "Smooth Grad-CAM++, maps of the slice itself",
        data,
        "torchcam, its hook off while it draws samples",
        lambda: smooth_grad_cam(trunk, head, one, of, clean, noise, EPS),
        lambda: torchcam_smooth(model, one, of, samples, keep_clean=True),
        difference,
    )


def each(function: Callable[[Any, np.ndarray, int], np.ndarray], model: Any, of: int) -> Callable[..., np.ndarray]:
    """A function of one slice as one of many, slice by slice."""
    return lambda images: np.concatenate([function(model, images[i : i + 1], of) for i in range(len(images))])


def full_backward(model: Any, image: np.ndarray, of: int) -> np.ndarray:
    import torch

    maps = model[:2](torch.from_numpy(image))
    maps.retain_grad()
    model[2:](maps)[0, of].backward()
    model.zero_grad()
    return upsampled((maps.grad.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1).relu())


def torchcam(model: Any, image: np.ndarray, of: int) -> np.ndarray:
    import torch
    from torchcam.methods import GradCAM

    with GradCAM(model, "trunk", input_shape=(3, SIZE, SIZE)) as extractor:
        (cam,) = extractor(of, model(torch.from_numpy(image)), normalized=False)
    return upsampled(cam)


def torchcam_smooth(model: Any, image: np.ndarray, of: int, samples: int, keep_clean: bool = False) -> np.ndarray:
    import torch
    from torchcam.methods import SmoothGradCAMpp

    with seeded(0), SmoothGradCAMpp(model, "trunk", samples, STD, (3, SIZE, SIZE)) as extractor:
        model(torch.from_numpy(image))
        if keep_clean:
            extractor.hook_handles[0].remove()
        (cam,) = extractor(of, normalized=False)
    return upsampled(cam)


def upsampled(cam: Any) -> np.ndarray:
    from torch.nn.functional import interpolate

    maps = interpolate(cam[:, None], (SIZE, SIZE), mode="bilinear", align_corners=False)
    return np.asarray(maps[:, 0].detach().numpy())


def difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    return f"{np.abs(ours - theirs).max() / np.abs(theirs).max():.1g} of the maximum"


if __name__ == "__main__":
    main()
