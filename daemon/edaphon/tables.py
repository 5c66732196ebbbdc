"""What a program gets of a site: the table of channels, and values in columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt
import orjson

from edaphon.clock import instant_text
from edaphon.errors import UnknownChannel
from edaphon.model import Float, Int, Observations, Small

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import xarray

Times = npt.NDArray[np.datetime64]  # UTC, to the nanosecond
Texts = npt.NDArray[np.object_]
FLAGS = {1: "passed", 2: "not_evaluated", 3: "suspect", 4: "fail", 9: "missing"}
_MISSING = 9


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One channel: what it is, where it is, and which values there are of it.

    `depth_cm` is positive down, None where there is none; `position` numbers equal channels at
    one place; `first` and `last` are the times of its first and last value, None without any.
    """

    id: str
    quantity: str
    unit: str
    plot: str = ""
    treatment: str = ""
    block: str = ""
    profile: str = ""
    depth_cm: float | None = None
    statistic: str = "instant"
    position: int = 1
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None
    n: int = 0

    def as_json(self) -> dict[str, Any]:
        """With the times as texts."""
        own = asdict(self)
        for name in ("first", "last"):
            own[name] = None if own[name] is None else instant_text(int(own[name].astype("int64")))
        return own


class ChannelTable(Sequence[ChannelRow]):
    """The channels of a site in the order of their ids; one is found by its id too."""

    def __init__(self, rows: Sequence[ChannelRow]) -> None:
        self._rows = tuple(sorted(rows, key=lambda row: row.id))

    @property
    def ids(self) -> list[str]:
        return [row.id for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, key: int | str) -> ChannelRow: ...
    @overload
    def __getitem__(self, key: slice) -> "ChannelTable": ...
    def __getitem__(self, key: int | str | slice) -> "ChannelRow | ChannelTable":
        if isinstance(key, str):
            found: ChannelRow = _of_id({row.id: row for row in self._rows}, key)
            return found
        return ChannelTable(self._rows[key]) if isinstance(key, slice) else self._rows[key]

    def __contains__(self, key: object) -> bool:
        return key in self.ids if isinstance(key, str) else key in self._rows

    def __repr__(self) -> str:
        lines = [f"{row.id}  {row.quantity} [{row.unit}]  n = {row.n}" for row in self._rows]
        return "\n".join([f"{len(self)} channels", *lines])

    def columns(self) -> dict[str, list[Any]]:
        """Each column of the table by its name."""
        names = [field.name for field in fields(ChannelRow)]
        return {name: [getattr(row, name) for row in self._rows] for name in names}

    def to_pandas(self) -> "pandas.DataFrame":
        """Indexed by id; times in UTC."""
        import pandas

        own: dict[str, Any] = dict(self.columns())
        for name in ("first", "last"):
            times = np.array([t or np.datetime64("NaT") for t in own[name]], "datetime64[ns]")
            own[name] = pandas.DatetimeIndex(times, tz="UTC")
        own["depth_cm"] = np.array(own["depth_cm"], float)
        return pandas.DataFrame(own).set_index("id")

    def to_arrow(self) -> "pyarrow.Table":
        import pyarrow

        own: dict[str, Any] = dict(self.columns())
        for name in ("first", "last"):
            times = [None if time is None else int(time.astype("int64")) for time in own[name]]
            own[name] = pyarrow.array(times, pyarrow.int64()).cast(pyarrow.timestamp("ns", "UTC"))
        own["depth_cm"] = pyarrow.array(own["depth_cm"], pyarrow.float64())
        return pyarrow.table(own)


def _of_id(known: Mapping[str, Any], id: str) -> Any:
    if id not in known:
        raise unknown_channel(id, known)
    return known[id]


