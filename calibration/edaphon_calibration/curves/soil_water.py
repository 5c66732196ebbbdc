"""Water content of soil from its permittivity alone, and back."""

from functools import partial

import numpy as np

from edaphon_calibration.arrays import Float, horner, horner_slope, positive, powers, reciprocal
from edaphon_calibration.curves.definition import Curve, Example
from edaphon_calibration.curves.shapes import POLYNOMIAL, REFRACTIVE, ROOT_LINE, coefficients

_water_content = partial(
    Curve, from_unit="dimensionless", to_unit="m**3/m**3", quantity="volumetric_water_content"
)

_TOPP_INVERSE_START = np.array([3.03, 9.3, 146.0, -76.7])

_TOPP_INVERSE_STEPS = 12

_TOPP_INVERSE_SETTLED = 1e-12


def _topp_inverse(x: Float, p: Float) -> Float:
    epsilon = horner(x, _TOPP_INVERSE_START)
    for _ in range(_TOPP_INVERSE_STEPS):
        epsilon = epsilon - (horner(epsilon, p) - x) * reciprocal(horner_slope(epsilon, p))
    return np.where(np.abs(horner(epsilon, p) - x) < _TOPP_INVERSE_SETTLED, epsilon, np.nan)


def _topp_inverse_slope(x: Float, p: Float) -> Float:
    return reciprocal(horner_slope(_topp_inverse(x, p), p))


def _topp_inverse_gradient(x: Float, p: Float) -> Float:
    epsilon = _topp_inverse(x, p)
    return -powers(epsilon, len(p)) * reciprocal(horner_slope(epsilon, p))


def _schaap_bracket(x: Float, p: Float) -> tuple[Float, Float]:
    root = np.sqrt(positive(x))
    return positive(float(p[0]) * root + float(p[1])), root


def _schaap(x: Float, p: Float) -> Float:
    bracket, _ = _schaap_bracket(x, p)
    return np.exp(float(p[2]) * np.log(bracket))


def _schaap_slope(x: Float, p: Float) -> Float:
    bracket, root = _schaap_bracket(x, p)
    return _schaap(x, p) / bracket * (0.5 * float(p[2]) * float(p[0])) / root


def _schaap_gradient(x: Float, p: Float) -> Float:
    bracket, root = _schaap_bracket(x, p)
    y = _schaap(x, p)
    inner = y / bracket * float(p[2])
    return np.stack([inner * root, inner, y * np.log(bracket)])


