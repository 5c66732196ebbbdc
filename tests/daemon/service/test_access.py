"""`check`: what is read, written and connected to, secrets in the clear, and wrong files."""

import os
from pathlib import Path

import orjson
import pytest
from tests.daemon.commands.calling import call_plain
from tests.stories.station import Station
from tests.switch import SwitchDevice

CODEC = "function decodeUplink(i) { return { data: {} }; }"
FIELD = '[[source.field]]\nname = "t"\npath = "t"\nquantity = "soil_temperature"\nunit = "degC"\n'
DEVICE = 'broker = "cs"\ndev_eui = "A84041B2C1D5E6F7"\n'


def secret(folder: Path, name: str, text: str = "Xk7QzpW66vR2mGt8") -> str:
    path = folder / "secrets" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return f'{{ file = "{path}" }}'


def broker(host: str, password: str = "", more: str = "") -> str:
    own = f'username = "u"\npassword = {password}\n' if password else ""
    return (
        f'[broker.cs]\nhost = "{host}"\ntopics = ["#"]\nenvelope = "chirpstack-v4"\n{own}{more}\n'
    )


def codec(path: Path | str) -> str:
    return f'[[source]]\n{DEVICE}codec_file = "{path}"\n{FIELD}'


def checked(station: Station, code: int = 0) -> dict[str, list[dict[str, object]]]:
    out, _ = call_plain("check", "--json", str(station.file), codes=(code,))
    found: dict[str, list[dict[str, object]]] = orjson.loads(out)
    return found


def came(station: Station, code: int = 3) -> list[str]:
    return [str(config_error["came"]) for config_error in checked(station, code)["complaints"]]


def test_all_that_is_read_written_and_connected_to_has_its_line(tmp_path: Path) -> None:
    device, folder = SwitchDevice(), tmp_path
    (folder / "c.js").write_text(CODEC)
    tables = [
        f'[supply.relay]\nfile = "{device.path}"\n',
        '[bus.m]\nkind = "modbus-tcp"\nport = "tcp://192.0.2.1:502"\n',
        f'[bus.s]\nkind = "sdi12"\nport = "/dev/ttyUSB9"\n[bus.s.multiplexer]\n'
        f'file = "{device.path}"\nports = {{ n = "0" }}\n',
        broker("b.example.org", secret(folder, "broker"), "tls = true\nport = 8883"),
        codec(folder / "c.js"),
        '[[source]]\nname = "f"\nfile = "/data/x/*.dat"\nmodel = "campbell.toa5"\n'
        'settings = { utc_offset = "+01:00", interval_s = 1800 }\n',
        f'[[sink]]\nname = "j"\nkind = "jsonl"\nfolder = "{folder}/out"\n',
        '[[sink]]\nname = "i"\nkind = "influxdb"\nurl = "https://i.example.org"\nbucket = "b"\n'
        f'org = "o"\ntoken = {secret(folder, "token")}\n',
        '[[notify]]\nname = "m"\nkind = "email"\nhost = "mail.example.org"\n'
        'from = "a@example.org"\nto = ["b@example.org"]\n',
        f'[[notify]]\nname = "s"\nkind = "webhook"\ntemplate = "slack"\n'
        f"url = {secret(folder, 'slack', 'https://hooks.example.org/T1')}\n",
        '[[notify]]\nname = "t"\nkind = "sms"\nport = "/dev/modem"\nto = ["+491711234567"]\n',
        '[alerts]\nheartbeat_url = "https://hc.example.org/x"\n',
    ]
    station = Station(folder, tables, [])
    found = checked(station)["accesses"]
    text = station.file.read_text().splitlines()
    assert {(row["does"], row["what"]) for row in found} == {
        ("writes", f"{station.storage}"),
        ("writes", f"{device.path}"),
        ("writes", "/dev/ttyUSB9"),
        ("writes", f"{folder}/out"),
        ("writes", "/dev/modem"),
        ("reads", f"{station.inbox}/*.toml"),
        ("reads", f"{folder}/c.js"),
        ("reads", "/data/x/*.dat"),
        *(("reads", f"{folder}/secrets/{name}") for name in ("broker", "token", "slack")),
        ("connects to", "192.0.2.1:502"),
        ("connects to", "b.example.org:8883"),
        ("connects to", "i.example.org:443"),
        ("connects to", "mail.example.org:587"),
        ("connects to", f"the address in {folder}/secrets/slack"),
        ("connects to", "hc.example.org:443"),
        ("listens on", "127.0.0.1:8040"),
    }
    for row in found:
        key, line = str(row["key"]).rpartition(".")[2], text[int(str(row["line"])) - 1]
        assert line.startswith((f"{key} =", "port =", "[logger]")), row
    printed, _ = call_plain("check", str(station.file))
    assert f"reads        /data/x/*.dat   (source.file, edaphon.toml:{_line(text, '/data/x')})" in (
        printed
    )


