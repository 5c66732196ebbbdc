"""The tables of who is sent what, and of what is sent to watch the watcher."""

import re
from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from edaphon.toml_input.values import Duration, Id, SecretOrText, Table, http_place, wrong

__all__ = ["Alerts", "Notify"]

_NOTIFY_KEYS = ("name", "kind", "classes", "hours", "after", "language")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_BAD_TOPIC = re.compile(r"[+#\x00]")

Class = Literal["lost", "will be lost", "doubtful", "late"]


def _hours(value: object) -> tuple[time, time]:
    """`"07:00-20:00"`; the end of the day may be written 24:00."""
    if isinstance(value, tuple):
        return value
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong('hours of the day in quotes, such as "07:00-20:00"')
    start = time(int(found[1]), int(found[2]))
    end = time(int(found[3] or 0), int(found[4] or 0))
    if start == end:
        raise wrong('two times that differ, such as "07:00-20:00"; without hours it is all day')
    return start, end


def _clock(value: object) -> time:
    if isinstance(value, time):
        return value
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong('a time of the day in quotes, such as "07:00"')
    return time(int(found[1]), int(found[2]))


class Notify(Table):
    """Who is sent messages; `settings` are checked by the module edaphon.alerts.receivers.KIND."""

    name: Id = Field(description="name of this receiver", examples=["technician"])
    kind: Id = Field(
        description="way of sending: a module of edaphon.alerts.receivers", examples=["email"]
    )
    classes: tuple[Class, ...] = Field(
        default=("lost", "will be lost", "late"),
        min_length=1,
        description="what it is sent",
        examples=['["lost", "will be lost"]'],
    )
    hours: Annotated[tuple[time, time], BeforeValidator(_hours)] | None = Field(
        default=None,
        description="site time in which it is sent; what is being lost goes out at any hour",
        examples=["07:00-20:00"],
    )
    after_ns: Duration | None = Field(
        default=None,
        alias="after",
        description="only what nobody has acknowledged for so long",
        examples=["24h"],
    )
    language: Literal["en", "de"] = Field(
        default="en", description="language of its messages", examples=["de"]
    )
    settings: Mapping[str, Any] = Field(default={}, description="the keys of its kind")

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        own = {key: row[key] for key in _NOTIFY_KEYS if key in row}
        return {**own, "settings": {k: v for k, v in row.items() if k not in own}}


class Alerts(Table):
    page_url: str = Field(
        default="",
        description="address of the page as people reach it, for links in messages",
        examples=["https://logger.example.org"],
    )
    heartbeat_url: SecretOrText | None = Field(
        default=None,
        description="address outside the plot that is asked for as long as the alerts work",
        examples=['{ file = "/etc/edaphon/secrets/heartbeat" }'],
    )
    heartbeat_broker: Id | None = Field(
        default=None, description="broker for the same as a retained message", examples=["ttn"]
    )
    heartbeat_topic: str | None = Field(
        default=None,
        min_length=1,
        max_length=65535,
        description="topic of that message",
        examples=["edaphon/whs-logger-1/alive"],
    )
    heartbeat_every_ns: Duration = Field(
        default=300_000_000_000,
        alias="heartbeat_every",
        description="time between two of them",
        examples=["5min"],
    )
    weekly: bool = Field(
        default=True, description='a weekly "all is well", so that its absence shows'
    )
    weekly_day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field(
        default="mon", description="day of it"
    )
    weekly_time: Annotated[time, BeforeValidator(_clock)] = Field(
        default=time(7), description="site time of it", examples=["07:00"]
    )

    @field_validator("page_url")
    @classmethod
    def _page(cls, url: str) -> str:
        return http_place(url) if url else url

    @field_validator("heartbeat_url")
    @classmethod
    def _heartbeat(cls, url: Any) -> Any:
        return http_place(url) if isinstance(url, str) else url

    @field_validator("heartbeat_topic")
    @classmethod
    def _topic(cls, topic: str | None) -> str | None:
        if topic and _BAD_TOPIC.search(topic):
            raise wrong("a topic without + and #")
        return topic

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.heartbeat_broker is None) != (self.heartbeat_topic is None):
            raise wrong("heartbeat_broker and heartbeat_topic together, or none of them")
        return self
