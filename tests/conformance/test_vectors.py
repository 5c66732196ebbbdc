"""Published messages of real instruments and servers give the published numbers in their units."""

import contextlib

import pytest
from tests.conformance.comparing import complaints
from tests.conformance.devices import NotYet, find_decoder
from tests.conformance.entries import Entry, Given
from tests.conformance.not_yet import DEVICES as NOT_YET

from edaphon_drivers.faults import Fault


def test_vector(vector: Entry) -> None:
    label = vector["device"]
    decode = find_decoder(label)
    if decode is None and label in NOT_YET:
        pytest.skip(f"not supported yet: {label}")
    if decode is None:
        pytest.fail(f"unknown device label {label!r}: name it in devices.py or in not_yet.py")
    if "expect_error" in vector:
        with pytest.raises(Fault):
            decode(vector)
    elif vector.get("expect_unusable"):
        # Its maker's expectation belongs to other bytes: all that is asked is to survive it.
        with contextlib.suppress(Fault):
            decode(vector)
    else:
        assert complaints(vector, _decoded(decode, vector)) == []


def _decoded(decode: object, vector: Entry) -> list[Given]:
    assert callable(decode)
    try:
        rows: list[Given] = decode(vector)
    except NotYet as beyond:
        pytest.skip(f"not supported yet: {beyond}")
    return rows
