"""Whether all that new facts name is there: plots, channels, sources, outputs, models, curves."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from errno import EFBIG, ESTALE
from pathlib import Path
from typing import NamedTuple

from edaphon.facts.files import FactRow
from edaphon.facts.fitting import naming_errors, own_errors
from edaphon.facts.knowledge import Found, Knowledge, NewFacts, new_rows, unless_known
from edaphon.facts.model import Calibration, ChannelFact, Deployment, Fact, Horizon, Sensor
from edaphon.toml_input.lines import ConfigError, refusal
from edaphon.toml_input.values import is_hash, read_bytes
from edaphon_calibration.checks import find_check, prepare_check
from edaphon_calibration.curves import curve_names, find_curve
from edaphon_calibration.nomenclature import QUANTITIES
from edaphon_calibration.prepare import prepare_step
from edaphon_calibration.units import canonical, check_unit
from edaphon_drivers.sheets import Output


def reference_errors(new: NewFacts) -> Iterator[Found]:
    for channel in new.new(ChannelFact):
        yield from _channel(channel)
    for sensor in new.new(Sensor):
        yield from unless_known(sensor, "model", sensor.model, new.sheets.names(), "model sheet")
    for calibration in new.new(Calibration):
        yield from _curve(calibration)
    yield from own_errors(new)
    if new.sources is not None:
        for found in _names(new, new.sources):
            if not new.doubtful & set(_named(found[0], found[1])):
                yield found


def _named(fact: Fact, key: str) -> tuple[str, ...]:
    value = getattr(fact, key)
    return value if isinstance(value, tuple) else (value,)


def _names(new: NewFacts, sources: Mapping[str, Mapping[str, Output]]) -> Iterator[Found]:
    after = new.after
    known: dict[str, Iterable[str]] = {"plot": after.plots, "profile": after.profiles}
    known |= {"channel": after.channels, "sensor": after.sensors, "source": sources}
    for row in new.rows.values():  # a key such as plot, channel or sources names what is there
        for key in type(row.fact).model_fields:
            what = key.removesuffix("s")
            for name in _named(row.fact, key) if what in known else ():
                yield from unless_known(row.fact, key, name, known[what], what)
    for channel in new.new(ChannelFact):
        yield from _one_plot(new, channel)
    for horizon in new.new(Horizon):
        yield from _one_layer(new, horizon)
    for deployment in new.new(Deployment):
        yield from _source(new, deployment, sources)
    for calibration in new.new(Calibration):
        if (second := calibration.second) is not None:
            found = unless_known(calibration, "second", second.channel, after.channels, "channel")
            yield from found
            yield from _circle(new, calibration)
    yield from naming_errors(new)


def _one_plot(new: NewFacts, channel: ChannelFact) -> Iterator[Found]:
    profile = new.after.profiles.get(channel.profile or "")
    if profile is not None and channel.plot not in {None, profile.plot}:
        came = f'"{channel.plot}", but profile {profile.id} lies in "{profile.plot}"'
        yield channel, "plot", came, "the same plot, or leave it out"


def _one_layer(new: NewFacts, horizon: Horizon) -> Iterator[Found]:
    for other in new.after.horizons:
        same = other is not horizon and other.profile == horizon.profile and other.overlaps(horizon)
        if same and other.top_cm < horizon.bottom_cm and horizon.top_cm < other.bottom_cm:
            came = f"{horizon.top_cm:g} to {horizon.bottom_cm:g} cm, where {other.id} lies too"
            yield horizon, "top_cm", came, f"one layer at a time; does it supersede {other.id}?"
            return


def _source(
    new: NewFacts, deployment: Deployment, sources: Mapping[str, Mapping[str, Output]]
) -> Iterator[Found]:
    outputs = sources.get(deployment.source)
    if outputs is None:
        return
    for fact, key, came, right in unless_known(
        deployment, "output", deployment.output, outputs, "output of this source"
    ):
        own = deployment.source.startswith("file/") and not right.startswith("did you mean")
        more = f"your own columns need a model sheet: see docs/adding.md; {right}"
        yield fact, key, came, more if own else right
    output = outputs.get(deployment.output)
    if output is not None:
        curves = [factory.name for factory in output.factory]
        yield from unless_known(deployment, "factory", deployment.factory, curves, "factory curve")
    sensor = new.after.sensors.get(deployment.sensor or "")
    if sensor is not None and sensor.model in new.sheets:
        known = new.sheets[sensor.model].outputs
        if deployment.output in outputs and deployment.output not in known:
            came = f"{sensor.id} is a {sensor.model}, which has no {deployment.output}"
            yield deployment, "sensor", came, "a sensor of the source's model"


def _curve(calibration: Calibration) -> Iterator[Found]:
    if calibration.curve not in curve_names():
        yield from unless_known(calibration, "curve", calibration.curve, curve_names(), "curve")
        return
    yield from _second(calibration)
    curve = find_curve(calibration.curve)
    if problem := refusal(prepare_step, curve, calibration.parameters):
        yield calibration, "parameters", "do not fit the curve", problem
        return
    given = curve.in_order(calibration.parameters)
    if calibration.covariance and given != tuple(calibration.parameters):
        came = f"{', '.join(calibration.parameters)} with a covariance"
        yield calibration, "parameters", came, f"in the curve's order: {', '.join(given)}"
        return
    covariance = calibration.covariance or None
    if problem := refusal(prepare_step, curve, calibration.parameters, covariance):
        yield calibration, "covariance", "does not fit the curve", problem
    yield from _own_unit(calibration, "from_unit", calibration.from_unit)
    yield from _own_unit(calibration, "to_unit", calibration.to_unit)


def _second(calibration: Calibration) -> Iterator[Found]:
    """A second input is stated exactly where the curve takes one."""
    wanted, given = find_curve(calibration.curve).second, calibration.second
    if calibration.by_calendar:
        yield from _calendar(calibration)
    elif wanted is not None and given is None:
        came = f'"{calibration.curve}" takes {wanted.quantity} as a second input'
        yield calibration, "curve", came, "second = { output = ... } or { channel, max_age }"
    elif wanted is None and given is not None:
        came = f'"{calibration.curve}" takes one input'
        yield calibration, "second", came, "leave it out, or a curve of two inputs"


def _calendar(calibration: Calibration) -> Iterator[Found]:
    """How much of the calibration's own time has passed is taken from nowhere else."""
    came = f'"{calibration.curve}" takes how much of the time from `from` to `to` has passed'
    if calibration.second is not None:
        yield calibration, "curve", f"{came}, and `second` is given", "leave `second` out"
    lacking = [
        f"`{key}`"
        for key, time in (("from", calibration.from_ns), ("to", calibration.to_ns))
        if time is None
    ]
    if lacking:
        right = "the times of the check before and of the check after"
        yield calibration, "curve", f"{came}, without {' and '.join(lacking)}", right


