"""Which settings of an InfluxDB are taken, and what they name."""

import pytest
from pydantic import ValidationError

from edaphon.sinks.influxdb import InfluxSettings, doubts

V1 = {"version": 1, "database": "plots"}
V2 = {"version": 2, "bucket": "b", "org": "o"}


@pytest.mark.parametrize(
    "url",
    [
        "http://influx",
        "https://influx:8086",
        "http://10.0.0.1:1/",
        "http://[::1]:8086",
        "http://x/y",
    ],
)
def test_an_address_with_a_scheme_and_a_host_is_taken(url):
    assert InfluxSettings.model_validate({"url": url, **V1}).url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["ftp://influx", "influx", "//influx", "http://", "http:influx", "http://x:0", "http://x:y",
     "https://x:99999", "http:///write"],
)  # fmt: skip
def test_an_address_without_them_is_refused(url):
    with pytest.raises(ValidationError, match="an address such as"):
        InfluxSettings.model_validate({"url": url, **V1})


@pytest.mark.parametrize(
    "url", ["http://me@x", "http://:pw@x", "http://me:pw@x:8086", "http://x?db=a", "http://x/y?a"]
)
def test_an_address_holds_no_user_password_or_question(url):
    with pytest.raises(ValidationError, match="without user, password"):
        InfluxSettings.model_validate({"url": url, **V1})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"version": 1}, "database for version 1"),
        ({"version": 3, "bucket": "b", "org": "o"}, "database for version 3"),
        ({"version": 2, "bucket": "b"}, "bucket and org"),
        ({"version": 2, "org": "o"}, "bucket and org"),
        ({"version": 2, "database": "d"}, "bucket and org"),
        ({**V1, "points_per_request": 0}, "points_per_request"),
        ({**V1, "points_per_request": 100_001}, "points_per_request"),
    ],
)
def test_each_version_needs_its_names(more, words):
    with pytest.raises(ValidationError, match=words):
        InfluxSettings.model_validate({"url": "http://x", **more})


@pytest.mark.parametrize(
    ("more", "target", "place"),
    [
        (V1, "plots", "http://x 1 plots"),
        ({**V2, "database": "d"}, "b", "http://x 2 b o"),
        ({"version": 3, "database": "d", "bucket": "b"}, "d", "http://x 3 d"),
    ],
)
def test_the_place_is_the_address_the_version_and_what_a_write_names(more, target, place):
    settings = InfluxSettings.model_validate({"url": "http://x/", **more})
    assert (settings.target, settings.place) == (target, place)


@pytest.mark.parametrize(
    ("url", "token", "doubted"),
    [
        ("http://influx.example:8086", {"token": {"env": "X"}}, True),
        ("http://192.0.2.7:8086", {"token": {"file": "/x"}}, True),
        ("http://influx.example:8086", {}, False),
        ("https://influx.example", {"token": {"env": "X"}}, False),
        ("http://127.0.0.1:8086", {"token": {"env": "X"}}, False),
        ("http://localhost:8086", {"token": {"env": "X"}}, False),
    ],
)
def test_a_token_that_a_network_would_see_is_a_doubt(url, token, doubted):
    settings = InfluxSettings.model_validate({"url": url, "bucket": "b", "org": "o", **token})
    assert [key for key, _, _ in doubts(settings)] == ["url"] * doubted
