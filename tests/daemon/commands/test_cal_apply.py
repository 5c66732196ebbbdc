"""What a preview shows is what happens, by the daemon or without it; and it can be taken back."""

import hashlib
import sys

import numpy as np
import pytest
from tests.daemon.commands import test_explain
from tests.daemon.commands.calling import call, call_json
from tests.daemon.commands.test_cal_preview import (
    FACTS,
    LINE,
    TABLES,
    minute,
    records,
    station_in,
    telling,
    values,
    written,
)
from tests.stories.station import Station

from edaphon.clock import SystemClock
from edaphon.config import read_draft
from edaphon.journal import Journal
from edaphon.series import Series
from edaphon.service import check, submit
from edaphon.service.process import running

FROM = "from = 2026-04-01T12:20:00Z\n"


@pytest.fixture(params=[False, True], ids=["daemon off", "daemon on"])
def plot(request, tmp_path):
    """An hour of a plot, with the service off or on."""
    station = station_in(tmp_path)
    if not request.param:
        yield station
        return
    with running(station.file):
        yield station


def reported(station: Station, channel: str) -> list[float | None]:
    """The values as people are shown them."""
    out, _ = call(station, "query", channel, "--format", "csv")
    cells = [line.split(",")[2] for line in out.splitlines()[1:]]
    return [float(cell) if cell else None for cell in cells]


def test_what_was_previewed_happens_and_how_many_rows_differ_is_shown(plot):
    before = reported(plot, "p-vwc")
    found = call_json(plot, "cal", "apply", str(written(plot, "soil", FROM)), "--who", "K. Berg")
    (one,) = found["channels"]
    assert (one["moved"], one["lost"], one["changed"]) == (4, 2, 6)
    assert (found["applied"], found["differing"]) == (1, 6)
    after = reported(plot, "p-vwc")
    assert after[:2] == [None, None]
    assert after[2:] == pytest.approx(0.01 + 1.1 * np.array(before[2:]))
    by = np.array(after[2:]) - np.array(before[2:])
    assert one["mean_change"] == pytest.approx(by.mean())
    (row,) = call_json(plot, "cal", "list", "--channel", "p-vwc")[1:]
    assert (row["id"], row["who"], row["from"]) == ("soil", "K. Berg", minute(20))


def test_a_configuration_is_checked_where_the_service_did_not_start_with_it(tmp_path, monkeypatch):
    plot, checked = station_in(tmp_path), []
    with running(plot.file):
        pass
    monkeypatch.setattr(check, "read_draft", lambda own: checked.append(own) or read_draft(own))
    words = ("apply", str(written(plot, "soil", FROM)), "--dry-run")
    call(plot, *words)
    assert checked == []
    plot.file.write_text(plot.file.read_text() + "# another word\n")
    call(plot, *words)
    assert checked
    plot.file.write_text(plot.file.read_text().replace('kind = "sdi12"', 'kind = "sdi13"'))
    _, err = call(plot, *words, codes=(3,))
    assert "sdi13" in err


def test_for_people_the_change_is_shown_first_and_what_differs_last(plot):
    out, _ = call(plot, "cal", "apply", str(written(plot, "soil", FROM)))
    lines = out.splitlines()
    assert lines[0].startswith("new: calibration soil   (")
    assert lines[1] == f"  p-vwc: 6 of 6 rows change, {minute(0)} to {minute(50)}"
    assert "  p-vwc: 2 values from" in out
    assert "not all values" not in out
    assert lines[-2] == "1 fact applied"
    assert lines[-1] == "6 rows differ now by number, flag or derivation, in every sink too"


def with_evidence(station: Station, data: bytes) -> str:
    (station.folder / "cores.pdf").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return f'evidence = {{ "cores.pdf" = "{sha256}" }}\n'


