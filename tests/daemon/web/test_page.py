"""What the page says: soil column, strip, ledgers, sinks, sources, and the red sentence."""

import copy

import pytest
from tests.daemon.web.plot import DAY, NOON, answer, incident, status

from edaphon.web import ControlView, Silent, Unreadable
from edaphon.web.page import make_page
from edaphon.web.view import StatusWatch

MINUTE = 60 * 10**9


class Recorder:
    """A view whose recorder can be changed and can fall silent."""

    def __init__(self, reported=None):
        self.reported = copy.deepcopy(reported or status())
        self.silent = False
        self.unreadable = set()

    def status(self):
        if self.silent:
            raise Silent("connection refused")
        return ControlView(lambda q: self.reported).status()

    def day(self, channel_id, start_ns, end_ns):
        if channel_id in self.unreadable:
            raise Unreadable("series: the answer has no 'flag'")
        return ControlView(answer).day(channel_id, start_ns, end_ns)


def page_of(reported=None, view=None):
    return make_page(StatusWatch(view or Recorder(reported), lambda: NOON).look())


def report_of(**changes):
    return page_of({**status(), **changes}).report


def cells_of(report):
    return {c.id: c for column in report.columns for row in column.rows for c in row.cells}


def test_profiles_come_first_then_the_plot_then_the_site():
    titles = [(c.title, c.profile) for c in report_of().columns]
    assert titles == [
        ("Profile A, plot P1", True),
        ("Profile B, plot P1", True),
        ("Plot P1", False),
        ("Site and logger", False),
    ]


def test_rows_go_down_and_the_surface_lies_above_the_first_mineral_depth():
    rows = report_of().columns[0].rows
    assert [(r.depth, r.unit) for r in rows] == [
        ("3", "cm above"),
        ("5", "cm"),
        ("20", "cm"),
        ("50", "cm"),
    ]
    assert [r.first_of_mineral for r in rows] == [False, True, False, False]
    assert [r.layer for r in rows] == ["litter", "topsoil", "upper", "middle"]


def test_a_depth_that_is_no_number_keeps_its_label_at_the_foot():
    channels = copy.deepcopy(status()["channels"][:3])
    channels[0]["depth_cm"], channels[1]["depth_cm"] = "nan", "Ah"
    rows = report_of(channels=channels).columns[0].rows
    assert [r.depth for r in rows] == ["5", "Ah", "nan"]


def test_a_cell_has_value_uncertainty_unit_flag_age_line_and_table():
    cell = cells_of(report_of())["whs.A.5.w"]
    assert (cell.name, cell.uncertainty, cell.unit) == ("Water content", "0.030", "m³/m³")
    assert cell.value.startswith("0.2")
    assert cell.sign.word == "passed"
    assert (cell.age, cell.at) == ("just now", "13:00")
    assert cell.line.n == 145
    assert len(cell.hours) == 25
    assert cell.span.endswith(" m³/m³")


def test_a_missing_value_says_so_and_shows_the_reported_number_if_there_is_one():
    latest = {"time_ns": NOON, "value": None, "u_random": None, "u_systematic": None, "flag": 9}
    channels = copy.deepcopy(status()["channels"][:3])
    channels[0]["latest"] = {**latest, "raw": None}
    channels[1]["latest"] = {**latest, "raw": 2405.0, "flag": 2}
    channels[2]["latest"] = None
    none, raw, never = cells_of(report_of(channels=channels)).values()
    assert (none.value, none.note, none.sign.word) == ("", "no number came", "missing")
    assert raw.note == "no value; reported number 2405"
    assert (never.sign.word, never.age, never.note) == ("no value yet", "", "")


def test_gaps_and_missing_numbers_of_the_day_are_said_in_words():
    cells = cells_of(report_of())
    assert cells["whs.A.20.w"].span.endswith("m³/m³, 1 gap")
    assert cells["whs.A.20.p"].span.endswith("kPa, 9 missing")


def test_a_value_is_called_old_after_three_usual_intervals_or_a_day_without_any():
    old = {name: cell.old for name, cell in cells_of(report_of()).items()}
    assert [name for name, sign in old.items() if sign] == ["whs.B.10.w"]
    assert old["whs.B.10.w"] == ("old", "triangle")
    channel = status()["channels"][0]
    channel["latest"]["time_ns"] = NOON - 3 * DAY
    silent = Recorder({**status(), "channels": [channel]})
    silent.day = lambda channel_id, start_ns, end_ns: []
    (cell,) = cells_of(page_of(view=silent).report).values()
    assert (cell.old.word, cell.age) == ("old", "3 days ago")


