"""The quantities that a channel can have: name, unit, meaning, and the CF standard name.

CF names were read in the CF standard name table, version 72. A quantity without one (matric
potential, bulk electrical conductivity, permittivity, CO2 of unstated medium) carries none:
inventing one is an error, so an export writes long_name and units alone.
"""

from typing import NamedTuple

from edaphon_calibration.errors import UnknownQuantity, suggestion


class Quantity(NamedTuple):
    """One line of the nomenclature; `unit` is canonical and can be converted to CF's own."""

    name: str
    unit: str
    meaning: str
    cf_name: str | None = None


_LINES = (
    # soil
    Quantity("soil_temperature", "degC", "temperature of the soil", "soil_temperature"),
    Quantity(
        "volumetric_water_content",
        "m**3/m**3",
        "volume of liquid water in a volume of soil",
        "volume_fraction_of_condensed_water_in_soil",
    ),
    Quantity("matric_potential", "kPa", "matric potential of soil water, negative when dry"),
    Quantity("bulk_electrical_conductivity", "dS/m", "electrical conductivity of soil as a whole"),
    Quantity("pore_water_electrical_conductivity", "dS/m", "conductivity of the soil solution"),
    Quantity(
        "bulk_electrical_conductivity_25c",
        "dS/m",
        "bulk electrical conductivity, brought to 25 degC inside the instrument",
    ),
    Quantity("imaginary_permittivity", "dimensionless", "imaginary part of the permittivity"),
    Quantity("loss_tangent", "dimensionless", "imaginary over real permittivity"),
    Quantity("relative_permittivity", "dimensionless", "apparent permittivity against vacuum"),
    Quantity("water_content_counts", "count", "raw output of a water content probe"),
    Quantity("square_root_permittivity", "dimensionless", "refractive index of soil"),
    Quantity("salinity_index", "dimensionless", "a maker's own measure of salinity"),
    Quantity("water_temperature", "degC", "temperature of ground or surface water"),
    Quantity("water_electrical_conductivity", "dS/m", "conductivity of ground or surface water"),
    Quantity("soil_ph", "pH", "acidity of soil or soil solution"),
    Quantity("water_ph", "pH", "acidity of ground or surface water"),
    Quantity("dissolved_oxygen", "mg/l", "oxygen dissolved in water"),
    Quantity("dissolved_oxygen_mass_fraction", "ppm", "mass of dissolved oxygen in that of water"),
    Quantity("dissolved_oxygen_saturation", "%", "dissolved oxygen against water full of air"),
    Quantity("suspended_solids", "mg/l", "matter suspended in water"),
    Quantity("sludge_blanket", "%", "a maker's own measure of sludge in front of a sensor"),
    Quantity("turbidity_ntu", "NTU", "white light scattered by 90 degree, in units of formazin"),
    Quantity("turbidity_fnu", "FNU", "infrared scattered by 90 degree, in units of formazin"),
    Quantity("turbidity_fau", "FAU", "infrared weakened on its way, in units of formazin"),
    Quantity("soil_nitrogen", "mg/kg", "nitrogen as a probe computes it from conductivity"),
    Quantity("soil_phosphorus", "mg/kg", "phosphorus as a probe computes it from conductivity"),
    Quantity("soil_potassium", "mg/kg", "potassium as a probe computes it from conductivity"),
    Quantity("soil_salinity", "mg/l", "salt as a probe computes it from conductivity"),
    Quantity("total_dissolved_solids", "mg/l", "dissolved matter computed from conductivity"),
    Quantity("redox_potential", "mV", "redox potential against the stated electrode"),
    Quantity(
        "soil_heat_flux", "W/m**2", "heat flux in soil, positive down", "downward_heat_flux_in_soil"
    ),
    Quantity("water_table_depth", "m", "depth of the water table", "water_table_depth"),
    # gas exchange
    Quantity(
        "soil_co2_efflux",
        "umol/(m**2*s)",
        "CO2 flux from soil to air, positive up",
        "surface_upward_mole_flux_of_carbon_dioxide",
    ),
    Quantity("soil_ch4_efflux", "nmol/(m**2*s)", "CH4 flux from soil to air, positive up"),
    Quantity("soil_n2o_efflux", "nmol/(m**2*s)", "N2O flux from soil to air, positive up"),
    Quantity("co2_mole_fraction", "ppm", "CO2 in soil, chamber or outside air"),
    Quantity("ch4_mole_fraction", "ppm", "CH4 in soil, chamber or outside air"),
    Quantity("n2o_mole_fraction", "ppb", "N2O in soil, chamber or outside air"),
    Quantity("nh3_mole_fraction", "ppb", "NH3 in soil, chamber or outside air"),
    Quantity("o2_mole_fraction", "%", "O2 in soil or chamber air"),
    Quantity("h2o_mole_fraction", "mmol/mol", "water vapour in soil, chamber or outside air"),
    Quantity("chamber_temperature", "degC", "air temperature inside a chamber", "air_temperature"),
    Quantity("cell_temperature", "degC", "temperature of an analyser's cell"),
    Quantity("cell_pressure", "kPa", "pressure in an analyser's cell"),
    Quantity("absorptance", "dimensionless", "share of light that the gas in a cell takes up"),
    Quantity("ring_down_time", "us", "decay time of light in an analyser's cavity"),
    Quantity("fit_residual", "dimensionless", "what an analyser's fit of a spectrum leaves over"),
    Quantity("flux_fit_r2", "dimensionless", "r squared of the fit that a flux comes from"),
    Quantity("co2_mole_fraction_change", "ppm", "rise of CO2 in a chamber since it was closed"),
    Quantity("soil_co2_efflux_mass", "g/(h*m**2)", "mass of CO2 from soil to air, positive up"),
    Quantity("elapsed_time", "s", "time since an instrument began what it does"),
    Quantity("latitude", "degree", "latitude, north positive", "latitude"),
    Quantity("longitude", "degree", "longitude, east positive", "longitude"),
    Quantity("altitude", "m", "height above mean sea level", "altitude"),
    Quantity("gas_flow", "l/min", "volume flow of gas through an instrument"),
    # weather
    Quantity("air_temperature", "degC", "temperature of the air", "air_temperature"),
    Quantity("relative_humidity", "%", "relative humidity of the air", "relative_humidity"),
    Quantity("dew_point", "degC", "dew point of the air", "dew_point_temperature"),
    Quantity("air_pressure", "kPa", "pressure of the air at the sensor", "air_pressure"),
    Quantity(
        "vapor_pressure",
        "kPa",
        "partial pressure of water vapour",
        "water_vapor_partial_pressure_in_air",
    ),
    Quantity(
        "vapor_pressure_deficit",
        "kPa",
        "saturation deficit of the air",
        "water_vapor_saturation_deficit_in_air",
    ),
    Quantity(
        "precipitation",
        "mm",
        "depth of rain and melted snow in the interval",
        "lwe_thickness_of_precipitation_amount",
    ),
    Quantity(
        "precipitation_rate",
        "mm/h",
        "rain and melted snow in an hour",
        "lwe_precipitation_rate",
    ),
    Quantity("precipitation_total", "mm", "rain and melted snow since the counter was reset"),
    Quantity("precipitation_electrical_conductivity", "dS/m", "conductivity of rain water"),
    Quantity("lightning_strikes", "count", "strikes since the last reading"),
    Quantity("lightning_distance", "km", "mean distance of the strikes"),
    Quantity("snow_depth", "m", "thickness of the snow", "surface_snow_thickness"),
    Quantity("wind_speed", "m/s", "speed of the wind", "wind_speed"),
    Quantity("wind_gust", "m/s", "greatest wind speed of the interval", "wind_speed_of_gust"),
    Quantity("wind_direction", "degree", "direction the wind comes from", "wind_from_direction"),
    Quantity("wind_component_north", "m/s", "north component of the wind, signed by its maker"),
    Quantity("wind_component_east", "m/s", "east component of the wind, signed by its maker"),
    Quantity(
        "global_radiation",
        "W/m**2",
        "shortwave radiation from sky and sun",
        "surface_downwelling_shortwave_flux_in_air",
    ),
    Quantity(
        "reflected_radiation",
        "W/m**2",
        "shortwave radiation from the ground up",
        "surface_upwelling_shortwave_flux_in_air",
    ),
    Quantity("albedo", "dimensionless", "reflected over global radiation", "surface_albedo"),
    Quantity(
        "photosynthetic_photon_flux",
        "umol/(m**2*s)",
        "photons of 400 to 700 nm from above",
        "surface_downwelling_photosynthetic_photon_flux_in_air",
    ),
    Quantity("illuminance", "lx", "light as the eye weighs it"),
    Quantity("uv_index", "dimensionless", "ultraviolet light as it burns skin"),
    Quantity("surface_temperature", "degC", "skin temperature", "surface_temperature"),
    Quantity("black_globe_temperature", "degC", "temperature inside a black globe"),
    # plants and laboratory
    Quantity("sap_flow", "l/h", "water that moves up a stem"),
    Quantity("heat_velocity", "cm/h", "how fast a heat pulse moves in sapwood"),
    Quantity("stem_radius_change", "um", "dendrometer reading"),
    Quantity("stem_diameter_change", "mm", "dendrometer reading across a stem"),
    Quantity("stem_temperature", "degC", "temperature of sapwood"),
    Quantity("heat_pulse_parameter", "dimensionless", "a maker's own number of a heat pulse"),
    Quantity("fruit_diameter", "mm", "diameter of a fruit"),
    Quantity("leaf_temperature", "degC", "temperature of a leaf"),
    Quantity("leaf_wetness", "dimensionless", "a maker's own measure of water on leaves"),
    Quantity("mass", "g", "mass of a sample or vessel"),
    # what instruments report of themselves or before calibration
    Quantity("battery_voltage", "V", "voltage of the battery"),
    Quantity("battery_level", "%", "charge of the battery as the device estimates it"),
    Quantity("soil_moisture_index", "dimensionless", "a maker's own measure of moisture"),
    Quantity("supply_voltage", "V", "voltage of the supply"),
    Quantity("voltage", "mV", "voltage of a sensor's output"),
    Quantity("voltage_ratio", "dimensionless", "output voltage against excitation"),
    Quantity("electrical_resistance", "ohm", "resistance of a sensor"),
    Quantity("electrical_current", "mA", "current of a sensor's output"),
    Quantity("frequency", "Hz", "frequency of a sensor's output"),
    Quantity("period", "us", "period of a sensor's output"),
    Quantity("pulse_count", "count", "pulses since the counter was reset"),
    Quantity("raw_counts", "count", "raw output of a converter"),
    Quantity("tilt", "degree", "angle of an instrument against its axis"),
    Quantity("compass_heading", "degree", "direction an instrument is turned to"),
    Quantity("relative_position", "dimensionless", "place of a slider on its way"),
    Quantity("elongation", "um", "change of a length"),
    Quantity("strain", "um/m", "change of a length against that length"),
    Quantity("duration", "s", "how long a measurement or its interval was"),
    Quantity("sample_count", "count", "samples taken for a number"),
    Quantity(
        "calibration_progress",
        "dimensionless",
        "how far a reading lies between the calibration before it, 0, and the one after it, 1",
    ),
    Quantity("echo_reliability", "dB", "echo of a distance sensor against its noise"),
    Quantity("serial_number", "dimensionless", "number that names an instrument, where it is sent"),
    Quantity("device_temperature", "degC", "temperature inside an instrument"),
    Quantity("device_pressure", "kPa", "pressure inside an instrument"),
    Quantity("temperature_difference", "delta_degC", "difference of two temperatures"),
    Quantity("diagnostic_code", "dimensionless", "an instrument's own code or bits of its state"),
    Quantity("plot_number", "dimensionless", "the plot's number as set on an instrument"),
    Quantity("record_number", "dimensionless", "an instrument's own count of its records"),
    Quantity("stability_mark", "dimensionless", "1 where a balance calls its weight stable"),
    Quantity("displayed_number", "dimensionless", "a displayed number whose unit was not sent"),
    Quantity("unnamed_value", "dimensionless", "a number whose quantity and unit its owner knows"),
    Quantity("digital_state", "dimensionless", "a digital input or output: 0 low or off, 1 high"),
    Quantity("contact_state", "dimensionless", "a contact: 0 closed, 1 open"),
    Quantity("motion_state", "dimensionless", "a motion detector: 0 idle, 1 triggered"),
    Quantity("motion_count", "count", "movements since the last report"),
    Quantity("alarm_state", "dimensionless", "a threshold: 0 released, 1 crossed, 2 sudden change"),
    Quantity("temperature_change", "K", "difference from the temperature before"),
    Quantity("distance", "m", "distance from the sensor to what it faces"),
    Quantity("water_level", "m", "height of the water above the sensor"),
    Quantity("gauge_pressure", "kPa", "pressure against the surrounding air"),
    Quantity("acceleration", "m/s**2", "acceleration of the device, gravity included"),
    Quantity("light_level", "dimensionless", "a maker's own steps of brightness"),
    Quantity("air_quality_index", "dimensionless", "a maker's own measure of volatile compounds"),
    Quantity("volatile_organic_compounds", "ug/m**3", "mass of volatile compounds in air"),
    Quantity("voc_mole_fraction", "ppb", "volatile organic compounds in air"),
    Quantity("sound_level", "dB", "sound pressure level"),
    Quantity("nitrogen_dioxide_mole_fraction", "ppb", "NO2 in air"),
    Quantity("nitrogen_monoxide_mole_fraction", "ppb", "NO in air"),
    Quantity("oxidant_mole_fraction", "ppb", "NO2 and ozone in air, as one sensor takes them"),
    Quantity("carbon_monoxide_mole_fraction", "ppb", "CO in air"),
    Quantity("particle_number_concentration", "1/cm**3", "particles up to a stated size in air"),
    Quantity("particle_size", "nm", "typical size of the particles in air"),
    Quantity("pm1_concentration", "ug/m**3", "mass of particles up to 1 um in air"),
    Quantity("pm2_5_concentration", "ug/m**3", "mass of particles up to 2.5 um in air"),
    Quantity("pm4_concentration", "ug/m**3", "mass of particles up to 4 um in air"),
    Quantity("pm10_concentration", "ug/m**3", "mass of particles up to 10 um in air"),
    Quantity("signal_strength", "dBm", "received signal strength"),
    Quantity("signal_to_noise_ratio", "dB", "signal against noise of a radio link"),
)

QUANTITIES = {line.name: line for line in _LINES}


def quantity(name: str) -> Quantity:
    """The line of that quantity; raises UnknownQuantity.

    >>> quantity("soil_temperature").unit
    'degC'
    """
    if name not in QUANTITIES:
        raise UnknownQuantity(
            f"expected a quantity of the nomenclature; came {name[:80]!r}"
            + suggestion(name, QUANTITIES)
        )
    return QUANTITIES[name]
