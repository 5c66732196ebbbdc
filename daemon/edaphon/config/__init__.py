"""What edaphon.toml says of the box: logger, site, lines, brokers, sources, sinks."""

from edaphon.config.lines import Broker, Bus, Multiplexer, Supply
from edaphon.config.model import (
    Budget,
    ClockTrust,
    Configuration,
    Facts,
    Logger,
    OwnModel,
    Sink,
    Site,
    Storage,
    Web,
)
from edaphon.config.notify import Alerts, Notify
from edaphon.config.physics import possible, why_impossible, within_physics
from edaphon.config.reading import Draft, file_complaints, read_config, read_draft, things_lacking
from edaphon.config.sources import (
    FileSource,
    HeardSource,
    JsonField,
    JsonSource,
    JsonTime,
    LorawanSource,
    ScheduledSource,
    Source,
    told_fields,
)
from edaphon.toml_input.values import Secret

__all__ = [
    "Alerts",
    "Broker",
    "Bus",
    "Budget",
    "ClockTrust",
    "Configuration",
    "Draft",
    "Facts",
    "FileSource",
    "HeardSource",
    "JsonField",
    "JsonSource",
    "JsonTime",
    "Logger",
    "LorawanSource",
    "Multiplexer",
    "Notify",
    "OwnModel",
    "ScheduledSource",
    "Secret",
    "Sink",
    "Site",
    "Source",
    "Storage",
    "Supply",
    "Web",
    "file_complaints",
    "possible",
    "read_config",
    "read_draft",
    "things_lacking",
    "told_fields",
    "why_impossible",
    "within_physics",
]
