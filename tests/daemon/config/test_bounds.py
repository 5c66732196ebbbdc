"""Numbers of a configuration and of facts that nobody can mean are refused where they enter."""

import pytest
from pydantic import TypeAdapter, ValidationError

from edaphon.config.model import Web
from edaphon.config.sources import Broker, Bus, HeardSource, ScheduledSource
from edaphon.facts.model import Calibration, FieldCheck
from edaphon.toml_input.values import Duration, Instant, instant_ns

INSTANT, DURATION = TypeAdapter(Instant), TypeAdapter(Duration)
NOT_FINITE = [float("nan"), float("inf"), float("-inf"), 1e999]


@pytest.mark.parametrize("port", ["0", "99999", "65536", "-1", "٨٠٨٠", "1e3", "", "123456"])
@pytest.mark.parametrize("kind", ["sdi12", "serial", "stream", "modbus-tcp"])
def test_a_line_over_tcp_has_a_port_that_there_is(kind, port):
    with pytest.raises(ValidationError):
        Bus(kind=kind, port=f"tcp://host:{port}")
    assert Bus(kind=kind, port="tcp://host:65535")


@pytest.mark.parametrize("port", ["0", "99999", "٨٠٨٠", "-1"])
def test_the_page_and_a_broker_have_a_port_that_there_is(port):
    with pytest.raises(ValidationError):
        Web(listen=f"127.0.0.1:{port}")
    with pytest.raises(ValidationError):
        Broker(host="h", port=port if not port.isascii() else int(port))


@pytest.mark.parametrize("number", NOT_FINITE)
def test_a_number_that_is_not_finite_is_refused(number):
    words = {"id": "k", "channel": "c", "curve": "linear", "to_unit": "degC"}
    with pytest.raises(ValidationError):
        Calibration(**words, parameters={"slope": number, "offset": 0.0})
    with pytest.raises(ValidationError):
        Calibration(**words, covariance=[[number]])
    with pytest.raises(ValidationError):
        Calibration(**words, drift_per_year=number)
    with pytest.raises(ValidationError):
        FieldCheck(id="k", channel="c", state="as left", reading=number)
    with pytest.raises(ValidationError):
        Bus(kind="sdi12", port="/dev/ttyS0", answer_s=number)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_time_of_a_fact_is_one_that_64_bits_hold(text):
    assert abs(instant_ns(text)) > 2**63  # a query may name it
    with pytest.raises(ValidationError, match="leave the key out"):
        INSTANT.validate_python(text)
    for near in ("1700-01-01T00:00:00Z", "2260-01-01T00:00:00Z"):
        assert abs(INSTANT.validate_python(near)) < 2**63


@pytest.mark.parametrize("text", ["1e-9s", "1e12s", "0s", "999999999d", "1ns", "٣s", "1_0s", "-1s"])
def test_a_duration_is_from_a_millisecond_to_a_century(text):
    with pytest.raises(ValidationError):
        DURATION.validate_python(text)
    with pytest.raises(ValidationError):
        HeardSource(bus="b", model="m", expect=text)
    with pytest.raises(ValidationError):
        ScheduledSource(bus="b", model="m", interval=text)
