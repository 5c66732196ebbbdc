"""Thermistors, read as a resistance or in a logger's half bridge, and digital thermometers.

T = 1 / (a + b ln R + c (ln R)³) - 273.15 [°C], R in ohm. In a half bridge the logger reports
r = Vs/Vx, the voltage across its fixed resistor against the excitation: R = top / r - rest [ohm].

References: Steinhart and Hart 1968, Deep-Sea Research 15, doi:10.1016/0011-7471(68)90057-0.
"""

import numpy as np

from edaphon_calibration.arrays import Float, horner, horner_slope, nan_like, positive, powers
from edaphon_calibration.curves.definition import ICE_K, Curve, Example
from edaphon_calibration.curves.shapes import Shape, coefficients, no_parameters
from edaphon_calibration.uncertainty import from_limits


def _steinhart_hart(x: Float, p: Float) -> Float:
    """Temperature [degC] from resistance x [ohm] with p = a, b, c; NaN where x is not above 0."""
    return _kelvin(x, p)[0] - ICE_K


def _steinhart_hart_slope(x: Float, p: Float) -> Float:
    """dT/dR [degC/ohm]."""
    _, b, c = p.tolist()
    kelvin, log = _kelvin(x, p)
    falling: Float = kelvin * kelvin * (b + 3.0 * c * (log * log)) / positive(x)
    return -falling


def _steinhart_hart_gradient(x: Float, p: Float) -> Float:
    """dT/da, dT/db, dT/dc."""
    kelvin, log = _kelvin(x, p)
    square = kelvin * kelvin
    return np.stack([-square, -square * log, -square * (log * log * log)])


def _kelvin(x: Float, p: Float) -> tuple[Float, Float]:
    """Absolute temperature [K] and ln R."""
    a, b, c = p.tolist()
    log = np.log(positive(x))
    return 1.0 / (a + b * log + c * (log * log * log)), log


def _ohm(x: Float, p: Float) -> Float:
    return float(p[3]) / positive(x) - float(p[4])


def _bridge(x: Float, p: Float) -> Float:
    return _steinhart_hart(_ohm(x, p), p[:3])


def _bridge_slope(x: Float, p: Float) -> Float:
    return -_steinhart_hart_slope(_ohm(x, p), p[:3]) * float(p[3]) / (x * x)


def _bridge_gradient(x: Float, p: Float) -> Float:
    ohm = _ohm(x, p)
    per_ohm = _steinhart_hart_slope(ohm, p[:3])
    return np.concatenate([_steinhart_hart_gradient(ohm, p[:3]), np.stack([per_ohm / x, -per_ohm])])


_EDLOG_SCALE = 8000.0


def _edlog(x: Float, p: Float) -> Float:
    return horner(x * _EDLOG_SCALE, p)


def _edlog_slope(x: Float, p: Float) -> Float:
    return horner_slope(x * _EDLOG_SCALE, p) * _EDLOG_SCALE


def _edlog_gradient(x: Float, p: Float) -> Float:
    return powers(x * _EDLOG_SCALE, len(p))


STEINHART_HART = Shape(
    value=_steinhart_hart, slope=_steinhart_hart_slope, gradient=_steinhart_hart_gradient
)
HALF_BRIDGE = Shape(value=_bridge, slope=_bridge_slope, gradient=_bridge_gradient)
_10K3A1 = {"a": 1.129241e-3, "b": 2.341077e-4, "c": 8.775468e-8}
_100K6A1 = {"a": 8.271111e-4, "b": 2.08802e-4, "c": 8.0592e-8}

