"""A floor and a ceiling for every quantity: numbers beyond them are of no soil, air or instrument.

They are wide: a number that a working instrument in the field reports stays inside, with its noise
around zero (CO2 of -2 ppm), its calibration's error in dry soil (water of -0.02) and above
saturation (humidity of 103 %). Usual ranges, which are narrower, stand with the check `range`.
"""

from math import inf
from typing import NamedTuple

from edaphon_calibration.nomenclature import quantity
from edaphon_calibration.units import conversion

_LEVELS = frozenset({"instant", "mean", "min", "max"})


class Physics(NamedTuple):
    """The lowest and the highest possible number [a unit], and why, or why there is none.

    Between them and the true domain, `least` to `most`, lie the noise of instruments and the errors
    of calibrations: such a number is a value, and suspect.
    """

    lowest: float
    highest: float
    why: str
    least: float = -inf
    most: float = inf

    @property
    def limited(self) -> bool:
        return self.lowest > -inf or self.highest < inf


def holds_for(statistic: str) -> bool:
    """A sum, a count or a standard deviation of a quantity is no value of it and may be anywhere.

    >>> holds_for("mean"), holds_for("sum")
    (True, False)
    """
    return statistic in _LEVELS


def physical_limits(name: str, unit: str | None = None) -> Physics:
    """The limits of a quantity in `unit` (the nomenclature's if None).

    Raises UnknownQuantity and UnitError.

    >>> physical_limits("volumetric_water_content", "%")[:2]
    (-15.0, 110.0)
    """
    known = PHYSICS[quantity(name).name]
    line = conversion(quantity(name).unit, unit or quantity(name).unit)
    ends = sorted(_rounded(x * line.scale + line.offset) for x in known[:2])
    domain = sorted(_rounded(x * line.scale + line.offset) for x in known[3:])
    return Physics(ends[0], ends[1], known.why, domain[0], domain[1])


def _rounded(number: float) -> float:
    """Without the last digits of a conversion, so that a limit reads as it was written."""
    return number if abs(number) == inf else float(f"{number:.12g}")


# Scambos et al. 2018, doi:10.1029/2018GL078133: snow of the Antarctic plateau, from satellites.
_COLD = "no place on earth is colder than -98 degC"
_AIR = f"{_COLD}; the hottest air was 57 degC, and instruments for air end at 120"
_GROUND = f"{_COLD}; above 300 degC soil burns"
_PARTS = "a part of a whole, with the noise of analysers around 0"
_NO_SCALE = "none: its maker's own scale"
_NO_MEASURE = "none: a name or a code, not a measure"
_COUNTED = "counted from 0 on, in at most 64 bits"
_BRINE = "brine full of salt has 250 dS/m at 25 degC, and more when it is hotter"
# Archie's law with an exponent of 1.5: 250 dS/m times 0.38 ** 1.5.
_SOIL_BRINE = "soil with 38 % of pores full of saturated brine has 59 dS/m (Archie's law)"
_ELECTRONICS = "no input of an instrument reaches further"
_DUST = "a dust storm has 100,000; beta gauges report negative numbers around 0"
_ANGLE = "a circle, from 0 to 360 or from -180 to 180"
_VENTS = "gas from vents of a volcano; soil takes up little"

