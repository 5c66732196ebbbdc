"""What edaphon.toml says of the box: logger, site, buses, brokers, sources, sinks."""

from edaphon.config.model import (
    Broker,
    Bus,
    ClockTrust,
    Configuration,
    Facts,
    JsonField,
    JsonSource,
    JsonTime,
    Logger,
    LorawanSource,
    ScheduledSource,
    Sink,
    Site,
    Source,
    Storage,
    Web,
)
from edaphon.config.reading import Draft, file_complaints, read_config, read_draft, things_lacking
from edaphon.written.values import Secret

__all__ = [
    "Broker",
    "Bus",
    "ClockTrust",
    "Configuration",
    "Draft",
    "Facts",
    "JsonField",
    "JsonSource",
    "JsonTime",
    "Logger",
    "LorawanSource",
    "ScheduledSource",
    "Secret",
    "Sink",
    "Site",
    "Source",
    "Storage",
    "Web",
    "file_complaints",
    "read_config",
    "read_draft",
    "things_lacking",
]
