"""/metrics: what Prometheus' own parser reads of it, and that nothing unknown becomes a number."""

import math
import re
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.daemon.web.hostile import PAYLOADS, HostileRecorder
from tests.daemon.web.plot import NOON, answer, incident, status
from tests.daemon.web.served import sample_view, served
from tests.daemon.web.test_routes import ask
from tests.programs import ROOT

from edaphon.alerts.model import Severity
from edaphon.printer import visible_lines
from edaphon.web import ControlView
from edaphon.web.metrics import MOST_SERIES, SEVERITIES, status_text

DISK = {"free_bytes": 7, "total_bytes": 10, "days": None, "reserve_bytes": 2, "full": False}


def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def whole():
    """The text of a recorder that knows all there is."""
    source = {**status()["sources"][0], "interval_ns": 10**9, "missed_uplinks": 2}
    lines = {"lines": 3, "rows": 1, "headers": 1, "blank": 0, "refused": 1}
    files = [{"source": "logger/a", "file": "a.dat", **lines}] * 2
    floods = [{"source": "local", "n": 5, "size": 700, "first_ns": 1, "last_ns": 2, "again": 0}]
    more = {"sources": [source], "file_lines": files, "disk": {**DISK, "days": 9.5}}
    more["floods"] = floods
    return status_text(ControlView(lambda q: {**status(), **more}).status())


def reported(**changes):
    """Every sample by name and labels, as Prometheus reads them, of a changed sample status."""
    return samples(status_text(ControlView(lambda q: {**status(), **changes}).status()))


FULL = whole()


def samples(text):
    found = {}
    for family in families(text).values():
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found, f"{key} is there twice: Prometheus refuses all of it"
            found[key] = sample.value
    return found


def of(found, name):
    return {key: value for key, value in found.items() if key[0] == f"edaphon_{name}"}


@pytest.fixture(scope="module")
def port():
    with served(sample_view()) as port:
        yield port


def test_metrics_have_the_media_type_of_the_text_format(port):
    code, headers, body = ask(port, path="/metrics")
    assert code == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert body.endswith(b"\n")
    assert samples(body.decode())["edaphon_up",] == 1


def test_the_gate_of_the_page_holds_for_metrics(port):
    assert ask(port, path="/metrics", host="evil.example")[0] == 421
    assert ask(port, "POST", path="/metrics")[0] == 405
    assert ask(port, "HEAD", path="/metrics")[2] == b""
    assert ask(port, path="/metrics")[1]["X-Content-Type-Options"] == "nosniff"


def test_numbers_are_those_of_the_recorder():
    found = reported(disk=DISK)
    assert found["edaphon_source_age_seconds", ("source", "sdi12/c")] == 180 * 60
    assert found["edaphon_source_state", ("source", "sdi12/c"), ("state", "silent")] == 1
    assert found["edaphon_source_state", ("source", "sdi12/c"), ("state", "ok")] == 0
    assert found["edaphon_records_taken_total",] == 40312
    assert found["edaphon_records_journalled_total",] == 40310
    assert found["edaphon_records", ("state", "dead")] == 4
    assert sum(of(found, "records").values()) == 40310
    assert sum(of(found, "observations").values()) == 120702
    assert found["edaphon_slots_missed", ("cause", "no answer")] == 18
    assert found["edaphon_sink_up", ("sink", "laptop")] == 0
    assert found["edaphon_sink_waiting_points", ("sink", "institute")] == 2683
    assert found["edaphon_sink_set_aside_points", ("sink", "institute")] == 3
    assert found["edaphon_sink_delivered_points_total", ("sink", "institute")] == 118004
    assert found["edaphon_disk_free_bytes",] == 7
    assert found["edaphon_clock_known",] == 1
    assert found["edaphon_start_time_seconds",] == NOON / 1e9 - 3 * 86400
    assert found["edaphon_journal_last_entry_age_seconds",] == 60
    assert found["edaphon_channels", ("flag", "missing")] == 1
    assert found["edaphon_channels", ("flag", "none")] == 0
    about = ("edaphon_build_info", ("logger", "whs-logger-1"), ("site", "whs"))
    assert found[(*about, ("version", "0.1.0"))] == 1


def test_what_nobody_knows_is_absent_and_never_zero():
    sources = [{**status()["sources"][0], "last_ns": None, "state": "never", "interval_ns": None}]
    found = reported(sources=sources, disk=DISK)
    assert not of(found, "source_age_seconds")
    assert not of(found, "source_interval_seconds")
    assert not of(found, "disk_days_left")
    assert not of(reported(), "disk_free_bytes")
    assert not of(
        reported(journal={**status()["journal"], "last_ns": None}), "journal_last_entry_age_seconds"
    )
    assert reported(disk={**DISK, "days": 12.5})["edaphon_disk_days_left",] == 12.5
    interval = [{**sources[0], "interval_ns": 600 * 10**9}]
    assert list(of(reported(sources=interval), "source_interval_seconds").values()) == [600]


