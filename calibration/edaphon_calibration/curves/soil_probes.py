"""Probes for soil moisture as their makers calibrate them: water content or permittivity."""

from functools import partial

import numpy as np

from edaphon_calibration.arrays import Float, horner, horner_slope, nan_like, powers, reciprocal
from edaphon_calibration.curves.definition import Curve, Example, Second
from edaphon_calibration.curves.shapes import (
    POLYNOMIAL,
    REFRACTIVE,
    ROOT_LINE,
    SQUARE,
    coefficients,
)
from edaphon_calibration.uncertainty import from_limits

_water_content = partial(Curve, to_unit="m**3/m**3", quantity="volumetric_water_content")


def _cs616_colder(z: Float) -> Float:
    """Degrees to 20 °C; not finite gives NaN."""
    return nan_like(20.0 - z, z)


def _cs616(x: Float, p: Float, z: Float) -> Float:
    return x + _cs616_colder(z) * horner(x, p)


def _cs616_slope(x: Float, p: Float, z: Float) -> Float:
    return 1.0 + _cs616_colder(z) * horner_slope(x, p)


def _cs616_gradient(x: Float, p: Float, z: Float) -> Float:
    return powers(x, len(p)) * _cs616_colder(z)


def _cs616_in_temperature(x: Float, p: Float, z: Float) -> Float:
    return nan_like(-horner(x, p), z)


def _smt100_parts(x: Float, p: Float) -> tuple[Float, Float]:
    """c and 1/(α c + β)."""
    alpha, beta, _ = p.tolist()
    c = (18000.0 - x) / 5000.0
    return c, reciprocal(alpha * c + beta)


def _smt100(x: Float, p: Float) -> Float:
    c, over = _smt100_parts(x, p)
    return float(p[2]) + c * over


def _smt100_slope(x: Float, p: Float) -> Float:
    c, over = _smt100_parts(x, p)
    return nan_like(over * over * (float(p[1]) / -5000.0), c)


def _smt100_gradient(x: Float, p: Float) -> Float:
    c, over = _smt100_parts(x, p)
    by_beta = -c * over * over
    return np.stack([by_beta * c, by_beta, nan_like(1.0, by_beta)])


_TOMST_AT_C, _TOMST_IN_AIR, _TOMST_IN_WATER = 24.0, 1.91132689118083, 0.64108

_TOMST_WETTER = _TOMST_IN_WATER - _TOMST_IN_AIR


def _tomst_line(x: Float, p: Float) -> tuple[Float, Float]:
    """θ and its slope at R; p are a, b, c."""
    a, b, c = p.tolist()
    return (a * x + b) * x + c, 2.0 * a * x + b


def _tomst_corrected(x: Float, p: Float, z: Float) -> tuple[Float, Float]:
    """R at 24 °C and the degrees to there; NaN where the soil is frozen."""
    cold = _TOMST_AT_C - np.where((z >= 0.0) & (z < np.inf), z, np.nan)
    return x + cold * (_TOMST_IN_AIR + _TOMST_WETTER * _tomst_line(x, p)[0]), cold


def _tomst(x: Float, p: Float, z: Float) -> Float:
    return _tomst_line(_tomst_corrected(x, p, z)[0], p)[0]


def _tomst_slope(x: Float, p: Float, z: Float) -> Float:
    at, cold = _tomst_corrected(x, p, z)
    return _tomst_line(at, p)[1] * (1.0 + cold * _TOMST_WETTER * _tomst_line(x, p)[1])


def _tomst_gradient(x: Float, p: Float, z: Float) -> Float:
    at, cold = _tomst_corrected(x, p, z)
    through = _tomst_line(at, p)[1] * cold * _TOMST_WETTER
    return np.stack([at * at + through * (x * x), at + through * x, 1.0 + through])


def _tomst_in_temperature(x: Float, p: Float, z: Float) -> Float:
    at, _ = _tomst_corrected(x, p, z)
    return -_tomst_line(at, p)[1] * (_TOMST_IN_AIR + _TOMST_WETTER * _tomst_line(x, p)[0])