def test_a_day_that_cannot_be_read_costs_one_line_only():
    recorder = Recorder()
    recorder.unreadable = {"whs.A.5.w"}
    cells = cells_of(page_of(view=recorder).report)
    assert cells["whs.A.5.w"].span == "24 h line not available"
    assert (cells["whs.A.5.w"].line, cells["whs.A.5.w"].old) == (None, None)
    assert cells["whs.A.5.t"].line is not None


def test_the_strip_has_both_times_the_clock_and_the_last_record():
    strip = report_of().strip
    assert (strip.utc, strip.local, strip.offset) == ("12:00", "13:00", "UTC+01:00")
    assert strip.clock.word == "clock set by network time"
    assert strip.recording.word == "recording 3 of 4 sources"
    assert strip.last == "last record 2 min ago, at 12:58"


@pytest.mark.parametrize(
    ("states", "word", "shape"),
    [
        ([], "no source configured", "ring"),
        (["ok", "ok"], "recording", "dot"),
        (["ok", "late"], "recording 1 of 2 sources", "triangle"),
        (["silent", "never"], "no source answers", "cross"),
        (["held", "held"], "recording", "dot"),
    ],
)
def test_the_recording_state_follows_the_sources(states, word, shape):
    one = status()["sources"][0]
    sources = [{**one, "path": str(n), "state": state} for n, state in enumerate(states)]
    assert report_of(sources=sources).strip.recording == (word, shape)


def test_without_a_source_the_last_entry_of_the_journal_counts():
    assert report_of(sources=[]).strip.last == "last record 1 min ago, at 12:59"
    empty = {"entries": 0, "last_ns": None, "position": "1.0"}
    assert report_of(sources=[], journal=empty).strip.last == "no record yet"


def test_an_entry_of_the_journal_is_no_record_of_a_source_that_was_never_heard():
    """The first start journals the configuration: the page called that a record, taken in 0."""
    never = {**status()["sources"][0], "state": "never", "last_ns": None}
    assert report_of(sources=[never]).strip.last == "no record yet"


def test_a_site_without_a_name_is_called_by_its_id():
    site = {"id": "whs", "name": "", "utc_offset_s": -7 * 3600}
    assert report_of(site=site).strip.site == "whs"
    assert report_of(site=site).strip.local == "05:00"


def test_the_records_ledger_adds_up_or_says_by_how_much_not():
    taken, records, values = report_of().accounts
    assert [n for n, _ in records.parts] == ["40\u202f291", "4", "15", "0"]
    assert {taken.sign.word, records.sign.word, values.sign.word} == {"adds up"}
    ledgers = status()["ledgers"]
    ledgers["entries"]["decoded"] -= 7
    ledgers["conflicts"] += 1
    ledgers["journalled"] = ledgers["taken"] + 2
    taken, records, values = report_of(ledgers=ledgers).accounts
    assert records.sign == ("does not add up: 7 too few", "cross")
    assert values.sign == ("does not add up: 1 too many", "cross")
    assert taken.sign == ("does not add up: 2 too many", "cross")


def test_missing_measurements_are_listed_by_cause():
    assert report_of().gaps == "Missing measurements by cause: 18 no answer, 2 garbled."
    assert report_of(ledgers={**status()["ledgers"], "gaps": {}}).gaps.startswith("No ")


def test_each_sink_shows_its_state_and_its_backlog():
    institute, laptop = report_of().backlogs
    assert institute.sign.word == "takes values"
    assert institute.parts[0] == ("2\u202f683", "changes wait")
    assert institute.parts[2][0] == "3"
    assert laptop.sign.word == "does not answer"
    assert laptop.since == "since 19 Nov 13:00 (3 days ago)"
    assert "refuses" in laptop.why


def test_a_blocked_sink_needs_a_person_and_reaches_the_red_strip():
    sinks = status()["sinks"]
    sinks[1] = {**sinks[1], "blocked": True, "why": "the key is refused"}
    page = page_of({**status(), "sinks": sinks, "trouble": []})
    assert page.report.backlogs[1].sign == ("stopped, needs a person", "cross")
    assert page.problem[-1] == "laptop is stopped and needs a person: the key is refused"