def unknown_channel(channel: str, known: Mapping[str, Any] | Sequence[str]) -> UnknownChannel:
    """With the names that are near, else all of a few."""
    if not known:
        return UnknownChannel(f"expected the id of a channel (none yet), got {channel!r}")
    from edaphon_calibration.errors import suggestion

    near = suggestion(channel, known)
    return UnknownChannel(f"expected the id of a channel, got {channel!r}{near}")


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Values:
    """Values of some channels in columns of one length: channel by channel, each by time.

    A missing number is NaN. `raw` is in the instrument's unit, `value` and its standard
    uncertainties in the channel's; `support_s` is the length of the interval that ends at `time`.

    >>> for own in values:  # doctest: +SKIP
    ...     print(own.id, own.unit, own.value.mean())
    """

    channels: Mapping[str, ChannelRow]
    channel: Texts
    time: Times
    support_s: Float
    raw: Float
    value: Float
    u_random: Float
    u_systematic: Float
    flag: Small
    derivation: Texts

    @classmethod
    def of(
        cls,
        found: Sequence[tuple[ChannelRow, Sequence[Observations]]],
        flags: Sequence[int] | None = None,
    ) -> "Values":
        """The rows of these runs that have one of these flags; None: of any."""
        runs = [(row.id, run) for row, own in found for run in own]

        def joined(name: str, dtype: Any) -> Any:
            parts = [getattr(run, name) for _, run in runs]
            return np.concatenate(parts) if parts else np.empty(0, dtype)

        def repeated(texts: list[str]) -> Texts:
            names = np.array([*texts, ""], object)[:-1]
            return np.repeat(names, [len(run) for _, run in runs])

        time_ns = joined("time_ns", np.int64)
        made = cls(
            channels={row.id: row for row, _ in found},
            channel=repeated([id for id, _ in runs]),
            time=time_ns.astype("datetime64[ns]"),
            support_s=(time_ns - joined("start_ns", np.int64)) / 1e9,
            raw=joined("raw", float),
            value=joined("value", float),
            u_random=joined("u_random", float),
            u_systematic=joined("u_systematic", float),
            flag=joined("flag", np.int8),
            derivation=repeated([run.derivation for _, run in runs]),
        )
        return made if flags is None else made._chosen(np.isin(made.flag, flags))

    def __len__(self) -> int:
        return len(self.time)

    def __iter__(self) -> Iterator["Values"]:
        """The values of each channel, in the order in which they were asked for."""
        return (self[id] for id in self.channels)

    def __getitem__(self, id: str) -> "Values":
        row = _of_id(self.channels, id)
        own = self._chosen(self.channel == id)
        return own._replaced(channels={id: row})

    def __repr__(self) -> str:
        counts = ", ".join(f"{own.id}: {len(own)} [{own.unit}]" for own in self)
        return f"<edaphon values: {counts or 'none'}>"

    @property
    def id(self) -> str:
        """Of the one channel that these values are of."""
        return self._one.id

    @property
    def unit(self) -> str:
        return self._one.unit

    @property
    def quantity(self) -> str:
        return self._one.quantity

    @property
    def _one(self) -> ChannelRow:
        if len(self.channels) != 1:
            raise ValueError("expected the values of one channel: take values[ID], or iterate")
        return next(iter(self.channels.values()))

    def _chosen(self, rows: npt.NDArray[np.bool_]) -> "Values":
        return self._replaced(**{name: getattr(self, name)[rows] for name in _COLUMNS})

    def _replaced(self, **columns: Any) -> "Values":
        names = ("channels", *_COLUMNS)
        return Values(**{name: columns.get(name, getattr(self, name)) for name in names})

    def about(self) -> dict[str, dict[str, Any]]:
        """What each channel is, ready for JSON: unit, quantity, plot, depth and so on."""
        unknown = {"first", "last", "n"}  # of what was read
        tables = {id: row.as_json() for id, row in self.channels.items()}
        return {
            id: {k: v for k, v in own.items() if k not in unknown} for id, own in tables.items()
        }

    def to_pandas(self) -> "pandas.DataFrame":
        """One row a value, with its channel; `attrs["channels"]` says unit and place of each."""
        import pandas

        columns: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        for name in ("channel", "derivation"):
            columns[name] = pandas.Categorical(columns[name])
        columns["time"] = pandas.DatetimeIndex(self.time, tz="UTC")
        frame = pandas.DataFrame(columns)
        frame.attrs["channels"] = self.about()
        return frame

    def to_arrow(self) -> "pyarrow.Table":
        """As for pandas; the schema's metadata `edaphon.channels` says unit and place as JSON."""
        import pyarrow

        columns: dict[str, Any] = {name: pyarrow.array(getattr(self, name)) for name in _PLAIN}
        times = pyarrow.array(self.time.astype("int64"), pyarrow.int64())
        columns["time"] = times.cast(pyarrow.timestamp("ns", "UTC"))
        for name in ("channel", "derivation"):
            texts = pyarrow.array(getattr(self, name), pyarrow.string())
            columns[name] = texts.dictionary_encode()
        table = pyarrow.table({name: columns[name] for name in _COLUMNS})
        return table.replace_schema_metadata({"edaphon.channels": orjson.dumps(self.about())})

    def to_xarray(self) -> "xarray.Dataset":
        """A variable for each channel over all times (UTC), with its flags and uncertainties.

        Attributes follow the CF conventions: units, long_name, ancillary_variables.
        """
        import xarray

        times = np.unique(self.time)
        variables: dict[str, Any] = {}
        for own in self:
            row, at = own._one, np.searchsorted(times, own.time)
            for name, fill, about in _cf(row):
                whole = np.full(len(times), fill)
                whole[at] = getattr(own, name)
                suffix = "" if name == "value" else f"_{name}"
                variables[f"{row.id}{suffix}"] = ("time", whole, about)
        return xarray.Dataset(variables, {"time": times}, {"Conventions": "CF-1.11"})


