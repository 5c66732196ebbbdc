"""What edaphon.toml says of the box: logger, site, lines, brokers, sources, sinks."""

from edaphon.config.model import Configuration, Notify, SinkTable, StorageTable, Web
from edaphon.config.reading import Draft, file_errors, read_config, read_draft, things_lacking
from edaphon.config.sources import (
    Broker,
    Bus,
    FileSource,
    HeardSource,
    JsonSource,
    LorawanSource,
    ScheduledSource,
    Source,
    SupplyTable,
    json_fields,
)
from edaphon.toml_input.values import Secret

__all__ = [
    "Broker",
    "Bus",
    "Configuration",
    "Draft",
    "FileSource",
    "HeardSource",
    "JsonSource",
    "LorawanSource",
    "Notify",
    "ScheduledSource",
    "Secret",
    "SinkTable",
    "Source",
    "StorageTable",
    "SupplyTable",
    "Web",
    "file_errors",
    "read_config",
    "read_draft",
    "things_lacking",
    "json_fields",
]
