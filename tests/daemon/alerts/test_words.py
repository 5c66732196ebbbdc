"""Messages: each kind has its texts in each language, and they say what a person needs."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.alert_messages import (
    CASES,
    DAY_NS,
    FOLDER,
    HOUR_NS,
    LINK,
    MINUTE_NS,
    NODES,
    NOW_NS,
    PROBE,
    ROOT,
    SITE,
    golden,
    incident,
    messages,
    node,
    resolved,
)
from tests.daemon.alerts.station import DAY, START, TEN, healthy
from tests.documents import command_names
from tests.house import WORDS

from edaphon.acquire.bus import BusBusy
from edaphon.acquire.switches import NotSwitched
from edaphon.alerts.due import ReceiverRules, summary, visit_ended, well
from edaphon.alerts.language import LANGUAGES, Language, chosen, fields, load_language
from edaphon.alerts.look import DoubtState, LookResult, Situation, SupplyState
from edaphon.alerts.model import (
    LOGGER,
    Condition,
    Incident,
    Message,
    Node,
    NodeKind,
    Occasion,
    Severity,
    What,
)
from edaphon.alerts.rehearse import FAULTS, rehearsed
from edaphon.alerts.rules import conditions
from edaphon.alerts.words import NUMBERS, Letter, Location, message, plain
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_drivers.faults import Garbled, LinkDown, NoAnswer, Refused
from edaphon_drivers.sheets import Sheets, load_sheet, model_names, parse_sheet

OF_INCIDENT = {"cause", "name", "site", "source", "since", "ago", "back", "lasted"}
OF_INCIDENT |= {"asked", "slots", "channels", "supply_wire", "data_wire", "ground_wire"}
ALWAYS = {"cause", "name", "site", "number"}
CAUSES = {NodeKind(one.kind): one.id for one in NODES.values()}


def lang(language: str, offset_s: int = 3600, now_ns: int = NOW_NS) -> Language:
    return load_language(language, offset_s, now_ns)


def leaves(table: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each text of a table, with where it stands."""
    if isinstance(table, str):
        yield path, table
    elif isinstance(table, dict):
        for key, value in table.items():
            yield from leaves(value, (*path, key))
    elif isinstance(table, list):
        for n, value in enumerate(table):
            yield from leaves(value, (*path, str(n)))


def texts_of(language: str) -> Iterator[tuple[tuple[str, ...], str]]:
    yield from leaves(dict(lang(language).table))


def stated(one: Incident, occasion: Occasion = Occasion.OPENED, language: str = "en") -> Message:
    return message(Letter(NODES, language, SITE, NOW_NS, LINK), one, occasion)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_kind_of_trouble_has_all_its_texts_in_each_language(language: str) -> None:
    table = lang(language).table["what"]
    assert set(table) == {what.value for what in What}
    for what, texts in table.items():
        missing = {"title", "over", "says", "do", "cause", "tried", "steps"} - set(texts)
        assert not missing, f"{what}: {missing}"
        assert texts["steps"]["default"], what
    for group, kinds in (("kinds", NodeKind), ("tone", Severity), ("tone_short", Severity)):
        assert set(lang(language).table[group]) == {kind.value for kind in kinds}


