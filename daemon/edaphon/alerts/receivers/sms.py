"""A short message through a modem on a serial port: it needs no internet."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from edaphon.acquire.bus import is_ended
from edaphon.alerts.model import Message, Receiver, SendLater, SendRefused
from edaphon.alerts.receivers import (
    WHOLE_S,
    Context,
    Problem,
    ReceiverKind,
    Remark,
    Taken,
    secret_text,
)
from edaphon.config.rules import Parts
from edaphon.network.requests import Deadline, Secrets
from edaphon.toml_input.values import Secret, Table, wrong
from edaphon_drivers.faults import Fault, Refused
from edaphon_drivers.gsm import WrongPin, send_text
from edaphon_drivers.talk import Ask, Talk

if TYPE_CHECKING:
    from edaphon_drivers.links.serial import SerialLink


MOST_BYTES = 65_536  # of one answer
_CHUNK_S = 0.5


def _number(text: str) -> str:
    digits = text.replace(" ", "").replace("-", "")
    if not digits.removeprefix("+").isdecimal() or not digits.isascii() or not 3 < len(digits) < 17:
        raise wrong('a telephone number with its country, such as "+491711234567"')
    return digits


class SmsSettings(Table):
    """A short message through a GSM or LTE modem."""

    kind: Literal["sms"] = "sms"
    port: str = Field(pattern=r"^/\S+$")
    baud: int = Field(default=115200, ge=300, le=921600)
    to: tuple[Annotated[str, AfterValidator(_number)], ...] = Field(min_length=1)
    pin: Secret | None = None

    @property
    def reaches(self) -> Iterator[tuple[str, Path]]:
        """What is written to, by its key."""
        yield "port", Path(self.port)


def config_errors(settings: SmsSettings, parts: Parts) -> Iterator[Remark]:
    for name, bus in parts.buses.items():
        if bus.port == settings.port:
            came = f'"{settings.port}" is also the port of bus {name}'
            yield "port", came, "one use for each port"


class Sms(Receiver):
    """See Receiver. Who has been sent a message is not sent it again when others are tried later.

    A PIN that the SIM refused is not given again: the third wrong one locks the SIM.
    """

    def __init__(self, settings: SmsSettings, context: Context) -> None:
        self._settings = settings
        self._taken = Taken()
        self._refused_pin = ""

    def send(self, message: Message) -> None:
        pin = secret_text(self._settings.pin, "the PIN").strip() if self._settings.pin else ""
        if pin and pin == self._refused_pin:
            raise SendRefused("the SIM has refused this PIN; correct the secret, then restart")
        if pin and not (pin.isascii() and pin.isdecimal() and 4 <= len(pin) <= 8):
            raise SendRefused("the PIN is not of 4 to 8 digits; see the secret")
        self._taken.deliver(message, lambda: self._attempt(message, pin))

    def _attempt(self, message: Message, pin: str) -> Problem:
        from edaphon_drivers.links import SerialOptions
        from edaphon_drivers.links.serial import SerialLink

        deadline = Deadline(WHOLE_S)
        try:
            link = SerialLink(self._settings.port, SerialOptions(baud=self._settings.baud))
        except Fault as fault:
            return SendLater(str(fault))
        try:
            return self._to_each(link, message, pin, deadline)
        except WrongPin as fault:
            self._refused_pin = pin
            words = Secrets(pin).hide(str(fault))
            return SendRefused(f"{words}; it is not tried again: a third wrong PIN locks the SIM")
        except Fault as fault:
            words = Secrets(pin).hide(str(fault))
            return SendLater(words) if fault.temporary else SendRefused(words)
        finally:
            link.close()

    def _to_each(
        self, link: "SerialLink", message: Message, pin: str, deadline: Deadline
    ) -> Problem:
        """All numbers; one that is refused does not keep the others from it."""
        refused = []
        for number in self._settings.to:
            if number in self._taken.by:
                continue
            try:
                _play(link, send_text(number, message.short, pin, link.name), deadline)
                self._taken.by.add(number)
            except WrongPin:
                raise
            except Refused as fault:
                refused.append(f"{number}: {Secrets(pin).hide(str(fault))}")
            except TimeoutError:
                return SendLater(f"the modem at {link.name} was not done within {WHOLE_S:g} s")
        return SendRefused("; ".join(refused)) if refused else None


def _play(link: "SerialLink", talk: Talk[str], deadline: Deadline) -> None:
    """Hold the conversation; TimeoutError at the deadline."""
    try:
        step = next(talk)
        while True:
            came, ended = b"", False
            if isinstance(step, Ask):
                came = _asked(link, step, deadline)
                ended = is_ended(came, step.until)
            else:
                time.sleep(min(step.wait_s, deadline.left_s))
            if deadline.over and not ended:
                raise TimeoutError
            step = talk.send(came)
    except StopIteration:
        return


def _asked(link: "SerialLink", step: Ask, deadline: Deadline) -> bytes:
    while link.read(0) and not deadline.over:  # what the modem reported by itself meanwhile
        pass
    link.write(step.send)
    waits = Deadline(min(step.wait_s, deadline.left_s))
    came = b""
    while not is_ended(came, step.until) and not waits.over and len(came) < MOST_BYTES:
        came += link.read(min(_CHUNK_S, waits.left_s))
    return came


KIND = ReceiverKind(SmsSettings, Sms, config_errors=config_errors)