def _circle(new: NewFacts, calibration: Calibration) -> Iterator[Found]:
    """No channel takes what is made of its own values."""
    takes: dict[str, set[str]] = {}
    for deployment in new.after.deployments:
        for other in new.after.calibrations_of(deployment):
            if other.second is not None and other.second.channel is not None:
                takes.setdefault(deployment.channel, set()).add(other.second.channel)
    start = calibration.second.channel if calibration.second else None
    reached, further = set[str](), {start} if start else set()
    while further:
        reached |= further
        further = {b for a in further for b in takes.get(a, ())} - reached
    fed = {c for c, taken in takes.items() if start in taken}
    if start is not None and fed & reached:
        came = f'"{start}" is made of {", ".join(sorted(fed & reached))} itself'
        yield calibration, "second", came, "another channel"


def _own_unit(calibration: Calibration, key: str, unit: str | None) -> Iterator[Found]:
    """A stated unit is one, and the curve's own where the curve has one."""
    wanted = getattr(find_curve(calibration.curve), key)
    if unit is not None and (problem := refusal(canonical, unit)):
        yield calibration, key, f'"{unit}" is no unit', problem
    elif None not in (unit, wanted) and canonical(unit or "") != canonical(wanted):
        came = f'"{unit}", but the curve {calibration.curve} has {wanted}'
        yield calibration, key, came, "leave it out"