def test_the_languages_say_the_same_things_with_the_same_numbers() -> None:
    """Same places, same choices; German may need a number elsewhere, never another one."""
    english, german = (
        {path: fields(text) for path, text in texts_of(one) if path[0] not in {"quantities"}}
        for one in ("en", "de")
    )
    moved = {("format", "short_far"), ("format", "short"), ("format", "date")}
    assert set(english) == set(german)
    differ = {p for p in english if english[p] != german[p]} - moved
    assert not differ


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_needs_an_unknown_number_and_each_number_is_used(language: str) -> None:
    used: set[str] = set()
    for path, text in texts_of(language):
        if path[0] == "what":
            unknown = fields(text) - OF_INCIDENT - set(NUMBERS)
            assert not unknown, f"{'.'.join(path)}: {unknown}"
            used |= fields(text)
    assert set(NUMBERS) - used == set()
    parts = {f for path, text in texts_of(language) if path[0] == "parts" for f in fields(text)}
    assert OF_INCIDENT - used - parts - {"channels"} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_every_message_needs_is_there_without_any_number(language: str) -> None:
    """A choice ends with a text that needs nothing which may be unknown."""
    for what, texts in lang(language).table["what"].items():
        for key in ("title", "over", "cause", "do"):
            variants = [texts[key], *texts.get(f"{key}_variants", {}).values()]
            for text in variants:
                assert chosen(text, dict.fromkeys(ALWAYS, "x")), f"{what}.{key}"
        for text in [texts["tried"], *texts.get("tried_variants", {}).values()]:
            assert chosen(text, dict.fromkeys(ALWAYS, "x")), f"{what}.tried"
        for steps in texts["steps"].values():
            assert 1 <= len(steps) <= 3
            for step in steps:
                assert chosen(step, dict.fromkeys(ALWAYS, "x")), f"{what}.steps"