def test_what_a_calibration_rests_on_is_in_the_journal_and_comes_out_again(plot, tmp_path):
    row = with_evidence(plot, b"%PDF \x00\xff")
    call(plot, "cal", "apply", str(written(plot, "soil", row)))
    (plot.folder / "cores.pdf").unlink()
    out = tmp_path / "evidence"
    call(plot, "cal", "show", "soil", "--evidence", str(out))
    assert (out / "cores.pdf").read_bytes() == b"%PDF \x00\xff"
    words = call(plot, "cal", "show", "soil", "--evidence", str(out), codes=(1,))[1]
    assert "choose another one" in words
    call(plot, "cal", "apply", str(written(plot, "bare", 'supersedes = "soil"\n')))
    words = call(plot, "cal", "show", "bare", "--evidence", str(out), codes=(1,))[1]
    assert "got bare, which names none" in words


def test_evidence_in_the_inbox_is_kept_at_the_start(tmp_path):
    station = station_in(tmp_path)
    row = with_evidence(station, b"%PDF 2")
    (station.inbox / "cores.pdf").write_bytes(b"%PDF 2")
    (station.inbox / "soil.toml").write_text(LINE.format(id="soil", more=row))
    missing = LINE.format(id="other", more=row).replace("cores.pdf", "gone.pdf")
    (station.inbox / "other.toml").write_text(missing)
    with running(station.file) as service:
        known = set(service.deriver.knowledge.ever)
        (words,) = [w for who, w in service.problem.items() if who.startswith("fact at")]
    assert ("soil" in known, "other" in known) == (True, False)
    assert '"gone.pdf" is not there' in words
    call(station, "cal", "show", "soil", "--evidence", str(tmp_path / "out"))
    assert (tmp_path / "out" / "cores.pdf").read_bytes() == b"%PDF 2"


def test_files_and_rows_of_the_inbox_that_a_start_leaves_out_are_shown(tmp_path):
    """A technician's file of another folder, and one that is no TOML, were left out in silence."""
    station = station_in(tmp_path)
    (tmp_path / "elsewhere.toml").write_text('[[plot]]\nid = "P8"\n')
    (station.inbox / "link.toml").symlink_to(tmp_path / "elsewhere.toml")
    (station.inbox / "torn.toml").write_text("[[plot]\n")
    (station.inbox / "row.toml").write_text('[[plot]]\nid = 7\n[[plot]]\nid = "P9"\n')
    with running(station.file) as service:
        known = set(service.deriver.knowledge.ever)
        shown = sorted(who for who in service.problem if who.startswith("fact at"))
        (station.inbox / "row.toml").write_text('[[plot]]\nid = "P7"\n[[plot]]\nid = "P9"\n')
        call(station, "apply", str(station.inbox / "row.toml"))
        left = [who for who in service.problem if "row.toml" in who]
    assert "P9" in known
    assert not left, "a file that was mended and applied is shown until the next start"
    assert shown == [
        f"fact at {station.inbox}/{place}" for place in ("link.toml:1", "row.toml:2", "torn.toml:1")
    ]


def test_it_need_not_be_waited_for(plot):
    found = call_json(plot, "cal", "apply", str(written(plot, "soil")), "--no-wait")
    assert (found["applied"], found["differing"]) == (1, None)


def test_a_dry_run_puts_nothing_in_force(plot):
    before = reported(plot, "p-vwc")
    found = call_json(plot, "cal", "apply", str(written(plot, "soil")), "--dry-run")
    assert (found["applied"], found["channels"][0]["moved"]) == (0, 6)
    out, _ = call(plot, "cal", "apply", str(written(plot, "soil")), "--dry-run")
    assert out.endswith("nothing is in force by this\n")
    assert reported(plot, "p-vwc") == before


def test_apply_goes_the_same_way_and_does_not_wait(plot):
    out, _ = call(plot, "apply", str(written(plot, "soil")))
    assert "  p-vwc: 6 of 6 rows change" in out
    assert out.endswith("1 fact applied\n")
    assert call(plot, "apply", str(written(plot, "soil")))[0] == "nothing new\n"


def test_what_is_wrong_changes_nothing(plot):
    file = plot.folder / "bad.toml"
    file.write_text(LINE.format(id="bad", more="").replace("p-vwc", "p-vw"))
    for command in (("cal", "apply"), ("apply",), ("cal", "preview")):
        err = call(plot, *command, str(file), codes=(3,))[1]
        assert 'bad.toml:3  calibration.channel: "p-vw" is no channel; did you mean p-vwc?' in err
        assert "Nothing was changed." in err


