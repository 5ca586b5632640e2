"""`finesight models`: the counts that are printed, and the command around them."""

import json

import pytest
import typer
from typer.testing import CliRunner

from finesight.app.models import compare_models, describe_model, list_models
from finesight.cli.models import models
from finesight.errors import ModelError
from finesight.run.architecture import ListedModel

app = typer.Typer()
app.command()(models)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_references_counts() -> None:
    network = json.loads(run("resnet50", "--classes", "50", "--freeze-before", "layer1.1", "--json"))
    assert set(network) == {"name", "parameters", "trainable", "frozen", "layers"}
    assert (network["parameters"], network["frozen"], network["trainable"]) == (23_610_482, 84_544, 23_525_938)
    frozen = {layer["name"] for layer in network["layers"] if layer["frozen"]}
    assert {"conv1", "bn1", "layer1.0"} <= frozen
    assert all(name in ("conv1", "bn1") or name.startswith("layer1.0") for name in frozen)
    assert network["layers"][-1] == {
        "name": "fc",
        "type": "Linear",
        "output_shape": [1, 50],
        "parameters": 102_450,
        "frozen": False,
    }


@pytest.mark.parametrize(("name", "parameters"), [("vgg16_fcn32s", 40_118_087), ("vgg16_fcn8s", 14_736_997)])
def test_segmenters_are_described_too(name: str, parameters: int) -> None:
    assert describe_model(name, 7).network.parameters == parameters


def test_networks_that_cannot_be_made_without_data() -> None:
    assert describe_model("regnet_y_400mf", 10).network.layers[0].name == "stem"


def test_everything_but_the_head_frozen() -> None:
    assert describe_model("resnet18", 10, "head").network.trainable == 5130
    with pytest.raises(ModelError, match=r"Did you mean 'layer1\.1'"):
        describe_model("resnet18", 10, "layr1.1")


def test_printed_network() -> None:
    printed = run("resnet18", "--classes", "10")
    assert printed.startswith("ResNet(\n  (conv1): Conv2d(3, 64")
    assert "(fc): Linear(in_features=512, out_features=10, bias=True)" in printed
    assert "11,181,642" in printed
    assert "1×64×112×112" in printed


def test_comparison() -> None:
    found = compare_models("resnet18", "resnet34", 10)
    assert found.only_first == ()
    assert found.only_second[0] == "layer1.2"
    changed = {entry.name: entry for entry in found.changed}
    assert changed["layer1"].to_dict() == {"name": "layer1", "parameters": [147_968, 221_952]}
    assert json.loads(run("resnet18", "resnet34", "--classes", "10", "--json")) == found.to_dict()


def test_comparison_as_text() -> None:
    printed = run("mobilenet_v2", "mobilenet_v3_small")
    assert "mobilenet_v2: 3,504,872 parameters" in printed
    assert "+++ mobilenet_v3_small" in printed
    assert "The same layers." in run("resnet18", "resnet18")


def test_list() -> None:
    rows = {row.name: row for row in list_models()}
    assert rows["resnet50"] == ListedModel("resnet50", "classification", 25_557_032, ("default",))
    assert json.loads(run("--json"))["models"] == [row.to_dict() for row in rows.values()]
    assert "efficientnet_lite0" in run()