JARGON = {
    "en": "|".join(WORDS) + r"|tells?|ledgers?|slots?|entry|entries|deriv\w*|cursor|nodes?|payload"
    r"|anew|sinks?|deployments?|dead letters?|sequence|condition|uplinks?|daemon",
    "de": r"Slots?|Ledger|Senken?|Knoten|Payload|Eintr[aä]ge?|Cursor|Deployment|Uplinks?|Daemon"
    r"|Sie|Ihre?n?|Ihnen",
}
COMMAND = re.compile(r"`[^`]*`|edaphon [a-z]+( [a-z]+)?")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_has_words_of_the_project_alone_or_shouts(language: str) -> None:
    for path, text in texts_of(language):
        plain = COMMAND.sub("", re.sub(r"\{\w+\}", "", text))
        found = re.findall(rf"\b({JARGON[language]})\b", plain)
        assert not found, f"{'.'.join(path)}: {found}"
        assert "!" not in text, path


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_command_that_a_text_names_is_there(language: str) -> None:
    command = re.compile(r"(?:`|  |[Ss]ee:? |[Ss]iehe:? )edaphon ([a-z]+)")
    named = {name for _, text in texts_of(language) for name in command.findall(text)}
    assert {"read", "scan", "status", "alert", "salvage"} <= named
    assert named <= {*command_names(), "alert"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_golden_messages_are_in_step(language: str) -> None:
    for name, one in messages(language):
        path = FOLDER / f"{name}.{language}.txt"
        assert path.read_text("utf-8") == golden(one), f"{path.name}: `./run fix`, then read it"


def test_there_is_no_golden_message_that_nothing_makes() -> None:
    made = {f"{name}.{one}.txt" for one in LANGUAGES for name, _ in messages(one)}
    assert {path.name for path in FOLDER.iterdir()} == made


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("occasion", ["opened", "repeated", "changed", "resolved"])
@pytest.mark.parametrize("what", list(What))
def test_every_kind_at_every_kind_of_node_gives_a_whole_message(
    what: What, occasion: str, language: str
) -> None:
    for severity in Severity:
        for cause in (*CAUSES.values(), LOGGER, "gateway gone", "unknown"):
            one = incident(what, cause, severity, HOUR_NS, why="x", days=3.0, begins_ns=NOW_NS)
            one = resolved(one, MINUTE_NS) if occasion == "resolved" else one
            found = stated(one, Occasion(occasion), language)
            assert "{" not in found.title + found.short + found.text
            assert "\n" not in found.title
            assert found.short.count("\n") == 1
            assert "  " not in found.short
            assert "#17" in found.short
            assert ("ack 17" in found.text) == (occasion != "resolved")


def test_without_an_address_of_the_page_no_link_is_written() -> None:
    assert "Page" not in message(Letter(NODES, "en", SITE, NOW_NS), PROBE, Occasion.OPENED).text


def test_the_guide_explains_each_word_that_an_sms_begins_with() -> None:
    page = (ROOT / "docs" / "technician.md").read_text("utf-8")
    rows = page.split("## What to do when a message comes")[1].split("<!-- generated")[0]
    table = lang("en").table
    severities = {word for name, word in table["tone_short"].items() if name != "cosmetic"}
    words = severities | set(table["tone_short_variants"]["file"].values())
    words |= {texts["tone_short"] for texts in table["what"].values() if "tone_short" in texts}
    assert [word for word in words if f"| {word.split(',')[0]} |" not in rows] == []


def test_the_guide_has_the_steps_of_every_message() -> None:
    """Whatever a message says to do stands in the guide in the same words, but for its numbers."""
    page = (ROOT / "docs" / "technician.md").read_text("utf-8")
    command = re.compile(r"`edaphon (read|scan|alert test) [^`]*`")
    guide = command.sub(r"`edaphon \1 X`", page)
    for name, case in CASES.items():
        if case.occasion is Occasion.RESOLVED:
            continue
        steps = re.findall(r"^\d\. .*$", stated(case.incident).text, re.MULTILINE)
        assert 1 <= len(steps) <= 3, name
        for step in steps:
            start = command.sub(r"`edaphon \1 X`", step).split(":")[0]
            assert start in guide, f"{name}: {step}"


def test_numbers_and_times_are_those_of_the_site_and_the_language() -> None:
    english, german = lang("en", -7 * 3600), lang("de", -7 * 3600)
    assert english.offset() == "-07:00"
    assert (english.number(12840), german.number(12840)) == ("12,840", "12.840")
    assert (english.number(11.84, 2), german.number(11.84, 2)) == ("11.84", "11,84")
    at_ns = NOW_NS - 3 * DAY_NS  # 2026-11-26T08:00:00Z
    assert english.moment(at_ns) == "Thu 26 Nov 2026, 01:00"
    assert german.moment(at_ns) == "Do. 26.11.2026, 01:00 Uhr"
    assert english.moment(NOW_NS - 2 * HOUR_NS) == "Sat 28 Nov 2026, 23:00"
    assert (english.moment(NOW_NS), german.moment(NOW_NS)) == ("01:00 today", "heute, 01:00 Uhr")
    assert (english.short_moment(at_ns), german.short_moment(at_ns)) == (
        "26 Nov 01:00",
        "26.11. 01:00",
    )
    assert english.short_moment(at_ns - 360 * DAY_NS) == "1 Dec 2025"


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [
        (0, "less than a minute", "weniger als einer Minute"),
        (45, "45 seconds", "45 Sekunden"),
        (60, "1 minute", "1 Minute"),
        (5400, "90 minutes", "90 Minuten"),
        (7300, "2 hours", "2 Stunden"),
        (30 * 3600, "30 hours", "30 Stunden"),
        (3.1 * 86400, "3 days", "3 Tagen"),
        (13 * 86400, "2 weeks", "2 Wochen"),
        (45 * 86400, "6 weeks", "6 Wochen"),
        (95 * 86400, "3 months", "3 Monaten"),
        (400 * 86400, "1 year", "1 Jahr"),
    ],
)
def test_how_long_it_lasts_is_rounded_as_people_say_it(
    seconds: float, english: str, german: str
) -> None:
    since_ns = NOW_NS - int(seconds * 1e9)
    assert lang("en").ago(since_ns) == f"for {english}"
    assert lang("de").ago(since_ns) == f"seit {german}"


def test_no_rounded_duration_is_wrong_by_more_than_a_tenth() -> None:
    sizes = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
    sizes |= {"month": 2629800, "year": 31557600}
    for seconds in range(2, 4 * 31557600, 7919):
        n, unit = lang("en").duration(seconds).replace(",", "").split()
        assert abs(int(n) * sizes[unit.rstrip("s")] - seconds) <= 0.1 * seconds


