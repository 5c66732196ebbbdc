"""Water content of soil with its density, porosity or texture, and the permittivity of water."""

from functools import partial

import numpy as np

from edaphon_calibration.arrays import (
    Float,
    finite,
    horner,
    horner_slope,
    nan_like,
    positive,
    powers,
)
from edaphon_calibration.curves.definition import Curve, Example
from edaphon_calibration.curves.shapes import RootOfSoil

_water_content = partial(
    Curve, from_unit="dimensionless", to_unit="m**3/m**3", quantity="volumetric_water_content"
)

_JACOBSEN_CUBIC = np.array([-3.41e-2, 3.45e-2, -11.4e-4, 17.1e-6])

_JACOBSEN_PER_DENSITY, _JACOBSEN_PER_CLAY, _JACOBSEN_PER_ORGANIC = -3.7e-2, 7.36e-4, 47.7e-4


def _jacobsen(x: Float, p: Float) -> Float:
    density, clay, organic = p.tolist()
    soil: float = (
        _JACOBSEN_PER_DENSITY * density
        + _JACOBSEN_PER_CLAY * clay
        + _JACOBSEN_PER_ORGANIC * organic
    )
    return horner(x, _JACOBSEN_CUBIC) + soil


def _jacobsen_slope(x: Float, p: Float) -> Float:
    return horner_slope(x, _JACOBSEN_CUBIC)


def _jacobsen_gradient(x: Float, p: Float) -> Float:
    one = powers(x, 1)[0]
    return np.stack(
        [one * _JACOBSEN_PER_DENSITY, one * _JACOBSEN_PER_CLAY, one * _JACOBSEN_PER_ORGANIC]
    )


def _zhao_parts(x: Float, p: Float) -> tuple[Float, Float, Float]:
    """Above and below the line, and √ε; NaN beyond the pole."""
    density = float(p[0])
    root = np.sqrt(positive(x))
    below = (18.0283 * density - 17.9531) + (1.8351 - 0.6806 * density) * root
    return (0.3039 * density - 2.1851) + root, positive(below), root


def _zhao(x: Float, p: Float) -> Float:
    above, below, _ = _zhao_parts(x, p)
    return above / below


def _zhao_slope(x: Float, p: Float) -> Float:
    above, below, root = _zhao_parts(x, p)
    per_root = (1.0 - above / below * (1.8351 - 0.6806 * float(p[0]))) / below
    return per_root * 0.5 / root


def _zhao_gradient(x: Float, p: Float) -> Float:
    above, below, root = _zhao_parts(x, p)
    row = (0.3039 - above / below * (18.0283 - 0.6806 * root)) / below
    return row[np.newaxis]


def _crim(x: Float, p: Float) -> Float:
    n, solid, water, air = _crim_roots(p)
    return (np.sqrt(positive(x)) - (1.0 - n) * solid - n * air) / (water - air)


def _crim_slope(x: Float, p: Float) -> Float:
    _, _, water, air = _crim_roots(p)
    return 0.5 / (np.sqrt(positive(x)) * (water - air))


def _crim_gradient(x: Float, p: Float) -> Float:
    n, solid, water, air = _crim_roots(p)
    wide = (water - air) or float("nan")
    y = _crim(x, p)
    even = y * 0.0
    return np.stack(
        [
            even + (solid - air) / wide,
            even - (1.0 - n) * 0.5 / solid / wide,
            -y / wide * (0.5 / water),
            (y - n) / wide * (0.5 / air),
        ]
    )


def _crim_roots(p: Float) -> tuple[float, float, float, float]:
    """Porosity and √ε of solids, water and air; NaN where a permittivity is not above 0."""
    solid, water, air = np.sqrt(positive(p[1:])).tolist()
    return float(p[0]), solid, water, air


_WATER_AT_C = 25.0


def _water_ratio(x: Float, p: Float) -> tuple[Float, Float]:
    d = x - _WATER_AT_C
    c = np.concatenate(([1.0], p[1:]))
    return horner(d, c), horner_slope(d, c)


def _water(x: Float, p: Float) -> Float:
    return float(p[0]) * _water_ratio(x, p)[0]


def _water_slope(x: Float, p: Float) -> Float:
    return float(p[0]) * _water_ratio(x, p)[1]


def _water_gradient(x: Float, p: Float) -> Float:
    rows = powers(x - _WATER_AT_C, len(p)) * float(p[0])
    rows[0] = _water_ratio(x, p)[0]
    return rows


def _gravimetric(x: Float, p: Float) -> Float:
    return finite(x) * float(p[0] / p[1])


def _gravimetric_slope(x: Float, p: Float) -> Float:
    return nan_like(float(p[0] / p[1]), x)