def test_no_incident_is_a_zero_of_every_severity():
    assert tuple(Severity) == SEVERITIES
    none = of(reported(), "incidents")
    assert {key[1][1]: value for key, value in none.items()} == dict.fromkeys(Severity, 0)
    later = NOON + 10**9
    some = [incident(), incident(wrong=False), incident(acknowledged_until_ns=later)]
    found = reported(incidents=some)
    assert found["edaphon_incidents", ("severity", "lost")] == 2
    assert found["edaphon_incidents_acknowledged", ("severity", "lost")] == 1


def test_problems_are_all_that_makes_status_exit_1():
    sentences = len(status()["trouble"])
    assert reported()["edaphon_problems",] == sentences
    some = [incident(), incident(wrong=False), incident(number=18)]
    assert reported(incidents=some)["edaphon_problems",] == sentences + 2


def test_a_silent_recorder_is_down_and_has_no_other_number():
    def nobody(question):
        raise ConnectionRefusedError('no\n"socket"\nedaphon_up 1\n')

    with served(ControlView(nobody)) as port:
        code, _, body = ask(port, path="/metrics")
    assert code == 200
    assert samples(body.decode()) == {("edaphon_up",): 0, ("edaphon_series_left_out",): 0}
    assert body.startswith(b'# edaphon does not answer: no "socket" edaphon_up 1\n')


def test_metrics_ask_for_no_line_of_a_channel():
    asked = []

    def recorder(question):
        asked.append(question["verb"])
        return answer(question)

    with served(ControlView(recorder)) as port:
        ask(port, path="/metrics")
    assert asked == ["status"]


@pytest.mark.parametrize("payload", [*PAYLOADS, 'a"b\\c\nd\\n', "\\", "}{,="], ids=ascii)
def test_any_name_comes_back_as_it_was_with_all_characters_visible(payload):
    view = ControlView(HostileRecorder(payload).answer)
    found = samples(status_text(view.status()).encode().decode())
    shown = visible_lines(payload)
    assert [dict(key[1:])["source"] for key in of(found, "source_age_seconds")] == [shown]
    assert ("edaphon_sink_waiting_points", ("sink", shown)) in found


def test_what_is_cut_is_counted():
    gaps = {f"cause {n}": n for n in range(MOST_SERIES + 3)}
    found = reported(ledgers={**status()["ledgers"], "gaps": gaps})
    assert len(of(found, "slots_missed")) == MOST_SERIES
    assert found["edaphon_series_left_out",] == 3


def test_refused_lines_are_summed_over_the_files_of_a_source():
    found = samples(FULL)
    assert found["edaphon_file_lines_refused", ("source", "logger/a")] == 2
    assert found["edaphon_source_uplinks_missed", ("source", "sdi12/a")] == 2


def test_what_came_above_a_budget_is_counted_by_source():
    found = samples(FULL)
    assert found["edaphon_flood_items", ("source", "local")] == 5
    assert found["edaphon_flood_bytes", ("source", "local")] == 700


def test_a_number_without_end_is_not_known():
    assert not of(reported(disk={**DISK, "days": math.inf}), "disk_days_left")


def test_names_follow_the_conventions_of_prometheus():
    """prometheus.io/docs/practices/naming: base units, and total for counters alone."""
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", FULL, re.MULTILINE):
        assert re.fullmatch(r"edaphon_[a-z_]+", name)
        assert name.endswith("_total") == (kind == "counter")
        assert not re.search(r"_(ns|ms|minutes|hours|kb|mb)(_|$)", name)
    assert {f.type for f in families(FULL).values()} == {"gauge", "counter"}
    assert all(family.documentation for family in families(FULL).values())


def test_the_guide_lists_each_metric_and_no_other():
    guide = (ROOT / "docs" / "technician.md").read_text("utf-8")
    table = guide.partition("| metric `edaphon_...` |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(set(listed)) == len(listed)
    assert {f"edaphon_{name}" for name in listed} == {
        name for name, _ in re.findall(r"^# TYPE (\S+) (\S+)$", FULL, re.MULTILINE)
    }
    assert str(MOST_SERIES) in table


def test_rules_of_the_guide_name_metrics_that_are_there():
    guide = (ROOT / "docs" / "technician.md").read_text("utf-8")
    rules = guide.partition("Rules worth having")[2].partition("### ")[0]
    named = set(re.findall(r"edaphon_\w+", rules))
    assert len(named) == 6
    assert named <= set(re.findall(r"^# TYPE (\S+)", FULL, re.MULTILINE))


def test_page_and_metrics_ask_the_recorder_one_after_the_other():
    asking, most = 0, 0

    def recorder(question):
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        time.sleep(0.01)
        asking -= 1
        return answer(question)

    with served(ControlView(recorder)) as port:
        paths = ["/", "/metrics"] * 3
        threads = [threading.Thread(target=ask, args=(port, "GET", path)) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == 1
