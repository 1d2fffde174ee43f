"""A record survives its line, whatever it says."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout_kit.journal import codec
from rollout_kit.model import events
from rollout_kit.model.codec import CodecError
from rollout_kit.model.events import Event, Record
from rollout_kit.model.observation import Absent, Observation
from rollout_kit.model.operation import Compensation, Irreversible, Keep, Operation, Undo

from .cases import completed, started

TEXT = st.text(st.characters(), max_size=20)
# The spellings of `Absent` cannot be told from the texts that look like them.
VALUES = (
    TEXT.filter(lambda text: text not in {absent.value for absent in Absent})
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
    | st.sampled_from(Absent)
)
FACTS = st.dictionaries(TEXT, VALUES, max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OPERATIONS = st.builds(
    Operation,
    id=TEXT,
    kind=TEXT,
    step=TEXT,
    arguments=st.dictionaries(TEXT, JSON, max_size=3),
    within_s=st.floats(0, 1e6),
    step_timeout_s=st.none() | st.floats(0, 1e6),
    follows=st.lists(TEXT, max_size=2).map(tuple),
)
UNDOS: st.SearchStrategy[Compensation] = (
    st.builds(Undo, restore=st.lists(OPERATIONS, max_size=2).map(tuple))
    | st.builds(Keep, reason=TEXT)
    | st.builds(Irreversible, reason=TEXT)
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        events.OperationIntended,
        operation=OPERATIONS,
        attempt=st.integers(1, 9),
        key=TEXT,
        before=FACTS,
        undo=UNDOS,
        touches=st.lists(TEXT, max_size=3).map(tuple),
        expected=FACTS,
    ),
    st.builds(events.OperationCompleted, operation=TEXT, facts=FACTS, wrote=st.booleans()),
    st.builds(events.OperationFailed, operation=TEXT, reason=TEXT),
    st.builds(events.DriftAccepted, facts=FACTS, actor=TEXT),
    st.builds(
        events.BaselineTaken,
        observation=st.builds(Observation, facts=FACTS),
        baselines=st.just(()),
        unserved_pins=st.lists(TEXT, max_size=2).map(tuple),
    ),
)
RECORDS = st.builds(
    Record,
    sequence=st.integers(0, 10**6),
    at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    attended_s=st.floats(0, 1e9),
    actor=TEXT,
    fence=st.integers(0, 10**6),
    previous=st.just(codec.FIRST),
    event=EVENTS,
)


@given(RECORDS)
def test_a_line_reads_back_as_its_record_and_writes_the_same_line(record: Record) -> None:
    line = codec.encode(record)

    assert codec.decode(line) == record
    assert codec.encode(codec.decode(line)) == line
    assert b"\n" not in line


def record_of(event: Event) -> Record:
    at = datetime(2026, 4, 28, tzinfo=UTC)
    return Record(
        sequence=0, at=at, attended_s=0.0, actor="a", fence=1, previous=codec.FIRST, event=event
    )


def test_a_line_begins_with_the_version_of_its_form() -> None:
    assert codec.encode(record_of(started())).startswith(b'{"version":2,"sequence":0,')


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    event = events.DriftAccepted(facts={"node/a/version": number}, actor="a")

    with pytest.raises(CodecError, match="cannot be written as JSON"):
        codec.encode(record_of(event))


def test_a_value_that_would_come_back_as_another_is_refused() -> None:
    event = events.DriftAccepted(facts={"node/a/version": "<pending>"}, actor="a")

    with pytest.raises(CodecError, match="would not be read back as it is"):
        codec.encode(record_of(event))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "record version 3, this program reads up to 2: use a newer rollout-kit"),
        ({"version": True}, "record version True"),
        ({"version": None}, "record version None"),
        ({"sequence": "0"}, r"\$.sequence: expected int"),
        ({"at": "yesterday"}, "Invalid isoformat"),
        ({"event": {"is": "Exploded"}}, "'Exploded' is not known here"),
    ],
)
def test_a_line_of_another_form_says_what_is_wrong(change: dict[str, object], message: str) -> None:
    data = json.loads(codec.encode(record_of(completed()))) | change

    with pytest.raises(CodecError, match=message):
        codec.decode(json.dumps(data).encode())


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"\xff", b"null", b"12"])
def test_what_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(CodecError):
        codec.decode(line)


def test_what_a_newer_program_added_is_ignored() -> None:
    data = json.loads(codec.encode(record_of(completed())))
    del data["sum"]
    data["event"]["colour"] = "blue"
    data["weather"] = "fine"

    assert codec.decode(codec.seal(json.dumps(data).encode())) == record_of(completed())


def test_a_line_of_version_1_has_no_checksum() -> None:
    data = json.loads(codec.encode(record_of(completed()))) | {"version": 1}
    del data["sum"]

    assert codec.decode(json.dumps(data).encode()) == record_of(completed())


def test_a_line_without_its_checksum_is_refused() -> None:
    data = json.loads(codec.encode(record_of(completed())))
    del data["sum"]

    with pytest.raises(CodecError, match="its checksum does not fit"):
        codec.decode(json.dumps(data).encode())


@given(RECORDS, st.data())
def test_a_line_with_one_bit_flipped_is_refused(record: Record, drawn: st.DataObject) -> None:
    line = codec.encode(record)
    bit = drawn.draw(st.integers(0, len(line) * 8 - 1))
    flipped = bytearray(line)
    flipped[bit // 8] ^= 1 << bit % 8

    with pytest.raises(CodecError):
        codec.decode(bytes(flipped))