def test_what_was_revoked_is_as_though_never_entered(plot):
    before = reported(plot, "p-vwc")
    call(plot, "cal", "apply", str(written(plot, "soil", FROM)))
    dry = call_json(plot, "cal", "revoke", "soil", "--why", "other cores", "--dry-run")
    assert (dry["applied"], dry["channels"][0]["gained"]) == (0, 2)
    found = call_json(plot, "cal", "revoke", "soil", "--why", "other cores", "--who", "K. Berg")
    assert (found["applied"], found["differing"]) == (1, 6)
    assert reported(plot, "p-vwc") == before
    again = call(plot, "cal", "revoke", "soil", "--why", "x", codes=(1,))[1]
    assert again == "soil is not in force: revoked: other cores\n"


def test_only_what_is_in_force_and_with_a_reason_is_revoked(plot):
    assert "expected --why" in call(plot, "cal", "revoke", "soil", "--why", " ", codes=(2,))[1]
    err = call(plot, "cal", "revoke", "soul", "--why", "x", codes=(1,))[1]
    assert "expected the id of a calibration, check or maker's curve, got 'soul'" in err
    assert (
        "d-p-vwc is a deployment"
        in call(plot, "cal", "revoke", "d-p-vwc", "--why", "x", codes=(1,))[1]
    )
    call(plot, "cal", "apply", str(written(plot, "first")))
    second = written(plot, "second", 'supersedes = "first"\n', "second.toml")
    call(plot, "cal", "apply", str(second))
    err = call(plot, "cal", "revoke", "first", "--why", "x", codes=(1,))[1]
    assert err == "first is not in force: superseded by second\n"


def test_a_revocation_that_was_taken_back_can_be_stated_again(tmp_path):
    plot = station_in(tmp_path)
    call(plot, "apply", str(written(plot, "soil")))
    call(plot, "cal", "revoke", "soil", "--why", "first", "--no-wait")
    back = plot.folder / "back.toml"
    back.write_text('[[revocation]]\nof = "revocation-of-soil"\nwhy = "the cores were right"\n')
    call(plot, "apply", str(back))
    found = call_json(plot, "cal", "revoke", "soil", "--why", "second")
    assert found["new"][0]["id"] == "revocation-of-soil-2"


def test_a_terminal_is_shown_what_is_still_derived(tmp_path, monkeypatch, capsys):
    class Terminal:
        """What is asked of the daemon, in order of its answers."""

        answers = iter(
            [{"done": False, "pending": ["b", "c"], "differing": 1},
             {"done": True, "pending": [], "differing": 7}]
        )  # fmt: skip

        def ask(self, _: str) -> object:
            return next(self.answers)

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    begun = {"done": False, "pending": ["a"], "differing": 0}
    assert submit.follow(Terminal(), begun)["differing"] == 7
    err = capsys.readouterr().err
    assert "deriving again: a\r" in err.replace("\033[K", "")
    assert "deriving again: b and 1 more" in err


def test_a_long_journal_is_not_read_to_apply_a_deployment(tmp_path, monkeypatch):
    plot = station_in(tmp_path)
    monkeypatch.setattr("edaphon.commands.apply.MOST_ENTRIES", 3)
    file = plot.folder / "other.toml"
    file.write_text(
        '[[channel]]\nid = "p-ec"\nplot = "p"\nquantity = "bulk_electrical_conductivity"\n'
        'unit = "dS/m"\ndepth_cm = 5\n'
        '[[deployment]]\nid = "d-ec"\nchannel = "p-ec"\nsource = "sdi12/a"\n'
        'output = "bulk_electrical_conductivity"\nfrom = 2026-04-01T12:00:00Z\n'
    )
    out, _ = call(plot, "apply", str(file), "--dry-run")
    assert "6 rows gain a value" in out
    out, _ = call(plot, "apply", str(file), str(written(plot, "soil")))
    assert f"  p-ec: recalculated from {minute(0)}; --dry-run reads the journal" in out
    assert "  p-vwc: 6 of 6 rows change" in out, "which takes no look at the journal"


