"""Limits of checks: the names a person may write, sorted by the flag they lead to, and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from edaphon_calibration.checks.definition import CheckMeta, LimitKind, Limits
from edaphon_calibration.errors import LimitError, suggestion
from edaphon_calibration.flags import Flag
from edaphon_calibration.units import Conversion

__all__ = ["DefaultLimits", "DefaultLine", "default_line", "levels"]

_PREFIXES = {"suspect_": Flag.SUSPECT, "fail_": Flag.FAIL}


@dataclass(frozen=True, slots=True)
class DefaultLine:
    """Usual limits [nomenclature's unit] from one depth downwards, and where they come from."""

    limits: Limits
    source: str
    from_depth_cm: float = 0.0

    def in_unit(self, meta: CheckMeta, line: Conversion) -> dict[str, float]:
        """The limits in the unit that `line` leads to from the nomenclature's."""
        return {name: _converted(x, _kind(meta, name), line) for name, x in self.limits.items()}


DefaultLimits = Mapping[str, tuple[DefaultLine, ...]]  # lines of a quantity from the top down


def default_line(
    defaults: DefaultLimits, quantity: str, depth_cm: float | None
) -> DefaultLine | None:
    """The line of the greatest tabulated depth not below this one; the first if none is known."""
    lines = defaults.get(quantity, ())
    depth = 0.0 if depth_cm is None else depth_cm
    reached = [line for line in lines if line.from_depth_cm <= depth]
    return reached[-1] if reached else next(iter(lines), None)


def levels(meta: CheckMeta, limits: Limits) -> tuple[tuple[Flag, Limits], ...]:
    """Limits by the flag they lead to, each complete for the check; raises LimitError."""
    shared = dict(meta.defaults)
    by_flag: dict[Flag, dict[str, float]] = {}
    for name, number in limits.items():
        flag, plain = _split(meta, name)
        _check_number(meta, name, plain, number)
        if meta.limits[plain] is LimitKind.HOURS:
            shared[plain] = float(number)
        elif plain in by_flag.setdefault(flag, {}):
            raise LimitError(f"check {meta.name}: {plain} is given twice for flag {flag.name}")
        else:
            by_flag[flag][plain] = float(number)
    if not by_flag:
        raise LimitError(f"check {meta.name}: expected at least one of {_names(meta)}; came none")
    for flag, own in by_flag.items():
        _check_order(meta, flag, own)
    return tuple((flag, {**shared, **by_flag[flag]}) for flag in sorted(by_flag))


def _split(meta: CheckMeta, name: str) -> tuple[Flag, str]:
    """The flag and the plain name of a limit; raises LimitError for an unknown one."""
    for prefix, flag in _PREFIXES.items():
        plain = name.removeprefix(prefix)
        if plain != name and meta.limits.get(plain, LimitKind.HOURS) is not LimitKind.HOURS:
            return flag, plain
    if name in meta.limits:
        return meta.effect, name
    prefixed = [p + n for p in ("", *_PREFIXES) for n in meta.limits]
    raise LimitError(
        f"check {meta.name}: expected limits among {_names(meta)} (with suspect_ or fail_ before "
        f"them, if wanted); came {name[:80]!r}" + suggestion(name, prefixed)
    )


def _check_number(meta: CheckMeta, name: str, plain: str, number: float) -> None:
    usable = isinstance(number, int | float) and not isinstance(number, bool) and isfinite(number)
    if not usable or (meta.limits[plain] is not LimitKind.VALUE and number <= 0):
        sign = "" if meta.limits[plain] is LimitKind.VALUE else " above 0"
        raise LimitError(
            f"check {meta.name}: expected a finite number{sign} [{meta.limits[plain]}] for {name}; "
            f"came {number!r}"
        )


def _check_order(meta: CheckMeta, flag: Flag, limits: Limits) -> None:
    if meta.ordered is None or not all(name in limits for name in meta.ordered):
        return
    low, high = meta.ordered
    if limits[low] >= limits[high]:
        raise LimitError(
            f"check {meta.name}, flag {flag.name}: expected {low} below {high}; "
            f"came {limits[low]!r} and {limits[high]!r}"
        )


def _names(meta: CheckMeta) -> str:
    return ", ".join(f"{name} [{kind}]" for name, kind in meta.limits.items())


def _kind(meta: CheckMeta, name: str) -> LimitKind:
    return meta.limits[_split(meta, name)[1]]


def _converted(number: float, kind: LimitKind, line: Conversion) -> float:
    match kind:
        case LimitKind.VALUE:
            return number * line.scale + line.offset
        case LimitKind.HOURS:
            return number
        case _:
            return number * abs(line.scale)
