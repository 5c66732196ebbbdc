"""What a program gets of a site: the table of channels, and values in columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt
import orjson

from edaphon.clock import instant_text
from edaphon.errors import UnknownChannel
from edaphon.model import Float, Observations, Small

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

    `depth_cm` is positive down, None where there is none; `position` tells equal channels at one
    place apart; `first` and `last` are the times of its first and last value, None without any.
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
    """Of each variable of a channel its column, what stands where there is none, its attributes."""
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
