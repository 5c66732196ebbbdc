"""The account of slots: each ends in one record or lies in one gap run, over restarts too."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edaphon.acquire.slots import Gap, SlotAccount, accounts_of
from edaphon.clock import SystemClock
from edaphon.journal import Entry, Journal, Kind

CAUSES = st.sampled_from(["no answer", "garbled", "overload"])


def entry(kind, payload=b"", slot=None, source="sdi12/a"):
    return Entry(kind, 0, 0, "boot", source, payload, slot)


def test_a_run_of_missed_slots_is_one_gap_that_a_record_ends():
    account = SlotAccount("sdi12/a")
    opened = account.miss_run((10,), "no answer", "expected data")
    assert [g.state for g in opened] == ["open"]
    assert account.miss_run((20,), "no answer") == []
    (closed,) = account.record(30)
    assert (closed.first_ns, closed.last_ns, closed.n, closed.state) == (10, 20, 2, "closed")
    assert account.record(40) == []


def test_another_cause_begins_another_run():
    account = SlotAccount("sdi12/a")
    account.miss_run((10,), "no answer")
    closed, opened = account.miss_run((20,), "garbled", "", b"\xff")
    assert (closed.n, closed.state, opened.cause, opened.garbled) == (1, "closed", "garbled", "ff")


def test_an_open_gap_goes_on_while_the_service_was_alive_then_the_service_was_off():
    account = SlotAccount("sdi12/a", 10, Gap("no answer", 10, 10, 1))
    closed, opened = account.service_off([20, 30, 40], alive_until_ns=25)
    assert (closed.cause, closed.n, closed.last_ns) == ("no answer", 2, 20)
    assert (opened.cause, opened.first_ns) == ("service off", 30)
    assert account.gap is not None
    assert account.gap.n == 2


@given(st.lists(st.one_of(st.none(), CAUSES), max_size=40))
def test_slots_are_records_plus_gaps_whatever_happens(fates):
    account, gaps, records = SlotAccount("s"), [], 0
    for slot, cause in enumerate(fates):
        if cause is None:
            records += 1
            gaps += account.record(slot)
        else:
            gaps += account.miss_run((slot,), cause)
    gaps += account.close()
    closed = [g for g in gaps if g.state == "closed"]
    assert records + sum(g.n for g in closed) == len(fates)
    assert all(g.n == g.last_ns - g.first_ns + 1 for g in closed)
    assert len([g for g in gaps if g.state == "open"]) == len(closed)


def test_the_journal_tells_the_accounts_again(tmp_path: Path):
    with Journal(tmp_path, SystemClock()) as journal:
        account = SlotAccount("sdi12/a")
        first = journal.append_now(entry(Kind.RECORD, slot=5))
        account.record(5)
        saved = (tuple(first), {"sdi12/a": {**account.to_json(), "mono_ns": 0}}, "another boot")
        for gap in account.miss_run((10,), "no answer"):
            journal.append_now(entry(Kind.GAP, gap.payload()))
        journal.append_now(entry(Kind.RECORD, slot=7, source="sdi12/b"))
        for known in (accounts_of(saved, journal), accounts_of(None, journal)):
            assert known["sdi12/a"].gap == account.gap
            assert known["sdi12/a"].last_ns == 10
            assert known["sdi12/b"].last_ns == 7


def test_an_account_saved_with_an_older_place_does_not_take_over_what_it_knows(tmp_path: Path):
    """The journal's place is read first, the account later: what lies between is known to both."""
    with Journal(tmp_path, SystemClock()) as journal:
        account = SlotAccount("sdi12/a")
        place = journal.append_now(entry(Kind.RECORD, slot=5))
        account.record(5)
        for gap in account.miss_run((10,), "no answer"):
            journal.append_now(entry(Kind.GAP, gap.payload()))
        account.miss_run((15,), "no answer")  # the gap grows without a word
        saved = (tuple(place), {"sdi12/a": {**account.to_json(), "mono_ns": 0}}, "boot")
        assert accounts_of(saved, journal)["sdi12/a"] == account


def test_a_measurement_that_ends_after_later_slots_were_missed_leaves_them_accounted_for():
    account = SlotAccount("sdi12/a")
    account.miss_run((20,), "overload")
    account.record(10)
    assert account.last_ns == 20
    assert account.has(20)


def test_years_of_slots_with_the_service_off_are_one_gap():
    account = SlotAccount("sdi12/a", 10, Gap("no answer", 10, 10, 1))
    closed, opened = account.service_off(range(20, 10**10, 10), alive_until_ns=39)
    assert (closed.cause, closed.n, closed.last_ns) == ("no answer", 3, 30)
    assert (opened.first_ns, opened.n) == (40, 10**9 - 4)