def test_what_is_lost_can_never_be_measured_and_what_is_late_is_not_lost() -> None:
    lost = "can't be measured later"
    assert lost in stated(PROBE).text
    assert lost in stated(resolved(PROBE, MINUTE_NS), Occasion.RESOLVED).text
    late = incident(What.SINK_AWAY, "sink influx", Severity.LATE, HOUR_NS)
    for occasion in (Occasion.OPENED, Occasion.RESOLVED):
        found = stated(resolved(late, MINUTE_NS), occasion)
        assert lost not in found.text
        assert "Nothing" in found.text
        assert "nothing lost" in found.short


def test_what_will_be_lost_names_the_date_on_which_it_begins() -> None:
    one = incident(What.DISK_FILLS, "disk", Severity.WILL_BE_LOST, 0)
    one = replace(one, numbers={"begins_ns": NOW_NS + 6 * DAY_NS})
    found = stated(one)
    assert "From Sat 5 Dec 2026 on values will be lost" in found.text
    assert "WILL BE LOST from 5 Dec" in found.short
    endless = stated(replace(one, numbers={}))
    assert "will be lost soon" in endless.text
    assert "since" not in endless.short


def test_what_others_may_have_kept_is_not_said_to_be_lost() -> None:
    one = incident(What.SILENT, "source file/chambers", Severity.LOST, DAY_NS, interval_s=1800)
    assert "its file brings the values later" in stated(one).text
    back = stated(resolved(one, HOUR_NS), Occasion.RESOLVED)
    assert "edaphon query" in back.text
    assert "nothing measured" not in back.short + back.text
    broker = incident(What.BROKER_LOST, "broker chirpstack", Severity.LATE, DAY_NS)
    text = stated(broker).text + stated(broker).short
    assert "Nothing is lost" not in text
    assert "nothing lost" not in text
    assert "What the broker keeps arrives later" in text
    over = stated(resolved(broker, HOUR_NS), Occasion.RESOLVED)
    assert "nothing lost" not in over.short
    assert "Nothing was lost" not in over.text


def test_channels_are_named_by_quantity_plot_and_depth() -> None:
    text = stated(PROBE).text
    assert "It concerns 3 channels:" in text
    assert "- volumetric water content, plot P1, 5 cm (P1-vwc-5)" in text
    bus = stated(incident(What.SILENT, "bus sdi12", Severity.LOST, HOUR_NS)).text
    assert "It concerns 15 channels:" in bus
    assert re.search(r"- plot P1: .*soil temperature \(5, 15, 30 cm\)", bus)


def test_only_channels_that_fail_are_listed_where_a_part_of_a_node_goes_on() -> None:
    some = ("bus sdi12", "source sdi12/a", "source sdi12/b", "channel P1-vwc-5")
    one = replace(incident(What.SILENT, "bus sdi12", Severity.LOST, HOUR_NS), members=some)
    assert "It concerns 4 channels:" in stated(one).text  # all of b, and of a that one
    probe = replace(
        incident(What.NO_NUMBER, "sensor T12-00041805", Severity.LOST, HOUR_NS),
        members=("sensor T12-00041805", "channel P1-vwc-5", "channel P1-ec-5"),
    )
    assert "It concerns 2 channels:" in stated(probe).text
    assert "P1-t-5" not in stated(probe).text
    port = replace(one, what=What.PORT_LOST)
    assert "It concerns 15 channels:" in stated(port).text