CURVES: tuple[Curve, ...] = (
    _water_content(
        name="topp_1980",
        title=(
            "Topp et al. 1980: volumetric water content of mineral soil from apparent permittivity."
        ),
        formula="θ = -5.3e-2 + 2.92e-2 ε - 5.5e-4 ε² + 4.3e-6 ε³ [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-5.3e-2, 2.92e-2, -5.5e-4, 4.3e-6),
        domain=(3.0, 40.0),
        uncertainty=0.013,
        reference="Topp et al. 1980, doi:10.1029/WR016i003p00574",
        example=Example(10.0, 0.1883),
        notes="""References: Topp, Davis, Annan 1980, Water Resources Research 16(3), 574-582,
        doi:10.1029/WR016i003p00574. Coefficients compared with three public implementations and
        with the values printed in CRREL Special Report 98-2, table 14.
        Notes: for mineral soils, ε from 3 to 40; biased in organic soils and clays and above θ of
        about 0.5; gives 0.03 at ε = 3. The polynomial θ to ε of the same paper is a separate fit,
        not the inverse. The uncertainty is the standard error of estimate commonly cited from the
        paper, 0.013.""",
    ),
    Curve(
        name="topp_1980_permittivity",
        title=(
            "Topp et al. 1980, the other way: apparent permittivity of mineral soil from water "
            "content."
        ),
        formula="ε = 3.03 + 9.3 θ + 146 θ² - 76.7 θ³.",
        **POLYNOMIAL,
        parameters=coefficients(3.03, 9.3, 146.0, -76.7),
        from_unit="m**3/m**3",
        to_unit="dimensionless",
        quantity="relative_permittivity",
        domain=(0.0, 0.55),
        reference="Topp et al. 1980, equation 6, doi:10.1029/WR016i003p00574",
        example=Example(0.3, 16.8891),
        notes="""References: Topp, Davis, Annan 1980, Water Resources Research 16(3), 574-582,
        doi:10.1029/WR016i003p00574, equation 6.
        Notes: a separate fit, not the inverse of `topp_1980`: there and back leaves 0.014 m³/m³ at
        θ = 0.15 and 0.023 at 0.5; where a round trip matters take `topp_1980_inverse`. The
        coefficients are those commonly cited.""",
    ),
    Curve(
        name="topp_1980_inverse",
        title=(
            "The inverse of Topp et al. 1980: apparent permittivity of mineral soil from water "
            "content."
        ),
        formula=(
            "The ε for which -5.3e-2 + 2.92e-2 ε - 5.5e-4 ε² + 4.3e-6 ε³ = θ; the cubic rises "
            "everywhere,\n"
            "so there is one."
        ),
        value=_topp_inverse,
        slope=_topp_inverse_slope,
        gradient=_topp_inverse_gradient,
        parameters=coefficients(-5.3e-2, 2.92e-2, -5.5e-4, 4.3e-6),
        from_unit="m**3/m**3",
        to_unit="dimensionless",
        quantity="relative_permittivity",
        domain=(0.0298, 0.5102),
        reference="Topp et al. 1980, equation 7, doi:10.1029/WR016i003p00574",
        example=Example(0.1883, 10.0),
        notes="""References: Topp, Davis, Annan 1980, Water Resources Research 16(3), 574-582,
        doi:10.1029/WR016i003p00574, equation 7.
        Notes: Newton's method from the paper's own polynomial for ε (`topp_1980_permittivity`, a
        separate fit), a fixed number of steps; what has not settled then is NaN. Its domain is that
        of `topp_1980`.""",
    ),
    _water_content(
        name="roth_1992_mineral",
        title=(
            "Roth et al. 1992, mineral soils: volumetric water content from apparent permittivity."
        ),
        formula="θ = -0.0728 + 0.0448 ε - 1.95e-3 ε² + 3.61e-5 ε³ [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-0.0728, 0.0448, -1.95e-3, 3.61e-5),
        domain=(3.0, 33.0),
        reference="Roth et al. 1992, doi:10.1111/j.1365-2389.1992.tb00115.x",
        example=Example(20.0, 0.332),
        notes="""References: Roth, Malicki, Plagge 1992, Journal of Soil Science 43, 1-13,
        doi:10.1111/j.1365-2389.1992.tb00115.x. Coefficients read in FDR2soilmoisture,
        R/eps2theta.R.
        Notes: the cubic runs away above ε of 33, where θ passes 0.57 (0.91 at ε = 40): the domain
        ends there. The range of ε in the paper was not at hand, nor an uncertainty.""",
    ),
    _water_content(
        name="roth_1992_organic",
        title=(
            "Roth et al. 1992, organic soils: volumetric water content from apparent permittivity."
        ),
        formula="θ = -0.0233 + 0.0285 ε - 4.31e-4 ε² + 3.04e-6 ε³ [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-0.0233, 0.0285, -4.31e-4, 3.04e-6),
        domain=(3.0, 60.0),
        reference="Roth et al. 1992, table 3c, doi:10.1111/j.1365-2389.1992.tb00115.x",
        example=Example(20.0, 0.39862),
        notes="""References: Roth, Malicki, Plagge 1992, Journal of Soil Science 43, 1-13, table 3c,
        doi:10.1111/j.1365-2389.1992.tb00115.x. Coefficients and range of soils read in SoilHyP,
        R/DK_to_SWC.R.
        Notes: public copies disagree about the sign of the first term: SoilHyP (which names the
        table) has minus, FDR2soilmoisture plus, 0.047 m³/m³ more. Minus is taken: with plus, dry
        organic soil at ε = 3 would hold 0.105 m³/m³. Samples with 10 to 55 % organic matter and
        porosities of 0.53 to 0.79; the domain ends where θ passes the latter.""",
    ),
    _water_content(
        name="jacobsen_1993",
        title=(
            "Jacobsen and Schjønning 1993, equation 2: volumetric water content from apparent "
            "permittivity."
        ),
        formula="θ = -7.01e-2 + 3.47e-2 ε - 11.6e-4 ε² + 18.0e-6 ε³ [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-7.01e-2, 3.47e-2, -11.6e-4, 18.0e-6),
        domain=(3.0, 40.0),
        reference="Jacobsen and Schjønning 1993, equation 2, doi:10.1016/0022-1694(93)90233-Y",
        example=Example(20.0, 0.3039),
        notes="""References: Jacobsen, Schjønning 1993, Journal of Hydrology 151, 147-157,
        doi:10.1016/0022-1694(93)90233-Y. Coefficients read in SoilHyP, R/DK_to_SWC.R.
        Notes: mineral soils without regard to bulk density, clay and organic matter;
        `jacobsen_1993_soil` regards them. The cubic runs away above ε of 40.""",
    ),
    _water_content(
        name="ledieu_1986",
        title="Ledieu et al. 1986: volumetric water content from apparent permittivity.",
        formula="θ = 0.1138 √ε - 0.1758 [m³/m³].",
        **ROOT_LINE,
        parameters=coefficients(-0.1758, 0.1138),
        domain=(3.0, 40.0),
        reference="Ledieu et al. 1986, doi:10.1016/0022-1694(86)90097-1",
        example=Example(25.0, 0.3932),
        notes="""References: Ledieu, De Ridder, De Clerck, Dautrebande 1986, Journal of Hydrology
        88, 319-328, doi:10.1016/0022-1694(86)90097-1.
        Notes: the coefficients are those commonly cited from the paper (0.1138 is 1/8.79); no page
        of it was at hand. Mineral soils, ε from 3 to 40; `ledieu_1986_density` regards bulk
        density.""",
    ),
    _water_content(
        name="schaap_1997",
        title=(
            "Schaap et al. 1997: volumetric water content of forest floor from apparent "
            "permittivity."
        ),
        formula="θ = (0.133 √ε - 0.146)^0.885 [m³/m³].",
        value=_schaap,
        slope=_schaap_slope,
        gradient=_schaap_gradient,
        parameters={"a": 0.133, "b": -0.146, "exponent": 0.885},
        domain=(3.0, 60.0),
        reference="Schaap et al. 1997, Soil Technology 11(2), 147-154",
        example=Example(20.0, 0.49211),
        notes="""References: Schaap, de Lange, Heimovaara 1997, Soil Technology 11(2), 147-154, as
        Vaz et al. 2013, equation 2b, quotes it. Coefficients read in FDR2soilmoisture,
        R/eps2theta.R.
        Notes: organic layers of forests (litter to humus); below ε = 1.21 the bracket is negative
        and there is no value. No uncertainty was at hand.""",
    ),
    _water_content(
        name="myllys_1996",
        title=(
            "Myllys and Simojoki 1996: volumetric water content of cultivated peat from "
            "permittivity."
        ),
        formula="θ = -0.0733 + 0.0417 ε - 8.01e-4 ε² + 5.56e-6 ε³ [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(-0.0733, 0.0417, -8.01e-4, 5.56e-6),
        domain=(11.2, 67.3),
        uncertainty=0.027,
        reference="Myllys and Simojoki 1996, table 2, pooled",
        example=Example(20.0, 0.48478),
        notes="""References: Myllys, Simojoki 1996, Suo 47, table 2 (pooled data). Coefficients read
        in SoilHyP, R/DK_to_SWC.R.
        Notes: Sphagnum and Carex peat of bulk density 0.3 to 0.4 g/cm³ and porosity 0.75 to 0.77;
        made for 0.3 to 0.8 m³/m³ (the domain is that turned back into ε), with a standard deviation
        of 0.027 m³/m³ [abstract].""",
    ),
    _water_content(
        name="kellner_2001",
        title=(
            "Kellner and Lundin 2001: volumetric water content of weakly decomposed Sphagnum peat."
        ),
        formula="θ = 3.90e-2 + 3.17e-2 ε - 4.50e-4 ε² + 2.60e-6 ε³ [m³/m³].",
        **POLYNOMIAL,
        parameters=coefficients(3.90e-2, 3.17e-2, -4.50e-4, 2.60e-6),
        domain=(3.0, 70.0),
        uncertainty=0.04,
        reference="Kellner and Lundin 2001, Nordic Hydrology 32(4-5), 315-332, table 2",
        example=Example(20.0, 0.5138),
        notes="""References: Kellner, Lundin 2001, Nordic Hydrology 32(4-5), 315-332, table 2,
        pooled data (n = 190). Coefficients and error read in SoilHyP, R/DK_to_SWC.R.
        Notes: von Post H2 to H4, porosity 0.95 to 0.98: the domain ends near saturation. The same
        copy gives the first term of the single classes H2 and H4 a minus, of H3 and of all together
        a plus: one is a slip, so only the pooled curve is offered.""",
    ),
    _water_content(
        name="refractive_index",
        title=(
            "Refractive index: volumetric water content from permittivity with two numbers of "
            "the own soil."
        ),
        formula="θ = (√ε - a0) / a1 [m³/m³].",
        **REFRACTIVE,
        parameters={"a0": None, "a1": None},
        domain=(2.0, 60.0),
        reference="Whalley 1993, doi:10.1111/j.1365-2389.1993.tb00429.x",
        example=Example(20.0, 0.34192, parameters={"a0": 1.6, "a1": 8.4}),
        notes="""References: Whalley 1993, Journal of Soil Science 44, 1-9,
        doi:10.1111/j.1365-2389.1993.tb00429.x; Delta-T SM150T user manual 1.0, page 48, for the two
        points.
        Notes: a0 [1] is √ε of the dry soil, 1.0 to 2.0; a1 [1] its rise with water, 7.6 to 8.6 in
        most soils. `soil.two_point_soil` finds both. The domain is that of soils from dry to
        saturated.""",
    ),
)
