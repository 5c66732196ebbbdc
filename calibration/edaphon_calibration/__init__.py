"""From a number to a trusted number: units, curves, uncertainty, checks; no I/O, no clock."""

from edaphon_calibration.chain import SAME, Calibrated, Conversion, SecondInput, Step, apply_chain
from edaphon_calibration.checks import (
    Check,
    Flag,
    LimitKind,
    PreparedCheck,
    Result,
    check_names,
    default_limits,
    find_check,
    prepare_check,
    worst_flag,
)
from edaphon_calibration.curves import Curve, Second, curve_names, find_curve
from edaphon_calibration.errors import (
    CalibrationError,
    LimitError,
    ParameterError,
    UnitError,
    UnknownCheck,
    UnknownCurve,
    UnknownQuantity,
)
from edaphon_calibration.nomenclature import QUANTITIES, Quantity, quantity
from edaphon_calibration.prepare import prepare_step
from edaphon_calibration.uncertainty import FieldCheck, from_limits, widened
from edaphon_calibration.units import canonical, check_unit, conversion

__all__ = [
    "QUANTITIES",
    "SAME",
    "Calibrated",
    "CalibrationError",
    "Check",
    "Conversion",
    "Curve",
    "FieldCheck",
    "Flag",
    "LimitError",
    "LimitKind",
    "ParameterError",
    "PreparedCheck",
    "Quantity",
    "Result",
    "Second",
    "SecondInput",
    "Step",
    "UnitError",
    "UnknownCheck",
    "UnknownCurve",
    "UnknownQuantity",
    "apply_chain",
    "canonical",
    "check_names",
    "check_unit",
    "conversion",
    "curve_names",
    "default_limits",
    "find_check",
    "find_curve",
    "from_limits",
    "prepare_check",
    "prepare_step",
    "quantity",
    "widened",
    "worst_flag",
]
