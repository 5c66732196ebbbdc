"""Every quantity has a floor and a ceiling, or a reason for none; all sheets' outputs get them."""

from math import inf

import numpy as np
import pytest
from tests.drivers.good_frames import TRANSCRIPTS

from edaphon_calibration.checks import default_limits, find_check, physical_limits, prepare_check
from edaphon_calibration.nomenclature import QUANTITIES, holds_for
from edaphon_drivers.sheets import load_sheet, model_names
from edaphon_drivers.talk import read_transcript

# What a working instrument in the field reports (quantity, unit, number), and what none does.
TRUE = [
    ("soil_temperature", "degC", -50.0),
    ("air_temperature", "degC", 56.7),  # Furnace Creek 1913
    ("air_temperature", "degC", -89.2),  # Vostok 1983
    ("volumetric_water_content", "m**3/m**3", -0.03),  # a mineral calibration in dry sand
    ("volumetric_water_content", "%", 98.0),  # peat
    ("matric_potential", "kPa", -1e6),  # oven-dry
    ("matric_potential", "kPa", 20.0),  # a tensiometer below the water table
    ("relative_humidity", "%", 103.0),
    ("relative_humidity", "dimensionless", 1.03),
    ("co2_mole_fraction", "ppm", -2.0),
    ("co2_mole_fraction", "ppm", 150_000.0),  # air of a wet soil
    ("soil_co2_efflux", "umol/(m**2*s)", -0.4),
    ("soil_ch4_efflux", "nmol/(m**2*s)", -3.0),
    ("snow_depth", "m", -0.02),
    ("global_radiation", "W/m**2", -12.0),
    ("air_pressure", "hPa", 337.0),  # the highest peak
    ("air_pressure", "hPa", 1084.8),  # Tosontsengel 2001
    ("wind_speed", "m/s", 113.2),  # Barrow Island 1996
    ("precipitation", "mm", 1825.0),
    ("soil_ph", "pH", 3.2),
    ("redox_potential", "mV", -450.0),
    ("bulk_electrical_conductivity", "uS/cm", 20_000.0),
    ("battery_voltage", "V", 29.0),
    ("pm2_5_concentration", "ug/m**3", -4.0),
    ("raw_counts", "count", -8e6),
]
FALSE = [
    ("soil_temperature", "degC", -273.2),
    ("soil_temperature", "degC", 327.67),
    ("air_temperature", "degC", -3276.8),
    ("air_temperature", "degC", 130.0),
    ("air_temperature", "degF", -459.7),
    ("cell_temperature", "degC", 6553.5),
    ("volumetric_water_content", "m**3/m**3", 1.4),
    ("volumetric_water_content", "m**3/m**3", -0.3),
    ("volumetric_water_content", "%", 655.35),
    ("relative_humidity", "%", 127.5),
    ("relative_humidity", "%", -327.68),
    ("soil_ph", "pH", 65.535),
    ("air_pressure", "hPa", 0.0),
    ("air_pressure", "Pa", 6_553_500.0),
    ("co2_mole_fraction", "ppm", -32768.0),
    ("o2_mole_fraction", "%", 655.35),
    ("global_radiation", "W/m**2", 65535.0),
    ("wind_speed", "m/s", 6553.5),
    ("wind_direction", "degree", 655.35),
    ("snow_depth", "m", 65.535),
    ("battery_voltage", "V", 65.535),
    ("battery_level", "%", 255.0),
    ("bulk_electrical_conductivity", "uS/cm", 65535.0),
    ("latitude", "degree", 838.8607),
    ("illuminance", "lx", -1e5),
]


def possible(quantity: str, unit: str, number: float) -> bool:
    lowest, highest = physical_limits(quantity, unit)[:2]
    return lowest <= number <= highest


def test_every_quantity_has_a_floor_and_a_ceiling_or_says_why_it_has_none() -> None:
    for name, line in QUANTITIES.items():
        lowest, highest, why, least, most = line.physics
        assert why, name
        if lowest > -inf or highest < inf:
            assert -inf < lowest < highest < inf, name
            assert least < most, name
            assert least == -inf or lowest < least, name
            assert most == inf or most < highest, name
        else:
            assert why.startswith("none: "), name