def test_before_the_first_start_all_that_waits_in_the_inbox_is_applied(tmp_path):
    plot = Station(tmp_path, TABLES, FACTS)
    out, _ = call(plot, "cal", "apply")
    assert "  p-vwc: recalculated from the beginning" in out
    assert "0 rows differ now" in out
    with Journal.open(plot.storage / "journal", SystemClock()) as journal:
        for each in (telling(plot), *records()):
            journal.append_now(each)
    assert call_json(plot, "cal", "apply")["new"] == []
    assert call_json(plot, "recalibrate")["differing"] == 0
    assert len(values(plot, "p-vwc")) == 6


def everything(station: Station, channel: str) -> dict[int, tuple[float, ...]]:
    """Value, uncertainties and flag by time."""
    series = Series(station.storage / "series.sqlite", read_only=True)
    runs = series.read(channel, -(2**62), 2**62)
    series.close()
    columns = ("time_ns", "value", "u_random", "u_systematic", "flag")
    rows = [
        row for r in runs for row in zip(*(getattr(r, c).tolist() for c in columns), strict=True)
    ]
    return {row[0]: row[1:] for row in rows}


def test_what_is_made_with_another_channels_values_is_foreseen_too(tmp_path):
    """The electrical conductivity at 25 degC takes the temperature that is put right."""
    plot = Station(tmp_path, TABLES, test_explain.FACTS)
    with Journal.open(plot.storage / "journal", SystemClock()) as journal:
        journal.append_now(telling(plot))
    call(plot, "apply")
    with Journal.open(plot.storage / "journal", SystemClock()) as journal:
        for each in test_explain.reported():
            journal.append_now(each)
    call(plot, "recalibrate")
    warm = plot.folder / "warm.toml"
    warm.write_text(
        '[[calibration]]\nid = "warm"\nsensor = "T12-1"\noutput = "soil_temperature"\n'
        'curve = "offset"\nparameters = { offset = 0.5 }\nfrom_unit = "degC"\nto_unit = "degC"\n'
        "from = 2026-04-01T12:05:00Z\n"
    )
    channels = ("ec25", "p-temp", "p-vwc")
    before = {channel: everything(plot, channel) for channel in channels}
    found = call_json(plot, "cal", "apply", str(warm))
    assert [one["channel"] for one in found["channels"]] == ["ec25", "p-temp"]
    for one in found["channels"]:
        old, new = before[one["channel"]], everything(plot, one["channel"])
        assert list(old) == list(new)
        pairs = np.array([(old[t], new[t]) for t in old])
        same = (pairs[:, 0] == pairs[:, 1]) | (np.isnan(pairs[:, 0]) & np.isnan(pairs[:, 1]))
        assert one["changed"] == (~same.all(axis=1)).sum()
        by = pairs[:, 1, 0] - pairs[:, 0, 0]
        moved = np.nan_to_num(by) != 0.0
        assert one["moved"] == moved.sum()
        assert one["mean_change"] == pytest.approx(by[moved].mean())
        assert one["largest_change"] == pytest.approx(by[moved][np.abs(by[moved]).argmax()])
        assert one["lost"] == (~np.isnan(pairs[:, 0, 0]) & np.isnan(pairs[:, 1, 0])).sum() == 1
    assert everything(plot, "p-vwc") == before["p-vwc"]
    renamed = 1  # had no value before and after, and has another derivation
    changed = sum(one["changed"] for one in found["channels"])
    assert found["differing"] == changed + renamed


def test_a_new_source_is_refused_until_the_service_has_read_the_configuration(tmp_path):
    station = station_in(tmp_path)
    more = '[[source]]\nbus = "sdi12"\naddress = "b"\nmodel = "meter.teros12"\ninterval = "10min"\n'
    facts = tmp_path / "new.toml"
    facts.write_text(
        '[[channel]]\nid = "n"\nquantity = "soil_temperature"\nunit = "degC"\n[[deployment]]\n'
        'id = "n-d"\nchannel = "n"\nsource = "sdi12/b"\noutput = "soil_temperature"\n'
    )
    with running(station.file):
        station.file.write_text(station.file.read_text() + more)
        _, why = call(station, "apply", str(facts), codes=(1,))
    assert "the service runs with the old configuration, which has no sdi12/b: restart" in why
    with running(station.file):
        assert call_json(station, "apply", str(facts))["applied"] == 2
