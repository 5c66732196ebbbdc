"""Published messages of real instruments and servers give the published numbers in their units."""

import contextlib

import pytest
from tests.conformance.comparing import complaints
from tests.conformance.devices import find_decoder
from tests.conformance.entries import Entry

from edaphon_drivers.faults import Fault


def test_vector(vector: Entry) -> None:
    label = vector["device"]
    decode = find_decoder(label)
    if decode is None:
        pytest.fail(f"unknown device label {label!r}: name it in a module of labels/")
    if "expect_error" in vector:
        with pytest.raises(Fault):
            decode(vector)
    elif vector.get("expect_unusable"):
        # Its maker's expectation belongs to other bytes: all that is asked is to survive it.
        with contextlib.suppress(Fault):
            decode(vector)
    else:
        assert complaints(vector, decode(vector)) == []