def test_every_output_and_factory_curve_of_every_sheet_is_limited_by_its_quantity() -> None:
    unlimited = set()
    for sheet in map(load_sheet, model_names()):
        for output in sheet.outputs.values():
            for quantity, unit in [
                (output.quantity, output.unit),
                *((f.quantity, f.unit) for f in output.factory),
            ]:
                if not physical_limits(quantity, unit).limited:
                    unlimited.add(quantity)
    assert unlimited == {
        *("raw_counts", "water_content_counts", "unnamed_value", "displayed_number"),
        *("salinity_index", "soil_moisture_index", "leaf_wetness", "heat_pulse_parameter"),
        *("air_quality_index", "light_level", "fit_residual"),
        *("diagnostic_code", "serial_number", "plot_number", "record_number"),
    }


@pytest.mark.parametrize(("quantity", "unit", "number"), TRUE)
def test_what_a_working_instrument_reports_is_possible(quantity, unit, number) -> None:
    assert possible(quantity, unit, number)


@pytest.mark.parametrize(("quantity", "unit", "number"), FALSE)
def test_what_no_instrument_can_report_is_not(quantity, unit, number) -> None:
    assert not possible(quantity, unit, number)


# What makers state beyond physics: the ends of a converter, no range of what is measured.
BEYOND = {
    ("air_pressure", "Pa", 300.0),
    ("air_pressure", "Pa", 1_100_000.0),
    ("air_pressure", "kPa", 0.0),
    ("air_pressure", "kPa", 1.0),
    ("air_temperature", "degC", 125.0),
    ("air_temperature", "degC", 130.0),  # all bits of Sensirion's word
    ("relative_humidity", "%", -6.0),  # no bit of it
    ("relative_humidity", "%", 119.0),
    ("volumetric_water_content", "%", 150.0),
    ("volumetric_water_content", "m**3/m**3", 1.19),
    ("volumetric_water_content", "m**3/m**3", 1.2),
}


def test_the_range_that_a_maker_states_for_an_output_is_possible() -> None:
    beyond = {
        (o.quantity, o.unit, end)
        for sheet in map(load_sheet, model_names())
        for o in sheet.outputs.values()
        for end in (o.lowest, o.highest)
        if end is not None and not possible(o.quantity, o.unit, end)
    }
    assert beyond == BEYOND


def test_every_number_that_a_manual_or_a_station_is_quoted_with_is_possible() -> None:
    read = 0
    for path in TRANSCRIPTS.rglob("*.txt"):
        for reading in read_transcript(path.read_text("utf-8")).expected:
            read += reading.number is not None
            assert reading.number is None or possible(
                reading.quantity, reading.unit, reading.number
            ), path
    assert read > 400


def test_limits_follow_the_unit_and_hold_for_single_values_and_means_alone() -> None:
    assert physical_limits("air_pressure", "hPa")[:2] == (250.0, 1500.0)
    assert physical_limits("soil_temperature", "K")[:2] == (173.15, 573.15)
    assert [s for s in ("instant", "mean", "min", "max", "sd", "sum", "count") if holds_for(s)] == [
        *("instant", "mean", "min", "max")
    ]


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_limited_quantity_has_a_check_that_fails_beyond_its_limits(name: str) -> None:
    limits = default_limits(name).get("physics")
    known = QUANTITIES[name].physics
    assert (limits is not None) is known.limited
    if limits is None:
        return
    check = prepare_check(find_check("physics"), limits)
    width = known.highest - known.lowest
    values = np.array([known.lowest - 1e-3 * width, known.lowest, known.highest + 1e-3 * width])
    at_the_limit = 3 if known.least > known.lowest else 1
    assert check.flags(np.arange(3), values).tolist() == [4, at_the_limit, 4]


@pytest.mark.parametrize(
    ("quantity", "unit", "number"),
    [
        ("co2_mole_fraction", "ppm", -2.0),
        ("volumetric_water_content", "%", -1.0),
        ("volumetric_water_content", "m**3/m**3", 1.02),
        ("relative_humidity", "%", 107.0),
        ("pm2_5_concentration", "ug/m**3", -4.0),
    ],
)
def test_noise_outside_the_true_domain_is_a_value_and_suspect(
    quantity: str, unit: str, number: float
) -> None:
    assert possible(quantity, unit, number)
    check = prepare_check(find_check("physics"), default_limits(quantity, unit=unit)["physics"])
    assert check.flags(np.array([0]), np.array([number])).tolist() == [3]


def test_moist_air_is_not_suspect_of_more_than_a_hundred_percent() -> None:
    check = prepare_check(find_check("physics"), default_limits("relative_humidity")["physics"])
    assert check.flags(np.array([0]), np.array([103.0])).tolist() == [1]