def test_since_is_when_what_the_message_says_began_and_not_when_something_else_did() -> None:
    """A supply that fell for days is too low since an hour; a bus is silent since most of it is."""
    falls = Condition("supply battery", What.SUPPLY_FALLS, Severity.WILL_BE_LOST, NOW_NS - DAY_NS)
    low = falls._replace(what=What.LOW_SUPPLY, since_ns=NOW_NS - HOUR_NS)
    one = incident(What.LOW_SUPPLY, "supply battery", Severity.LOST, DAY_NS)
    text = stated(replace(one, parts=(falls, low))).text
    assert "too low since 08:00 today (for 1 hour)" in text
    numbers = {"last_v": 10.9958, "least_v": 11.0}
    assert "10.99 V, the instruments need 11.0 V" in stated(replace(one, numbers=numbers)).text
    ages_ns = (3 * DAY_NS, HOUR_NS, HOUR_NS, 20 * MINUTE_NS)
    silent = tuple(
        Condition(f"source sdi12/{a}", What.SILENT, Severity.LOST, NOW_NS - age_ns)
        for a, age_ns in zip("abcd", ages_ns, strict=True)
    )
    bus = replace(incident(What.SILENT, "bus sdi12", Severity.LOST, 3 * DAY_NS), parts=silent)
    assert "since 08:00 today (for 1 hour)" in stated(bus).text
    assert "since 29 Nov 08:00" in stated(bus).short


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_that_can_be_rehearsed_is_whole_in_words(fault: str) -> None:
    """From the situation to the words by the station's own road: opened, and solved with a time."""
    station = healthy()
    played = rehearsed(station, fault, [ReceiverRules("mail")])
    assert played
    for one in played:
        now_ns = START + HOUR_NS + one.after_ns
        for case in one.incidents:
            found = message(Letter(station.nodes, "en", SITE, now_ns), case, one.due.occasion)
            assert "{" not in found.text
            assert re.search(r"\bsince\b|\bfrom\b", found.short)
    last = message(Letter(station.nodes, "en", SITE, now_ns), case, Occasion.RESOLVED)
    assert "since" in last.text


def test_depths_are_in_the_order_of_the_soil() -> None:
    depths = ["100", "5", "20-30", "surface", ""]
    nodes = {"bus b": node(NodeKind.BUS, "b")}
    for n, depth in enumerate(depths):
        place = {"quantity": "soil_temperature", "plot": "P1", "depth_cm": depth}
        nodes[f"channel {n}"] = node(NodeKind.CHANNEL, str(n), "bus b", **place)
    one = incident(What.SILENT, "bus b", Severity.LOST, HOUR_NS)
    text = message(Letter(nodes, "en", SITE, NOW_NS), one, Occasion.OPENED).text
    assert "soil temperature (5, 20-30, 100, surface cm)" in text


def test_a_list_of_plots_ends_and_says_how_many_more_there_are() -> None:
    nodes = {"bus b": node(NodeKind.BUS, "b")}
    for n in range(20):
        place = {"quantity": "soil_temperature", "plot": f"P{n:02}"}
        nodes[f"channel {n}"] = node(NodeKind.CHANNEL, str(n), "bus b", **place)
    one = incident(What.SILENT, "bus b", Severity.LOST, HOUR_NS)
    text = message(Letter(nodes, "en", SITE, NOW_NS), one, Occasion.OPENED).text
    assert text.count("- plot") == 12
    assert "- and 8 more" in text


def test_steps_are_those_of_the_protocol_and_the_manual() -> None:
    text = stated(PROBE).text
    assert "brown supply, orange data, bare ground" in text
    assert "at least 4.0 V" in text
    assert "`edaphon read sdi12/a`" in text
    german = stated(PROBE, language="de").text
    assert "Versorgung braun, Daten orange, Masse blank" in german
    assert "mindestens 4,0 V" in german
    w1 = stated(incident(What.SILENT, "bus w1", Severity.LOST, HOUR_NS)).text
    assert "4.7 kOhm" in w1
    tcp = stated(incident(What.PORT_LOST, "bus moxa", Severity.LOST, HOUR_NS)).text
    assert "`ping`" in tcp


