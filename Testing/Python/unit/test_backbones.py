import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from FeatureExtractorLib.deep.backbones import BACKBONES, Weights, backbone_spec, build_backbone, parse_weights, seeded
from FeatureExtractorLib.deep.features import choose_device, pooled_features
from FeatureExtractorLib.errors import InputError, WeightsUnavailable
from FeatureExtractorLib.files import sha256_of_file

SEED_0 = Weights("seed", "0")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((5, 3, 64, 64)).astype(np.float32)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_pooled_features_equal_torchvisions_own_network(name: str, images: np.ndarray) -> None:
    spec = backbone_spec(name)
    with seeded(3):
        network = get_model(name, weights=None).eval()
    network.fc = torch.nn.Identity()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (spec.mean, spec.std))
    with torch.no_grad():
        expected = network((torch.from_numpy(images) - mean) / std).numpy()
    found = pooled_features(build_backbone(name, Weights("seed", "3")), images)
    assert found.dtype == np.float64
    assert found.shape == (5, spec.width)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


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


def test_named_weights_without_a_network(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(WeightsUnavailable, match="resnet18-f37072fd.pth"):
        build_backbone("resnet18", parse_weights("imagenet"))


def test_named_weights_in_the_cache_are_checked_by_hash(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"forged")
    with pytest.raises(WeightsUnavailable, match="SHA-256"):
        build_backbone("resnet18", parse_weights("imagenet"))


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
