"""One kind of record that an instrument sends: how it is known, cut, and made into readings."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edaphon_drivers.ascii.checksums import Checksum
from edaphon_drivers.ascii.layouts import Layout, Nothing, Separated
from edaphon_drivers.ascii.numbers import read_number
from edaphon_drivers.ascii.times import OwnTime
from edaphon_drivers.faults import Fault, Garbled, NoAnswer, Refused
from edaphon_drivers.patterns import Expression
from edaphon_drivers.readings import Reading, Status
from edaphon_drivers.reported import reported, without_number
from edaphon_drivers.sheets import Output

_SAME = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output in a record: the text it is made of and what is done to the number.

    `codes` are texts that stand for a status, `coded` those that are numbers, as the line says it.
    `units` are (multiply, divide) to the output's unit by what stands in the text `unit_from`.
    """

    output: Output
    key: str
    words: Mapping[str, float] = field(default_factory=dict)
    codes: Mapping[str, Status] = field(default_factory=dict)
    coded: Mapping[float, Status] = field(default_factory=dict)
    multiply: float = 1.0
    divide: float = 1.0
    unit_from: str = ""
    units: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def reading(
        self, texts: Mapping[str, str], time_ns: int | None, decimal: str, sure: bool
    ) -> Reading | None:
        """None when the record does not have the field; `sure` when a checksum vouches for it."""
        text = texts.get(self.key)
        if text is None:
            return None
        if text in self.codes:
            return without_number(self.output, self.codes[text], time_ns)
        number = self.words[text] if text in self.words else _number(text, decimal, sure)
        if number is not None and number in self.coded and text not in self.words:
            return without_number(self.output, self.coded[number], time_ns)
        factor = self.units.get(texts.get(self.unit_from, "")) if self.units else _SAME
        if number is None or factor is None:
            return without_number(self.output, Status.INVALID, time_ns)
        number = number * self.multiply / self.divide * factor[0] / factor[1]
        if not math.isfinite(number):
            return without_number(self.output, Status.INVALID, time_ns)
        return reported(self.output, number, time_ns)


def _number(text: str, decimal: str, sure: bool) -> float | None:
    try:
        return read_number(text, decimal)
    except Garbled:
        if sure:
            return None
        raise


@dataclass(frozen=True, slots=True)
class Kind:
    """`fault` refuses, `busy` asks to come again later, `ignore` is a line without readings.

    `states` name the texts that must say "ok", else all outputs of the record have that status;
    `status` are outputs that such a record says to be without a number.
    """

    begins: tuple[str, ...] = ()
    match: Expression | None = None
    word: bool = True
    layout: Layout = field(default_factory=Nothing)
    checksum: Checksum | None = None
    wanted: tuple[Wanted, ...] = ()
    states: Mapping[str, Mapping[str, Status]] = field(default_factory=dict)
    status: tuple[tuple[Output, Status], ...] = ()
    fault: str = ""
    busy: str = ""
    ignore: bool = False
    time: OwnTime | None = None
    angles: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    decimal: str = "."

    def is_of(self, line: str) -> bool:
        if self.begins and not any(self._begins(line, begin) for begin in self.begins):
            return False
        return self.match is None or self.match.is_in(line)

    def _begins(self, line: str, begin: str) -> bool:
        if not line.startswith(begin):
            return False
        goes_on = begin[-1:].isalnum() and line[len(begin) : len(begin) + 1].isalnum()
        return not (self.word and goes_on)

    @property
    def looked_for(self) -> str:
        """What a line of this kind has, for a person; "" where any line is of it."""
        begins = " or ".join(f'"{begin}"' for begin in self.begins)
        match = f"has {self.match.pattern}" if self.match else ""
        return " and ".join(filter(None, (f"begins {begins}" if begins else "", match)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that the sheet gives to the values of a line, where it does."""
        return self.layout.columns if isinstance(self.layout, Separated) else ()

    def texts(self, line: str, columns: Sequence[str]) -> dict[str, str]:
        """The named texts of a line of this kind; raises Fault."""
        said = self._said(line)
        if said is not None:
            raise said
        texts = self.layout.texts(line, columns)
        for name, (angle, hemisphere) in self.angles.items():
            if angle in texts:
                texts[name] = _degrees(texts[angle], texts.get(hemisphere, ""))
        return texts

    def readings(self, texts: Mapping[str, str], time_ns: int | None) -> tuple[Reading, ...]:
        """Raises Garbled where a text is no number and nothing vouches for the line."""
        if self.states:
            status = self._state(texts)
            if status is not Status.OK:
                sent = (w.output for w in self.wanted if w.key in texts)
                return tuple(without_number(output, status, time_ns) for output in sent)
        sure = self.checksum is not None
        made = [w.reading(texts, time_ns, self.decimal, sure) for w in self.wanted]
        given = [reading for reading in made if reading is not None]
        given += [without_number(output, status, time_ns) for output, status in self.status]
        return tuple(given)

    def _said(self, line: str) -> Fault | None:
        if self.fault:
            return Refused(f"a measurement ({self.fault})", line)
        return NoAnswer(f"a measurement ({self.busy})", line) if self.busy else None

    def _state(self, texts: Mapping[str, str]) -> Status:
        said = (
            known.get(texts.get(name, ""), Status.INVALID) for name, known in self.states.items()
        )
        return next((status for status in said if status is not Status.OK), Status.OK)


_MINUTES = re.compile(r"(\d{2,3})(\d{2}(?:\.\d{1,8})?)", re.ASCII)
_SIGN = {"N": 1, "E": 1, "S": -1, "W": -1}


def _degrees(text: str, hemisphere: str) -> str:
    """Degrees of `4807.038` (48 degrees 7.038 minutes) and its hemisphere; "" of "" """
    if not text:
        return ""
    found = _MINUTES.fullmatch(text)
    if found is None or hemisphere not in _SIGN:
        raise Garbled("degrees and minutes with N, S, E or W", f"{text} {hemisphere}")
    return repr(_SIGN[hemisphere] * (int(found[1]) + float(found[2]) / 60))