def _gravimetric_gradient(x: Float, p: Float) -> Float:
    return np.stack([finite(x) / float(p[1]), -_gravimetric(x, p) / float(p[1])])


CURVES: tuple[Curve, ...] = (
    _water_content(
        name="jacobsen_1993_soil",
        title=(
            "Jacobsen and Schjønning 1993, equation 3: water content from permittivity and soil "
            "properties."
        ),
        formula=(
            "θ = -3.41e-2 + 3.45e-2 ε - 11.4e-4 ε² + 17.1e-6 ε³ - 3.7e-2 ρ + 7.36e-4 c + "
            "47.7e-4 o [m³/m³], with\n"
            "ρ the dry bulk density [g/cm³], c clay and o organic matter [% by mass]."
        ),
        value=_jacobsen,
        slope=_jacobsen_slope,
        gradient=_jacobsen_gradient,
        parameters={"bulk_density": None, "clay": None, "organic_matter": None},
        domain=(3.0, 40.0),
        reference="Jacobsen and Schjønning 1993, equation 3, doi:10.1016/0022-1694(93)90233-Y",
        example=Example(
            25.0, 0.36602, parameters={"bulk_density": 1.35, "clay": 22.0, "organic_matter": 3.5}
        ),
        notes="""References: Jacobsen, Schjønning 1993, Journal of Hydrology 151, 147-157,
        doi:10.1016/0022-1694(93)90233-Y. Coefficients read in SoilHyP, R/DK_to_SWC.R, and in
        FDR2soilmoisture, R/eps2theta.R.
        Notes: the cubic runs away above ε of 40.""",
    ),
    _water_content(
        name="ledieu_1986_density",
        title=(
            "Ledieu et al. 1986 with bulk density: volumetric water content from apparent "
            "permittivity."
        ),
        formula="θ = (√ε - 0.297 ρ - 1.344) / 8.79 [m³/m³], ρ the dry bulk density [g/cm³].",
        **RootOfSoil(root=(1.0,), offset=(-1.344, -0.297), divisor=(8.79,)).shape,
        parameters={"bulk_density": None},
        domain=(3.0, 40.0),
        reference="Ledieu et al. 1986, doi:10.1016/0022-1694(86)90097-1",
        example=Example(15.0, 0.2421, parameters={"bulk_density": 1.35}),
        notes="""References: Ledieu, De Ridder, De Clerck, Dautrebande 1986, Journal of Hydrology
        88, 319-328, doi:10.1016/0022-1694(86)90097-1.
        Notes: the coefficients are those commonly cited from the paper; no page of it was at
        hand.""",
    ),
    _water_content(
        name="malicki_1996_density",
        title="Malicki et al. 1996, equation 10: water content from permittivity and bulk density.",
        formula=(
            "θ = (√ε - 0.819 - 0.168 ρ - 0.159 ρ²) / (7.17 + 1.18 ρ) [m³/m³], ρ the dry bulk "
            "density [g/cm³]."
        ),
        **RootOfSoil(root=(1.0,), offset=(-0.819, -0.168, -0.159), divisor=(7.17, 1.18)).shape,
        parameters={"bulk_density": None},
        domain=(3.0, 60.0),
        reference="Malicki et al. 1996, equation 10, doi:10.1111/j.1365-2389.1996.tb01409.x",
        example=Example(15.0, 0.28956, parameters={"bulk_density": 1.35}),
        notes="""References: Malicki, Plagge, Roth 1996, European Journal of Soil Science 47,
        357-366, doi:10.1111/j.1365-2389.1996.tb01409.x. Coefficients read in SoilHyP,
        R/DK_to_SWC.R.
        Notes: 62 mineral and organic soils and mixtures, so also for peat (ρ from 0.13). Public
        copies disagree: FDR2soilmoisture computes with 0.168 for both terms and documents 0.159 for
        the second.""",
    ),
    _water_content(
        name="malicki_1996_porosity",
        title="Malicki et al. 1996, equation 12: water content from permittivity and porosity.",
        formula=(
            "θ = (√ε - 3.47 + 6.22 n - 3.82 n²) / (7.01 + 6.89 n - 7.83 n²) [m³/m³], n the "
            "porosity [m³/m³]."
        ),
        **RootOfSoil(root=(1.0,), offset=(-3.47, 6.22, -3.82), divisor=(7.01, 6.89, -7.83)).shape,
        parameters={"porosity": None},
        domain=(3.0, 60.0),
        reference="Malicki et al. 1996, equation 12, doi:10.1111/j.1365-2389.1996.tb01409.x",
        example=Example(15.0, 0.29786, parameters={"porosity": 0.49}),
        notes="""References: Malicki, Plagge, Roth 1996, European Journal of Soil Science 47,
        357-366, doi:10.1111/j.1365-2389.1996.tb01409.x. Coefficients read in SoilHyP,
        R/DK_to_SWC.R.
        Notes: 62 mineral and organic soils and mixtures.""",
    ),
    _water_content(
        name="drnevich_2005_cohesionless",
        title=(
            "Drnevich et al. 2005, cohesionless (sandy) soil: water content from permittivity "
            "and density."
        ),
        formula="θ = (√ε - 1.0 ρ) / 8.5 [m³/m³], ρ the dry bulk density [g/cm³].",
        **RootOfSoil(root=(1.0,), offset=(0.0, -1.0), divisor=(8.5,)).shape,
        parameters={"bulk_density": None},
        domain=(3.0, 40.0),
        reference="Drnevich et al. 2005, doi:10.1139/t05-047",
        example=Example(10.0, 0.21321, parameters={"bulk_density": 1.35}),
        notes="""References: Drnevich, Ashmawy, Yu, Sallam 2005, Canadian Geotechnical Journal 42,
        1053-1065, doi:10.1139/t05-047; in the form of Zhao et al. 2016, equation 21. Coefficients
        read in FDR2soilmoisture, R/eps2theta.R, whose older version divided √ε by ρ, the
        gravimetric form.
        Notes: 20 °C, water of 1 g/cm³.""",
    ),
    _water_content(
        name="drnevich_2005_cohesive",
        title=(
            "Drnevich et al. 2005, cohesive (clayey) soil: water content from permittivity and "
            "density."
        ),
        formula="θ = (√ε - 0.95 ρ) / 8.8 [m³/m³], ρ the dry bulk density [g/cm³].",
        **RootOfSoil(root=(1.0,), offset=(0.0, -0.95), divisor=(8.8,)).shape,
        parameters={"bulk_density": None},
        domain=(3.0, 40.0),
        reference="Drnevich et al. 2005, doi:10.1139/t05-047",
        example=Example(10.0, 0.21361, parameters={"bulk_density": 1.35}),
        notes="""References: Drnevich, Ashmawy, Yu, Sallam 2005, Canadian Geotechnical Journal 42,
        1053-1065, doi:10.1139/t05-047; in the form of Zhao et al. 2016, equation 21. Coefficients
        read in FDR2soilmoisture, R/eps2theta.R, whose older version divided √ε by ρ, the
        gravimetric form.
        Notes: 20 °C, water of 1 g/cm³.""",
    ),
    _water_content(
        name="ju_2010",
        title="Ju et al. 2010: volumetric water content from permittivity and bulk density.",
        formula="θ = 0.1228 √ε - 0.1322 ρ - 0.0152 [m³/m³], ρ the dry bulk density [g/cm³].",
        **RootOfSoil(root=(0.1228,), offset=(-0.0152, -0.1322)).shape,
        parameters={"bulk_density": None},
        domain=(3.0, 40.0),
        reference="Ju et al. 2010, doi:10.1097/ss.0b013e3181f55aa3",
        example=Example(15.0, 0.28193, parameters={"bulk_density": 1.35}),
        notes="""References: Ju, Liu, Ren, Hu 2010, Soil Science 175(10), 469-473,
        doi:10.1097/ss.0b013e3181f55aa3. Coefficients read in FDR2soilmoisture, R/eps2theta.R.
        Notes: mineral soils; no uncertainty was at hand.""",
    ),
    _water_content(
        name="singh_2019",
        title=(
            "Singh et al. 2019: volumetric water content from the permittivity of a CS655 and "
            "clay content."
        ),
        formula=(
            "θ = (-3.33e-5 c² + 1.14e-3 c + 0.108) √ε + 6.52e-5 c² - 2.48e-3 c - 0.16 [m³/m³],\n"
            "c clay [% by mass]."
        ),
        **RootOfSoil(root=(0.108, 1.14e-3, -3.33e-5), offset=(-0.16, -2.48e-3, 6.52e-5)).shape,
        parameters={"clay": None},
        domain=(3.0, 40.0),
        reference="Singh et al. 2019, doi:10.1016/j.agwat.2019.02.024",
        example=Example(10.0, 0.18687, parameters={"clay": 22.0}),
        notes="""References: Singh, Lo, Rudnick, Irmak, Blanco-Canqui 2019, Agricultural Water
        Management 216, 390-399, doi:10.1016/j.agwat.2019.02.024. Coefficients read in
        FDR2soilmoisture, R/eps2theta.R.
        Notes: made for the CS655, whose permittivity rises with clay; not for other probes.""",
    ),
    _water_content(
        name="zhao_2016",
        title="Zhao et al. 2016: volumetric water content from permittivity and bulk density.",
        formula=(
            "θ = (0.3039 ρ - 2.1851 + √ε) / (18.0283 ρ - 17.9531 + (1.8351 - 0.6806 ρ) √ε) "
            "[m³/m³],\n"
            "ρ the dry bulk density [g/cm³]."
        ),
        value=_zhao,
        slope=_zhao_slope,
        gradient=_zhao_gradient,
        parameters={"bulk_density": None},
        domain=(3.0, 40.0),
        reference="Zhao et al. 2016, doi:10.1631/jzus.A1500065",
        example=Example(20.0, 0.25731, parameters={"bulk_density": 1.35}),
        notes="""References: Zhao, Ling, Wang, Huang, Wang 2016, Journal of Zhejiang
        University-SCIENCE A 17, 240-252, doi:10.1631/jzus.A1500065. Coefficients read in
        FDR2soilmoisture, R/eps2theta.R.
        Notes: the denominator passes 0 at small ε and ρ below 1 (pole at ε = 2.0 for ρ = 0.9):
        where it is not above 0 there is no value.""",
    ),
    _water_content(
        name="crim",
        title=(
            "Complex refractive index model (CRIM): water content from permittivity and porosity."
        ),
        formula=(
            "θ = (√ε - (1 - n) √ε_s - n √ε_a) / (√ε_w - √ε_a) [m³/m³], n the porosity [m³/m³]; "
            "ε_s, ε_w and ε_a\n"
            "the permittivities of solids, water and air."
        ),
        value=_crim,
        slope=_crim_slope,
        gradient=_crim_gradient,
        parameters={"porosity": None, "solid": 3.29, "water": 80.0, "air": 1.0},
        domain=(3.0, 60.0),
        reference="Roth et al. 1990, doi:10.1029/WR026i010p02267",
        example=Example(20.0, 0.38482, parameters={"porosity": 0.49}),
        notes="""References: Roth, Schulin, Flühler, Attinger 1990, Water Resources Research 26(10),
        2267-2273, doi:10.1029/WR026i010p02267; ε_s = 3.29 and ε_w = 80 as Fersch et al. 2018,
        doi:10.1029/2018WR023337.
        Notes: ε_s is 3 to 5; ε_w follows the temperature (`water_permittivity`): 80.4 at 20 °C,
        86.1 at 5 °C. The public copy of Fersch et al. in FDR2soilmoisture has a bracket misplaced,
        1 - n √ε_s for (1 - n) √ε_s: it gives 0.102 m³/m³ more at n = 0.49.""",
    ),
    Curve(
        name="water_permittivity",
        title="Static relative permittivity of water from its temperature [°C].",
        formula="ε = 78.54 (1 - 4.5791e-3 d + 1.19e-5 d² - 2.8e-8 d³), d = T - 25.",
        value=_water,
        slope=_water_slope,
        gradient=_water_gradient,
        parameters={"at_25": 78.54, "c1": -4.5791e-3, "c2": 1.19e-5, "c3": -2.8e-8},
        from_unit="degC",
        to_unit="dimensionless",
        quantity="relative_permittivity",
        domain=(0.0, 100.0),
        reference="Weast 1986, CRC Handbook of Chemistry and Physics, 67th edition",
        example=Example(20.0, 80.3619),
        notes="""References: Weast 1986, CRC Handbook of Chemistry and Physics, 67th edition;
        coefficients read in FDR2soilmoisture, R/eps_water.R.
        Notes: 0 to 100 °C, pure water at low frequency. Some copies round the second coefficient to
        4.579e-3, which changes ε by 0.002 at most.""",
    ),
    _water_content(
        name="gravimetric",
        title="Volumetric water content from the gravimetric one and the dry bulk density.",
        formula=(
            "θ = w ρ / ρ_w [m³/m³], w the mass of water over that of dry soil [g/g], ρ the dry "
            "bulk density and\n"
            "ρ_w that of water [g/cm³]."
        ),
        value=_gravimetric,
        slope=_gravimetric_slope,
        gradient=_gravimetric_gradient,
        parameters={"bulk_density": None, "water_density": 1.0},
        domain=(0.0, 10.0),
        reference="definition",
        example=Example(0.2, 0.2548, parameters={"bulk_density": 1.274}),
        notes="""References: definition; Topp and Ferré 2002, Methods of Soil Analysis, part 4,
        section 3.1.
        Notes: w above 1 is usual in peat. Soil is dried at 105 °C; organic soil at 60 to 70 °C.
        `edaphon_calibration.soil` has the way from weighed rings.""",
    ),
)
