"""The two lines of an SMS: always in its alphabet, always within it, never a cut name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.alert_messages import DAY_NS, HOUR_NS, NOW_NS, incident, node, resolved

from edaphon.alerts.due import summary, trial, well
from edaphon.alerts.model import NodeKind, Occasion, Severity, What
from edaphon.alerts.words import MOST, Letter, Location, fitted, gsm, length, message

# 3GPP TS 23.038, table 6.2.1, row by row; written independently of the code.
TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
TWO = "\f^{}\\[~]|€"
NAMES = st.text(max_size=200)
KINDS = st.sampled_from([NodeKind.SENSOR, NodeKind.BUS, NodeKind.SINK, NodeKind.CHANNEL])
OCCASIONS = st.sampled_from(["opened", "repeated", "changed", "resolved"])
CHOICES = st.tuples(st.sampled_from(list(What)), st.sampled_from(list(Severity)), OCCASIONS)


def test_the_table_of_the_standard_has_128_places() -> None:
    assert len(TABLE) == 128


def septets(text: str) -> int:
    return sum(1 + (c in TWO) for c in text)


@given(NAMES, NAMES, NAMES, st.text(max_size=20), KINDS, CHOICES, st.sampled_from(["en", "de"]))
def test_whatever_the_names_two_lines_fit_one_sms(
    site: str,
    name: str,
    plot: str,
    depth: str,
    kind: NodeKind,
    choice: tuple[What, Severity, str],
    language: str,
) -> None:
    what, severity, occasion = choice
    one = node(kind, name, plot=plot, depth_cm=depth)
    problem = incident(what, one.id, severity, HOUR_NS, begins_ns=NOW_NS + DAY_NS, interval_s=600)
    problem = resolved(problem, 10**9) if occasion == "resolved" else problem
    nodes = {one.id: one}
    found = message(
        Letter(nodes, language, Location(site), NOW_NS), problem, Occasion(occasion)
    ).short
    assert set(found) <= set(TABLE) | set(TWO)
    assert septets(found) <= 160
    assert found.count("\n") == 1
    assert found.endswith("#17")


WORD = r"q[a-zäß0-9/-]{0,70}"  # no text of ours has a word that begins with q
WORDS = st.from_regex(rf"\A{WORD}( {WORD}){{0,6}}\Z")


@given(WORDS, WORDS, WORDS, KINDS, CHOICES)
def test_a_name_is_left_out_as_a_whole_and_never_cut(
    site: str, name: str, plot: str, kind: NodeKind, choice: tuple[What, Severity, str]
) -> None:
    what, severity, occasion = choice
    one = node(kind, name, plot=plot)
    problem = incident(what, one.id, severity, HOUR_NS, interval_s=600)
    problem = resolved(problem, 10**9) if occasion == "resolved" else problem
    found = message(
        Letter({one.id: one}, "en", Location(site), NOW_NS), problem, Occasion(occasion)
    ).short
    words = {word.strip(":,") for word in found.split() if word.startswith("q")}
    assert words <= {*site.split(), *name.split(), *plot.split()}


@given(NAMES)
def test_the_alphabet_of_an_sms_is_kept_and_its_length_counted(text: str) -> None:
    assert set(gsm(text)) <= set(TABLE) | set(TWO)
    assert length(gsm(text)) == septets(gsm(text))
    assert gsm(gsm(text)) == gsm(text)


@pytest.mark.parametrize(
    ("text", "same", "size"),
    [
        ("Größe ÄÖÜäöü", "Größe ÄÖÜäöü", 12),
        ("5 €", "5 €", 4),
        ("[a]{b}", "[a]{b}", 10),
        ("façade, Łódź, ñandú", "facade, ?ódz, ñandu", 19),
        ("25 °C", "25 deg C", 8),
        ("“x” – y…", '"x" - y...', 10),
        ("µm²", "um2", 3),
        ("山", "?", 1),
    ],
)
def test_what_the_alphabet_lacks_is_written_with_what_it_has(
    text: str, same: str, size: int
) -> None:
    written = same.replace("ó", "o").replace("ú", "u")
    assert (gsm(text), length(gsm(text))) == (written, size)


def test_parts_are_left_out_before_names_and_the_site_goes_last() -> None:
    names = [{"site": "S", "subject": "s" * 80, "x": "x"}, {"site": "S", "subject": "s", "x": "x"}]
    first, second = ["{site}: {subject}", "{subject}"], ["{x}" + "y" * 90, "{x}"]
    assert fitted(names, first, second) == "S: " + "s" * 80 + "\nx"
    longer = [{**names[0], "subject": "s" * 159}, names[1]]
    assert fitted(longer, first, second) == "S: s\nx" + "y" * 90


@given(NAMES, st.integers(0, 10**6))
def test_reports_fit_one_sms_too(site: str, n: int) -> None:
    one = incident(What.SILENT, "bus b", Severity.LOST, HOUR_NS)
    for language in ("en", "de"):
        place = Location(site)
        several = [
            trial(Letter({}, language, place, NOW_NS)),
            well(Letter({}, language, place, NOW_NS), [], n, n, n, 0),
            well(Letter({}, language, place, NOW_NS), [one] * 3, n, n, n, 0),
            summary(Letter({}, language, place, NOW_NS), [resolved(one, 0)] * 3),
            summary(Letter({}, language, place, NOW_NS), [one] * 3),
        ]
        for found in several:
            assert septets(found.short) <= MOST
            assert found.short.count("\n") == 1