PHYSICS: dict[str, Physics] = {
    # soil
    "soil_temperature": Physics(-100, 300, _GROUND),
    "volumetric_water_content": Physics(
        -0.15,
        1.1,
        "a part of the volume; probes err by 0.1 in air and in water, peat reaches 0.98",
        least=0,
        most=1,
    ),
    "matric_potential": Physics(
        -1.5e6, 300, "oven-dry soil has -1e6 kPa (pF 7); 30 m of water above a cup give 300 kPa"
    ),
    "bulk_electrical_conductivity": Physics(-1, 60, _SOIL_BRINE, least=0),
    "pore_water_electrical_conductivity": Physics(-1, 300, _BRINE, least=0),
    "bulk_electrical_conductivity_25c": Physics(-1, 60, _SOIL_BRINE, least=0),
    "imaginary_permittivity": Physics(
        -10, 5000, "conductivity of 10 S/m at 50 MHz, over the angular frequency, is 3600"
    ),
    "loss_tangent": Physics(-1, 100, "saline soil at a low frequency; 0 without any loss"),
    "relative_permittivity": Physics(
        0, 500, "1 is vacuum, 88 cold water; wet clay at low frequency has some hundreds"
    ),
    "water_content_counts": Physics(-inf, inf, _NO_SCALE),
    "square_root_permittivity": Physics(0, 22.4, "the root of a permittivity of 0 to 500"),
    "salinity_index": Physics(-inf, inf, _NO_SCALE),
    "water_temperature": Physics(-100, 120, f"{_COLD} (a probe in ice or fallen dry); water boils"),
    "water_electrical_conductivity": Physics(-1, 300, _BRINE, least=0),
    "soil_ph": Physics(-2, 16, "acid sulfate soils have 1, soda soils 11; electrodes err by 1"),
    "water_ph": Physics(
        -4, 16, "mine water had -3.6 (Nordstrom et al. 2000, doi:10.1021/es990646v)"
    ),
    "dissolved_oxygen": Physics(
        -1, 100, "water at 0 degC under pure oxygen holds 70 mg/l", least=0
    ),
    "dissolved_oxygen_mass_fraction": Physics(
        -1, 100, "water under pure oxygen holds 70 ppm", least=0
    ),
    "dissolved_oxygen_saturation": Physics(
        -5, 600, "pure oxygen instead of air gives 480 %", least=0
    ),
    "suspended_solids": Physics(-100, 1e6, "as much mass as the water has", least=0),
    "sludge_blanket": Physics(-10, 110, "a part of what lies in front of the sensor"),
    "turbidity_ntu": Physics(-10, 1e5, "above 10,000 no light comes back; noise around 0", least=0),
    "turbidity_fnu": Physics(-10, 1e5, "above 10,000 no light comes back; noise around 0", least=0),
    "turbidity_fau": Physics(
        -10, 1e5, "above 10,000 no light comes through; noise around 0", least=0
    ),
    "soil_nitrogen": Physics(
        -10, 50_000, "no soil holds more than 5 % of it; peat has 3 %", least=0
    ),
    "soil_phosphorus": Physics(-10, 50_000, "no soil holds more than 5 % of it", least=0),
    "soil_potassium": Physics(
        -10, 50_000, "no soil holds more than 5 % of it; feldspar has more", least=0
    ),
    "soil_salinity": Physics(-100, 400_000, "brine full of salt holds 360 g/l", least=0),
    "total_dissolved_solids": Physics(-100, 400_000, "brine full of salt holds 360 g/l", least=0),
    "redox_potential": Physics(-2000, 2000, "water itself is split beyond -800 and 1,250 mV"),
    "soil_heat_flux": Physics(-2000, 5000, "no more than the sun brings; a fire above brings some"),
    "water_table_depth": Physics(-100, 1000, "from a flood above the ground to the deepest wells"),
    # gas exchange
    "soil_co2_efflux": Physics(-500, 10_000, f"{_VENTS} (Mammoth Mountain: 2,600)"),
    "soil_ch4_efflux": Physics(-1e5, 1e7, f"{_VENTS}, bubbles from a marsh, landfills (1e6)"),
    "soil_n2o_efflux": Physics(-1e5, 1e6, "fertilised soil has 100 at most; noise of a short fit"),
    "co2_mole_fraction": Physics(-100, 1e6, _PARTS, least=0),
    "ch4_mole_fraction": Physics(-10, 1e6, _PARTS, least=0),
    "n2o_mole_fraction": Physics(-1000, 1e9, _PARTS, least=0),
    "nh3_mole_fraction": Physics(-1000, 1e9, _PARTS, least=0),
    "o2_mole_fraction": Physics(-1, 101, _PARTS, least=0),
    "h2o_mole_fraction": Physics(-5, 1000, _PARTS, least=0),
    "chamber_temperature": Physics(-100, 120, _AIR),
    "cell_temperature": Physics(-100, 300, "no cell of an analyser is heated so far"),
    "cell_pressure": Physics(-1, 1000, "from vacuum, with the gauge's noise, to ten atmospheres"),
    "absorptance": Physics(-0.2, 1.1, "a part of the light, with the noise of the detector"),
    "ring_down_time": Physics(0, 10_000, "light in 3,000 km of path; a time is not negative"),
    "fit_residual": Physics(-inf, inf, _NO_SCALE),
    "flux_fit_r2": Physics(-1000, 1, "1 is a perfect fit; below 0 it is worse than the mean"),
    "co2_mole_fraction_change": Physics(-1e6, 1e6, "the difference of two parts of a whole"),
    "soil_co2_efflux_mass": Physics(-80, 1600, f"{_VENTS}: 10,000 umol/(m2 s)"),
    "elapsed_time": Physics(-1, 3.2e9, "a century"),
    "latitude": Physics(-90, 90, "from pole to pole"),
    "longitude": Physics(-180, 360, _ANGLE),
    "altitude": Physics(-1000, 10_000, "from the Dead Sea to the highest peak, as satellites err"),
    "gas_flow": Physics(-100, 1000, "no pump of an instrument moves more"),
    # weather
    "air_temperature": Physics(-100, 120, _AIR),
    "relative_humidity": Physics(
        -5,
        115,
        "sensors report up to 110 when water condenses on them, and some below 0 when dry",
        least=0,
        most=105,
    ),
    "dew_point": Physics(-120, 100, "dried gas has -100 degC; water boils"),
    "air_pressure": Physics(
        25, 150, "the highest peak has 31 kPa; the deepest mines, 4 km below the ground, 150"
    ),
    "vapor_pressure": Physics(-0.5, 105, "water boils at 101 kPa; noise of a dry sensor", least=0),
    "vapor_pressure_deficit": Physics(-5, 105, "water boils at 101 kPa; negative in fog"),
    "precipitation": Physics(
        -10,
        2000,
        "the most in a day was 1,825 mm (La Reunion 1966, WMO); noise of weighing gauges",
        least=0,
    ),
    "precipitation_rate": Physics(
        -1, 3000, "the most in a minute was 38 mm (Guadeloupe 1970)", least=0
    ),
    "precipitation_total": Physics(-10, 1e6, "the wettest place has 26 m in a year", least=0),
    "precipitation_electrical_conductivity": Physics(-1, 60, "sea spray has 55 dS/m", least=0),
    "lightning_strikes": Physics(0, 1e6, "no storm has so many in one interval"),
    "lightning_distance": Physics(0, 500, "sensors see 40 km, networks some hundreds"),
    "snow_depth": Physics(-1, 20, "the deepest was 11.8 m; below 0 as the ground moves"),
    "wind_speed": Physics(-1, 150, "the strongest gust was 113 m/s (WMO), tornados 135", least=0),
    "wind_gust": Physics(-1, 150, "the strongest gust was 113 m/s (WMO), tornados 135", least=0),
    "wind_direction": Physics(-180, 361, _ANGLE),
    "wind_component_north": Physics(-150, 150, "the strongest gust was 113 m/s (WMO)"),
    "wind_component_east": Physics(-150, 150, "the strongest gust was 113 m/s (WMO)"),
    "global_radiation": Physics(
        -100, 3000, "1,361 W/m2 above the air, up to 1.5 times that between clouds; night offsets"
    ),
    "reflected_radiation": Physics(-100, 3000, "no more than comes down; offsets at night"),
    "albedo": Physics(-1, 2, "a part of the light; above 1 on slopes and with a low sun"),
    "photosynthetic_photon_flux": Physics(-100, 6000, "2,500 in full sun, with clouds and offsets"),
    "illuminance": Physics(
        -10, 250_000, "full sun has 130,000 lx, and more between clouds", least=0
    ),
    "uv_index": Physics(-1, 60, "the highest was 43 (Licancabur, 2003)", least=0),
    "surface_temperature": Physics(-150, 300, f"{_COLD}, and the sky looks colder to a radiometer"),
    "black_globe_temperature": Physics(-100, 120, _AIR),
    # plants and laboratory
    "sap_flow": Physics(-100, 1000, "the greatest trees move 100 l/h"),
    "heat_velocity": Physics(-500, 500, "heat pulse methods end at 200 cm/h"),
    "stem_radius_change": Physics(-1e6, 1e6, "a metre"),
    "stem_diameter_change": Physics(-2000, 2000, "two metres"),
    "stem_temperature": Physics(-100, 120, _AIR),
    "heat_pulse_parameter": Physics(-inf, inf, _NO_SCALE),
    "fruit_diameter": Physics(-5, 2000, "the greatest pumpkins have 1,500 mm"),
    "leaf_temperature": Physics(-100, 120, _AIR),
    "leaf_wetness": Physics(-inf, inf, _NO_SCALE),
    "mass": Physics(-1e8, 1e8, "a hundred tonnes, as a great lysimeter; negative behind a tare"),
    # what instruments report of themselves or before calibration
    "battery_voltage": Physics(-1, 60, "a battery of 48 V is charged at 58 V", least=0),
    "battery_level": Physics(-1, 110, "a part of the full charge, as estimated", least=0, most=100),
    "soil_moisture_index": Physics(-inf, inf, _NO_SCALE),
    "supply_voltage": Physics(-60, 500, "solar strings and mains, negative with crossed wires"),
    "voltage": Physics(-1e6, 1e6, f"{_ELECTRONICS} than 1,000 V"),
    "voltage_ratio": Physics(-10, 10, "a bridge gives less than its excitation"),
    "electrical_resistance": Physics(-1000, 1e12, "a good insulator; offsets around 0"),
    "electrical_current": Physics(-1e6, 1e6, f"{_ELECTRONICS} than 1,000 A"),
    "frequency": Physics(0, 1e11, f"{_ELECTRONICS} than 100 GHz"),
    "period": Physics(0, 3.2e15, "a century"),
    "pulse_count": Physics(0, 2.0**64, _COUNTED),
    "raw_counts": Physics(-inf, inf, _NO_SCALE),
    "tilt": Physics(-180, 360, _ANGLE),
    "compass_heading": Physics(-180, 361, _ANGLE),
    "relative_position": Physics(-2, 2, "a part of the way, to either side"),
    "elongation": Physics(-1e7, 1e7, "ten metres"),
    "strain": Physics(-1e6, 1e6, "as long again as the body itself"),
    "duration": Physics(0, 3.2e9, "a century"),
    "sample_count": Physics(0, 2.0**64, _COUNTED),
    "calibration_progress": Physics(
        -inf, inf, "none: computed here from dates, and never a reading of an instrument"
    ),
    "echo_reliability": Physics(-200, 200, "a ratio of 10**20 of powers"),
    "serial_number": Physics(-inf, inf, _NO_MEASURE),
    "device_temperature": Physics(-100, 200, "no electronics works beyond"),
    "device_pressure": Physics(-1, 10_000, "from vacuum, with the gauge's noise, to 100 bar"),
    "temperature_difference": Physics(-300, 300, "of two places of any instrument"),
    "diagnostic_code": Physics(-inf, inf, _NO_MEASURE),
    "plot_number": Physics(-inf, inf, _NO_MEASURE),
    "record_number": Physics(-inf, inf, _NO_MEASURE),
    "stability_mark": Physics(0, 1, "a yes or a no"),
    "displayed_number": Physics(-inf, inf, "none: its unit was not sent"),
    "unnamed_value": Physics(-inf, inf, "none: only its owner knows what it is"),
    "digital_state": Physics(0, 1, "a yes or a no"),
    "contact_state": Physics(0, 1, "a yes or a no"),
    "motion_state": Physics(0, 2, "idle, triggered, and a third state of some makers"),
    "motion_count": Physics(0, 2.0**64, _COUNTED),
    "alarm_state": Physics(0, 2, "released, crossed, sudden change"),
    "temperature_change": Physics(-300, 300, "of two temperatures of any instrument"),
    "distance": Physics(-1, 1000, "no distance sensor on a mast sees further"),
    "water_level": Physics(-15, 500, "the deepest wells; below 0 as the air's pressure falls"),
    "gauge_pressure": Physics(-110, 20_000, "from vacuum against the air to 2 km of water"),
    "acceleration": Physics(-2000, 2000, "200 times that of a fall"),
    "light_level": Physics(-inf, inf, _NO_SCALE),
    "air_quality_index": Physics(-inf, inf, _NO_SCALE),
    "volatile_organic_compounds": Physics(
        -100, 1e8, "solvent vapour fills the air at 1e8", least=0
    ),
    "voc_mole_fraction": Physics(-1000, 1e9, _PARTS, least=0),
    "sound_level": Physics(-20, 200, "194 dB is a wave down to vacuum; 0 dB is the ear's limit"),
    "nitrogen_dioxide_mole_fraction": Physics(-1000, 1e9, _PARTS, least=0),
    "nitrogen_monoxide_mole_fraction": Physics(-1000, 1e9, _PARTS, least=0),
    "oxidant_mole_fraction": Physics(-1000, 1e9, _PARTS, least=0),
    "carbon_monoxide_mole_fraction": Physics(-5000, 1e9, _PARTS, least=0),
    "particle_number_concentration": Physics(
        -1, 1e9, "smoke as it leaves a flame has 1e9", least=0
    ),
    "particle_size": Physics(0, 1e6, "a millimetre"),
    "pm1_concentration": Physics(-50, 1e6, _DUST, least=0),
    "pm2_5_concentration": Physics(-50, 1e6, _DUST, least=0),
    "pm4_concentration": Physics(-50, 1e6, _DUST, least=0),
    "pm10_concentration": Physics(-50, 1e6, _DUST, least=0),
    "signal_strength": Physics(-200, 50, "noise of a narrow receiver has -174 dBm per Hz"),
    "signal_to_noise_ratio": Physics(-100, 200, "radio links work between -25 and 60 dB"),
}
