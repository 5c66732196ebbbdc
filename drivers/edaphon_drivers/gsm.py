"""A short message through a modem in text mode: the conversation without a wire, and its alphabet.

References: 3GPP TS 27.005, sections 3.2.5 (+CMS ERROR), 3.5.1 (+CMGS); 3GPP TS 27.007, sections 8.3
(+CPIN), 7.2 (+CREG), 5.5 (+CSCS), 9.2 (+CME ERROR); 3GPP TS 24.011, annex E-2 (causes below 128);
3GPP TS 23.038, section 6.2.1 (GSM 7 bit alphabet). The characters of its extension ([ ] { } and so
on, two septets each) need the escape 0x1B, which ends the entry of a text in a modem's text mode,
as 0x1A sends it; so both are left out and written otherwise.
"""

import re
import unicodedata

from edaphon_drivers.faults import Fault, NoAnswer, Refused
from edaphon_drivers.sheets import data_of
from edaphon_drivers.talk import Ask, Pause, Talk

_DATA = data_of("gsm")
_CODES = {c: n for n, c in enumerate("".join(_DATA["basic"])) if c not in "\x1b\rΞ"}
_OTHERWISE: dict[str, str] = dict(zip(*_DATA["like"], strict=True)) | _DATA["otherwise"]
_GERMANIC: dict[str, str] = _DATA["germanic"]
_CMS_FINAL, _CMS_PASSING, _CME = (
    {int(code): meaning for code, meaning in _DATA[kind].items()}
    for kind in ("cms_final", "cms_passing", "cme")
)
_MORE = "..."


def fitted(text: str, most: int = 160) -> str:
    """The text in the alphabet's own characters, at most `most` of them; "..." ends a cut one."""
    written = "".join(_written(c) for c in unicodedata.normalize("NFC", text).strip())
    return written if len(written) <= most else written[: most - len(_MORE)].rstrip() + _MORE


def encoded(text: str) -> bytes:
    """A fitted text, one byte for each septet."""
    return bytes(_CODES[c] for c in text)


def ascii_text(text: str, most: int = 160) -> str:
    """A fitted text for a modem that takes ASCII alone."""
    long = "".join(c if c.isascii() else _GERMANIC.get(c) or _plain(c) for c in text)
    kept = "".join(c for c in long if c.isascii())
    return kept[:most]


def _written(character: str) -> str:
    if character in _CODES:
        return character
    if (known := _OTHERWISE.get(character)) is not None:
        return known
    if unicodedata.category(character) in {"Cc", "Cf", "Mn"}:
        return ""
    if unicodedata.category(character) == "Zs":
        return " "
    return "".join(c for c in _plain(character) if c in _CODES) or "?"


def _plain(character: str) -> str:
    """Without accents; ligatures and superscripts as the letters that they stand for."""
    parts = unicodedata.normalize("NFKD", character)
    return "".join(_OTHERWISE.get(c, c) for c in parts if not unicodedata.combining(c))


ANSWER_S = 3.0
PIN_S = 8.0
SETTLE_S = 0.5
SEND_S = 25.0  # the network's own time, within what the caller bounds
TRIES = 3
REGISTRATIONS = 10  # looks, one second apart, after a PIN was given

_FINAL = re.compile(rb"(?:^|[\r\n])(OK|ERROR|\+CM[ES] ERROR:[^\r\n]*)\r\n")
_PROMPT = re.compile(rb"\r\n> ?$")
_CODE = re.compile(r"\+(CM[ES]) ERROR: *(.*)")

_REGISTERED = {1, 5, 6, 7}  # home, roaming, and both for short messages only
_STATES = {0: "not searching", 2: "searching", 3: "denied by the network", 4: "unknown"}


class NotNow(Fault):
    """The modem or the network can't send at this moment."""

    cause = "not now"


class WrongPin(Refused):
    """The SIM refused the PIN; a third wrong one locks it."""


def send_text(number: str, text: str, pin: str = "", where: str = "") -> Talk[str]:
    """Send one message of at most 160 septets; the modem's reference of it.

    Raises NoAnswer, NotNow, Refused or WrongPin. No error holds the PIN.
    """
    yield from _wake(where)
    given = yield from _unlock(pin, where)
    yield from _registered(REGISTRATIONS if given else 1, where)
    yield from _expect("AT+CMGF=1", where)
    is_gsm = (yield from _command('AT+CSCS="GSM"', ANSWER_S))[-1:] == ["OK"]
    if not is_gsm:
        yield from _expect('AT+CSCS="IRA"', where)
    yield from _command("AT+CSMP=17,167,0,0", ANSWER_S)  # the default alphabet; some lack it
    written = fitted(text)
    data = encoded(written) if is_gsm else ascii_text(written).encode("ascii")
    asked = yield Ask(f'AT+CMGS="{number}"\r'.encode(), _prompted, ANSWER_S)
    if not _PROMPT.search(asked):
        _judge(_lines(asked), where)
        yield Ask(b"\x1b", _is_final, ANSWER_S)
        raise NoAnswer('the prompt "> " for a text', asked, where)
    sent = yield Ask(data + b"\x1a", _is_final, SEND_S)
    lines = _lines(sent)
    _judge(lines, where)
    found = [line for line in lines if line.startswith("+CMGS:")]
    if lines[-1:] != ["OK"] or not found:
        raise NoAnswer("+CMGS: and OK for a text; whether it went out is not known", sent, where)
    return found[-1].partition(":")[2].strip()


