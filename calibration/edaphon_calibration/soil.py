"""Soil from rings and the balance: what a calibration of a soil's own is made of."""

from math import isfinite
from typing import NamedTuple

from edaphon_calibration.errors import ParameterError

PARTICLE_DENSITY = 2.65  # [g/cm³], quartz
PARTICLE_DENSITY_ORGANIC = 1.4  # [g/cm³], of 1.3 to 1.5


class Ring(NamedTuple):
    """What a ring of undisturbed soil held when it was taken.

    Water content by mass [g/g] and by volume [m³/m³], dry bulk density [g/cm³], porosity [m³/m³]
    and the share of it that water filled [1].
    """

    gravimetric: float
    bulk_density: float
    volumetric: float
    porosity: float
    filled: float


class Refraction(NamedTuple):
    """The parameters of `refractive_index`: √ε of the dry soil and its rise with water [1]."""

    a0: float
    a1: float


def weighed_ring(
    moist_g: float,
    dry_g: float,
    ring_cm3: float,
    water_density: float = 1.0,
    particle_density: float = PARTICLE_DENSITY,
) -> Ring:
    """From the masses [g] of moist and dry soil without the ring; raises ParameterError.

    w = (m - m_d) / m_d, ρ = m_d / V, θ = w ρ / ρ_w, n = 1 - ρ / ρ_s; densities [g/cm³].

    References: Blake and Hartge 1986, Methods of Soil Analysis, part 1, chapter 13.
    Notes: dried at 105 °C to constant mass, organic soil at 60 to 70 °C.

    >>> ring = weighed_ring(152.6, 127.4, 100.0)
    >>> round(ring.volumetric, 6), round(ring.porosity, 6)
    (0.252, 0.519245)
    """
    _expect(dry_g > 0.0 and ring_cm3 > 0.0, "a dry mass and a volume above 0", dry_g, ring_cm3)
    _expect(moist_g >= dry_g, "moist soil to weigh no less than dry", moist_g, dry_g)
    gravimetric, density = (moist_g - dry_g) / dry_g, dry_g / ring_cm3
    _expect(0.0 < density < particle_density, "a bulk density below the particles'", density)
    volumetric, porosity = gravimetric * density / water_density, 1.0 - density / particle_density
    return Ring(gravimetric, density, volumetric, porosity, volumetric / porosity)


def two_point_soil(
    theta_wet: float, root_wet: float, theta_dry: float, root_dry: float
) -> Refraction:
    """√ε = a0 + a1 θ through two points of the own soil; raises ParameterError.

    References: Delta-T SM150T user manual 1.0, page 48; ThetaProbe ML2 manual, section on soil
    calibration.
    Notes: θ [m³/m³] of a wet and of a dry or moist sample of one soil, √ε as the probe reads it in
    each. Two points leave no residual, so no uncertainty: three or more are better. The worked
    example of the manual rounds θ to 0.25 and 0.14 first and so has 9.0 and 1.58.

    >>> [round(number, 6) for number in two_point_soil(0.25, 3.83, 0.14, 2.84)]
    [1.58, 9.0]
    """
    numbers = (theta_wet, root_wet, theta_dry, root_dry)
    _expect(all(isfinite(number) for number in numbers), "finite numbers", *numbers)
    _expect(theta_wet > theta_dry and root_wet > root_dry, "more water and √ε when wet", *numbers)
    a1 = (root_wet - root_dry) / (theta_wet - theta_dry)
    return Refraction(root_wet - a1 * theta_wet, a1)


def _expect(holds: bool, what: str, *numbers: float) -> None:
    if not holds:
        raise ParameterError(f"soil sample: expected {what}; came {', '.join(map(repr, numbers))}")
