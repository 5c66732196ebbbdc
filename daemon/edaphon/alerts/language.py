"""The texts of one language: how it writes numbers, times, names, and nodes with their wiring."""

import string
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from edaphon.alerts.model import Node, NodeKind
from edaphon.toml_input.lines import data_of
from edaphon_drivers.sheets import Sheet, Sheets, UnknownModel

LANGUAGES = ("en", "de")
MOST_TITLE = 200  # characters of the title of a message
Text = str | list[str]  # a list is a choice, from the fullest text on
_NS = 1_000_000_000
_UNITS_S = {
    "year": 31_557_600,
    "month": 2_629_800,
    "week": 604_800,
    "day": 86_400,
    "hour": 3600,
    "minute": 60,
    "second": 1,
}
_NEAR = 0.1  # how far a rounded duration may be from the true one
_FAR_DATE_NS = 300 * 86_400 * _NS  # a short date further away has its year


def one_line(text: str) -> str:
    """What others named, without line breaks, control characters and runs of blanks."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, most: int) -> str:
    """At most so many characters, of whole words where these fill half of them."""
    if len(text) <= most:
        return text
    whole = text[:most].rpartition(" ")[0].rstrip(" ,:;(")
    return f"{whole if 2 * len(whole) >= most else text[: most - 1]}…"


def fields(text: str) -> frozenset[str]:
    """The names of the numbers that a text needs."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)


def chosen(text: Text, known: Mapping[str, str]) -> str:
    """The first text whose numbers are all known, filled in; "" where there is none."""
    for one in [text] if isinstance(text, str) else text:
        if fields(one) <= known.keys():
            return one.format_map(known)
    return ""


