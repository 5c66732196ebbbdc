"""Engines, model sheets, envelopes, codecs, links: each is an entry point of an installed package.

What edaphon ships stands in its own pyproject.toml, as that of any other package. A part is
imported when it is first needed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from importlib.metadata import EntryPoint, distributions
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from edaphon_drivers.readings import Identity, Reading, Turn
    from edaphon_drivers.sheets import Sheet
    from edaphon_drivers.talk import Asking, Talk

OWN = "edaphon"
# What an import may raise; whatever it is, only what needs the part waits.
BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


class UnknownPart(LookupError):
    """No part of this kind has that name, or its package can't be used."""


@cache
def installed_parts() -> Mapping[str, tuple[EntryPoint, ...]]:
    """By group, the parts that all installed packages give; read once in a process."""
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for package in distributions():
        if "[edaphon." in (package.read_text("entry_points.txt") or ""):
            for part in package.entry_points:
                # The first of two folders that hold one package is the one that is imported.
                found.setdefault(part.group, {}).setdefault((package.name, part.name), part)
    return {group: tuple(parts.values()) for group, parts in found.items()}


class Registry:
    """The parts of one kind, by name; `group` is that of their entry points."""

    def __init__(self, group: str, kind: str) -> None:
        self.group, self.kind = group, kind
        self._loaded: dict[str, Any] = {}

    @cached_property
    def _parts(self) -> dict[str, list[EntryPoint]]:
        """By name, sorted; what edaphon ships is not replaced by what another package gives."""
        found: dict[str, list[EntryPoint]] = {}
        for part in installed_parts().get(self.group, ()):
            found.setdefault(part.name, []).append(part)
        return dict(sorted(found.items()))

    def names(self) -> tuple[str, ...]:
        """All that are installed, sorted."""
        return tuple(self._parts)

    def package(self, name: str) -> str:
        """Name and version of the package that gives it; "" for edaphon's own and unknown ones."""
        parts = self._parts.get(name, ())
        return "" if not parts or any(map(_is_own, parts)) else package_text(parts[0])

    def load(self, name: str) -> Any:
        """The part, imported once; raises UnknownPart where there is none that can be used."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> Any:
        parts = self._parts.get(name)
        if not parts:
            known = ", ".join(self.names())
            raise UnknownPart(f"expected one of {known} as {self.kind}, got {name!r}")
        own = [part for part in parts if _is_own(part)] or parts
        if len(own) > 1:
            raise UnknownPart(self._given_twice(name))
        try:
            return own[0].load()
        except BROKEN as error:
            why = f"{package_text(own[0])} can't be used: {type(error).__name__}: {error}"
            raise UnknownPart(f"{self.kind} {name!r} of {why}") from error

    def _given_twice(self, name: str) -> str:
        packages = " and ".join(sorted(package_text(part) for part in self._parts[name]))
        return f"{self.kind} {name!r} is in {packages}: remove one of them"

    def problem(self, name: str) -> str:
        """Why a part can't be used; "" for one that can. Imports those of other packages alone."""
        if name in self._parts and not self.package(name):
            return ""
        try:
            self.load(name)
        except UnknownPart as error:
            return str(error)
        return ""

    def problems(self) -> Iterator[str]:
        """What is wrong with the parts of other packages."""
        for name, parts in self._parts.items():
            if len(parts) > 1:
                yield self._given_twice(name)
            elif problem := self.problem(name):
                yield problem

    def foreign(self) -> Iterator[tuple[str, str]]:
        """The names of the parts of other packages, with the package of each."""
        return ((name, self.package(name)) for name in self._parts if self.package(name))


def _is_own(part: EntryPoint) -> bool:
    return part.dist is not None and part.dist.name == OWN


def package_text(part: EntryPoint) -> str:
    """Name and version of the package that gives a part."""
    return f"{part.dist.name} {part.dist.version}" if part.dist is not None else "no package"


# Modules with the functions of `Engine`; those that only decode what comes by itself have the
# check of their sheets alone.
ENGINES = Registry("edaphon.engines", "engine")
# Packages with a folder `models` of sheets, one TOML file for each model.
MODEL_SHEETS = Registry("edaphon.model_sheets", "sheets")
# Functions `(topic, message) -> Uplink | None`.
ENVELOPES = Registry("edaphon.envelopes", "envelope")
# Classes `lorawan.codecs.CodecFrame`. No codec is ever guessed from the bytes: the same
# bytes are 4.4 °C to one maker and 1126.4 °C to another.
CODECS = Registry("edaphon.codecs", "frame.codec")
# Functions `(port, options) -> ` an open line with `write`, `read` and `close`, by kind of bus.
LINKS = Registry("edaphon.links", "link")

# The kinds of bus on which each engine of edaphon asks; those of other packages name theirs.
ASKED_ON = {
    "ascii": ("serial",),
    "i2c": ("i2c",),
    "modbus": ("serial", "modbus-tcp"),
    "sdi12": ("sdi12", "sdi12-uart"),
    "w1": ("w1",),
}
PUSHED = ("ascii", "file", "lorawan", "message")


class Engine(Protocol):
    """What can be asked of a protocol; nothing here touches a port.

    `BUS_KINDS` names the kinds of [bus.NAME] on which it is spoken; edaphon's own have none.
    """

    @property
    def BUS_KINDS(self) -> tuple[str, ...]: ...

    def measure(self, address: str, sheet: "Sheet", asking: "Asking") -> "Talk[None]":
        """All measurements of the sheet; raises Fault."""
        ...

    def identify(self, address: str, sheet: "Sheet", asking: "Asking") -> "Talk[None] | None":
        """Who is there, with the settings it can give; None where it can't."""
        ...

    def decode_exchange(self, turns: "Iterable[Turn]", sheet: "Sheet") -> "tuple[Reading, ...]":
        """The readings from the bytes alone; raises Fault."""
        ...

    def decode_identity(self, turns: "Iterable[Turn]", sheet: "Sheet") -> "Identity | None":
        """Who answered; None when the exchange does not say."""
        ...

    def address_error(self, address: str) -> str:
        """What would be right; "" for an address of this protocol."""
        ...

    def sheet_errors(self, sheet: "Sheet") -> Iterator[str]:
        """What is wrong in a sheet, one sentence for each error; nothing for a good one."""
        ...


def engine(name: str) -> Engine:
    """The protocol of that name; raises LookupError for one by which nobody is asked."""
    if name in PUSHED and name not in ASKED_ON:
        raise LookupError(f"expected one of {', '.join(ASKED_ON)} as an engine, got {name!r}")
    return cast(Engine, ENGINES.load(name))


def sheet_errors(sheet: "Sheet") -> Iterator[str]:
    """What is wrong in a sheet, in words; nothing for one that can be used."""
    if sheet.engine not in ENGINES.names():
        yield f"engine is one of {', '.join(ENGINES.names())}, not {sheet.engine!r}"
    elif problem := ENGINES.problem(sheet.engine):
        yield problem
    else:
        yield from cast(Engine, ENGINES.load(sheet.engine)).sheet_errors(sheet)


def completed(sheet: "Sheet", settings: Mapping[str, Any]) -> "Sheet":
    """The sheet with what its owner states of this one instrument, in the place of its frame."""
    if not settings:
        return sheet
    if sheet.engine == "file":
        from edaphon_drivers.files.sheet import completed as file_completed

        return file_completed(sheet, settings)
    return replace(sheet, frame={**sheet.frame, **settings})