def test_sources_that_need_a_look_come_first():
    paths = [s.path for s in report_of().sources]
    assert paths == ["sdi12/c", "sdi12/a", "sdi12/b", "ttn/a84041b2c1d5e6f7"]
    assert report_of().sources[0].detail == "no answer, 18 times"


def test_the_recorders_own_sentences_stand_in_the_red_strip():
    assert page_of().problem == tuple(status()["trouble"])


def test_without_them_clock_and_silent_sources_are_said():
    clock = {"known": False, "how": "assumed"}
    page = page_of({**status(), "trouble": [], "clock": clock})
    assert page.problem[0].startswith("The clock is not set")
    assert page.problem[1].startswith("Source sdi12/c is silent, last received 3 h ago")
    assert page.report.strip.clock == ("clock not set", "cross")


def test_a_clock_that_is_not_set_is_said_before_the_recorders_own_sentences():
    page = page_of({**status(), "clock": {"known": False, "how": ""}})
    assert page.problem[0].startswith("The clock is not set")
    assert page.problem[1:] == tuple(status()["trouble"])


def test_a_source_whose_records_are_held_is_heard():
    one = {**status()["sources"][0], "state": "held", "last_ns": None}
    (source,) = report_of(sources=[one]).sources
    assert source.sign.word == "answers, held until the clock is known"
    assert source.last == "received since the start"


def test_a_well_recorder_has_no_red_strip():
    sources = status()["sources"][:2]
    assert page_of({**status(), "trouble": [], "sources": sources}).problem == ()


def test_a_silent_recorder_is_said_in_one_sentence_and_its_last_data_stay():
    recorder, now = Recorder(), [NOON]
    watch = StatusWatch(recorder, lambda: now[0])
    make_page(watch.look())
    recorder.silent, now[0] = True, NOON + 3 * MINUTE
    watch.look()
    now[0] = NOON + 10 * MINUTE
    page = make_page(watch.look())
    assert page.problem == (
        "The recorder does not answer since 13:03 site time; what follows is as seen at 13:00"
        " (last value: 13:00, 10 min ago); on the logger type: systemctl status edaphon",
    )
    assert page.why == "connection refused"
    assert page.report.strip.recording.word == "state unknown"
    assert cells_of(page.report)["whs.A.5.w"].age == "10 min ago"
    recorder.silent = False
    assert make_page(watch.look()).problem == tuple(status()["trouble"])
    recorder.silent = True
    assert "since 13:10 site time" in make_page(watch.look()).problem[0]


def test_a_visit_is_shown_and_what_is_silent_in_it_is_no_trouble():
    visit = {"plot": "P1", "who": "K. Berg", "why": "fuse", "end_ns": NOON + 30 * MINUTE}
    sources = [{**one, "planned": "visit"} for one in status()["sources"]]
    page = page_of({**status(), "trouble": [], "sources": sources, "visits": [visit]})
    assert page.problem == ()
    assert page.report.strip.visits == ("visit of K. Berg at P1 until 13:30: fuse",)
    signs = {one.path: one.sign for one in page.report.sources}
    assert signs["sdi12/c"] == ("silent, planned (visit)", "ring")
    assert signs["sdi12/a"].word == "answers"


def test_what_the_metrics_saw_is_the_last_that_the_page_shows():
    recorder, now = Recorder(), [NOON]
    watch = StatusWatch(recorder, lambda: now[0])
    watch.look()
    later = NOON + 20 * MINUTE
    recorder.reported |= {"now_ns": later, "incidents": [incident(later)]}
    watch.status()
    recorder.silent, now[0] = True, NOON + 21 * MINUTE
    with pytest.raises(Silent):
        watch.status()
    now[0] = NOON + 30 * MINUTE
    page = make_page(watch.look())
    assert page.problem[0].startswith(
        "The recorder does not answer since 13:21 site time; what follows is as seen at 13:20"
    )
    assert [one.number for one in page.incidents] == [17]
    assert "nothing in 24 h" not in cells_of(page.report)["whs.A.5.w"].span


def test_an_answer_to_the_metrics_ends_the_silence_of_the_page():
    recorder, now = Recorder(), [NOON]
    watch = StatusWatch(recorder, lambda: now[0])
    recorder.silent = True
    watch.look()
    recorder.silent = False
    watch.status()
    recorder.silent, now[0] = True, NOON + 60 * MINUTE
    assert "since 14:00 site time" in make_page(watch.look()).problem[0]


