"""Thermometers: printed tables, reference functions there and back, and cold junctions."""

import numpy as np
import pytest

from edaphon_calibration import SAME, SecondInput, apply_chain, find_curve, prepare_step
from edaphon_calibration.curves.platinum import IEC60751, class_limit, resistance
from edaphon_calibration.curves.thermocouples import emf, pieces, seebeck, temperature

# Campbell Scientific CR10TCR manual, table 3: thermistor resistance [ohm] and datalogger output
# [degC] of the polynomial, from the sensor's bridge of 1 kohm and 249 kohm.
CR10TCR = [
    (4067212, -39.18),
    (1416745, -24.11),
    (1106485, -20.00),
    (612366, -10.00),
    (351017, -0.06),
    (207807, 10.06),
    (126729, 19.99),
    (79428, 29.95),
    (51058, 40.07),
    (36465, 47.91),
    (33598, 49.77),
]

# IEC 60584-1 tables, reference junction at 0 degC [degC, mV].
PRINTED = {
    "B": [(600.0, 1.792), (1800.0, 13.591)],
    "E": [(-200.0, -8.825), (100.0, 6.319), (1000.0, 76.373)],
    "J": [(-100.0, -4.633), (100.0, 5.269), (760.0, 42.919)],
    "K": [(-200.0, -5.891), (100.0, 4.096), (1000.0, 41.276)],
    "N": [(-200.0, -3.990), (100.0, 2.774), (1000.0, 36.256)],
    "R": [(100.0, 0.647), (1000.0, 10.506)],
    "S": [(100.0, 0.646), (1000.0, 9.587)],
    "T": [(-200.0, -5.603), (100.0, 4.279), (400.0, 20.872)],
}
KINDS = list("BEJKNRST")
LOWEST = {"B": 250.0, "J": -210.0, "R": -50.0, "S": -50.0}


@pytest.mark.parametrize(("ohm", "printed"), CR10TCR)
def test_old_loggers_polynomial_gives_the_output_that_its_manual_prints(
    ohm: float, printed: float
) -> None:
    found = find_curve("campbell_107_edlog")
    ratio = np.array([1000.0 / (ohm + 250_000.0)])
    assert found.value(ratio, found.parameter_vector())[0] == pytest.approx(printed, abs=0.04)


@pytest.mark.parametrize(
    ("bridge", "thermistor", "top", "rest"),
    [
        ("campbell_107", "betatherm_100k6a1", 1000.0, 250_000.0),
        ("campbell_108", "betatherm_100k6a1", 1000.0, 41_000.0),
        ("campbell_109", "betatherm_10k3a1", 24_900.0, 24_900.0),
    ],
)
def test_a_half_bridge_gives_what_its_thermistor_gives_in_ohms(
    bridge: str, thermistor: str, top: float, rest: float
) -> None:
    ohm = np.geomspace(8e3, 4e5, 25)
    by_ratio, by_ohm = find_curve(bridge), find_curve(thermistor)
    got = by_ratio.value(top / (ohm + rest), by_ratio.parameter_vector())
    np.testing.assert_allclose(got, by_ohm.value(ohm, by_ohm.parameter_vector()), atol=1e-8)


def test_no_resistance_and_no_voltage_have_no_temperature() -> None:
    for name in ("steinhart_hart", "campbell_107", "campbell_109"):
        found = find_curve(name)
        given = {"a": 1e-3, "b": 2e-4, "c": 1e-7} if name == "steinhart_hart" else None
        p = found.parameter_vector(given)
        x = np.array([0.0, -1.0])
        for column in (found.value(x, p), found.slope(x, p), *found.gradient(x, p)):
            assert np.isnan(column).all()


def test_a_ratio_beyond_the_bridge_has_no_temperature() -> None:
    found = find_curve("campbell_107")  # 1000/r - 250000 ohm is 0 at r = 0.004
    assert np.isnan(found.value(np.array([0.004, 0.5]), found.parameter_vector())).all()


@pytest.mark.parametrize("r0", [100.0, 500.0, 1000.0])
def test_platinum_goes_there_and_back_over_the_whole_standard(r0: float) -> None:
    found = find_curve("iec60751_pt100")
    t = np.linspace(-200.0, 850.0, 2101)
    back = found.value(
        resistance(t, np.array([r0, *IEC60751.values()])), np.array([r0, *IEC60751.values()])
    )
    np.testing.assert_allclose(back, t, atol=1e-9)