def _channel(channel: ChannelFact) -> Iterator[Found]:
    if channel.quantity not in QUANTITIES:
        yield from unless_known(channel, "quantity", channel.quantity, QUANTITIES, "quantity")
        if problem := refusal(canonical, channel.unit):
            yield channel, "unit", f'"{channel.unit}" is no unit', problem
        return
    if problem := refusal(check_unit, channel.unit, channel.quantity):
        yield channel, "unit", f'"{channel.unit}" does not fit', problem
    for name, limits in channel.limits().items():
        if problem := refusal(find_check, name):
            yield channel, "checks", f'"{name}" does not fit', problem
        elif not find_check(name).of_person:
            came = f"{name} has limits of its own kind"
            yield channel, "checks", came, "leave it out: it counts for every channel"
        elif problem := refusal(prepare_check, find_check(name), limits):
            yield channel, "checks", f'"{name}" does not fit', problem


LARGEST_BYTES = 4_000_000


class NamedFile(NamedTuple):
    """A file that a row names: `name` as written, and below `folder`, that of the row's file."""

    name: str
    folder: Path
    sha256: str

    @property
    def path(self) -> Path:
        return self.folder / self.name

    def read(self) -> bytes:
        """OSError for no file, one that is too large, and a link that leaves the folder."""
        return read_bytes(self.path, LARGEST_BYTES, self.folder)

    def read_known(self) -> bytes:
        """As `read`, once it was checked; OSError if another file is there by now."""
        data = self.read()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise OSError(ESTALE, "another file than when it was checked", str(self.path))
        return data


def evidence_errors(
    rows: Sequence[FactRow],
    knowledge: Knowledge,
    is_secret: Callable[[Path], bool] = lambda _: False,
) -> list[ConfigError]:
    """Reads the files that rows not known yet name; a secret is not read for that."""
    found: list[ConfigError] = []
    for row in new_rows(rows, knowledge):
        for one in _named_files(row):
            problem = _problem(one, is_secret(one.path))
            if problem is not None:
                line, key = row.line_of("evidence"), f"{row.fact.table}.evidence"
                found.append(ConfigError(row.file, line, key, *problem))
    return found


def evidence_files(rows: Iterable[FactRow]) -> Iterator[NamedFile]:
    """Every file that rows name, in their order."""
    for row in rows:
        yield from _named_files(row)


def _named_files(row: FactRow) -> Iterator[NamedFile]:
    named: dict[str, str] = getattr(row.fact, "evidence", None) or {}
    for name, sha256 in named.items():
        yield NamedFile(name, Path(row.file).parent, sha256)


def _problem(one: NamedFile, is_secret: bool) -> tuple[str, str] | None:
    """What came and what is right; None for the file that is meant."""
    folder = one.path.absolute().parent
    if is_secret:
        return f'"{one.name}" is a secret of the configuration', "a file that others may read"
    try:
        actual = hashlib.sha256(one.read()).hexdigest()
    except FileNotFoundError:
        return f'"{one.name}" is not there', f"put {one.path.name} into {folder}, or leave it out"
    except OSError as error:
        return _unread(one, error)
    if one.sha256 == actual:
        return None
    came = f'"{one.name}" is another file than when its hash was written'
    came = came if is_hash(one.sha256) else f'"{one.name}" has no hash yet'
    return came, f'"{one.name}" = "{actual}"'


def _unread(one: NamedFile, error: OSError) -> tuple[str, str]:
    if error.errno == EFBIG:
        came = f'"{one.name}" is too large'
        return came, f"at most {LARGEST_BYTES / 1e6:.0f} MB: the journal keeps it"
    came = f'"{one.name}" can\'t be read ({error.strerror})'
    return came, f"a file in {one.folder.absolute()} that this account can read"