CURVES: tuple[Curve, ...] = (
    _water_content(
        name="teros10_mineral",
        title="METER TEROS 10: volumetric water content of mineral soil from the sensor's voltage.",
        formula="θ = 4.824e-10 mV³ - 2.278e-6 mV² + 3.898e-3 mV - 2.154 [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-2.154, 3.898e-3, -2.278e-6, 4.824e-10),
        from_unit="mV",
        domain=(1070.4, 2309.0),
        uncertainty=from_limits(0.03),
        reference="METER TEROS 10 manual",
        example=Example(1500.0, 0.1956),
        notes="""References: METER TEROS 10 manual; coefficients as two public drivers have them.
        Notes: some public sketches in C write 10^-10, which is an exclusive or there. The domain is
        the specified 0 to 0.64 m³/m³ turned back into millivolts; ± 0.03 m³/m³ is read as limits of
        a rectangular distribution.""",
    ),
    _water_content(
        name="teros12_mineral",
        title="METER TEROS 11/12: volumetric water content of mineral soil from calibrated counts.",
        formula="θ = 3.879e-4 RAW - 0.6956 [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-0.6956, 3.879e-4),
        from_unit="count",
        domain=(1793.2, 3597.9),
        uncertainty=from_limits(0.03),
        reference="METER TEROS 11/12 manual, section 4.1.1, equation 5",
        example=Example(2200.0, 0.15778),
        notes="""References: METER TEROS 11/12 manual, section 4.1.1, equation 5; specifications
        (section 3.1): range 0.00 to 0.70 m³/m³, ± 0.03 m³/m³ typical in mineral soils below 8 dS/m
        solution EC.
        Notes: linear, so it stays near 0.70 in pure water. The domain is the specified range of θ
        turned back into counts. ± 0.03 is read as limits of a rectangular distribution (JCGM
        100:2008, 4.3.7).""",
    ),
    _water_content(
        name="teros12_soilless",
        title=(
            "METER TEROS 11/12: volumetric water content of soilless media from calibrated counts."
        ),
        formula="θ = 6.771e-10 RAW³ - 5.105e-6 RAW² + 1.302e-2 RAW - 10.848 [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-10.848, 1.302e-2, -5.105e-6, 6.771e-10),
        from_unit="count",
        domain=(1802.7, 3389.3),
        uncertainty=from_limits(0.03),
        reference="METER TEROS 11/12 manual, section 4.1.2, equation 6",
        example=Example(2600.0, 0.3949096),
        notes="""References: METER TEROS 11/12 manual, section 4.1.2, equation 6; specifications
        (section 3.1): range 0.0 to 1.0 m³/m³ (potting soil, perlite, peat).
        Notes: the domain is that range turned back into counts. The maker states no accuracy for
        soilless media; ± 0.03 m³/m³ of the generic calibration is taken, read as limits of a
        rectangular distribution (JCGM 100:2008, 4.3.7).""",
    ),
    Curve(
        name="teros12_permittivity",
        title="METER TEROS 11/12: apparent relative permittivity from calibrated counts.",
        formula="ε = (2.887e-9 RAW³ - 2.080e-5 RAW² + 5.276e-2 RAW - 43.39)² [1].",
        **SQUARE,
        parameters=coefficients(-43.39, 5.276e-2, -2.080e-5, 2.887e-9),
        from_unit="count",
        to_unit="dimensionless",
        quantity="relative_permittivity",
        domain=(1796.1, 3393.7),
        uncertainty=from_limits(1.0),
        reference="METER TEROS 11/12 manual, section 4.1.3, equation 7",
        example=Example(2000.0, 4.104676),
        notes="""References: METER TEROS 11/12 manual, section 4.1.3, equation 7; specifications
        (section 3.1): 1 (air) to 80 (water), ± 1 from 1 to 40 and 15 % above.
        Notes: the domain is that range turned back into counts. The bracket passes zero at 1649
        counts, so below that ε would rise again while the counts fall. ± 1 is read as limits of a
        rectangular distribution (JCGM 100:2008, 4.3.7) and understates the uncertainty above ε =
        40.""",
    ),
    _water_content(
        name="ec5_mineral_2500mv",
        title="METER (Decagon) EC-5 excited with 2.5 V: volumetric water content of mineral soil.",
        formula="θ = 1.19e-3 mV - 0.401 [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-0.401, 1.19e-3),
        from_unit="mV",
        domain=(337.0, 841.0),
        uncertainty=from_limits(0.03),
        reference="Decagon EC-20, EC-10 and EC-5 user's manual, section 4",
        example=Example(550.0, 0.2535),
        notes="""References: Decagon EC-20, EC-10 and EC-5 user's manual, section 4 (read).
        Notes: the output follows the excitation: not for loggers that supply 3 V. The line ends
        near 0.60 m³/m³ in pure water. ± 0.03 m³/m³ in mineral soils up to 8 dS/m, read as limits of
        a rectangular distribution.""",
    ),
    _water_content(
        name="ec5_mineral_raw",
        title=(
            "METER (Decagon) EC-5 on the maker's loggers: water content of mineral soil from "
            "raw counts."
        ),
        formula="θ = 8.5e-4 RAW - 0.48 [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-0.48, 8.5e-4),
        from_unit="count",
        domain=(564.8, 1270.5),
        uncertainty=from_limits(0.03),
        reference="METER (Decagon) EC-5 manual",
        example=Example(650.0, 0.0725),
        notes="""References: METER (Decagon) EC-5 manual, mineral soils; the coefficients are those
        commonly cited.
        Notes: the maker's loggers excite with 3 V, so this is not `ec5_mineral_2500mv` in other
        units (0.61 mV for a count would give 7.3e-4). The domain is 0 to 0.60 m³/m³ turned back
        into counts. ± 0.03 m³/m³ is read as limits of a rectangular distribution.""",
    ),
    _water_content(
        name="metergroup_10hs_mineral",
        title="METER 10HS: volumetric water content of mineral soil from the sensor's voltage.",
        formula="θ = 2.97e-9 mV³ - 7.37e-6 mV² + 6.69e-3 mV - 1.92 [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-1.92, 6.69e-3, -7.37e-6, 2.97e-9),
        from_unit="mV",
        domain=(531.7, 1166.8),
        reference="decentlab-decoders DL-10HS",
        example=Example(700.0, 0.17041),
        notes="""References: calibration of the METER (Decagon) 10HS for mineral soils, as
        decentlab-decoders DL-10HS has it.
        Notes: the domain is 0 to 0.57 m³/m³ turned back into millivolts. No uncertainty is
        published there.""",
    ),
    Curve(
        name="metergroup_5te_permittivity",
        title="METER (Decagon) 5TE and 5TM: apparent permittivity from the raw counts.",
        formula="ε = RAW / 50.",
        **POLYNOMIAL,
        parameters=coefficients(0.0, 0.02),
        from_unit="count",
        to_unit="dimensionless",
        quantity="relative_permittivity",
        domain=(50.0, 4000.0),
        uncertainty=from_limits(1.0),
        reference="Decagon 5TE operator's manual, section 4.1",
        example=Example(1000.0, 20.0),
        notes="""References: Decagon 5TE operator's manual (version of 2016), section 4.1;
        specifications: 1 (air) to 80 (water), ± 1 from 1 to 40 and 15 % above.
        Notes: for mineral soils the maker then takes `topp_1980`. ± 1 is read as limits of a
        rectangular distribution and understates the uncertainty above ε = 40.""",
    ),
    _water_content(
        name="metergroup_gs3",
        title="METER GS3: volumetric water content from apparent permittivity.",
        formula="θ = 5.89e-6 ε³ - 7.62e-4 ε² + 3.67e-2 ε - 7.53e-2 [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-7.53e-2, 3.67e-2, -7.62e-4, 5.89e-6),
        from_unit="dimensionless",
        domain=(2.15, 80.0),
        reference="decentlab-decoders DL-GS3",
        example=Example(20.0, 0.40102),
        notes="""References: decentlab-decoders DL-GS3, the formula of the maker's radio node for
        this sensor.
        Notes: the domain begins where θ is 0 and ends at ε = 80, water, the end of the sensor's
        range; no uncertainty is published there. For soilless media the GS3 manual gives a square
        root of ε instead.""",
    ),
    _water_content(
        name="metergroup_gs3_soilless",
        title=(
            "METER (Decagon) GS3 in soilless media: volumetric water content from apparent "
            "permittivity."
        ),
        formula="θ = 0.118 √ε - 0.117 [m³/m³].",
        **ROOT_LINE,
        parameters=coefficients(-0.117, 0.118),
        from_unit="dimensionless",
        domain=(1.0, 80.0),
        reference="Decagon GS3 operator's manual, equation 7",
        example=Example(10.0, 0.25615),
        notes="""References: Decagon GS3 operator's manual 2016, equation 7, as SoilHyP,
        R/DK_to_SWC.R, has it.
        Notes: the domain begins where θ is 0 and ends at ε = 80, water. `metergroup_gs3` is the
        curve of a radio node for the same sensor.""",
    ),
    _water_content(
        name="cs616_linear",
        title="Campbell CS616 and CS625, linear: volumetric water content from the period.",
        formula="θ = -0.4677 + 0.0283 P [m³/m³], P in µs.",
        **POLYNOMIAL,
        parameters=coefficients(-0.4677, 0.0283),
        from_unit="us",
        domain=(16.6, 34.1),
        reference="Campbell Scientific CS616 and CS625 manual, table 8-1",
        example=Example(22.0, 0.1549),
        notes="""References: Campbell Scientific CS616 and CS625 manual, table 8-1.
        Notes: a straight line through the quadratic's middle: at 32 µs it gives 0.438, the
        quadratic 0.449, and below 17 µs less than nothing. The domain is θ from 0 to 0.5 turned
        back into µs.""",
    ),
    _water_content(
        name="cs616_quadratic",
        title="Campbell CS616 and CS625, quadratic: volumetric water content from the period.",
        formula="θ = -0.0663 - 0.0063 P + 0.0007 P² [m³/m³], P in µs.",
        **POLYNOMIAL,
        parameters=coefficients(-0.0663, -0.0063, 0.0007),
        from_unit="us",
        domain=(15.3, 33.3),
        uncertainty=from_limits(0.025),
        reference="Campbell Scientific CS616 and CS625 manual, table 8-1",
        example=Example(22.0, 0.1339),
        notes="""References: Campbell Scientific CS616 and CS625 manual, table 8-1.
        Notes: bulk electrical conductivity up to 0.5 dS/m and bulk density up to 1.55 g/cm³, where
        the manual states ± 0.025 m³/m³, read as limits of a rectangular distribution. The domain is
        θ from 0 to 0.5 turned back into µs. At 20 °C: elsewhere `cs616_temperature` comes
        first.""",
    ),
    Curve(
        name="cs616_temperature",
        title="Campbell CS616 and CS625: the period [µs] brought to 20 °C.",
        formula="P = P' + (20 - T) (0.526 - 0.052 P' + 0.00136 P'²), T the soil temperature [°C].",
        value=_cs616,
        slope=_cs616_slope,
        gradient=_cs616_gradient,
        parameters={"t0": 0.526, "t1": -0.052, "t2": 0.00136},
        from_unit="us",
        to_unit="us",
        quantity="period",
        domain=(14.0, 42.0),
        compensates=("temperature",),
        second=Second("soil_temperature", "degC", _cs616_in_temperature, (10.0, 40.0)),
        reference="Campbell Scientific CS616 and CS625 manual, section 6.4",
        example=Example(25.0, 25.76, 10.0),
        notes="""References: Campbell Scientific CS616 and CS625 manual, section 6.4 (sample
        programs, read); four public copies agree.
        Notes: made with a sandy loam of low conductivity, from 10 to 40 °C; the maker asks for an
        own correction in finer or saltier soil. It comes before `cs616_quadratic`.""",
    ),
    _water_content(
        name="deltat_mineral",
        title=(
            "Delta-T probes in mineral soil: volumetric water content from apparent permittivity."
        ),
        formula="θ = (√ε - 1.6) / 8.4 [m³/m³].",
        **REFRACTIVE,
        parameters={"a0": 1.6, "a1": 8.4},
        from_unit="dimensionless",
        domain=(2.56, 60.0),
        reference="Delta-T PR2 user manual 3.0a, page 20",
        example=Example(20.0, 0.34192),
        notes="""References: Delta-T PR2 user manual 3.0a, page 20; ThetaProbe ML2 manual, page 14,
        equation 6 (as FDR2soilmoisture, R/eps2theta.R, quotes it).
        Notes: a0 is the refractive index of the dry soil, a1 the rise by water; with two points of
        the own soil see `edaphon_calibration.soil`. The domain begins where θ is 0.""",
    ),
    _water_content(
        name="deltat_organic",
        title=(
            "Delta-T probes in organic soil: volumetric water content from apparent permittivity."
        ),
        formula="θ = (√ε - 1.3) / 7.7 [m³/m³].",
        **REFRACTIVE,
        parameters={"a0": 1.3, "a1": 7.7},
        from_unit="dimensionless",
        domain=(1.69, 60.0),
        reference="Delta-T PR2 user manual 3.0a, page 20",
        example=Example(20.0, 0.41197),
        notes="""References: Delta-T PR2 user manual 3.0a, page 20; ThetaProbe ML2 manual, page 14,
        equation 6 (as FDR2soilmoisture, R/eps2theta.R, quotes it).
        Notes: a0 is the refractive index of the dry soil, a1 the rise by water; with two points of
        the own soil see `edaphon_calibration.soil`. The domain begins where θ is 0.""",
    ),
    _water_content(
        name="deltat_pr2_mineral",
        title=(
            "Delta-T PR2 profile probe in mineral soil: volumetric water content from the voltage."
        ),
        formula=(
            "θ = -0.057 - 0.66 V + 8.00 V² - 27.91 V³ + 49.23 V⁴ - 42.46 V⁵ + 14.47 V⁶ [m³/m³]."
        ),
        **POLYNOMIAL,
        parameters=coefficients(-0.057, -0.66, 8.00, -27.91, 49.23, -42.46, 14.47),
        from_unit="V",
        domain=(0.06, 1.0),
        reference="Delta-T PR2 user manual 3.0a, page 20",
        example=Example(0.5, 0.10034),
        notes="""References: Delta-T PR2 user manual 3.0a, page 20.
        Notes: the maker's expansion of `deltat_pr2_permittivity` and `deltat_mineral`, with rounded
        coefficients: it differs from the two in a row by up to 0.0012 m³/m³. It turns over below
        0.055 V.""",
    ),
    Curve(
        name="deltat_pr2_permittivity",
        title="Delta-T PR2 profile probe: apparent permittivity from the sensor's voltage.",
        formula="√ε = 1.125 - 5.53 V + 67.17 V² - 234.42 V³ + 413.56 V⁴ - 356.68 V⁵ + 121.53 V⁶.",
        **SQUARE,
        parameters=coefficients(1.125, -5.53, 67.17, -234.42, 413.56, -356.68, 121.53),
        from_unit="V",
        to_unit="dimensionless",
        quantity="relative_permittivity",
        domain=(0.06, 1.0),
        reference="Delta-T PR2 user manual 3.0a, page 20",
        example=Example(0.5, 6.00327),
        notes="""References: Delta-T PR2 user manual 3.0a, page 20; the same in FDR2soilmoisture
        (V2eps).
        Notes: the polynomial turns over below 0.055 V, where ε would rise again while the voltage
        falls: the domain begins at 0.06 V, air, and ends at 1.0 V, the top of the sensor's
        range.""",
    ),
    Curve(
        name="deltat_thetaprobe_permittivity",
        title="Delta-T ThetaProbe ML2x: apparent permittivity from the sensor's voltage.",
        formula="√ε = 1.07 + 6.4 V - 6.4 V² + 4.7 V³.",
        **SQUARE,
        parameters=coefficients(1.07, 6.4, -6.4, 4.7),
        from_unit="V",
        to_unit="dimensionless",
        quantity="relative_permittivity",
        domain=(0.0, 1.0),
        reference="Delta-T ThetaProbe ML2x user manual, page 10",
        example=Example(0.5, 10.61131),
        notes="""References: Delta-T ThetaProbe ML2x user manual, page 10, as FDR2soilmoisture
        (V2eps) quotes it.
        Notes: the manual vouches for 0 to 1 V, a water content of 0 to about 0.55; above, its table
        and the polynomial part.""",
    ),
    _water_content(
        name="hydraprobe_loam",
        title="Stevens HydraProbe, general calibration: water content from the real permittivity.",
        formula="θ = 0.109 √ε_r - 0.179 [m³/m³].",
        **ROOT_LINE,
        parameters=coefficients(-0.179, 0.109),
        from_unit="dimensionless",
        domain=(4.0, 36.0),
        uncertainty=0.019,
        reference="Seyfried et al. 2005, doi:10.2136/vzj2004.0148",
        example=Example(12.0, 0.19859),
        notes="""References: Seyfried, Grant, Du, Humes 2005, Vadose Zone Journal 4(4), 1070-1079,
        doi:10.2136/vzj2004.0148 (abstract read); it is the probe's default soil type, loam.
        Notes: evaluated between ε_r of 4 and 36 on 19 soils, where it missed by 0.019 m³/m³ on
        average, taken here as the standard uncertainty. The coefficients are those commonly cited;
        the table of the paper was not at hand. Not for the apparent permittivity of TDR: losses are
        no part of ε_r. The probe's cubics for sand, silt and clay stand in its manual; `polynomial`
        takes them.""",
    ),
    Curve(
        name="smt100_permittivity",
        title="TRUEBNER SMT100: apparent permittivity from the counts of its ring oscillator.",
        formula=(
            "ε = γ + 1 / (α + β / c), c = (18000 - counts) / 5000; written as ε = γ + c / (α c "
            "+ β)."
        ),
        value=_smt100,
        slope=_smt100_slope,
        gradient=_smt100_gradient,
        parameters={"alpha": -0.1305, "beta": 0.2549, "gamma": 1.8342},
        from_unit="count",
        to_unit="dimensionless",
        quantity="relative_permittivity",
        domain=(9106.0, 18000.0),
        reference="Bogena et al. 2017, doi:10.3390/s17010208",
        example=Example(12000.0, 14.0417),
        notes="""References: Bogena, Huisman, Schilling, Weuthen, Vereecken 2017, Sensors 17(1),
        208, doi:10.3390/s17010208; default parameters as FDR2soilmoisture (counts2eps) has them.
        Notes: the counts fall as the soil gets wetter. α, β and γ are an average sensor's: each
        sensor is calibrated on its own in media of known permittivity. The pole lies at 8234
        counts, and below it ε is negative: the domain ends before, at ε = 80, water.""",
    ),
    _water_content(
        name="tomst_tms",
        title="TOMST TMS-4: volumetric water content from raw counts, corrected for temperature.",
        formula=(
            "θ(R) = a R² + b R + c [m³/m³] with R + (24 - T) (1.91133 + (0.64108 - 1.91133) "
            "θ(R)) in place of R,\n"
            "T the soil temperature [°C]."
        ),
        value=_tomst,
        slope=_tomst_slope,
        gradient=_tomst_gradient,
        parameters={"a": -1.34e-8, "b": 2.49622e-4, "c": -0.157888813},
        from_unit="count",
        domain=(655.0, 3634.0),
        compensates=("temperature",),
        second=Second("soil_temperature", "degC", _tomst_in_temperature, (0.0, 60.0)),
        reference="Wild et al. 2019, doi:10.1016/j.agrformet.2018.12.018",
        example=Example(1500.0, 0.193044, 5.0),
        notes="""References: Wild et al. 2019, Agricultural and Forest Meteorology 268, 40-47,
        doi:10.1016/j.agrformet.2018.12.018; Kopecký et al. 2021, Science of the Total Environment
        757, 143785, doi:10.1016/j.scitotenv.2020.143785; computed like myClim, mc_calc_vwc.
        Notes: a, b and c are of the maker's soil class; the default is "universal". In frozen soil
        (T < 0) there is no value. myClim clips to 0 to 1; here nothing is clipped and the domain,
        air to water, marks it. The drift of 1.911 counts/°C in air and 0.641 in water is the same
        for all classes.""",
    ),
)
