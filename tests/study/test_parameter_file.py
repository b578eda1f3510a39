"""One reading of parameter files."""

import tempfile
import time
from pathlib import Path

import pytest
from dvc.utils.serialize import dumps_yaml, load_yaml
from hypothesis import given
from hypothesis import strategies as st

from freeconv.errors import FreeconvError
from freeconv.study import paths
from freeconv.study.parameter_file import DEPTH, LARGEST, read_values, with_changes
from freeconv.study.params import check_params, load_params, params_model

ROOT = Path(__file__).parent.parent.parent
NO_SECTIONS = ("seed", "modules", "study")
SECTIONS = "".join(f"{name}: {{}}\n" for name in params_model().model_fields if name not in NO_SECTIONS)


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a parameter file."""

    def function(text):
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return path

    return function


@pytest.mark.parametrize(
    "path", [ROOT / "params.yaml", *sorted((ROOT / "params").glob("*.yaml"))], ids=lambda path: path.name
)
def test_the_projects_files_are_read_as_dvc_reads_them(path):
    assert read_values(path) == load_yaml(path)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=8)
        | st.sampled_from(["1:30", "010", "yes", "1e-5", "0o10", "2020-01-01", "1_000", "~", "{a}", "- a", "a: b"]),
        lambda values: st.lists(values, max_size=3) | st.dictionaries(st.sampled_from("abc"), values, max_size=3),
        max_leaves=5,
    )
)
def test_what_is_accepted_is_read_as_dvc_reads_it(value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "params.yaml")
        path.write_text(dumps_yaml({"key": value}), encoding="utf-8")  # as dvc exp run -S writes it
        try:
            values = read_values(path)
        except FreeconvError:
            return
        assert repr(values) == repr(load_yaml(path))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-5", 0.00001),
        ("1e-05", 0.00001),
        ("1.0e-5", 0.00001),
        ("1E-5", 0.00001),
        ("+1.e-5", 0.00001),
        ("5e-1", 0.5),
        (".5", 0.5),
        ("0.00001", 0.00001),
    ],
)
def test_numbers_with_exponents_are_numbers_alone_and_in_lists(file, text, number):
    sections = SECTIONS.replace("train: {}", f"train: {{learning_rate: {text}}}")
    sections = sections.replace("search: {}", f"search: {{learning_rates: [{text}, 1e-2]}}")
    params = load_params(file(f"seed: 0\n{sections}"))
    assert params.train.learning_rate == number
    assert params.search.learning_rates == [number, 0.01]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("010", "write 8 or 10 or '010'"),
        ("1:30", "write 90 or '1:30'"),
        ("yes", "write true or 'yes'"),
        ("on", "write true or 'on'"),
        ("Off", "write false or 'Off'"),
        ("n", "write false or 'n'"),
        ("0o10", "write 8 or '0o10'"),
        ("1_000", "write 1000 or '1_000'"),
        ("1_0.5", "write 10.5 or '1_0.5'"),
        ("0x1F", "write 31 or '0x1F'"),
        ("0b11", "write 3 or '0b11'"),
        ("08", "write 8 or '08'"),
        ("190:20:30.15", "or '190:20:30.15'"),
        ("2020-01-01", "write '2020-01-01'"),
        ("2020-99-01", "write '2020-99-01'"),
    ],
)
def test_a_value_that_readers_take_for_different_ones_is_refused(file, value, message):
    for text in (f"a: {value}", f"a: 1\nb: [1, {value}]", f"a: {{{value}: 1}}", f"a: &x {value}\nb: *x"):
        with pytest.raises(FreeconvError) as refused:
            read_values(file(text))
        assert f"expected a value that all readers of YAML take for the same, received {value}; write " in str(
            refused.value
        )
        assert str(refused.value).endswith(message)
        assert "params.yaml: line " in str(refused.value)
    assert read_values(file(f"a: '{value}'")) == {"a": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "line 2: expected each key once, received a again; remove one of them"),
        ("train: {epochs: 3}\ndata: {}\ntrain: {batch: 10}", "line 3: expected each key once, received train again"),
        ("train:\n  epochs: 3\n  batch: 2\n  epochs: 4", "line 4: expected each key once, received epochs again"),
        ('{"a": 1, "a": 1}', "line 1: expected each key once, received a again"),
        ("a: 1\n'a': 2", "line 2: expected each key once, received a again"),
        ("[1, 2]", "expected parameters as `key: value`, received [1, 2]"),
        ("text", "expected parameters as `key: value`, received 'text'"),
        ("a: 1\n---\nb: 2", "expected YAML, received something else"),
        ("a: *b", "line 1: expected YAML, received something else (found undefined alias 'b')"),
        ("a:\n\tb: 1", "line 2: expected YAML"),
        ("a: !x 1", "line 1: expected YAML"),
        ("a: \x07", "expected YAML, received something else (unacceptable character"),
    ],
)
def test_a_file_that_is_not_one_mapping_is_refused(file, text, message):
    with pytest.raises(FreeconvError) as refused:
        read_values(file(text))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"a: \xff")
    with pytest.raises(FreeconvError, match="expected YAML in UTF-8, received other bytes"):
        read_values(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: " + "[" * 3000, f"expected at most {DEPTH} mappings and lists in one another, received more"),
        ("a: " + "[" * 3000 + "]" * 3000, f"expected at most {DEPTH} mappings"),
        ("a: " + "{b: " * 500, f"expected at most {DEPTH} mappings"),
        ("- " * 3000 + "a", f"expected at most {DEPTH} mappings"),
        ("? " * 3000 + "a", f"expected at most {DEPTH} mappings"),
        ("a: &x [*x]", f"expected at most {DEPTH} mappings"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{b}: &{b} [{','.join(9 * [f'*{a}'])}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)),
            "expected at most 10,000 values, received more",
        ),
        (f"a: [{', '.join(map(str, range(18000)))}]", f"expected at most {LARGEST:,} bytes of parameters, received "),
        ("#" * 10**7, f"expected at most {LARGEST:,} bytes of parameters, received 10,000,000; shorten it"),
    ],
    ids=["brackets", "closed", "braces", "dashes", "keys", "loop", "laughs", "angles", "comment"],
)
def test_a_deep_or_huge_file_is_refused_at_once(file, text, message):
    path = file(text)
    begin = time.perf_counter()
    with pytest.raises(FreeconvError) as refused:
        load_params(path)
    assert time.perf_counter() - begin < 5  # 0.1 s where nothing else is running
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_key_takes_its_default_and_a_missing_section_is_refused(file):
    assert load_params(file(f"seed: 0\n{SECTIONS}")) == check_params({})
    for text, missing, advice in (
        (SECTIONS, "seed", "`seed: 0`"),
        (f"seed: 0\n{SECTIONS.replace('vcp: {}', '')}", "vcp", "`vcp: {}`"),
        (f"seed: 0\n{SECTIONS.replace('aug: {}', '').replace('report: {}', '')}", "aug, report", "`aug: {}`, `report"),
        ("seed: 0", "data, aug, shards", "`data: {}`"),
        ("", "seed, data", "`seed: 0`, `data: {}`"),
        ("# nothing\n", "seed, data", "`seed: 0`, `data: {}`"),
        ("{}", "seed, data", "`seed: 0`, `data: {}`"),
    ):
        with pytest.raises(FreeconvError) as refused:
            load_params(file(text))
        assert f"expected every section, as DVC does, received none of {missing}" in str(refused.value)
        assert f"for defaults add {advice}" in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train": {"epochs": "1"}}, {"train": {"epochs": 1, "batch": 2}}),
        ({"train": {"learning_rate": "1e-5"}}, {"train": {"epochs": 9, "batch": 2, "learning_rate": 1e-5}}),
        ({"train": {"held_out": ["0", "1"]}}, {"train": {"epochs": 9, "batch": 2, "held_out": [0, 1]}}),
        ({"data": {"limit": "null", "folders": {"a": "b"}}}, {"data": {"limit": None, "folders": {"a": "b"}}}),
        ({"data": {"folders": {"a": "'010'"}}}, {"data": {"folders": {"a": "010"}}}),
        ({"seed": 3}, {"seed": 3}),
        ({"aug": {"translate": ["0", ".1"]}}, {"aug": {"translate": [0, 0.1]}}),
        ({"shards": {"keep": "false"}}, {"shards": {"keep": False}}),
    ],
)
def test_changes_are_laid_on_top_with_the_types_of_a_file(changes, expected):
    values = {"train": {"epochs": 9, "batch": 2}}
    assert with_changes(values, changes, "--config") == {**values, **expected}
    assert values == {"train": {"epochs": 9, "batch": 2}}


@pytest.mark.parametrize("text", ["010", "yes", "1:30", "[1"])
def test_changes_with_two_readings_are_refused(text):
    with pytest.raises(FreeconvError, match=r"^--config train epochs: .*expected"):
        with_changes({}, {"train": {"epochs": text}}, "--config")


def test_paths_in_a_file_start_at_the_projects_folder(tmp_path, monkeypatch):
    project = tmp_path / "project"
    (project / "studies/own").mkdir(parents=True)
    (project / "Snakefile").touch()
    (project / "images").mkdir()
    data = f"data: {{datasets: [a], folders: {{a: images, b: {tmp_path}}}, mirror: http://b.org}}"
    own = project / "own.yaml"
    own.write_text(f"seed: 0\n{SECTIONS.replace('data: {}', data)}")
    monkeypatch.delenv(paths.PROJECT, raising=False)
    for folder, images in ((".", "images"), ("studies", "../images"), ("studies/own", "../../images")):
        monkeypatch.chdir(project / folder)
        params = load_params(own)
        assert params.data.folders == {"a": images, "b": str(tmp_path)}
        assert params.data.mirror == "http://b.org"
        assert load_params(params.text()) == params  # as jobs read it
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(paths.PROJECT, str(project))
    assert load_params(own).data.folders["a"] == "project/images"


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("results/train/mnist-5k/cnn/translate/0.20/fold-0.h5", "results/train/mnist-5k/cnn/translate/0.2/fold-0.h5"),
        ("results/shards/a/noise/2e-1/copy-0.h5", "results/shards/a/noise/0.2/copy-0.h5"),
        ("results/shards/a/noise/.5/copy-0.h5", "results/shards/a/noise/0.5/copy-0.h5"),
        ("results/shards/a/none/0.0/copy-0.h5", "results/shards/a/none/0/copy-0.h5"),
        ("results/shards/a/noise/0.00001/copy-0.h5", "results/shards/a/noise/1e-05/copy-0.h5"),
    ],
)
def test_a_level_in_another_spelling_is_refused(path, right):
    with pytest.raises(FreeconvError, match=f"; ask for {right}$"):
        paths.check_level(path)
    paths.check_level(right)


@pytest.mark.parametrize("path", ["all_train", "reports/index.html", "results/train/cnn", "0.20", "--cores", "results"])
def test_other_targets_are_left_alone(path):
    paths.check_level(path)
