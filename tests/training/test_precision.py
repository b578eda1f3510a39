import pytest

from freeconv.errors import FreeconvError
from freeconv.training import precision
from freeconv.training.precision import use_precision


def test_layers_get_the_policy_of_the_precision(monkeypatch):
    assert use_precision("float32") == "float32"
    assert use_precision("bfloat16") == "mixed_bfloat16"
    monkeypatch.setattr(precision, "has_gpu", lambda: True)
    try:
        assert use_precision("tf32") == "float32"
    finally:
        use_precision("float32")


def test_tf32_is_refused_without_a_gpu(monkeypatch):
    monkeypatch.setattr(precision, "has_gpu", lambda: False)
    with pytest.raises(FreeconvError, match=r"train\.precision: expected float32 or bfloat16 .* received 'tf32'"):
        use_precision("tf32")