@dataclass(frozen=True, slots=True)
class Language:
    """`table` is the file of its texts, `offset_s` [s] the site's time less UTC."""

    table: Mapping[str, Any]
    offset_s: int
    now_ns: int

    def number(self, value: float, most_decimals: int = 0) -> str:
        """With the decimal sign and the groups of the language."""
        text = f"{value:,.{most_decimals}f}"
        signs = {".": self.table["format"]["decimal"], ",": self.table["format"]["group"]}
        return "".join(signs.get(c, c) for c in text)

    def count(self, name: str, n: int) -> str:
        """`n` with what is counted: "1 channel", "3 channels"."""
        one, several = self.table["counts"][name]
        return str(one if n == 1 else several.format(n=self.number(n)))

    def duration(self, seconds: float, form: str = "durations") -> str:
        """In the largest unit whose whole number is true within a tenth: 13 days are 2 weeks."""
        if seconds < 1:
            return str(self.table[form]["moment"])
        for unit, size_s in _UNITS_S.items():
            n = round(seconds / size_s)
            if n and abs(n * size_s - seconds) <= _NEAR * seconds:
                one, several = self.table[form][unit]
                return str(one if n == 1 else several.format(n=self.number(n)))
        return self.number(seconds)

    def ago(self, time_ns: int) -> str:
        """How long it lasts by now: "for 3 days"."""
        lasted = self.duration((self.now_ns - time_ns) / _NS, "durations_since")
        return str(self.table["format"]["for"].format(duration=lasted))

    def date(self, time_ns: int) -> str:
        return self._time("date", time_ns)

    def moment(self, time_ns: int) -> str:
        """Date and time of day, of today the time alone."""
        today = self._at(time_ns).date() == self._at(self.now_ns).date()
        return self._time("moment_today" if today else "moment", time_ns)

    def short_moment(self, time_ns: int, form: str = "short") -> str:
        far = abs(self.now_ns - time_ns) > _FAR_DATE_NS
        return self._time("short_far" if far else form, time_ns)

    def short_date(self, time_ns: int) -> str:
        return self.short_moment(time_ns, "short_date")

    def offset(self) -> str:
        """The site's time less UTC, such as +01:00."""
        minutes = abs(self.offset_s) // 60
        return f"{'-' if self.offset_s < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"

    def _at(self, time_ns: int) -> datetime:
        return datetime.fromtimestamp(time_ns // _NS, UTC) + timedelta(seconds=self.offset_s)

    def _time(self, form: str, time_ns: int) -> str:
        at, forms = self._at(time_ns), self.table["format"]
        return str(
            forms[form].format(
                weekday=forms["days"][at.weekday()],
                day=at.day,
                month=forms["months"][at.month - 1],
                year=at.year,
                clock=f"{at:%H:%M}",
            )
        )

    def quantity(self, name: str) -> str:
        return str(self.table["quantities"].get(name, name.replace("_", " ")))

    def kind(self, node: Node) -> str:
        return str(self.table["kinds"][node.kind.value])

    def name(self, node: Node, label: str) -> str:
        """Kind, label and place: "probe T12-1 (METER TEROS 12), plot P1, 5 cm"."""
        label, kind = one_line(label or node.name), self.kind(node)
        whole = f"{kind} {label}".strip() if label.casefold() != node.kind.value else kind
        if node.quantity:
            whole += f" ({self.quantity(node.quantity)})"
        return whole + self.place(node, label)

    def place(self, node: Node, after: str = "") -> str:
        """ ", plot P1, 5 cm", without what a name before it says; "" where no place is known."""
        forms, named = self.table["format"], f" {after} "
        plot = forms["plot"].format(plot=one_line(node.plot)) if node.plot else ""
        depth = forms["depths"].format(depths=one_line(node.depth_cm)) if node.depth_cm else ""
        own = ((f" {one_line(node.plot)} ", plot), (f" {depth} ", depth))
        parts = ", ".join(part for words, part in own if part and words not in named)
        return str(forms["place"].format(parts=parts)) if parts else ""


def load_language(language: str, offset_s: int, now_ns: int) -> Language:
    """Raises ValueError for a language without texts."""
    if language not in LANGUAGES:
        raise ValueError(f"expected one of {', '.join(LANGUAGES)}, got {language!r}")
    return Language(data_of("edaphon.alerts", f"texts/{language}"), offset_s, now_ns)


_DEEPEST = 16  # a tree whose parents go in a circle ends
_OWN_BUS = {"w1", "i2c"}  # buses without an adapter: their protocol knows better steps
_OWN_SUPPLY = {"lorawan", "message"}  # devices with a battery inside


@dataclass(frozen=True, slots=True)
class Wiring:
    nodes: Mapping[str, Node]
    sheets: Sheets

    def up(self, node: str) -> Iterator[Node]:
        """The node and what it needs, up to the logger."""
        for _ in range(_DEEPEST):
            found = self.nodes.get(node)
            if found is None:
                return
            yield found
            node = found.parent

    def below(self, failing: Collection[str]) -> Iterator[Node]:
        """The nodes that are one of these, or hang on one of these."""
        for node in self.nodes.values():
            if any(one.id in failing for one in self.up(node.id)):
                yield node

    def lowest(self, failing: Collection[str]) -> frozenset[str]:
        """Those of the failing nodes below which nothing else fails: the others fail for them."""
        above = {up.id for one in failing for up in self.up(one) if up.id != one}
        return frozenset(failing) - above

    def channels(self, failing: Collection[str]) -> list[Node]:
        """The channels that hang on one of these nodes, by plot, quantity and depth."""
        found = [node for node in self.below(failing) if node.kind is NodeKind.CHANNEL]
        return sorted(found, key=lambda c: (c.plot, c.quantity, _depth(c.depth_cm), c.name))

    def source(self, cause: str) -> Node | None:
        """The source that a person may ask by hand: that of the cause, or the only one on it."""
        for node in self.up(cause):
            if node.kind is NodeKind.SOURCE:
                return node
        found = [node for node in self.below({cause}) if node.kind is NodeKind.SOURCE]
        return found[0] if len(found) == 1 else None

    def variants(self, cause: str) -> tuple[str, ...]:
        """By what a text may differ: the kind of the cause and the protocol, the better first."""
        node = self.nodes.get(cause)
        kind = node.kind.value if node else cause.partition(" ")[0]
        engine = next(map(_protocol, self._sheets(cause)), "")
        if not engine and any(up.kind is NodeKind.BROKER for up in self.up(cause)):
            engine = "message"
        if node and "://" in node.label:
            return (kind, "tcp", engine)
        if engine == "heard":
            return (kind, engine, "ascii")
        inside = kind == NodeKind.SUPPLY.value and engine in _OWN_SUPPLY
        return (engine, kind) if inside or engine in _OWN_BUS else (kind, engine)

    def label(self, node: Node) -> str:
        """Its label, with the maker's name of the model instead of the name of its sheet."""
        try:
            title = self.sheets[node.model].title if node.model else ""
        except UnknownModel:
            return node.label
        return node.label.replace(f"({node.model})", f"({title.partition(':')[0]})")

    def sheet_facts(self, cause: str) -> dict[str, str | float]:
        """What the makers' manuals say of the instruments, by the names that texts use."""
        sheets = self._sheets(cause)
        wires = sheets[0].wires if len(sheets) == 1 else {}
        facts: dict[str, str | float] = {f"{wire}_wire": colour for wire, colour in wires.items()}
        least_v = max((sheet.supply_least_v for sheet in sheets), default=0.0)
        return facts | ({"least_v": least_v} if least_v else {})

    def _sheets(self, cause: str) -> list[Sheet]:
        """That of the cause or of what it hangs on; of a bus those of all instruments on it."""
        own = [node.model for node in self.up(cause) if node.model][:1]
        models = own or [node.model for node in self.below({cause}) if node.model]
        found = []
        for model in dict.fromkeys(models):
            try:
                found.append(self.sheets[model])
            except UnknownModel:
                continue
        return found


def _protocol(sheet: Sheet) -> str:
    """The engine of a sheet, "heard" for an ASCII instrument that talks by itself."""
    return "heard" if sheet.frame.get("heard") else sheet.engine


def _depth(text: str) -> tuple[float, str]:
    """A sort key: 5 before 15 before 100, and what is no number last."""
    try:
        return float(text.partition("-")[0] or "inf"), text
    except ValueError:
        return float("inf"), text