def test_a_recorder_that_never_answered_leaves_only_the_sentence():
    recorder = Recorder()
    recorder.silent = True
    page = page_of(view=recorder)
    assert page.report is None
    assert "since 12:00 UTC (last value: none seen since this page started)" in page.problem[0]


def test_the_day_that_is_asked_for_ends_with_now():
    asked = []

    class Asked(Recorder):
        def day(self, channel_id, start_ns, end_ns):
            asked.append((start_ns, end_ns))
            return []

    report = page_of(view=Asked()).report
    assert set(asked) == {(NOON - DAY, NOON + 1)}
    assert {c.span for c in cells_of(report).values()} == {"nothing in 24 h"}


def test_the_page_shows_with_the_records_what_of_them_made_no_value():
    sources = [
        {**status()["sources"][0], "path": "ttn/a", "notes": {"simulated uplink": 3}},
        {**status()["sources"][0], "path": "ttn/<b>", "notes": {"unknown channel 07 AA": 1}},
    ]
    _, records, *others = report_of(sources=sources).accounts
    assert records.notes == (
        ("3", "simulated uplink, of ttn/a: no value"),
        ("1", "unknown channel 07 AA, of ttn/<b>: no value"),
    )
    assert records.sign.word == "adds up"
    assert all(one.notes == () for one in others)
    assert all(one.notes == () for one in report_of().accounts)


def test_the_page_shows_repeats_and_the_lines_of_files_apart_from_conflicts():
    ledgers = status()["ledgers"]
    ledgers |= {"conflicts": 2, "repeats": 7, "replaced": 3}
    ledgers["entries"] |= {"duplicates": 14, "conflicts": 1}
    row = {"source": "file/log", "rows": 9, "headers": 1, "blank": 0, "refused": 2}
    lines = [{**row, "file": name, "lines": n, "copy": 1} for name, n in (("a", 12), ("b", 13))]
    _, records, values, files = report_of(ledgers=ledgers, file_lines=lines).accounts
    assert [n for n, _ in records.parts][-1] == "1"
    assert [n for n, _ in values.parts] == ["120\u202f690", "2", "7", "3"]
    assert (records.sign.word, values.sign.word) == ("adds up", "adds up")
    assert (files.title, files.total) == ("Lines of file/log", "25")
    assert [n for n, _ in files.parts] == ["18", "2", "0", "4"]
    assert files.sign.word == "does not add up: 1 too few"


def test_incidents_come_first_with_number_cause_since_members_and_how_to_acknowledge():
    (one,) = page_of({**status(), "incidents": [incident()]}).incidents
    assert (one.number, one.sign.word, one.sign.shape) == (17, "lost", "cross")
    assert one.title == "White Hall: No data from bus sdi12"
    assert one.since == "11:00, 2 h ago"
    assert "A10K2XYZ" in one.cause
    assert one.members[0].startswith("T12-00041873")
    assert "\n1. Plug the adapter in.\n" in one.text
    assert one.acknowledge == 'edaphon alert ack 17 --why "..."'


def test_an_acknowledged_incident_says_by_whom_and_until_when():
    reported = {"acknowledged_by": "K. Berg", "why": "spare ordered"}
    until = NOON + 3600 * 10**9
    (one,) = page_of(
        {**status(), "incidents": [incident(acknowledged_until_ns=until, **reported)]}
    ).incidents
    assert one.state == "acknowledged by K. Berg until 14:00: spare ordered"
    assert one.acknowledge == ""
    (over,) = page_of(
        {**status(), "incidents": [incident(acknowledged_until_ns=NOON - 1, **reported)]}
    ).incidents
    assert over.state == ""


def test_what_an_incident_says_is_not_said_a_second_time():
    reported = {**status(), "trouble": [], "incidents": [incident(wrong=False, severity="late")]}
    page = page_of(reported)
    assert page.problem == ()
    assert page.incidents[0].sign.word == "well again, watched for a while"


def test_of_very_many_members_the_first_are_listed_and_the_others_counted():
    (one,) = page_of({**status(), "incidents": [incident(members=["x"] * 40)]}).incidents
    assert (len(one.members), one.more) == (30, 10)
