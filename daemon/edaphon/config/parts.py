"""The tables of edaphon.toml that are right in themselves, for the rules between them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edaphon.config.lines import Broker, Bus, Supply
from edaphon.config.model import Facts, OwnModel, Sink
from edaphon.config.notify import Alerts, Notify
from edaphon.config.sources import Source
from edaphon.toml_input.lines import Place
from edaphon_drivers.sheets import Sheet, Sheets

__all__ = ["Found", "Parts"]

Found = Iterator[tuple[Place, str, str]]  # place, what came, what would be right


@dataclass(frozen=True, slots=True)
class Parts:
    """By name, or by number in the file; `sheets` lacks the owner's that are wrong inside."""

    buses: Mapping[str, Bus] = field(default_factory=dict)
    brokers: Mapping[str, Broker] = field(default_factory=dict)
    sources: Mapping[int, Source] = field(default_factory=dict)
    sinks: Mapping[int, Sink] = field(default_factory=dict)
    supplies: Mapping[str, Supply] = field(default_factory=dict)
    models: Mapping[str, OwnModel] = field(default_factory=dict)
    notify: Mapping[int, Notify] = field(default_factory=dict)
    facts: Facts | None = None
    alerts: Alerts | None = None
    sheets: Sheets = field(default_factory=Sheets)

    @classmethod
    def of(cls, tables: Mapping[str, Any]) -> "Parts":
        buses, brokers, sources, sinks, supplies, models, notify = (
            tables[key] or {}
            for key in ("bus", "broker", "source", "sink", "supply", "model", "notify")
        )
        own = {name: sheet for name, model in models.items() if (sheet := _sheet(name, model))}
        facts, alerts, sheets = tables["facts"], tables["alerts"], Sheets(own)
        return cls(buses, brokers, sources, sinks, supplies, models, notify, facts, alerts, sheets)


def _sheet(name: str, model: OwnModel) -> Sheet | None:
    try:
        return model.sheet(name)
    except (TypeError, KeyError, ValueError):
        return None
