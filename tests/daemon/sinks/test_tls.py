"""TLS to a sink's server: a trusted certificate, an unknown one, a name that differs."""

import ssl
import time
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.daemon.sinks.samples import CHANNELS, run
from tests.fake_influx import FakeInflux
from tests.programs import output, require

from edaphon.network.requests import tls_problem
from edaphon.sinks.influxdb import InfluxSettings, open_sink
from edaphon.sinks.sink import Later

VERSIONS = pytest.mark.parametrize("version", [1, 2])
Version = Literal[1, 2]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Self-signed for 127.0.0.1; the key stands in the same file."""
    path = tmp_path / "server.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=plot"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.c"]
    openssl = require("openssl", "openssl")
    output(openssl, *words.split(), *names)
    path.write_text(path.read_text() + Path(f"{path}.c").read_text())
    return path


def secured(fake: FakeInflux, certificate: Path, version: Version, **more: Any) -> InfluxSettings:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    fake.secure(context)
    url = fake.url.replace("http:", "https:")
    named = {"database": "plots", "bucket": "plots", "org": "lter"}
    return InfluxSettings.model_validate({"url": url, "version": version, **named, **more})


@VERSIONS
def test_a_certificate_that_is_trusted_by_file_is_taken(
    certificate: Path, version: Version
) -> None:
    with FakeInflux(version) as fake:
        made = secured(fake, certificate, version, ca_file=str(certificate))
        sink = open_sink(made, CHANNELS)
        sink.write([run()])
        sink.close()
        assert len(fake.points) == 3


@VERSIONS
def test_an_unknown_certificate_blocks_and_nothing_is_sent(
    certificate: Path, version: Version
) -> None:
    with FakeInflux(version) as fake:
        sink = open_sink(secured(fake, certificate, version), CHANNELS)
        with pytest.raises(Later, match=r"can't prove who it is \(TLS\).*self.signed") as caught:
            sink.write([run()])
        assert caught.value.blocked
        assert fake.requests == []


@VERSIONS
def test_a_certificate_for_another_name_blocks(certificate: Path, version: Version) -> None:
    with FakeInflux(version) as fake:
        made = secured(fake, certificate, version, ca_file=str(certificate))
        elsewhere = made.model_copy(update={"url": made.url.replace("127.0.0.1", "localhost")})
        with pytest.raises(Later, match="TLS.*localhost"):
            open_sink(elsewhere, CHANNELS).write([run()])
        assert fake.requests == []


def test_a_certificate_from_the_future_points_at_the_clock() -> None:
    later = tls_problem("https://x", "certificate verify failed: certificate is not yet valid")
    assert "clock of this machine is not set" in later.why
    assert not later.blocked


def test_a_name_server_that_hangs_is_later_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's look-up of names knows no time-out."""
    monkeypatch.setattr("edaphon.network.requests.WHOLE_S", 0.3)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: time.sleep(3))
    named = {"url": "https://influx.example.org", "version": 1, "database": "plots"}
    begin = time.monotonic()
    with pytest.raises(Later, match="no connection to .* within 0.3 s"):
        open_sink(InfluxSettings.model_validate(named), CHANNELS).write([run()])
    assert time.monotonic() - begin < 2.0
