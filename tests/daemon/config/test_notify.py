"""`edaphon check` on [[notify]] and [alerts]: each mistake with its line, doubts, no secrets."""

from datetime import time
from pathlib import Path

import orjson
import pytest
from tests.daemon.config.test_check import BOX, CALL, app, write

from edaphon.config import Secret
from edaphon.service.check import examine

MAIL = 'kind = "email"\nhost = "mail.example.org"\nfrom = "a@example.org"\nto = ["t@example.org"]\n'
BROKER = '[broker.plots]\nhost = "127.0.0.1"\ntopics = ["x"]\n'


def config_errors(tmp_path: Path, text: str) -> list[str]:
    file = write(tmp_path / "edaphon.toml", BOX + text)
    return [str(c).removeprefix(f"{file}:") for c in examine([file]).config_errors]


def test_a_whole_table_is_read(tmp_path: Path) -> None:
    more = 'classes = ["lost", "doubtful"]\nhours = "07:00-20:00"\nafter = "24h"\nlanguage = "de"\n'
    alerts = '[alerts]\nweekly_day = "fri"\nweekly_time = "06:30"\nheartbeat_every = "10min"\n'
    url = 'heartbeat_url = { env = "HOME" }\n'
    text = f'{BOX}{alerts}{url}[[notify]]\nname = "owner"\n{more}{MAIL}'
    config = examine([write(tmp_path / "edaphon.toml", text)]).config
    assert config is not None
    (owner,) = config.notify
    assert (owner.name, owner.kind, owner.language) == ("owner", "email", "de")
    assert owner.classes == ("lost", "doubtful")
    assert owner.hours == (time(7), time(20))
    assert owner.after_ns == 86_400 * 10**9
    assert owner.settings["host"] == "mail.example.org"
    assert (config.alerts.weekly, config.alerts.weekly_day) == (True, "fri")
    assert config.alerts.weekly_time == time(6, 30)
    assert config.alerts.heartbeat_every_ns == 600 * 10**9
    assert isinstance(config.alerts.heartbeat_url, Secret)


def test_without_classes_it_is_sent_what_is_lost_or_late(tmp_path: Path) -> None:
    file = write(tmp_path / "edaphon.toml", f'{BOX}[[notify]]\nname = "a"\n{MAIL}')
    config = examine([file]).config
    assert config is not None
    assert config.notify[0].classes == ("lost", "will be lost", "late")
    assert (config.notify[0].hours, config.notify[0].after_ns) == (None, None)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('kind = "mail"\n', '9  notify.kind: "mail"; expected a kind of receiver (apprise, email,'),
        ('kind = "kinds"\n', '9  notify.kind: "kinds"; expected a kind of receiver'),
        (f'{MAIL}hours = "7-20"\n', 'notify.hours: "7-20"; hours of the day in quotes'),
        (f'{MAIL}hours = "07:00-07:00"\n', "two times that differ"),
        (f'{MAIL}classes = ["losst"]\n', "notify.classes"),
        (f'{MAIL}after = "soon"\n', "a duration in quotes"),
        (f'{MAIL}language = "fr"\n', 'one of "en" or "de"'),
        (f"{MAIL}portt = 25\n", "13  notify.portt: unknown key; did you mean port?"),
        (f'{MAIL}username = "u"\npassword = "s3cret"\n', "a secret in plain text; only its place"),
        (
            f'{MAIL}username = "u"\npassword = {{ env = "EDAPHON_NOT_SET" }}\n',
            "14  notify.password: environment variable EDAPHON_NOT_SET is not set",
        ),
        (f'{MAIL}ca_file = "/nowhere.pem"\n', '"/nowhere.pem" is not there'),
        ('kind = "mqtt"\nbroker = "plotz"\ntopic = "a"\n', "10  notify.broker: "),
        ('kind = "sms"\nport = "/dev/a"\nto = ["+4917"]\npin = "1234"\n', "in plain text"),
        (
            'kind = "webhook"\nurl = "https://x.org"\nbody = "{titel}"\n',
            "no field {titel} in body; did you mean title",
        ),
        (
            'kind = "webhook"\nurl = "https://x.org"\nbody = "{title}"\n'
            'headers = { X-Key = { env = "EDAPHON_NOT_SET" } }\n',
            "12  notify.headers.X-Key: environment variable EDAPHON_NOT_SET is not set",
        ),
    ],
)
def test_each_mistake_is_listed_with_its_line(tmp_path: Path, lines: str, words: str) -> None:
    (found,) = config_errors(
        tmp_path, f'{BROKER}[[notify]]\nname = "a"\n{lines}'.replace(BROKER, "")
    )
    assert words in found
    assert "s3cret" not in found


def test_two_receivers_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    one = f'[[notify]]\nname = "a"\n{MAIL}'
    (found,) = config_errors(tmp_path, one + one)
    assert 'notify.name: "a" is also the name of notify 1' in found


def test_a_modem_on_the_port_of_a_bus_is_a_mistake(tmp_path: Path) -> None:
    bus = '[bus.b]\nkind = "serial"\nport = "/dev/a"\n'
    (found,) = config_errors(
        tmp_path, f'{bus}[[notify]]\nname = "a"\nkind = "sms"\nport = "/dev/a"\nto = ["+4917"]\n'
    )
    assert 'notify.port: "/dev/a" is also the port of bus b; one use for each port' in found


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            'heartbeat_broker = "plots"\nheartbeat_topic = "a"\n',
            '"plots" is no broker of this file',
        ),
        ('heartbeat_topic = "a"\n', "heartbeat_broker and heartbeat_topic together"),
        ('heartbeat_url = "hc-ping.com/abc"\n', "an address such as"),
        ('heartbeat_url = { env = "EDAPHON_NOT_SET" }\n', "EDAPHON_NOT_SET is not set"),
        ('page_url = "https://user:pw@x.org"\n', "without user and password"),
        ('weekly_time = "7"\n', "a time of the day"),
        ("weekley = false\n", "unknown key; did you mean weekly or weekly_day?"),
    ],
)
def test_mistakes_of_the_heartbeat_are_listed(tmp_path: Path, lines: str, words: str) -> None:
    (found,) = config_errors(tmp_path, f"[alerts]\n{lines}")
    assert found.startswith(("7", "8"))
    assert words in found


def test_a_password_over_plain_smtp_is_a_doubt_and_no_mistake(tmp_path: Path) -> None:
    log_in = 'username = "u"\npassword = { env = "HOME" }\nsecurity = "none"\n'
    file = write(tmp_path / "edaphon.toml", f'{BOX}[[notify]]\nname = "a"\n{MAIL}{log_in}')
    done = CALL.invoke(app, ["check", str(file)])
    assert done.exit_code == 0
    assert f"{file}:15  notify.security: the password goes unencrypted" in done.stderr
    assert "1 receiver" in done.stdout
    table = orjson.loads(CALL.invoke(app, ["check", str(file), "--json"]).stdout)
    assert table["good"]
    assert [doubt["line"] for doubt in table["doubts"]] == [15]


def test_a_good_kind_alone_is_imported() -> None:
    """mypy aside, Apprise and paho stay out of a service that needs neither."""
    import subprocess
    import sys

    code = (
        "import sys; from edaphon.alerts.receivers import receiver_kind;"
        "receiver_kind('email'); receiver_kind('webhook');"
        "bad = {'apprise', 'requests', 'paho.mqtt.client', 'serial'} & sys.modules.keys();"
        "sys.exit(f'imported: {bad}' if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
