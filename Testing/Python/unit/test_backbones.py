import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.models import get_model, get_model_weights

from FeatureExtractorLib.deep.backbones import BACKBONES, Weights, backbone_spec, build_backbone, parse_weights, seeded
from FeatureExtractorLib.deep.features import choose_device, pooled_features
from FeatureExtractorLib.deep.published import obtain
from FeatureExtractorLib.errors import EngineUnavailable, InputError, WeightsUnavailable
from FeatureExtractorLib.files import sha256_of_file

SEED_0 = Weights("seed", "0")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((5, 3, 64, 64)).astype(np.float32)


LIGHT = ("resnet18", "legacy_xception", "inception_v3")
WHOLE = [name for name, spec in BACKBONES.items() if not spec.until]
NETWORKS = [name if name in LIGHT else pytest.param(name, marks=pytest.mark.slow) for name in WHOLE]


@pytest.mark.parametrize("name", NETWORKS)
def test_features_and_size_are_those_of_the_librarys_own_network(name: str) -> None:
    """Pooled features behind the last convolution, for the same random weights."""
    make = get_model if backbone_spec(name).package == "torchvision" else timm.create_model
    with seeded(3):
        network = make(name).eval()
    model = build_backbone(name, Weights("seed", "3"))
    spec = backbone_spec(name)
    rows = np.random.default_rng(0).random((2, 3, spec.input_size, spec.input_size)).astype(np.float32)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (spec.mean, spec.std))
    with torch.no_grad():
        expected = maps_of(network, (torch.from_numpy(rows) - mean) / std).mean(dim=(2, 3)).numpy()
    found = pooled_features(model, rows)
    scale = np.abs(expected).max()
    assert found.dtype == np.float64
    assert found.shape == (2, spec.width) == expected.shape
    assert np.ptp(found, axis=0).max() > 0
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-5)
    np.testing.assert_allclose(pooled_features(model, rows, batch_size=1) / scale, found / scale, rtol=0, atol=1e-5)

    tensors = {key: tensor.numel() for key, tensor in network.state_dict().items()}
    head = ("fc.", "classif", "classifier.")
    assert sum(t.numel() for t in model.state_dict().values()) == sum(
        n for key, n in tensors.items() if not key.startswith(head)
    )
    if name != "inception_v3":  # whose published file holds an auxiliary classifier too
        assert spec.published.megabytes == pytest.approx(4e-6 * sum(tensors.values()), rel=0.01)


def test_a_shortened_network_is_the_library_s_up_to_there() -> None:
    with seeded(3):
        network = get_model("resnet18").eval()
    spec, model = backbone_spec("resnet14"), build_backbone("resnet14", Weights("seed", "3"))
    images = torch.from_numpy(np.random.default_rng(0).random((2, 3, 64, 64)).astype(np.float32))
    seen: list[torch.Tensor] = []
    network.layer4.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (spec.mean, spec.std))
    with torch.no_grad():
        network((images - mean) / std)
        found = model[:2](images)
    assert found.shape == (2, spec.width, 4, 4) and "layer4" not in dict(model.trunk.named_children())
    torch.testing.assert_close(found, seen[0])


