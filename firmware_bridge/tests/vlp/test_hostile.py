"""Whatever a peer says with right CRCs: no exception but a declared one, bounded memory, a link that works after."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pair import CHANNEL, KEY, bring_up, messages, paired, settle

from vedette_bridge.errors import ProtocolError, QueueFullError
from vedette_bridge.vlp import cbor
from vedette_bridge.vlp.control import Code, Identity, Type
from vedette_bridge.vlp.frame import AUTH, CTL, FIRST, IMAGE, MORE, REL, RTX, encode
from vedette_bridge.vlp.messages import EventMessage, ImageHeader, ResultMessage, TriggerMessage
from vedette_bridge.vlp.rpc import KEPT_REPLIES, MAX_OPEN, RpcClient, RpcError, RpcServer

FRAMES = st.tuples(
    st.sampled_from([0, REL, REL | FIRST, REL | MORE, REL | FIRST | MORE, REL | AUTH, REL | RTX]),
    st.sampled_from([CTL, IMAGE, 1, 2, 5, 7, 20, CHANNEL, 255]),
    st.integers(0, 40) | st.integers(0, 65535),
    st.integers(0, 40) | st.integers(0, 65535),
    st.integers(0, 255),
    st.integers(0, 1),
    st.one_of(
        st.binary(max_size=60),
        st.tuples(st.sampled_from(Type), st.binary(max_size=110)).map(
            lambda pair: bytes((pair[0],)) + pair[1]
        ),
        st.tuples(st.sampled_from(Type), st.binary(min_size=110, max_size=110)).map(
            lambda pair: bytes((pair[0],)) + pair[1]
        ),
        st.just(ImageHeader(obj=1, size=100, fourcc="JPEG", width=1, height=1).encode()),
    ),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAMES, max_size=30), st.sampled_from(["box", "device"]), st.sampled_from([None, KEY]))
def test_no_frame_raises_grows_or_breaks_the_link_for_good(frames, side, key):
    line = paired(key=key)
    for vf, ch, seq, ack, credit, sid, payload, salted in frames:
        terms = line.links[side].terms
        salt = terms.session if salted and terms else 0
        line.inject(side, encode(vf, ch, seq, ack, credit, sid, payload, salt))
    link = line.links[side]._session
    assert len(link.out._control) <= 64
    assert all(len(stream._early) <= 32 for stream in link.receiving)
    line.pass_time(100_000)
    for name in line.links:  # what was forged may have used up numbers: a new session is as good as ever
        line.restart(name)
    assert bring_up(line)
    line.events[side].clear()
    other = "device" if side == "box" else "box"
    line.links[other].send(CHANNEL, b"on")
    assert settle(line)
    assert messages(line, side) == [b"on"]


VALUES = st.recursive(
    st.integers(-(1 << 64), (1 << 64) - 1)
    | st.binary(max_size=300)
    | st.text(max_size=50)
    | st.booleans()
    | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 1 << 40), inner, max_size=4),
    max_leaves=12,
)


def depth(value):
    inner = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_cbor_comes_back_as_it_went(value):
    if depth(value) > cbor.MAX_DEPTH:
        with pytest.raises(ValueError, match="deeper"):
            cbor.dumps(value)
        return
    encoded = cbor.dumps(value)
    assert cbor.loads(encoded) == value
    for cut in range(len(encoded)):
        with pytest.raises(ProtocolError):
            cbor.loads(encoded[:cut])
    with pytest.raises(ProtocolError):
        cbor.loads(encoded + b"\0")


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60))
def test_cbor_that_is_none_is_a_protocol_error(raw):
    try:
        value = cbor.loads(raw)
    except ProtocolError:
        return
    assert cbor.loads(cbor.dumps(value)) == value
    assert depth(value) <= cbor.MAX_DEPTH


@pytest.mark.parametrize(
    "raw",
    [
        b"\x9b" + b"\xff" * 8,  # an array of 2^64 items
        b"\xbb\0\0\0\0\xff\xff\xff\xff",
        b"\x5a\xff\xff\xff\xff",
        b"\x81" * 5 + b"\0",
        b"\x9f\xff",  # without end
        b"\xf9\x3c\0",  # a float
        b"\xc0\0",  # a tag
        b"\xf7",  # undefined
        b"\xa2\0\1\0\2",  # a key twice
        b"\xa1\x61a\0",  # a text as a key
        b"\x62\xc3\x28",  # not UTF-8
    ],
)
def test_cbor_that_the_subset_does_not_have_is_refused(raw):
    with pytest.raises(ProtocolError):
        cbor.loads(raw)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120))
def test_structs_are_read_or_refused(raw):
    for kind in (EventMessage, TriggerMessage, ImageHeader, ResultMessage):
        for payload in (raw, b"\1\x28" + raw, b"\1\x0c" + raw, b"\1\x10" + raw):
            try:
                kind.decode(payload)
            except ProtocolError:
                continue


def test_a_request_that_comes_again_is_answered_and_not_done_again():
    done = []

    def handle(method, args):
        done.append(method)
        if method == 2:
            raise RpcError(Code.RANGE)
        return {1: args.get(1, 0)}

    client, server = RpcClient(0xFFFFFFFF), RpcServer(handle)
    requests = [client.request(number, {1: 7}) for number in range(KEPT_REPLIES)]
    answers = [server.answer(payload) for _, payload in requests]
    assert [server.answer(payload) for _, payload in requests] == answers
    assert done == list(range(KEPT_REPLIES))
    assert server.repeated == KEPT_REPLIES
    replies = [client.reply(answer) for answer in answers]
    assert [reply.error for reply in replies] == [0, 0, Code.RANGE, 0, 0, 0, 0, 0]
    assert [reply.id for reply in replies] == [id for id, _ in requests]
    assert replies[0].id == 0xFFFFFFFF
    assert replies[1].id == 0
    assert client.reply(answers[0]) is None
    server.answer(client.request(99)[1])
    server.answer(requests[0][1])  # the oldest was forgotten for it
    assert done.count(0) == 2


def test_requests_that_are_open_are_bounded():
    client = RpcClient(1)
    for _ in range(MAX_OPEN):
        last, _ = client.request(0)
    with pytest.raises(QueueFullError):
        client.request(0)
    client.give_up(last)
    client.request(0)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=40)
    | st.dictionaries(st.integers(0, 5), VALUES, max_size=5)
    .filter(lambda body: depth(body) <= 4)
    .map(cbor.dumps)
)
def test_requests_and_replies_are_understood_or_refused(payload):
    client, server = RpcClient(1), RpcServer(lambda method, args: None)
    client.request(0)
    for take in (client.reply, server.answer):
        try:
            take(payload)
        except ProtocolError:
            continue


def test_what_is_appended_to_a_greeting_or_missing_in_it_is_no_matter():
    identity: Identity = {2: "S1"}
    line = paired(box={"identity": {}}, device={"identity": identity})
    assert line.links["box"].terms.identity == identity