CURVES: tuple[Curve, ...] = (
    Curve(
        name="steinhart_hart",
        title="Any thermistor with the three Steinhart-Hart coefficients of its certificate.",
        formula="T = 1 / (a + b ln R + c (ln R)³) - 273.15 [°C], R in ohm.",
        **STEINHART_HART,
        parameters={"a": None, "b": None, "c": None},
        from_unit="ohm",
        to_unit="degC",
        domain=(100.0, 1e7),
        reference="Steinhart and Hart 1968, doi:10.1016/0011-7471(68)90057-0",
        example=Example(
            38110.0, -3.0, parameters={"a": 0.001129241, "b": 0.0002341077, "c": 8.775468e-08}
        ),
        notes="""References: Steinhart and Hart 1968, Deep-Sea Research 15,
        doi:10.1016/0011-7471(68)90057-0.
        Notes: a, b and c must be given and stand for the natural logarithm of ohms; coefficients
        for kΩ or for log10 are other numbers. Which temperature it is, and its range, each
        calibration states.""",
    ),
    Curve(
        name="betatherm_10k3a1",
        title=(
            "BetaTherm 10K3A1 thermistor (10 kΩ at 25 °C), that of the Campbell 109: "
            "temperature from ohms."
        ),
        formula="T = 1 / (a + b ln R + c (ln R)³) - 273.15 [°C], R in ohm (Steinhart and Hart).",
        **STEINHART_HART,
        parameters=_10K3A1,
        from_unit="ohm",
        to_unit="degC",
        domain=(1.75e3, 6.7e5),
        uncertainty=from_limits(0.25),
        reference="Campbell Scientific 109 manual, section 8.2",
        example=Example(38110.0, -3.0),
        notes="""References: Campbell Scientific 109 manual, section 8.2, coefficients of
        Measurement Specialties (now TE Connectivity), the same in Campbell's FAQ 736; table C-1 of
        the 109SS manual is met within 0.0024 °C between -38 and 70 °C.
        Notes: the domain is -50 to 70 °C, the range of the 109. The uncertainty is the worst case
        of the 109 from -10 to 70 °C, ± 0.25 °C, read as limits of a rectangular distribution (JCGM
        100:2008, 4.3.7); down to -50 °C it is ± 0.60 °C, so colder it is understated.""",
    ),
    Curve(
        name="betatherm_100k6a1",
        title="BetaTherm 100K6A1 thermistor (100 kΩ at 25 °C): temperature from resistance.",
        formula="T = 1 / (a + b ln R + c (ln R)³) - 273.15 [°C], R in ohm (Steinhart and Hart).",
        **STEINHART_HART,
        parameters=_100K6A1,
        from_unit="ohm",
        to_unit="degC",
        domain=(5.5e3, 2.9e6),
        reference="Campbell Scientific 107 manual, table 8-2",
        example=Example(30000.0, 52.802),
        notes="""References: Steinhart and Hart 1968, Deep-Sea Research 15,
        doi:10.1016/0011-7471(68)90057-0; coefficients: Campbell Scientific 107 manual, table 8-2,
        the same in decentlab-decoders DL-BLG.
        Notes: which temperature it is (soil, air, a black globe) each calibration states. The
        domain, -35 to 100 °C, is that of the sensors built with it; tolerance of the part is not in
        this number.""",
    ),
    Curve(
        name="campbell_109",
        title="Campbell Scientific 109: temperature from the voltage ratio that a logger measures.",
        formula="R = 24900 (1/r - 1) [ohm], then Steinhart-Hart of the BetaTherm 10K3A1.",
        **HALF_BRIDGE,
        parameters={**_10K3A1, "top": 24900.0, "rest": 24900.0},
        from_unit="dimensionless",
        to_unit="degC",
        domain=(3.588e-2, 0.9342),
        uncertainty=from_limits(0.25),
        reference="Campbell Scientific 109 manual, section 8.2",
        example=Example(0.5, 5.398),
        notes="""References: [1] Campbell Scientific 109 manual, sections 6 and 8.2.
        Notes: the input is r = Vs/Vx, the result of a half-bridge instruction; for Vx/Vs or for
        ohms another curve is meant. The domain is -50 to 70 °C. The uncertainty is the worst case
        from -10 to 70 °C, ± 0.25 °C, read as limits of a rectangular distribution (JCGM 100:2008,
        4.3.7); ± 0.60 °C below. Errors of the bridge are those of `top` and `rest` [ohm], 0.1 %
        resistors [1].""",
    ),
    Curve(
        name="campbell_108",
        title="Campbell Scientific 108: temperature from the voltage ratio that a logger measures.",
        formula="R = 1000/r - 41000 [ohm], then Steinhart-Hart of the BetaTherm 100K6A1.",
        **HALF_BRIDGE,
        parameters={**_100K6A1, "top": 1000.0, "rest": 41000.0},
        from_unit="dimensionless",
        to_unit="degC",
        domain=(1.990e-3, 2.103e-2),
        uncertainty=from_limits(0.2),
        reference="Campbell Scientific 108 manual, section 8.2",
        example=Example(0.0070422535, 24.787),
        notes="""References: [1] Campbell Scientific 108 manual, sections 6 and 8.2, tables 8-1 and
        8-2.
        Notes: the input is r = Vs/Vx, the result of a half-bridge instruction; for Vx/Vs or for
        ohms another curve is meant. The domain is -5 to 95 °C. The uncertainty is the thermistor's
        tolerance from 0 to 70 °C, ± 0.2 °C, read as limits of a rectangular distribution (JCGM
        100:2008, 4.3.7). Errors of the bridge are those of `top` and `rest` [ohm], 0.1 % resistors
        [1].""",
    ),
    Curve(
        name="campbell_107",
        title="Campbell Scientific 107: temperature from the voltage ratio that a logger measures.",
        formula="R = 1000/r - 250000 [ohm], then Steinhart-Hart of the BetaTherm 100K6A1.",
        **HALF_BRIDGE,
        parameters={**_100K6A1, "top": 1000.0, "rest": 250000.0},
        from_unit="dimensionless",
        to_unit="degC",
        domain=(3.182e-4, 3.526e-3),
        uncertainty=from_limits(0.4),
        reference="Campbell Scientific 107 manual, table 8-2",
        example=Example(0.00166402, 0.003),
        notes="""References: [1] Campbell Scientific 107 manual, sections 6 and 8.2, table 8-2. One
        printing of that table sets the bracket wrongly, with the cubic term outside the reciprocal.
        Notes: the input is r = Vs/Vx, the result of a half-bridge instruction; for Vx/Vs or for
        ohms another curve is meant. The domain is -35 to 50 °C. The uncertainty is the worst case
        from -24 to 48 °C, ± 0.4 °C, read as limits of a rectangular distribution (JCGM 100:2008,
        4.3.7); ± 0.9 °C beyond. Errors of the bridge are those of `top` and `rest` [ohm], 0.1 %
        resistors [1].""",
    ),
    Curve(
        name="campbell_107_edlog",
        title=(
            "Campbell Scientific 107 as older (Edlog) loggers linearise it: a polynomial of the "
            "voltage ratio."
        ),
        formula=(
            "T = -53.4601 + 9.0807 X - 0.83257 X² + 0.052283 X³ - 0.0016723 X⁴ + 0.00002211 X⁵ "
            "[°C], X = 8000 r\n"
            "with r = Vs/Vx."
        ),
        value=_edlog,
        slope=_edlog_slope,
        gradient=_edlog_gradient,
        parameters=coefficients(-53.4601, 9.0807, -0.83257, 0.052283, -0.0016723, 0.00002211),
        from_unit="dimensionless",
        to_unit="degC",
        domain=(3.182e-4, 3.526e-3),
        uncertainty=from_limits(0.5),
        reference="Campbell Scientific 107-L manual, table 8-2",
        example=Example(0.001, -13.455),
        notes="""References: [1] Campbell Scientific 107-L manual, table 8-2 and section 6; [2]
        CR10TCR manual, tables 3 and 4.
        Notes: [1] prints X = 800 Vs/Vx, which does not meet its own bridge of 1 kΩ and 249 kΩ: 0 °C
        would read -43 °C. The factor 800 belongs to the ten, hundred … times larger coefficients of
        [2]; with 8000 the outputs that [2] prints for its resistances come out within 0.04 °C from
        -39 to 50 °C. For putting old records right and for comparison: `campbell_107` has no error
        of linearisation. That error is ± 0.1 °C from -24 to 48 °C and ± 0.5 °C from -35 to 50 °C,
        the domain; ± 0.4 °C worst case of the probe and 0.1 °C are added here and read as limits of
        a rectangular distribution.""",
    ),
    Curve(
        name="ds18b20_counts",
        title=(
            "Maxim DS18B20: temperature from the signed number of its scratchpad, 1/16 °C for "
            "each count."
        ),
        formula="T = n / 16 [°C].",
        value=lambda x, p: nan_like(x * (1.0 / 16.0), x),
        slope=lambda x, p: nan_like(1.0 / 16.0, x),
        gradient=no_parameters,
        parameters={},
        from_unit="count",
        to_unit="degC",
        domain=(-880.0, 2000.0),
        uncertainty=from_limits(0.5),
        reference="Maxim Integrated DS18B20 data sheet, table 1",
        example=Example(-162.0, -10.125),
        notes="""References: Maxim Integrated DS18B20 data sheet, table 1; accuracy ± 0.5 °C from
        -10 to 85 °C.
        Notes: n is the 16-bit register read as a signed number. 85.0 °C is also what a sensor
        reports that has measured nothing since power came on: to distinguish the two is the
        driver's business, before the number gets here. ± 0.5 °C is read as limits of a rectangular
        distribution (JCGM 100:2008, 4.3.7); beyond -10 to 85 °C it is ± 2 °C.""",
    ),
)
