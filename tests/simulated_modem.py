"""A GSM modem on a pty, in text mode, byte for byte as 3GPP TS 27.005 and 27.007 write it.

It echoes until ATE0, answers <CR><LF>text<CR><LF>, prompts with <CR><LF>><SP> for the text of a
message and after each <CR> in it, sends at 0x1A and gives up at 0x1B.
"""

import os
import re
from collections.abc import Callable
from typing import NamedTuple

from edaphon_drivers.simulators.plugged import PluggedPort


class SentText(NamedTuple):
    number: str
    text: bytes  # as it came, in `charset`
    charset: str


class Modem(PluggedPort):
    """`error` is sent in place of +CMGS: for a text, such as "+CMS ERROR: 331".

    `registration` and `lte` are the states of +CREG and +CEREG. `mute`: it is silent after a text,
    `deaf`: always.
    """

    def __init__(self, pin: str = "", charsets: tuple[str, ...] = ("GSM", "IRA", "UCS2")) -> None:
        super().__init__("modem")
        self.pin, self.pin_tries, self.unlocked = pin, 3, not pin
        self.charsets = charsets
        self.registration, self.lte = 1, 0
        self.error, self.mute, self.deaf = "", False, False
        self.sent: list[SentText] = []
        self.commands: list[str] = []
        self._echo, self._text_mode, self._charset = True, False, charsets[-1]
        self._to: str | None = None  # whose text is entered
        self._waiting = b""

    def _serve(self) -> None:
        while not self._stopping.is_set():
            for byte in self._read(0.02) or b"":
                if not self.deaf:
                    self._take(bytes([byte]))

    def _take(self, byte: bytes) -> None:
        if self._echo:
            self._write(byte)
        if self._to is not None:
            self._enter(byte)
        elif byte == b"\x1b":
            self._waiting = b""
        elif byte == b"\r":
            command, self._waiting = self._waiting.decode("latin-1"), b""
            self._obey(command)
        else:
            self._waiting += byte

    def _enter(self, byte: bytes) -> None:
        """One byte of the text of a message."""
        if byte == b"\x1b":
            self._to, self._waiting = None, b""
            self._say("OK")
        elif byte == b"\x1a":
            number, text = self._to or "", self._waiting
            self._to, self._waiting = None, b""
            self._finish(SentText(number, text, self._charset))
        else:
            self._waiting += byte
            if byte == b"\r":
                self._write(b"\r\n> ")

    def _finish(self, sent: SentText) -> None:
        if self.mute:
            return
        if self.error:
            self._say(self.error)
            return
        self.sent.append(sent)
        self._say(f"+CMGS: {len(self.sent)}", "OK")

    def _obey(self, command: str) -> None:
        self.commands.append(command)
        answers: tuple[tuple[str, Callable[[str], None]], ...] = (
            (r"AT|AT\+CMEE=1", self._agree),
            (r"ATE0", self._hush),
            (r"AT\+CPIN\?", self._lock_state),
            (r'AT\+CPIN="(\d*)"', self._unlock),
            (r"AT\+CREG\?", lambda _: self._say(f"+CREG: 0,{self.registration}", "OK")),
            (r"AT\+CEREG\?", lambda _: self._say(f"+CEREG: 0,{self.lte}", "OK")),
            (r"AT\+CMGF=([01])", self._mode),
            (r'AT\+CSCS="(\w+)"', self._characters),
            (r"AT\+CSMP=17,167,0,0", self._agree),
            (r'AT\+CMGS="(.*)"', self._begin),
        )
        for pattern, answer in answers:
            if found := re.fullmatch(pattern, command):
                answer(found[1] if found.groups() else "")
                return
        self._say("ERROR")

    def _agree(self, _: str) -> None:
        self._say("OK")

    def _hush(self, _: str) -> None:
        self._echo = False
        self._say("OK")

    def _lock_state(self, _: str) -> None:
        locked = "SIM PIN" if self.pin_tries else "SIM PUK"
        self._say(f"+CPIN: {'READY' if self.unlocked else locked}", "OK")

    def _unlock(self, pin: str) -> None:
        if pin == self.pin and self.pin_tries:
            self.unlocked, self.pin_tries = True, 3
            self._say("OK")
            return
        self.pin_tries = max(0, self.pin_tries - 1)
        self._say("+CME ERROR: 16")

    def _mode(self, mode: str) -> None:
        self._text_mode = mode == "1"
        self._say("OK")

    def _characters(self, name: str) -> None:
        if name not in self.charsets:
            self._say("+CME ERROR: 4")
            return
        self._charset = name
        self._say("OK")

    def _begin(self, number: str) -> None:
        if not self.unlocked:
            self._say("+CMS ERROR: 311")
        elif not self._text_mode or not re.fullmatch(r"\+?\d{1,20}", number):
            self._say("+CMS ERROR: 304")
        else:
            self._to = number
            self._write(b"\r\n> ")

    def _say(self, *lines: str) -> None:
        self._write("".join(f"\r\n{line}\r\n" for line in lines).encode())

    def _write(self, data: bytes) -> None:
        with self._lock:
            if self._pair is not None:
                os.write(self._pair[0], data)
