import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from freeconv.errors import FreeconvError
from freeconv.study.params import check_params, load_params, params_model
from freeconv.study.params_reference import json_schema, reference

ROOT = Path(__file__).parent.parent.parent
FILES = [ROOT / "params.yaml", *sorted((ROOT / "params").glob("*.yaml"))]


def keys(values, prefix=""):
    """Return the dotted keys of a parameter file, without those of free-form mappings."""
    found = set()
    for key, value in values.items():
        found.add(prefix + key)
        if isinstance(value, dict) and key not in ("folders", "overrides"):
            found |= keys(value, f"{prefix}{key}.")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_parameter_files_are_right_and_have_every_key(path, tmp_path, monkeypatch):
    values = yaml.safe_load(path.read_text())
    monkeypatch.chdir(tmp_path)
    for source in values["data"]["folders"].values():  # the user's own images
        Path(source).mkdir()
    load_params(path)
    assert keys(values) == keys(params_model()().model_dump(mode="json"))
    jsonschema.validate(values, json_schema())


def test_the_generated_pages_are_those_of_the_model():
    hint = "run `make docs`"
    assert (ROOT / "docs/params.md").read_text() == reference(), hint
    assert json.loads((ROOT / "workflow/schemas/params.schema.json").read_text()) == json_schema(), hint


def test_every_key_has_a_description():
    def check(node):
        for key, value in node.get("properties", {}).items():
            assert value.get("description") or "$ref" in value, key

    schema = json_schema()
    for node in (schema, *schema["$defs"].values()):
        check(node)
        assert node["description"]


def test_the_papers_protocol():
    params = load_params(ROOT / "params/paper.yaml")
    assert params.data.datasets == ["mnist", "cifar10"]
    assert (params.train.epochs, params.train.patience, params.train.batch) == (250, 50, 256)
    assert params.train.learning_rate == 0.001
    cifar10 = params.train.overrides["cifar10"]
    assert (cifar10.epochs, cifar10.patience, cifar10.batch, cifar10.learning_rate) == (500, 100, 128, 0.0001)
    assert params.aug.translate == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99]


@pytest.mark.parametrize("name", ["translate", "rotate", "noise", "edge_noise"])
def test_levels_may_be_one_number(name):
    assert check_params({"aug": {name: 0.4}}) == check_params({"aug": {name: [0.4]}})
    assert check_params({"aug": {name: 0}}) == check_params({"aug": {name: [0.0]}})
    jsonschema.validate({"aug": {name: 0.4}}, json_schema())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"augg": {}}, "params: augg: unknown key"),
        ({"aug": {"shift": 0.1}}, "params: aug.shift: unknown key"),
        ({"aug": {"translate": 1.5}}, "aug.translate.0: expected less than 1, received 1.5"),
        ({"aug": {"translate": [0, -0.1]}}, "aug.translate.1: expected greater than or equal to 0, received -0.1"),
        ({"aug": {"translate": [0.1, 0.1]}}, "aug.translate: expected each value once, received [0.1, 0.1]"),
        (
            {"aug": {"translate": 0.1234567}},
            "expected levels of at most six significant digits, received 0.1234567",
        ),
        ({"aug": {"translate": "1e-3"}}, "aug.translate.0: expected a valid number, received '1e-3'"),
        ({"aug": {"translate": float("nan")}}, "aug.translate.0: expected"),
        ({"train": {"epochs": "ten"}}, "train.epochs: expected a valid integer, received 'ten'"),
        ({"train": {"epochs": 2.5}}, "train.epochs: expected a valid integer"),
        ({"train": {"epochs": True}}, "train.epochs: expected a valid integer, received True"),
        (
            {"train": {"networks": ["rnn"]}},
            "train.networks: expected networks among cnn, fcn, mlp",
        ),
        ({"train": {"networks": []}}, "train.networks: expected"),
        ({"train": {"held_out": [7]}}, "train: expected folds in held_out below 5, received 7"),
        ({"train": {"fuse": ["level"]}}, "train.fuse: expected [], [fold] or [fold, level], received ['level']"),
        ({"train": {"fuse": ["time"]}}, "train.fuse.0: expected 'fold' or 'level', received 'time'"),
        ({"train": {"overrides": {"mnist": {"epochs": 0}}}}, "train.overrides.mnist.epochs: expected greater"),
        ({"train": {"overrides": {"minst": {}}}}, "received 'minst'"),
        ({"data": {"datasets": ["svhn"]}}, "expected datasets among mnist-5k, mnist, cifar10"),
        ({"data": {"folders": {"mnist": "."}}}, "data.folders: expected names other than those of the built-in"),
        ({"data": {"folders": {"a": "no/such"}, "datasets": ["a"]}}, "data.folders.a: expected a folder or zip file"),
        ({"report": {"aggregate": "mean"}}, "report.aggregate: expected 'all-epochs', 'final' or 'best'"),
        ([], "parameters: expected"),
    ],
)
def test_a_wrong_parameter_is_named_in_one_line(values, message):
    with pytest.raises(FreeconvError) as refused:
        check_params(values)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), st.lists, max_leaves=4)
)
def test_any_value_is_right_or_refused(value):
    for name in ("translate", "copies"):
        try:
            params = check_params({"aug": {name: value}})
        except FreeconvError:
            continue
        assert name != "translate" or all(0 <= level < 1 for level in params.aug.translate)


@pytest.mark.parametrize(
    ("text", "message"), [("a: [1", "expected YAML"), ("!!python/object/apply:os.getcwd []", "expected YAML")]
)
def test_a_file_that_is_no_yaml_is_refused(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(FreeconvError, match=message) as refused:
        load_params(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["__use_yte__: true\nseed: 1", '{"__use_yte__": false}', "<<: {__use_yte__: 1}"],
    ids=["true", "false", "<<"],
)
def test_a_template_which_can_run_code_is_refused(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(FreeconvError, match=r"params\.yaml: expected parameters, received a template") as refused:
        load_params(path)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FreeconvError, match="does not exist"):
        load_params(tmp_path / "params.yaml")
    with pytest.raises(FreeconvError, match=r"expected a parameter file \(File name too long\)"):
        load_params("seed: 0, " * 100)


def test_parameters_survive_being_written_as_json():
    params = load_params(ROOT / "params/paper.yaml")
    assert load_params(params.text()) == params


@pytest.mark.parametrize(
    "aug", [{"translate": []}, {"translate": [], "rotate": 0.1}, {"forms": {"rotate": "keras-2018"}}]
)
def test_what_is_not_studied_survives_being_written_as_json(aug):
    params = check_params({"aug": aug})
    assert load_params(params.text()) == params
