"""Serial numbers that contradict the deployments, and the one thing that explains them."""

from hypothesis import given
from hypothesis import strategies as st

from edaphon.facts import Deployment, Knowledge, Sensor
from edaphon.facts.conflicts import contradictions, deployed_sensors, explanations
from edaphon.model import EntryId

NOW = 1_790_000_000_000_000_000


def known(**sensors: str) -> Knowledge:
    """One deployment for each path (written with _ for /), the sensor X spare."""
    names = {*sensors.values(), "X"}
    facts = [Sensor(id=name, model="meter.teros12") for name in sorted(names)]
    facts += [
        Deployment(
            id=f"d-{path}",
            channel=f"c-{path}",
            source=path.replace("_", "/"),
            output="soil_temperature",
            sensor=sensor,
        )
        for path, sensor in sensors.items()
    ]
    return Knowledge.of(
        (EntryId(1, n), {"kind": fact.table, **fact.model_dump(by_alias=True, exclude_none=True)})
        for n, fact in enumerate(facts, 1)
    )


def reported(knowledge: Knowledge, **serials: str) -> tuple[str, ...]:
    paths = {path.replace("_", "/"): serial for path, serial in serials.items()}
    return explanations(contradictions(paths, knowledge, NOW))


def test_probes_that_tell_what_is_deployed_contradict_nothing():
    assert reported(known(s_a="A", s_b="B"), s_a="A", s_b="B") == ()
    assert reported(known(s_a="A", s_b="B"), s_a="A", s_b="", s_c="new") == ()


def test_what_was_reported_before_a_deployment_began_says_nothing_of_it():
    (rows, begin) = (known(s_a="A"), NOW - 3600 * 10**9)
    fact = rows.deployments[0].model_copy(update={"from_ns": begin, "id": "d2"})
    knowledge = rows.learn(EntryId(2, 1), fact.model_copy(update={"supersedes": "d-s_a"}))
    for reported_ns, expected in ((begin - 1, 0), (begin, 1)):
        found = contradictions({"s/a": "N"}, knowledge, NOW, {"s/a": reported_ns})
        assert len(found) == expected
    assert len(contradictions({"s/a": "N"}, knowledge, NOW)) == 1, "of unknown time it counts"


def test_two_probes_that_were_swapped_are_one_swap():
    (words,) = reported(known(s_a="A", s_b="B", s_c="C"), s_a="B", s_b="A", s_c="C")
    assert words.startswith(
        "s/a has B instead of A, s/b has A instead of B: s/a and s/b report each"
    )
    assert "swapped" in words
    assert "2026-09-21" in words


def test_three_probes_in_a_ring_are_one_swap():
    (words,) = reported(known(s_a="A", s_b="B", s_c="C"), s_a="B", s_b="C", s_c="A")
    assert "s/a, s/b and s/c report each other's serial numbers" in words


def test_an_unknown_serial_number_is_a_new_sensor():
    (words,) = reported(known(s_a="A"), s_a="N")
    assert "a new sensor N is where A was; enter [[sensor]] and [[deployment]] from" in words


def test_a_spare_sensor_needs_only_its_deployment():
    (words,) = reported(known(s_a="A"), s_a="X")
    assert "X, which is deployed nowhere, is where A was; enter [[deployment]] from" in words


def test_a_probe_at_the_place_of_another_that_is_silent_was_moved():
    (words,) = reported(known(s_a="A", s_b="B"), s_a="B")
    assert "B belongs at s/b, where nobody answers: it was moved" in words


def test_one_probe_behind_two_sources_is_shown_as_that():
    (words,) = reported(known(s_a="A", s_b="B"), s_a="B", s_b="B")
    assert "B answers at s/a and s/b: two sources poll one probe" in words


def test_a_chain_that_does_not_close_is_no_swap():
    found = reported(known(s_a="A", s_b="B"), s_a="B", s_b="N")
    assert "B belongs at s/b, where N answers" in found[0]
    assert "a new sensor N is where B was" in found[1]


def test_a_deployment_that_has_ended_expects_nothing():
    knowledge = Knowledge.of(
        [
            (EntryId(1, 1), {"kind": "sensor", "id": "A", "model": "meter.teros12"}),
            (
                EntryId(1, 2),
                {
                    "kind": "deployment",
                    "id": "d",
                    "channel": "c",
                    "source": "s/a",
                    "output": "x",
                    "sensor": "A",
                    "to": "2020-01-01T00:00:00Z",
                },
            ),
        ]
    )
    assert deployed_sensors(knowledge, NOW) == {}
    assert contradictions({"s/a": "B"}, knowledge, NOW) == ()


@given(st.permutations("ABCDE"))
def test_any_shuffle_is_shown_for_each_place_that_changed(shuffled):
    knowledge = known(**{f"s_{sensor.lower()}": sensor for sensor in "ABCDE"})
    paths = {f"s/{home.lower()}": sensor for home, sensor in zip("ABCDE", shuffled, strict=True)}
    found = contradictions(paths, knowledge, NOW)
    assert {(c.expected, c.reported) for c in found} == {
        (home, sensor) for home, sensor in zip("ABCDE", shuffled, strict=True) if home != sensor
    }
    assert all("swapped" in c.explanation for c in found)