@pytest.mark.parametrize("what", [What.NO_NUMBER, What.FAILURE_CODE, What.SILENT])
def test_no_step_asks_what_comes_by_files_or_radio(what: What) -> None:
    for path, model in (("file/csv", "licor.li-8100a"), ("radio/a", "dragino.s31-lb")):
        nodes = {
            f"source {path}": node(NodeKind.SOURCE, path, model=model),
            "channel c": node(NodeKind.CHANNEL, "c", f"source {path}"),
        }
        cause = "channel c" if what is not What.SILENT else f"source {path}"
        one = incident(what, cause, Severity.LOST, HOUR_NS, interval_s=600)
        for language in ("en", "de"):
            text = message(Letter(nodes, language, SITE, NOW_NS), one, Occasion.OPENED).text
            assert "edaphon read" not in text
            if path.startswith("file/") and what is not What.FAILURE_CODE:
                assert "edaphon files list" in text


def test_an_instrument_that_talks_by_itself_was_not_asked() -> None:
    nodes = {"bus gas": node(NodeKind.BUS, "gas")}
    nodes["source gas/0"] = node(NodeKind.SOURCE, "gas/0", "bus gas", model="licor.li-850")
    one = incident(What.SILENT, "source gas/0", Severity.LOST, HOUR_NS, interval_s=1)
    text = message(Letter(nodes, "en", SITE, NOW_NS), one, Occasion.OPENED).text
    assert "asked" not in text
    assert "it goes on listening" in text
    assert "serial plug" in text


def test_of_an_instrument_that_nobody_knows_it_is_not_said_that_it_was_asked() -> None:
    nodes = {"source x": node(NodeKind.SOURCE, "x", model="acme.gone")}
    one = incident(What.SILENT, "source x", Severity.LOST, HOUR_NS, interval_s=60)
    text = message(Letter(nodes, "en", SITE, NOW_NS), one, Occasion.OPENED).text
    assert "asked" not in text
    assert "it goes on waiting" in text


def test_a_sheet_of_an_owner_counts_before_that_of_the_package() -> None:
    table = {"title": "ACME: soil", "engine": "sdi12", "checked": "unverified", "source": ""}
    table |= {"supply_least_v": 9.6, "output": [], "wires": {"supply": "red", "data": "white"}}
    sheets = Sheets(own={"meter.teros12": parse_sheet("meter.teros12", table)})
    text = message(Letter(NODES, "en", SITE, NOW_NS, sheets=sheets), PROBE, Occasion.OPENED).text
    assert "at least 9.6 V" in text
    assert "red supply" not in text  # a wire is not stated, so none is named
    assert "(ACME)" in text


def test_colours_of_all_sheets_are_known_in_both_languages() -> None:
    sheets = [load_sheet(name) for name in model_names()]
    colours = {colour for sheet in sheets for colour in sheet.wires.values()}
    assert colours
    for language in LANGUAGES:
        words = lang(language).table["colours"]
        assert {part for colour in colours for part in colour.split("-")} <= set(words)


def test_each_quantity_has_a_name_in_german_and_none_is_unknown() -> None:
    assert set(lang("de").table["quantities"]) == set(QUANTITIES)
    assert set(lang("en").table["quantities"]) <= set(QUANTITIES)


def test_names_of_others_stay_on_their_line() -> None:
    evil = "x\nSubject: y\r\n\x00{cause}"
    nodes = {"bus e": node(NodeKind.BUS, evil, label=evil), LOGGER: NODES[LOGGER]}
    one = incident(What.PORT_LOST, "bus e", Severity.LOST, HOUR_NS, why=evil)
    site = Location(evil, 0)
    found = message(
        Letter(nodes, "en", site, NOW_NS), replace(one, numbers={"why": evil}), Occasion.OPENED
    )
    assert "\n" not in found.title
    assert found.short.count("\n") == 1
    assert "\nSubject" not in found.text
    assert "\x00" not in found.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("long", ["x" * 5000, "long name " * 500])