def _wake(where: str) -> Talk[None]:
    """ESC first: a talk that was cut off may have left the modem waiting for a text."""
    for attempt in range(TRIES):
        came = yield Ask(b"\x1bAT\r", _is_final, ANSWER_S / TRIES)
        if _lines(came)[-1:] == ["OK"]:
            if attempt:  # late answers to the earlier ones, which whoever holds the line drops
                yield Pause(SETTLE_S, hold_bus=True)
            break
    else:
        raise NoAnswer("OK for AT; check power, port and baud of the modem", came, where)
    yield from _command("ATE0", ANSWER_S)
    yield from _command("AT+CMEE=1", ANSWER_S)


def _unlock(pin: str, where: str) -> Talk[bool]:
    """Whether a PIN was given to the SIM."""
    lines = yield from _command("AT+CPIN?", ANSWER_S)
    _judge(lines, where)
    state = next((line[6:].strip() for line in lines if line.startswith("+CPIN:")), "")
    if state == "READY":
        return False
    if state != "SIM PIN":
        raise Refused("a SIM that is ready or wants its PIN", state or "no +CPIN:", where)
    if not pin:
        raise Refused("a PIN in the configuration, for the SIM wants one", "none", where)
    lines = yield from _command(f'AT+CPIN="{pin}"', PIN_S)
    if lines[-1:] != ["OK"]:
        if lines[-1:] and lines[-1].startswith(("+CME ERROR", "ERROR")):
            raise WrongPin("a PIN that the SIM takes", lines[-1], where)
        raise NoAnswer("OK for the PIN", b"", where)
    return True


def _registered(looks: int, where: str) -> Talk[None]:
    """An LTE modem may be registered there alone (+CEREG)."""
    states: set[int] = set()
    for left in reversed(range(looks)):
        states = set()
        for command in ("AT+CREG?", "AT+CEREG?"):
            lines = yield from _command(command, ANSWER_S)
            found = [
                m for line in lines if (m := re.match(r"\+CE?REG: *[0-9]+, *([0-9]{1,3})", line))
            ]
            states |= {int(match[1]) for match in found[-1:]}
            if states & _REGISTERED:
                return
        if left:
            yield Pause(1.0, hold_bus=True)
    state = max(states - {4}, default=4)  # that it is denied or searched for says more than 0
    raise NotNow("a registration in the mobile network", _STATES.get(state, str(state)), where)


def _command(text: str, wait_s: float) -> Talk[list[str]]:
    """Lines of the answer, the final one last; [] when nothing came."""
    return _lines((yield Ask(f"{text}\r".encode(), _is_final, wait_s)))


def _expect(text: str, where: str) -> Talk[None]:
    lines = yield from _command(text, ANSWER_S)
    _judge(lines, where)
    if lines[-1:] != ["OK"]:
        raise NoAnswer(f"OK for {text}", "\n".join(lines), where)


def _judge(lines: list[str], where: str) -> None:
    """Raises for a final result that is an error."""
    last = lines[-1] if lines else ""
    if last == "ERROR":
        raise Refused("a modem that knows the command", "ERROR", where)
    if not (found := _CODE.match(last)):
        return
    kind, code = found[1], int(found[2]) if re.fullmatch("[0-9]{1,4}", found[2]) else -1
    if kind == "CMS" and code in _CMS_FINAL:
        raise Refused("a message that goes out", f"{last} ({_CMS_FINAL[code]})", where)
    meaning = (_CMS_PASSING if kind == "CMS" else _CME).get(code, "")
    raise NotNow("a message that goes out", f"{last} ({meaning})" if meaning else last, where)


def _is_final(data: bytes) -> bool:
    return bool(_FINAL.search(data))


def _prompted(data: bytes) -> bool:
    return bool(_PROMPT.search(data) or _FINAL.search(data))


def _lines(data: bytes) -> list[str]:
    """Lines up to the final one; what the modem reports by itself may stand around them."""
    if found := _FINAL.search(data):
        data = data[: found.end()]
    lines = (line.strip() for line in data.decode("latin-1").replace("\r", "\n").split("\n"))
    return [line for line in lines if line]
