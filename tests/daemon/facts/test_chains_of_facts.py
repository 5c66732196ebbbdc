"""Who is blamed, and how often, when calibrations, deployments and channels don't fit together."""

from edaphon.facts import Knowledge, knowledge_conflicts, read_facts
from edaphon.model import EntryId
from edaphon.toml_input.lines import read_document
from edaphon_drivers.sheets import load_sheet

OUTPUTS = load_sheet("meter.teros12").outputs
SOURCES = {"sdi12/a": OUTPUTS, "sdi12/b": OUTPUTS}
SENSORS = "".join(
    f'[[sensor]]\nid = "{name}"\nmodel = "meter.teros12"\n' for name in ("probe", "other")
)


def channel(id: str, quantity: str = "soil_temperature", unit: str = "degC") -> str:
    return f'[[channel]]\nid = "{id}"\nquantity = "{quantity}"\nunit = "{unit}"\n'


def deployment(channel: str, source: str, output: str, sensor: str, begin: int = 2026) -> str:
    return (
        f'[[deployment]]\nid = "{channel}-{begin}"\nchannel = "{channel}"\nsource = "{source}"\n'
        f'output = "{output}"\nsensor = "{sensor}"\nfrom = {begin}-01-01T00:00:00Z\n'
        f"to = {begin + 1}-01-01T00:00:00Z\n"
    )


def calibration(of: str, curve: str = "polynomial", more: str = "") -> str:
    parameters = "parameters = { c0 = 0.0, c1 = 1.0 }\n" if curve == "polynomial" else ""
    return (
        f'[[calibration]]\nid = "c"\n{of}\ncurve = "{curve}"\n{parameters}'
        f"from = 2020-01-01T00:00:00Z\n{more}"
    )


def complaints(new: str, known: str = "") -> list[tuple[str, str]]:
    """(key, what came) of each."""
    knowledge = Knowledge()
    for n, row in enumerate(read_facts(read_document("known.toml", known))[0], 1):
        knowledge = knowledge.learn(EntryId(1, n), row.fact)
    rows, wrong = read_facts(read_document("new.toml", new))
    assert wrong == []
    return [(c.key, c.came) for c in knowledge_conflicts(rows, knowledge, SOURCES)]


def test_a_calibration_that_fits_none_of_two_deployments_is_blamed_once():
    places = deployment("t", "sdi12/a", "soil_temperature", "probe") + deployment(
        "t", "sdi12/b", "soil_temperature", "probe", 2027
    )
    wrong = calibration('channel = "t"', more='from_unit = "kPa"\nto_unit = "degC"\n')
    assert complaints(SENSORS + channel("t") + places + wrong) == [
        ("calibration.from_unit", '"kPa" can\'t take the degC of sdi12/a')
    ]


def test_a_new_fact_is_not_blamed_for_a_known_one_that_fits_no_more():
    known = SENSORS + channel("t") + deployment("t", "sdi12/a", "soil_temperature", "probe")
    known += calibration('channel = "t"', more='from_unit = "kPa"\nto_unit = "degC"\n')
    assert complaints(channel("ec", "bulk_electrical_conductivity", "uS/cm"), known) == []


CIRCLE = (
    channel("ec", "bulk_electrical_conductivity_25c", "uS/cm")
    + deployment("ec", "sdi12/a", "bulk_electrical_conductivity", "probe")
    + channel("t")
    + deployment("t", "sdi12/a", "soil_temperature", "probe")
)
BACK = """[[calibration]]
id = "back"
channel = "t"
curve = "conductivity_at_25"
from = 2020-01-01T00:00:00Z
second = { channel = "ec", max_age = "30min" }
"""


def of_a_sensor(sensor: str, output: str = "bulk_electrical_conductivity") -> str:
    second = 'second = { channel = "t", max_age = "30min" }\n'
    return calibration(f'sensor = "{sensor}"\noutput = "{output}"', "conductivity_at_25", second)


def circles(*texts: str) -> list[str]:
    found = complaints(SENSORS + "".join(texts))
    return sorted(came for key, came in found if key == "calibration.second" and "itself" in came)


def test_a_circle_through_a_calibration_of_the_deployed_sensor_is_refused():
    assert circles(CIRCLE, of_a_sensor("probe"), BACK) == [
        '"ec" is made of t itself',
        '"t" is made of ec itself',
    ]


def test_a_calibration_of_a_sensor_or_output_that_is_not_deployed_there_closes_no_circle():
    assert circles(CIRCLE, of_a_sensor("other"), BACK) == []
    assert circles(CIRCLE, of_a_sensor("probe", "soil_temperature"), BACK) != []
    assert circles(CIRCLE, of_a_sensor("probe", "water_content_counts"), BACK) == []