def maps_of(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The last convolution maps, by the library's own forward pass."""
    if hasattr(network, "forward_features"):
        return network.forward_features(images)
    seen: list[torch.Tensor] = []
    hook = network.avgpool.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(images)
    hook.remove()
    return seen[0]


def test_published_weights_are_those_the_libraries_name() -> None:
    for name, spec in BACKBONES.items():
        if spec.package == "torchvision":
            published = get_model_weights(spec.model or name)["IMAGENET1K_V1"]
            url, size, mean, std = published.url, 224, published.transforms().mean, published.transforms().std
            assert spec.published.megabytes == pytest.approx(published.meta["_file_size"] * 1.048576, abs=0.6)
        else:
            config = timm.get_pretrained_cfg(name)
            # timm has moved some to a hub that names no hash; those files' former place is still there.
            url, size, mean, std = config.url or spec.published.url, config.input_size[1], config.mean, config.std
            assert spec.published.licence.lower() == config.license
        assert (url, size, tuple(mean), tuple(std)) == (spec.published.url, spec.input_size, spec.mean, spec.std)
        assert len(spec.published.sha256) >= 8
        assert int(spec.published.sha256, 16) > 0


def test_a_network_whose_package_is_missing_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(EngineUnavailable, match=r"needs the package timm.*pip install timm.*vgg19\.$"):
        build_backbone("legacy_xception", SEED_0)


def test_pooled_features_do_not_depend_on_batch_size(images: np.ndarray) -> None:
    model = build_backbone("resnet18", SEED_0).train()
    whole = pooled_features(model, images, batch_size=32)
    np.testing.assert_allclose(pooled_features(model, images, batch_size=1), whole, rtol=0, atol=1e-5)
    np.testing.assert_allclose(pooled_features(model, images, batch_size=2), whole, rtol=0, atol=1e-5)
    assert model.training, "the model's mode is as before"


def test_pooled_features_report_progress_and_refuse_other_images(images: np.ndarray) -> None:
    model = build_backbone("resnet18", SEED_0)
    seen: list[float] = []
    pooled_features(model, images, batch_size=2, progress=lambda stage, fraction: seen.append(fraction))
    assert seen == [0.0, 0.4, 0.8, 1.0]
    for bad in (images[0], images[:, :1], images[:0]):
        with pytest.raises(InputError, match="shape"):
            pooled_features(model, bad)
    spoilt = images.copy()
    spoilt[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        pooled_features(model, spoilt)


def test_a_seed_gives_the_same_weights_and_leaves_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, second, other = (build_backbone("resnet18", Weights("seed", s)).state_dict() for s in ("5", "5", "6"))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["trunk.conv1.weight"], other["trunk.conv1.weight"])


def test_kernels_start_as_he_et_al_propose() -> None:
    kernel = build_backbone("resnet18", SEED_0).trunk.layer3[1].conv2.weight
    assert kernel.std().item() == pytest.approx(np.sqrt(2 / (9 * 256)), rel=0.01)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_a_file_with_its_hash(tmp_path, suffix: str, images: np.ndarray) -> None:
    with seeded(7):
        state = get_model("resnet18", weights=None).state_dict()
    path = tmp_path / f"weights{suffix}"
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    sha256 = sha256_of_file(path)
    weights = parse_weights(f"file:{path}#{sha256}")
    assert weights == parse_weights(f"file:{path}") == Weights("file", str(path), sha256)
    assert sha256[:12] in weights.describe()
    assert str(tmp_path) not in weights.describe()
    found = pooled_features(build_backbone("resnet18", weights), images[:1])
    np.testing.assert_array_equal(found, pooled_features(build_backbone("resnet18", Weights("seed", "7")), images[:1]))

    with pytest.raises(WeightsUnavailable, match="SHA-256"):
        parse_weights(f"file:{path}#{'0' * 64}")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(WeightsUnavailable, match="SHA-256"):
        build_backbone("resnet18", weights)


def test_a_file_for_another_network_names_the_first_tensor(tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(get_model("resnet50", weights=None).state_dict(), path)
    with pytest.raises(InputError, match=r"layer1\.0\.conv1\.weight has the shape"):
        build_backbone("resnet18", parse_weights(f"file:{path}"))
    state = get_model("resnet18", weights=None).state_dict()
    del state["layer2.0.conv1.weight"]
    save_file(state, path)
    with pytest.raises(InputError, match=r"layer2\.0\.conv1\.weight is missing"):
        build_backbone("resnet18", parse_weights(f"file:{path}"))


class Harmful:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_file_that_is_not_plain_tensors_is_refused(tmp_path, capsys) -> None:
    pickled, text, nested = tmp_path / "a.pth", tmp_path / "b.safetensors", tmp_path / "c.pth"
    torch.save({"conv1.weight": Harmful()}, pickled)
    text.write_text("not tensors")
    torch.save({"state_dict": {"conv1.weight": torch.zeros(1)}}, nested)
    for path in (pickled, text, nested):
        with pytest.raises(InputError, match=path.name):
            build_backbone("resnet18", parse_weights(f"file:{path}"))
    assert "executed" not in capsys.readouterr().out


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def test_named_weights_without_a_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(WeightsUnavailable, match="unreachable.*resnet18-f37072fd.pth"):
        build_backbone("resnet18", parse_weights("imagenet"))


def test_a_download_is_announced_and_refused_offline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads: list[tuple[str, str]] = []

    def download(url: str, path: str, hash_prefix: str, progress: bool) -> None:
        downloads.append((url, hash_prefix))
        Path(path).write_bytes(b"forged")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    published, told = backbone_spec("vgg16").published, []
    with pytest.raises(WeightsUnavailable, match=r"vgg16 are not on this computer.*offline.*vgg16-397923af\.pth"):
        obtain(published, "vgg16", offline=True, tell=told.append)
    assert (told, downloads) == ([], [])
    with pytest.raises(WeightsUnavailable, match="SHA-256"):
        obtain(published, "vgg16", tell=told.append)
    assert downloads == [("https://download.pytorch.org/models/vgg16-397923af.pth", "397923af")]
    assert "vgg16-397923af.pth, 553 MB, licence BSD-3-Clause, from https://download.pytorch.org" in told[0]
    assert str(cache) in told[0]


def test_named_weights_in_the_cache_are_loaded_once_their_hash_is_right(
    cache: Path, monkeypatch: pytest.MonkeyPatch, images: np.ndarray
) -> None:
    cache.mkdir(parents=True)
    published = backbone_spec("resnet18").published
    published.path.write_bytes(b"forged")
    with pytest.raises(WeightsUnavailable, match="SHA-256"):
        build_backbone("resnet18", parse_weights("imagenet"))

    with seeded(7):
        torch.save(get_model("resnet18", weights=None).state_dict(), published.path)
    name = f"resnet18-{sha256_of_file(published.path)[:8]}.pth"
    spec = replace(backbone_spec("resnet18"), published=replace(published, url=f"https://example.org/{name}"))
    published.path.rename(cache / name)
    monkeypatch.setitem(BACKBONES, "resnet18", spec)
    told: list[str] = []
    assert obtain(spec.published, "resnet18", offline=True, tell=told.append) == cache / name
    assert told == []
    found = pooled_features(build_backbone("resnet18", parse_weights("imagenet")), images[:1])
    np.testing.assert_array_equal(found, pooled_features(build_backbone("resnet18", Weights("seed", "7")), images[:1]))


def test_a_file_from_either_library_is_accepted(tmp_path: Path) -> None:
    """timm and torchvision name the convolution parts alike and the classifying layers differently."""
    path = tmp_path / "weights.safetensors"
    state = get_model("resnet18", weights=None).state_dict()
    state["head.fc.weight"] = state.pop("fc.weight")
    save_file(state, path)
    loaded = build_backbone("resnet18", parse_weights(f"file:{path}")).state_dict()
    assert torch.equal(loaded["trunk.layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])


@pytest.mark.parametrize("text", ["", "imagenet:1", "seed:", "seed:x", "seed:-1", "file:", "resnet", "http://x"])
def test_texts_that_name_no_weights(text: str) -> None:
    with pytest.raises(InputError, match="does not name weights"):
        parse_weights(text)


def test_names_and_descriptions() -> None:
    assert parse_weights("imagenet").describe() == "ImageNet weights"
    assert parse_weights("seed:0").describe() == "random weights, seed 0"
    with pytest.raises(WeightsUnavailable, match="does not exist"):
        parse_weights("file:/nowhere/weights.pth")
    with pytest.raises(InputError, match="resnet18, resnet50"):
        build_backbone("resnet19", SEED_0)


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(InputError, match="tpu"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no cuda device"):
            choose_device("cuda")
