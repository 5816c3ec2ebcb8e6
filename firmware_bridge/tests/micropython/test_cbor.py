"""The MicroPython CBOR against the host's: the same bytes, the same values, the same refusals."""

import pytest
import vlp_cbor
from hypothesis import given
from hypothesis import strategies as st

from vedette_bridge.errors import ProtocolError
from vedette_bridge.vlp import cbor

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.text(max_size=40)
    | st.binary(max_size=40)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(0, 300), inner, max_size=5),
    max_leaves=12,
)


def outcome(function, argument, errors):
    try:
        return function(argument)
    except errors:
        return "refused"


@given(values)
def test_the_same_bytes(value):
    mine = outcome(vlp_cbor.dumps, value, (ValueError, TypeError))
    assert mine == outcome(cbor.dumps, value, (ValueError, TypeError))
    if mine != "refused":
        assert vlp_cbor.loads(mine) == value


@given(st.binary(max_size=60))
def test_the_same_values_out_of_any_bytes(data):
    mine = outcome(vlp_cbor.loads, data, ValueError)
    theirs = outcome(cbor.loads, data, ProtocolError)
    assert mine == theirs
    assert repr(mine) == repr(theirs)


@given(values, st.data())
def test_the_same_values_out_of_damaged_bytes(value, data):
    encoded = outcome(vlp_cbor.dumps, value, (ValueError, TypeError))
    if encoded == "refused":
        return
    damaged = bytearray(encoded)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(vlp_cbor.loads, damaged, ValueError) == outcome(cbor.loads, bytes(damaged), ProtocolError)


@pytest.mark.parametrize("value", [1.5, object(), {-1: 0}, 1 << 64, [[[[[]]]]]])
def test_what_cannot_be_sent_is_refused(value):
    with pytest.raises((ValueError, TypeError), match="CBOR"):
        vlp_cbor.dumps(value)