def test_platinum_beyond_its_parabola_has_no_temperature() -> None:
    found = find_curve("iec60751_pt100")
    assert np.isnan(found.value(np.array([900.0]), found.parameter_vector())).all()
    assert np.isnan(found.value(np.array([100.0]), found.parameter_vector({"r0": 0.0}))).all()


def test_tolerance_classes_of_platinum_are_those_of_the_standard() -> None:
    t = np.array([-100.0, 0.0, 100.0])
    np.testing.assert_allclose(class_limit("A", t), [0.35, 0.15, 0.35])
    np.testing.assert_allclose(class_limit("B", t), [0.8, 0.3, 0.8])
    assert find_curve("iec60751_pt100").uncertainty == pytest.approx(0.55 / np.sqrt(3.0))


@pytest.mark.parametrize("kind", KINDS)
def test_reference_voltages_are_those_of_the_printed_tables(kind: str) -> None:
    t, printed = np.array(PRINTED[kind]).T
    np.testing.assert_allclose(emf(kind, t), printed, atol=0.0006)


@pytest.mark.parametrize("kind", KINDS)
def test_thermocouples_go_there_and_back_and_say_nothing_beyond(kind: str) -> None:
    lowest, highest = LOWEST.get(kind, -200.0), pieces(kind)[-1].highest
    t = np.linspace(lowest, highest, 3001)
    np.testing.assert_allclose(temperature(kind, emf(kind, t)), t, atol=1e-8)
    ends = emf(kind, np.array([lowest, highest]))
    assert np.isnan(temperature(kind, ends + np.array([-1e-6, 1e-6]))).all()
    assert np.isnan(emf(kind, np.array([highest + 1.0, -280.0, np.nan]))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_a_reference_function_meet(kind: str) -> None:
    for piece in pieces(kind)[1:]:
        sides = np.array([piece.lowest, np.nextafter(piece.lowest, np.inf)])
        assert np.ptp(emf(kind, sides)) < 1e-7
        assert np.ptp(seebeck(kind, sides)) < 3e-4  # type N has a kink at 0 degC


def test_the_cold_junction_is_added_as_a_voltage_and_not_as_a_temperature() -> None:
    found = find_curve("thermocouple_k")
    hot, cold = np.array([600.0]), np.array([25.0])
    measured = emf("K", hot) - emf("K", cold)
    got = found.value(measured, found.parameter_vector(), cold)
    assert got[0] == pytest.approx(600.0, abs=1e-8)
    wrong = temperature("K", measured) + cold
    assert abs(wrong[0] - 600.0) > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_any_voltage_and_cold_junction_of_the_domains_have_a_temperature(kind: str) -> None:
    found = find_curve(f"thermocouple_{kind.lower()}")
    assert found.second is not None
    x = np.repeat(np.array(found.domain), 41)
    z = np.tile(np.linspace(*found.second.domain, 41), 2)
    assert np.isfinite(found.value(x, found.parameter_vector(), z)).all()


def test_the_uncertainty_of_the_cold_junction_reaches_the_temperature() -> None:
    step = prepare_step(find_curve("thermocouple_t"), from_unit="uV", model=0.0)
    second = SecondInput(np.array([20.0]), 0.0, 0.3)
    done = apply_chain(np.array([0.0]), SAME, (step,), resolution=1.0, seconds=(second,))
    assert done.value[0] == pytest.approx(20.0, abs=1e-9)
    assert done.u_systematic[0] == pytest.approx(0.3, rel=1e-9)
    rounding = 1e-3 / np.sqrt(12.0) / seebeck("T", np.array([20.0]))[0]
    assert done.u_random[0] == pytest.approx(rounding, rel=1e-9)


def test_counts_of_a_digital_thermometer_are_sixteenths() -> None:
    found = find_curve("ds18b20_counts")
    raw = np.array([int.from_bytes(bytes.fromhex(h), "big", signed=True) for h in ("FF5E", "0191")])
    assert found.value(raw.astype(float), found.parameter_vector()).tolist() == [-10.125, 25.0625]
