"""Who entered something: the account that the system vouches for, and the name that was given."""

import base64
import hashlib
import os
import pwd
import socket
from pathlib import Path

import orjson
import pytest
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_cal_preview import station_in

from edaphon.alerts.book import acknowledged, event_of, payload_of
from edaphon.facts import from_payload
from edaphon.journal import Kind, read_only
from edaphon.journal.salvage import acknowledgement
from edaphon.people import account_of, own_account, peer_account, person
from edaphon.service.process import running
from edaphon.service.socket import ACCOUNT, ControlServer
from edaphon.storage.client import DaemonRefuses, ask

FACTS = """# kept with its file
[[plot]]
id = "B"
treatment = "warmed"

[[plot]]
id = "C"
"""
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(scope="module")
def plot(tmp_path_factory):
    station = station_in(tmp_path_factory.mktemp("plot"))
    with running(station.file):
        yield station


def entered(station, id: str):
    """The newest fact of that id, as its entry has it."""
    journal = read_only(station.storage / "journal")
    found = [from_payload(entry.payload) for _, entry in journal.scan(kinds={Kind.FACT})]
    return next(one for one in reversed(found) if one.fact.id == id)


def apply(station, documents: object, **words: object) -> object:
    socket = station.storage / "control.sock"
    return ask(socket, {"verb": "apply", "who": "Anna", "documents": documents, **words})


def test_an_account_without_a_name_is_its_number():
    assert account_of(os.getuid()) == ME == own_account()
    assert account_of(2_000_000_123) == "2000000123"


def test_a_name_that_is_not_the_account_is_shown_with_it():
    assert person("Anna", "pi") == "Anna (account pi)"
    assert person("pi", "pi") == "pi"
    assert person("Anna", "") == "Anna"  # an entry of an earlier version


def test_the_kernel_names_the_account_at_the_other_end():
    one, other = socket.socketpair()
    with one, other:
        assert peer_account(one) == ME


def test_a_request_that_names_an_account_has_that_of_its_process(tmp_path):
    server = ControlServer(tmp_path / "s", lambda request: {"is": request[ACCOUNT]})
    assert ask(tmp_path / "s", {"verb": "x", ACCOUNT: "somebody"}) == {"is": ME}
    server.stop()


def test_the_daemon_reads_the_text_of_facts_and_keeps_name_account_and_hash(plot):
    document = {"file": "facts/B.toml", "text": FACTS, "rows": [{"line": 2, "id": "B"}]}
    assert apply(plot, [document], account="root-of-all") == {"applied": 1}
    one = entered(plot, "B")
    assert (one.who, one.account, one.person) == ("Anna", ME, f"Anna (account {ME})")
    assert one.fact.treatment == "warmed"
    assert one.sha256 == hashlib.sha256(FACTS.encode()).hexdigest()
    assert one.text == '[[plot]]\nid = "B"\ntreatment = "warmed"\n'
    with pytest.raises(StopIteration):
        entered(plot, "C")  # was not meant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[plot]]\nid = "D"\ncolour = "red"\n', "colour"),
        ('[[plot]]\nid = "D\n', "B.toml:2"),
        ('[[plot]]\nid = "E"\n', 'the fact with id = "D"'),
        ('[[plot]]\nid = "D"\ntreatment = warmed\n', "B.toml:3"),
        ("", 'the fact with id = "D"'),
        ('\n\n[[plot]]\nid = "D"\n', 'the fact with id = "D"'),
    ],
)
def test_text_without_the_fact_that_is_meant_is_refused_with_file_and_line(plot, text, words):
    document = {"file": "B.toml", "text": text, "rows": [{"line": 1, "id": "D"}]}
    with pytest.raises(DaemonRefuses, match="B.toml:[123]") as refusal:
        apply(plot, [document])
    assert words in str(refusal.value)


def test_a_fact_that_a_client_has_parsed_is_refused(plot):
    row = {"fact": {"kind": "plot", "id": "F"}, "text": "", "sha256": "", "file": "x", "line": 1}
    with pytest.raises(DaemonRefuses, match="of the same version"):
        ask(plot.storage / "control.sock", {"verb": "apply", "who": "Anna", "rows": [row]})
    with pytest.raises(DaemonRefuses, match="of the same version"):
        apply(plot, [row])


def test_evidence_and_acknowledgements_have_the_account_too(plot):
    data = base64.b64encode(b"certificate").decode()
    sha256 = hashlib.sha256(b"certificate").hexdigest()
    words = {"verb": "evidence", "name": "c.pdf", "sha256": sha256, "data": data, "who": "Anna"}
    assert ask(plot.storage / "control.sock", words) == {"kept": "c.pdf"}
    notes = read_only(plot.storage / "journal").scan(kinds={Kind.NOTE})
    kept = [orjson.loads(entry.payload) for _, entry in notes]
    (one,) = [table for table in kept if table.get("sha256") == sha256]
    assert (one["who"], one["account"]) == ("Anna", ME)
    assert orjson.loads(acknowledgement("Anna", (), None, ME))["account"] == ME
    assert "account" not in orjson.loads(acknowledgement("Anna", ()))


def test_whoever_acknowledges_an_incident_is_shown_with_the_account():
    event = event_of(payload_of(acknowledged(1, 0, 10, "Anna", "spare ordered", ME)))
    assert event is not None
    table = event.table
    assert person(table["by"], table["account"]) == f"Anna (account {ME})"
    assert "account" not in acknowledged(1, 0, 10, "Anna", "spare ordered").table


def test_the_commands_show_who_and_the_account(plot, tmp_path):
    file = tmp_path / "marks.toml"
    file.write_text(
        '[[calibration]]\nid = "shown"\nchannel = "p-temp"\ncurve = "offset"\n'
        'parameters = { offset = 0.1 }\nfrom = "2026-01-01T00:00:00Z"\n',
        "utf-8",
    )
    call(plot, "apply", str(file), "--who", "Anna")
    assert f"by Anna (account {ME}) at " in call(plot, "cal", "show", "shown")[0]
    found = call_json(plot, "cal", "show", "shown")
    assert (found["who"], found["account"]) == ("Anna", ME)
    assert f"Anna (account {ME})" in call(plot, "cal", "list")[0]


def test_an_entry_of_before_has_no_account_and_new_bytes_are_the_old_ones_without_one():
    old = b'{"fact":{"id":"P","kind":"plot"},"file":"f","sha256":"","text":"","who":"Anna"}'
    found = from_payload(old)
    assert (found.account, found.person) == ("", "Anna")
    from edaphon.facts import to_payload

    again = to_payload(found.fact, found.text, found.sha256, found.file, found.who)
    assert "account" not in orjson.loads(again)


def test_facts_kept_while_the_service_is_off_have_the_account_of_the_command(tmp_path):
    station = station_in(tmp_path)
    with running(station.file):
        pass
    file = Path(tmp_path / "own.toml")
    file.write_text('[[plot]]\nid = "Z"\n', "utf-8")
    call(station, "apply", str(file), "--who", "Anna")
    assert entered(station, "Z").account == ME
