"""Who an instrument says it is, and the settings that it says it measures with."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Identity:
    """What an instrument tells of itself; "" for what it can't tell.

    `settings` are what changes its numbers inside: averaging, compensation, a soil's coefficients.
    """

    vendor: str = ""
    model: str = ""
    version: str = ""
    serial: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