def test_a_title_has_at_most_200_characters_and_names_site_and_cause(
    language: str, long: str
) -> None:
    bus = node(NodeKind.BUS, long, label=long)._replace(plot=long)
    nodes = {"bus e": bus, LOGGER: NODES[LOGGER]}
    one = incident(What.PORT_LOST, "bus e", Severity.LOST, HOUR_NS, why=long)
    site = Location(f"Whitehall {long}", 0)
    found = message(Letter(nodes, language, site, NOW_NS), one, Occasion.OPENED)
    visit = visit_ended(Letter(nodes, language, site, NOW_NS), ["bus e"])
    many = plain([replace(one, cause=f"bus {long}")] * 9, Occasion.OPENED, NOW_NS, "")
    assert max(len(each.title) for each in (found, visit, many)) <= 200
    assert found.title.startswith("Whitehall")
    assert ": " in found.title
    assert long[:40].strip() in found.title.partition(": ")[2]
    if " " in long:
        assert "name\u2026" in found.title or "long\u2026" in found.title


def test_a_place_that_the_name_says_is_not_repeated() -> None:
    place = {"plot": "P1", "depth_cm": "5"}
    one = Node("sensor s", NodeKind.SENSOR, "sdi12/a P1 5 cm", LOGGER, "sdi12/a P1 5 cm", **place)
    assert lang("en").name(one, one.label) == "probe sdi12/a P1 5 cm"
    assert lang("en").name(one._replace(plot="P2"), one.label) == "probe sdi12/a P1 5 cm, plot P2"


def test_the_weekly_report_is_well_only_while_nothing_is_open() -> None:
    for open_, title in (((), "All is well"), ((PROBE,), "Weekly report: 1 incident open")):
        found = well(Letter(NODES, "en", SITE, NOW_NS), open_, 2, 3, 9, NOW_NS - 7 * DAY_NS)
        assert found.title.endswith(title)
        assert ("No incident is open" in found.text) == (not open_)
        assert "2 incidents" in found.text


def test_a_summary_lists_each_incident_once_and_counts_the_rest() -> None:
    many = [replace(resolved(PROBE, MINUTE_NS), number=n) for n in range(1, 31)]
    found = summary(Letter(NODES, "en", SITE, NOW_NS), many)
    assert "30 incidents came and went" in found.title
    assert found.text.count("\n- ") == 13
    assert "- and 18 more" in found.text
    assert found.severity is Severity.LOST
    one_open = summary(Letter(NODES, "en", SITE, NOW_NS), [PROBE, *many[:1]])
    assert "came and went" not in one_open.title
    assert "1 still open" in one_open.title


def test_the_first_data_after_a_silence_are_its_end_and_no_missing_measurement() -> None:
    one = incident(What.SILENT, "bus sdi12", Severity.LOST, 2 * HOUR_NS, interval_s=600.0)
    back_ns = one.since_ns + HOUR_NS
    one = replace(one, resolved_ns=one.since_ns + 2 * HOUR_NS, back_ns=back_ns)
    text = stated(one, Occasion.RESOLVED).text
    assert "About 5 measurements are missing" in text
    assert "(1 hour)" in text


def test_what_comes_and_goes_is_said_to() -> None:
    assert "comes and goes: 6 times" in stated(CASES["bus-silent-flapping"].incident).text
    assert "comes and goes" not in stated(PROBE).text


def test_a_language_without_texts_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="expected one of en, de, got 'fr'"):
        lang("fr")


def test_the_first_words_of_paragraphs_are_in_the_order_of_the_five_things() -> None:
    text = stated(PROBE).text
    places = [
        text.index(words)
        for words in ("No data", "Cause", "It concerns", "What the logger", "What to do", "Acknow")
    ]
    assert all(one < two for one, two in pairwise(places))


DOUBTS = (What.VALUES_LOST, What.DOUBTFUL_VALUES, What.CABLES_SWAPPED)


