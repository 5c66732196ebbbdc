"""The sink against a real InfluxDB 2 or 3, where the environment names one."""

import os
from typing import Literal

import pytest
from tests.daemon.sinks.samples import CHANNELS, MINUTE_NS, SWC, T0, run, withdrawal

from edaphon.sinks.influxdb import InfluxSettings, open_readback, open_sink


def _settings(version: Literal[2, 3]) -> InfluxSettings:
    """URL, TOKEN, ORG, BUCKET (2) or DATABASE (3) under EDAPHON_TEST_INFLUX2_ or …3_."""
    prefix = f"EDAPHON_TEST_INFLUX{version}_"
    if not (url := os.environ.get(f"{prefix}URL")):
        pytest.skip(f"no real InfluxDB {version}: {prefix}URL is not set")
    get = {k: os.environ.get(prefix + k.upper(), "edaphon") for k in ("org", "bucket", "database")}
    token = {"env": f"{prefix}TOKEN"} if f"{prefix}TOKEN" in os.environ else None
    return InfluxSettings.model_validate({"url": url, "version": version, "token": token, **get})


@pytest.mark.parametrize(
    ("version", "left"),
    [
        pytest.param(2, [1.0, 1.0], marks=pytest.mark.influx2),
        pytest.param(3, [1.0, 9.0, 1.0], marks=pytest.mark.influx3),
    ],
)
def test_a_real_server_takes_a_batch_and_a_withdrawal(
    version: Literal[2, 3], left: list[float]
) -> None:
    made = _settings(version)
    sink = open_sink(made, CHANNELS)
    for _ in range(2):
        sink.write([run(n=3)])
    sink.withdraw(withdrawal(SWC, T0 + MINUTE_NS))
    pages = list(open_readback(made).rows(SWC, T0, T0 + 10 * MINUTE_NS))
    assert [flag for page in pages for flag in page.flag.tolist()] == left