def _line(text: list[str], part: str) -> int:
    return next(at for at, line in enumerate(text, 1) if part in line)


PLAIN = [
    ("broker", "b.example.org", True),
    ("broker", "localhost", False),
    ("broker", "127.0.0.2", False),
    ("broker", "::1", False),
    ("influx", "http://i.example.org:8086", True),
    ("influx", "http://[::1]:8086", False),
    ("influx", "https://i.example.org", False),
    ("webhook", "http://w.example.org/T1", True),
    ("webhook", "http://127.0.0.1:9/T1", False),
    ("heartbeat", "http://w.example.org/T1", True),
    ("heartbeat", "https://w.example.org/T1", False),
]


@pytest.mark.parametrize(("kind", "place", "warned"), PLAIN)
def test_a_secret_that_would_go_unencrypted_to_another_machine_is_shown(
    tmp_path: Path, kind: str, place: str, warned: bool
) -> None:
    tables = {
        "broker": lambda: broker(place, secret(tmp_path, "s")),
        "influx": lambda: (
            f'[[sink]]\nname = "i"\nkind = "influxdb"\nurl = "{place}"\nbucket = "b"\norg = "o"\n'
            f"token = {secret(tmp_path, 's')}\n"
        ),
        "webhook": lambda: (
            '[[notify]]\nname = "w"\nkind = "webhook"\nbody = "{title}"\n'
            f"url = {secret(tmp_path, 's', place)}\n"
        ),
        "heartbeat": lambda: f"[alerts]\nheartbeat_url = {secret(tmp_path, 's', place)}\n",
    }
    doubts = [
        str(row["came"]) for row in checked(Station(tmp_path, [tables[kind]()], []))["doubts"]
    ]
    assert [True for words in doubts if "unencrypted" in words and "example.org" in words] == (
        [True] if warned else []
    )


@pytest.mark.parametrize("kind", ["file", "pipe", "folder", "link"])
@pytest.mark.parametrize("table", ["supply", "multiplexer"])
def test_a_switch_that_is_no_device_is_shown_and_not_touched(
    tmp_path: Path, kind: str, table: str
) -> None:
    kept, path = tmp_path / ".bashrc", tmp_path / "switch"
    kept.write_text("alias ll='ls -l'\n")
    {
        "file": lambda: path.write_text("kept"),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "link": lambda: path.symlink_to(kept),
    }[kind]()
    tables = {
        "supply": f'[supply.relay]\nfile = "{path}"\n',
        "multiplexer": '[bus.s]\nkind = "sdi12"\nport = "/dev/ttyUSB9"\n'
        f'[bus.s.multiplexer]\nfile = "{path}"\nports = {{ n = "0" }}\n',
    }
    (words,) = came(Station(tmp_path, [tables[table]], []))
    assert "neither a character device nor a file in /sys" in words
    assert kept.read_text() == "alias ll='ls -l'\n"


def test_a_codec_is_a_file_of_its_folder_that_holds_one(tmp_path: Path) -> None:
    hidden, folder = tmp_path / "shadow", tmp_path / "codecs"
    folder.mkdir()
    hidden.write_text(f"root:$6$Xk7Qzp:19000:{CODEC}")
    (folder / "link.js").symlink_to(hidden)
    (folder / "token.js").write_text("Xk7QzpW66vR2mGt8")
    os.mkfifo(folder / "pipe.js")
    wrong = {
        folder / "link.js": "a link that leaves",
        folder / "token.js": "no codec: it has none of decodeUplink, Decode, Decoder",
        folder / "pipe.js": "a pipe",
        Path("/proc/self/environ"): "a file of the kernel",
        Path("/dev/zero"): "a device",
    }
    for path, words in wrong.items():
        (text,) = came(Station(tmp_path, [broker("localhost"), codec(path)], []))
        assert words in text
        assert "Xk7Qzp" not in text