def everything_wrong() -> Situation:
    """A station where each kind of condition holds at once, each at a node of its own."""
    now = healthy()
    probes = [one for one in now.sources if one.node.startswith("source one/")]
    channel = now.channels[-1]
    code = replace(channel, failed_ns=(START - TEN, START - 1), code="-9999", last_number_ns=START)
    none = replace(now.channels[-3], last_number_ns=START - DAY)
    low = SupplyState("supply battery", START, 10.2, 11.0, (11.9, 11.7, 11.5))
    return replace(
        now,
        sources=(
            replace(probes[0], last_ns=START - DAY, age_ns=DAY, detail="no answer"),
            replace(probes[1], numbered=True, missed=90, received=10, clock_ahead_ns=HOUR_NS),
            *now.sources[2:],
        ),
        channels=(*now.channels[:-3], none, now.channels[-2], code),
        supplies=(low,),
        sinks=(
            replace(now.sinks[0], up=False, why="no route", waiting=12, set_aside=3),
            replace(now.sinks[1], up=False, blocked=True, why="bad token", waiting=4),
        ),
        down={"bus two": (START - DAY, "gone"), "broker b": (START - DAY, "code 5")},
        nodes={**now.nodes, **{f"broker {n}": node(NodeKind.BROKER, n) for n in "bc"}},
        failing={"service": "it ended"},
        receivers_refuse={"mail": "535"},
        wrong_sensors={"source one/2": ("A", "B")},
        calibrations_end={channel.node: START + 9 * DAY_NS},
        clock_known=True,
        disk_full=True,
        disk_days=5.0,
        journal_fails="read-only",
        losses=("journal-000003.sqlite",),
        doubtful={
            one.node: DoubtState(what, START - HOUR_NS, "flat, noise")
            for one, what in zip(now.channels, DOUBTS, strict=False)
        },
        floods={"broker c": (START - HOUR_NS, 3000)},
    )


def test_each_number_that_the_rules_bring_is_one_that_the_texts_know() -> None:
    wrong = everything_wrong()
    unclear = replace(wrong, clock_known=False)
    found: dict[What, Condition] = {}
    for situation in (wrong, unclear):
        first = conditions(situation, LookResult())
        later = replace(situation, mono_ns=situation.mono_ns + 3 * DAY)
        for one in conditions(later, first).standing:
            found[one.what] = one
    assert set(found) == set(What)
    for what, one in found.items():
        assert set(one.numbers) <= set(NUMBERS), what
        case = Incident(
            17, one.node, what, one.severity, one.since_ns, START, (one.node,), one.numbers
        )
        for language in LANGUAGES:
            text = message(
                Letter(wrong.nodes, language, SITE, START + HOUR_NS), case, Occasion.OPENED
            ).text
            table = lang(language).table["what"][what.value]
            texts = {"says": table["says"], "cause": table["cause"]}
            used = {name for _, form in leaves(texts) for name in fields(form)}
            for name in used & set(one.numbers) & {"why", "code", "found", "expected"}:
                assert str(one.numbers[name]) in text, f"{what}: {name}"


def test_a_long_reason_of_others_ends_at_a_word() -> None:
    why = "the server says " + "no " * 400 + "never"
    text = stated(incident(What.SINK_AWAY, "sink influx", Severity.LATE, HOUR_NS, why=why)).text
    cause = next(line for line in text.splitlines() if line.startswith("Cause"))
    assert len(cause) < 320
    assert cause.endswith("no ....")


def test_a_reason_that_the_station_knows_is_in_the_language_of_the_reader() -> None:
    one = incident(What.SILENT, "source sdi12/a", Severity.LOST, HOUR_NS, detail="garbled")
    assert "eine Antwort, die nicht lesbar ist" in stated(one, language="de").text
    other = replace(one, numbers={"detail": "CRC 12"})
    assert "Ursache: CRC 12." in stated(other, language="de").text


def test_each_cause_of_a_gap_has_its_words_in_each_language() -> None:
    faults = (NoAnswer, Garbled, Refused, LinkDown, NotSwitched, BusBusy)
    for language in LANGUAGES:
        assert {fault.cause for fault in faults} <= set(lang(language).table["details"])
