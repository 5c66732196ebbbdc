"""The explanation of one observation, as frozen types: `printer.as_json` gives the JSON of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from edaphon.printer import Among

Domain = tuple[float | None, float | None]


@dataclass(frozen=True)
class ShownSpan:
    from_: str | None
    to: str | None


@dataclass(frozen=True)
class EnteredBy:
    """Who entered a fact, when it became known, and the file that it came from."""

    who: str
    account: str
    known_since: str
    file: str
    sha256: str
    place: str


@dataclass(frozen=True)
class RestsOn:
    """What a calibration or check rests on; `evidence` are files with their SHA-256."""

    certificate: str | None
    standard: str | None
    operator: str | None
    method: str | None
    evidence: Mapping[str, str]
    entered: EnteredBy | None


@dataclass(frozen=True)
class ShownRecord:
    """Where a record is, when it came, and its bytes, cut when there are many."""

    place: str
    received: str
    slot: str | None
    source: str
    purpose: str
    kind: str
    bytes: int
    payload: tuple[str, ...]


@dataclass(frozen=True)
class ShownReading:
    output: str
    quantity: str
    number: float | None
    unit: str
    status: str
    impossible: str
    origin: str
    own_time: str | None
    time_from: str


@dataclass(frozen=True)
class ShownDeployment:
    id: str
    source: str
    output: str
    sensor: str | None
    factory: str | None
    primary: bool
    span: Among[ShownSpan]
    entered: EnteredBy | None


@dataclass(frozen=True)
class MakerCurve:
    """A maker's curve with the parameters that a sheet leaves to the curve."""

    curve: str
    parameters: Mapping[str, float]
    quantity: str
    unit: str


@dataclass(frozen=True)
class PinnedCurve:
    """The fact that keeps a maker's curve, and whether the model sheet has changed since."""

    id: str
    model: str
    entered: EnteredBy | None
    sheet_is_the_same: bool
    sheet_says: MakerCurve | None


@dataclass(frozen=True)
class FactoryOrigin:
    step_of: str
    id: str
    pinned: PinnedCurve | None


@dataclass(frozen=True)
class CalibrationOrigin:
    step_of: str
    id: str
    place: int
    span: Among[ShownSpan]
    expires: str | None
    rests_on: Among[RestsOn]


@dataclass(frozen=True)
class UsedCurve:
    curve: str
    formula: str
    reference: str
    parameters: Mapping[str, float]
    covariance: list[list[float]] | None
    curve_uncertainty: float
    drift_per_year: float
    domain: Domain
    own_domain: bool
    second_domain: Domain | None


@dataclass(frozen=True)
class Alone:
    """One calibration of a step, with what goes in and what it alone makes of it."""

    origin: Among[FactoryOrigin | CalibrationOrigin]
    used: Among[UsedCurve]
    unit_in: str
    unit_out: str
    input: float | None
    value_alone: float | None


@dataclass(frozen=True)
class PairProgress:
    """How much of the time from one calibration to the other has passed."""

    share: float
    from_: str
    to: str


@dataclass(frozen=True)
class Number:
    number: float | None
    number_unit: str


@dataclass(frozen=True)
class OfOutput:
    output: str
    stated: Among[Number | None]


@dataclass(frozen=True)
class TakenRow:
    """The observation of another channel that was taken."""

    record: str
    time: str
    age_s: float
    flag: int
    number: float
    number_unit: str


@dataclass(frozen=True)
class OfChannel:
    channel: str
    max_age: str
    taken: Among[TakenRow | None]


@dataclass(frozen=True)
class SecondValue:
    """What a step takes next to its input, in the unit of the curve."""

    value: float | None
    u_random: float | None
    u_systematic: float | None
    unit: str
    origin: Among[OfOutput | OfChannel]


@dataclass(frozen=True)
class ShownStep:
    """One step of the chain; `drifts_from` is the earlier calibration of a pair."""

    own: Among[Alone]
    value: float | None
    u_random: float | None
    u_systematic: float | None
    second: SecondValue | None
    progress: PairProgress | None
    drifts_from: Alone | None
    beyond: tuple[str, ...]
    outside: bool


@dataclass(frozen=True)
class ToUnit:
    """From the last step to the channel's unit."""

    from_: str
    to: str
    scale: float
    offset: float


@dataclass(frozen=True)
class Compared:
    """What a field check made of u_systematic [all: the channel's unit]."""

    deviation: float
    limit: float
    u_systematic_before: float
    u_systematic: float
    unit: str
    result: str


@dataclass(frozen=True)
class LeftOut:
    result: str
    why: str


@dataclass(frozen=True)
class ShownFieldCheck:
    """A check in the field in its own unit, as it was written, and what it made of the value."""

    id: str
    of: str
    state: str
    visit: str
    span: Among[ShownSpan]
    reading: float
    reference_value: float
    u_reference: float
    check_unit: str
    rests_on: Among[RestsOn]
    outcome: Among[Compared | LeftOut]


@dataclass(frozen=True)
class CheckResult:
    check: str
    effect: int
    limits: Mapping[str, float]
    flag: int
    result: str
    reference: str


@dataclass(frozen=True)
class Reason:
    """What speaks against the value, and which flag it gives."""

    flag: int
    why: str


@dataclass(frozen=True)
class StoredValue:
    """The value as the series holds it, and what its derivation was made of."""

    value: float | None
    unit: str
    u_random: float | None
    u_systematic: float | None
    rank: int
    derivation: str
    derivation_of: Mapping[str, object]
    software: str


@dataclass(frozen=True)
class Explanation:
    """`agrees` says whether deriving again gave the stored row, bit for bit; if not, `again`."""

    channel: str
    asked: str
    time: str
    nearest: bool
    usual_interval: str | None
    support_s: float
    record: ShownRecord
    reading: ShownReading | None
    deployment: ShownDeployment | None
    raw: float | None
    raw_unit: str
    steps: tuple[ShownStep, ...]
    conversion: ToUnit | None
    no_chain: str
    accuracy: Mapping[str, float]
    field_checks: tuple[ShownFieldCheck, ...]
    checks: tuple[CheckResult, ...]
    flag: int
    flag_name: str
    reasons: tuple[Reason, ...]
    stored: Among[StoredValue]
    agrees: bool
    again: str