def _cf(row: ChannelRow) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Of each variable of a channel its column, what is there without a value, its attributes."""
    others = ("flag", "u_random", "u_systematic")
    about = {name: value for name, value in row.as_json().items() if value not in ("", None)}
    unit = about.pop("unit")
    about.pop("n")
    yield (
        "value",
        np.nan,
        {
            **about,
            "units": unit,
            "long_name": row.quantity.replace("_", " "),
            "ancillary_variables": " ".join(f"{row.id}_{name}" for name in others),
        },
    )
    for name in others[1:]:
        yield name, np.nan, {"units": unit, "long_name": f"{name[2:]} standard uncertainty"}
    meanings = {
        "flag_values": np.array(list(FLAGS), np.int8),
        "flag_meanings": " ".join(FLAGS.values()),
    }
    yield "flag", np.int8(_MISSING), {"long_name": "quality flag", **meanings}


_PLAIN = ("support_s", "raw", "value", "u_random", "u_systematic", "flag")
_COLUMNS = ("channel", "time", *_PLAIN, "derivation")

# One window of the rows that came: its number, and sums over rows.
_WINDOW = np.dtype(
    [
        *(("window", "i8"), ("n", "i8"), ("all", "i8"), ("failed", "i8"), ("unknown", "i8")),
        *(("total", "f8"), ("minimum", "f8"), ("maximum", "f8"), ("covered_s", "f8")),
        *(("variance", "f8"), ("systematic", "f8")),
    ]
)
_LEAST, _MOST = {"minimum"}, {"maximum"}
_LIMIT = 0.2  # of 2 alpha + beta, from which a window is suspect


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Means:
    """Hours, days or other windows of some channels, in columns of one length.

    A window reaches from `time_start` until before `time`; an instant belongs where it lies, a row
    with an interval where that lies. `n` rows with the wanted flags make `mean`, `minimum`,
    `maximum` and `total`, which cover the share `coverage` of the window. `u_random` and
    `u_systematic` are standard uncertainties of the mean: random parts shrink, systematic ones are
    taken as shared by all rows; NaN where that of a row is not known. `flag` is 3 where
    2 alpha + beta >= 0.2 (alpha: share of rows that failed a test, beta: share that could not be
    tested or are missing; as NEON's final quality flag), 9 without any number, else 1. A window
    without rows is left out; `across` counts, by channel, rows whose interval lies in no window.
    """

    channels: Mapping[str, ChannelRow]
    channel: Texts
    time_start: Times
    time: Times
    n: Int
    coverage: Float
    mean: Float
    minimum: Float
    maximum: Float
    total: Float
    u_random: Float
    u_systematic: Float
    flag: Small
    across: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.time)

    def __repr__(self) -> str:
        return f"<edaphon means: {', '.join(self.channels)}: {len(self)} windows>"

    def columns(self) -> dict[str, Any]:
        """Each column by its name."""
        return {name: getattr(self, name) for name in MEAN_COLUMNS}

    def to_pandas(self) -> "pandas.DataFrame":
        """One row a window and channel, with `time_start` and `time` in UTC."""
        import pandas

        own = self.columns()
        for name in ("time_start", "time"):
            own[name] = pandas.DatetimeIndex(own[name], tz="UTC")
        return pandas.DataFrame(own)


MEAN_COLUMNS = (
    *("channel", "time_start", "time", "n", "coverage", "mean", "minimum", "maximum", "total"),
    *("u_random", "u_systematic", "flag"),
)


def means_of(
    found: Iterable[tuple[ChannelRow, Iterable[Observations]]],
    every_ns: int,
    offset_ns: int,
    flags: Sequence[int],
) -> Means:
    """Windows of `every_ns` that begin at whole multiples of it of the clock UTC + `offset_ns`."""
    rows, parts, across = {}, [], {}
    for row, runs in found:
        rows[row.id] = row
        windows, across[row.id] = _windows_of(runs, every_ns, offset_ns, flags)
        parts.append((row.id, windows))
    joined = np.concatenate([windows for _, windows in parts] or [np.empty(0, _WINDOW)])
    start = joined["window"] * every_ns - offset_ns
    n, whole = joined["n"], np.maximum(joined["all"], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = (2 * joined["failed"] + joined["unknown"]) / whole
        mean, systematic = joined["total"] / n, joined["systematic"] / n
        random = np.sqrt(joined["variance"]) / n
    none = n == 0
    joined = joined.copy()
    for name in ("minimum", "maximum", "total"):
        joined[name][none] = np.nan
    ids = np.array([*(id for id, _ in parts), ""], object)[:-1]
    return Means(
        rows,
        np.repeat(ids, [len(windows) for _, windows in parts]),
        start.astype("datetime64[ns]"),
        (start + every_ns).astype("datetime64[ns]"),
        n,
        np.minimum(joined["covered_s"] * 1e9 / every_ns, 1.0),
        mean,
        joined["minimum"],
        joined["maximum"],
        joined["total"],
        random,
        systematic,
        np.where(none, _MISSING, np.where(weight >= _LIMIT, 3, 1)).astype(np.int8),
        across,
    )


def _windows_of(
    runs: Iterable[Observations], every_ns: int, offset_ns: int, flags: Sequence[int]
) -> tuple[npt.NDArray[np.void], int]:
    """The windows of a channel by time, and how many rows lie in none."""
    found: list[npt.NDArray[np.void]] = []
    spacing: list[float] = []
    across, instants = 0, False
    for run in runs:
        begin = np.where(run.start_ns < run.time_ns, run.start_ns, run.time_ns)
        window = (begin + offset_ns) // every_ns
        last = np.where(begin < run.time_ns, run.time_ns - 1, run.time_ns) + offset_ns
        inside = window == last // every_ns
        across += int((~inside).sum())
        if len(run) > 1:
            spacing.append(float(np.median(np.diff(run.time_ns))) / 1e9)
        own = run.take(inside)
        instants = instants or bool((own.start_ns == own.time_ns).any())
        found.append(_added(_rows_as_windows(own, window[inside], flags)))
    windows = _added(np.concatenate(found or [np.empty(0, _WINDOW)]))
    if instants and spacing:  # each counts for the time to the next
        windows["covered_s"] += windows["n"] * float(np.median(spacing))
    return windows, across


def _rows_as_windows(run: Observations, window: Int, flags: Sequence[int]) -> npt.NDArray[np.void]:
    wanted = np.isin(run.flag, flags) & np.isfinite(run.value)
    rows = np.zeros(len(run), _WINDOW)
    rows["window"], rows["n"], rows["all"] = window, wanted, 1
    rows["failed"] = np.isin(run.flag, (3, 4))
    rows["unknown"] = np.isin(run.flag, (2, _MISSING))
    rows["total"] = np.where(wanted, run.value, 0.0)
    rows["minimum"] = np.where(wanted, run.value, np.inf)
    rows["maximum"] = np.where(wanted, run.value, -np.inf)
    rows["covered_s"] = np.where(wanted, (run.time_ns - run.start_ns) / 1e9, 0.0)
    rows["variance"] = np.where(wanted, run.u_random**2, 0.0)
    rows["systematic"] = np.where(wanted, run.u_systematic, 0.0)
    return rows


def _added(rows: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Rows of one window become one."""
    if not len(rows):
        return rows
    rows = rows[np.argsort(rows["window"], kind="stable")]
    first = np.flatnonzero(np.diff(rows["window"], prepend=rows["window"][0] - 1))
    out = np.empty(len(first), _WINDOW)
    for name in _WINDOW.names or ():
        together = np.minimum if name in _LEAST else np.maximum if name in _MOST else np.add
        out[name] = together.reduceat(rows[name], first)
    out["window"] = rows["window"][first]
    return out