@pytest.mark.parametrize("how", ["codec", "pattern", "folder of a pattern"])
def test_a_secret_is_not_recorded(tmp_path: Path, how: str) -> None:
    password = secret(tmp_path, "broker.js", CODEC)
    path = tmp_path / "secrets" / {"codec": "broker.js", "pattern": "*.js"}.get(how, "bro*")
    followed = (
        f'[[source]]\nname = "f"\nfile = "{path}"\nmodel = "campbell.toa5"\n'
        'settings = { utc_offset = "+01:00", interval_s = 1800 }\n'
    )
    source = codec(path) if how == "codec" else followed
    assert any(
        "which is a secret" in words
        for words in came(Station(tmp_path, [broker("localhost", password), source], []))
    )


@pytest.mark.parametrize("what", ["CERTIFICATE", "PRIVATE KEY"])
def test_a_ca_file_may_be_a_link_as_those_of_the_system_and_holds_certificates(
    tmp_path: Path, what: str
) -> None:
    """/etc/ssl/certs and certbot's `live` are folders of links to other folders."""
    (tmp_path / "archive").mkdir()
    (tmp_path / "live").mkdir()
    kept = tmp_path / "archive" / "chain1.pem"
    kept.write_text(f"-----BEGIN {what}-----\nXk7QzpW66vR2mGt8\n-----END {what}-----\n")
    link = tmp_path / "live" / "chain.pem"
    link.symlink_to("../archive/chain1.pem")
    code = 0 if what == "CERTIFICATE" else 3
    tls = f'tls = true\nca_file = "{link}"\n'
    shown = came(Station(tmp_path, [broker("localhost", more=tls)], []), code)
    if what == "CERTIFICATE":
        assert shown == []
    else:
        (words,) = shown
        assert "no certificate in PEM" in words
        assert "Xk7Qzp" not in words


def test_a_fact_file_that_is_a_link_out_of_the_inbox_is_not_read(tmp_path: Path) -> None:
    hidden = tmp_path / "shadow"
    hidden.write_text("root = Xk7QzpW66vR2mGt8\n")
    station = Station(tmp_path, [], [])
    (station.inbox / "evil.toml").symlink_to(hidden)
    (words,) = came(station)
    assert "a link that leaves" in words
    shown = call_plain("check", str(station.file), codes=(3,))[1]
    assert "the file itself in this folder, no link" in shown
    assert "Xk7Qzp" not in shown


@pytest.mark.parametrize("how", ["link", "secret", "zero", "large"])
def test_evidence_is_a_file_beside_its_fact_and_no_secret(tmp_path: Path, how: str) -> None:
    password = secret(tmp_path, "broker")
    (tmp_path / "facts").mkdir()
    paper = tmp_path / "facts" / "cal.pdf"
    if how == "large":
        with paper.open("wb") as file:
            file.truncate(10 << 30)
    else:
        targets = {"link": tmp_path / "secrets" / "broker", "zero": Path("/dev/zero")}
        if how == "secret":
            os.link(tmp_path / "secrets" / "broker", paper)
        else:
            paper.symlink_to(targets[how])
    fact = (
        '[[plot]]\nid = "P"\n[[channel]]\nid = "c"\nplot = "P"\nquantity = "soil_temperature"\n'
        'unit = "degC"\ndepth_cm = 5\n[[calibration]]\nid = "k"\nchannel = "c"\n'
        'curve = "linear"\nparameters = { c0 = 0, c1 = 1 }\nwho = "me"\nhow = "lab"\n'
        'from = "2026-01-01T00:00:00Z"\nevidence = { "cal.pdf" = "?" }\n'
    )
    station = Station(tmp_path, [broker("localhost", password)], [fact])
    words = " ".join(came(station))
    assert {
        "link": "is a secret of the configuration",
        "secret": "is a secret of the configuration",
        "zero": "a device",
        "large": "is too large",
    }[how] in words


def test_a_link_to_the_secret_of_others_is_no_evidence(tmp_path: Path) -> None:
    (tmp_path / "facts").mkdir()
    (tmp_path / "shadow").write_text("Xk7QzpW66vR2mGt8")
    (tmp_path / "facts" / "cal.pdf").symlink_to(tmp_path / "shadow")
    fact = (
        '[[plot]]\nid = "P"\n[[channel]]\nid = "c"\nplot = "P"\nquantity = "soil_temperature"\n'
        'unit = "degC"\ndepth_cm = 5\n[[calibration]]\nid = "k"\nchannel = "c"\n'
        'curve = "linear"\nparameters = { c0 = 0, c1 = 1 }\nwho = "me"\nhow = "lab"\n'
        'from = "2026-01-01T00:00:00Z"\nevidence = { "cal.pdf" = "?" }\n'
    )
    assert "a link that leaves" in " ".join(came(Station(tmp_path, [], [fact])))
