import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeconv.study.network_names import NAME, Variant, parse_variant, variant_name
from freeconv.vocabulary import level_text

NUMBERS = st.floats(1e-9, 0.99).map(lambda value: float(level_text(value)))


@given(
    kind=st.sampled_from(["cnn", "fcn"]),
    vcp=st.just(0.0) | NUMBERS,
    layers=st.sampled_from([2, 3]),
    rate=st.none() | NUMBERS,
)
def test_names_say_all_that_variants_are(kind, vcp, layers, rate):
    variant = Variant(kind, vcp, layers if rate is not None else None, rate)
    name = variant_name(variant)
    assert parse_variant(name) == variant
    assert re.fullmatch(NAME, name)


def test_names_by_hand():
    assert variant_name(Variant("fcn")) == "fcn"
    assert variant_name(Variant("fcn", 0.99)) == "fcn-vcp-0.99"
    assert variant_name(Variant("cnn", layers=2, learning_rate=0.000001)) == "cnn-layers-2-rate-1e-06"


@pytest.mark.parametrize(
    "name", ["", "rnn", "FCN", "fcn-vcp-0", "fcn-vcp-0.30", "fcn-vcp-1", "cnn-rate-0.1", "cnn-", "a/cnn"]
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=f"received {name!r}"):
        parse_variant(name)
