"""Short messages through a modem on a pty, byte for byte, and what such a modem refuses."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.daemon.alerts.receivers.samples import assert_hidden, message, receiver, secret
from tests.simulated_modem import Modem, SentText

from edaphon.alerts.model import SendLater, SendRefused
from edaphon.alerts.receivers import sms
from edaphon.network.requests import Deadline
from edaphon_drivers import gsm as talk
from edaphon_drivers.talk import Ask, Pause

NUMBER = "+491711234567"


@pytest.fixture
def modem() -> Iterator[Modem]:
    made = Modem()
    made.port = made.start()  # type: ignore[attr-defined]
    yield made
    made.stop()


def sender(modem: Any, **more: Any) -> Any:
    return receiver("sms", **{"port": modem.port, "to": [NUMBER], **more})


def test_a_message_goes_out_in_the_alphabet_of_gsm(modem: Modem) -> None:
    sender(modem).send(message(short="Prüf Größe @5 $_\nÄÖÜß§ è Δ"))
    expected = b"Pr\x7ef Gr\x7c\x1ee \x005 \x02\x11\n\x5b\x5c\x5e\x1e\x5f \x04 \x10"
    assert modem.sent == [SentText(NUMBER, expected, "GSM")]


def test_a_modem_with_ascii_alone_gets_ascii(modem: Modem) -> None:
    modem.charsets = ("IRA",)
    sender(modem).send(message(short="Prüf Größe [1]"))
    assert modem.sent == [SentText(NUMBER, b"Pruef Groesse (1)", "IRA")]


def test_a_modem_that_was_left_in_the_middle_of_a_text_sends_the_new_one_only(modem: Modem) -> None:
    sender(modem).send(message(short="a"))
    modem._begin(NUMBER)
    modem._waiting = b"half a message"
    sender(modem).send(message(short="b"))
    assert [sent.text for sent in modem.sent] == [b"a", b"b"]


def test_a_modem_that_answers_late_is_given_time_for_its_other_answers() -> None:
    """Else they would be taken for those of the next commands."""
    conversation = talk.send_text(NUMBER, "a")
    assert next(conversation) == conversation.send(b"")
    settled = conversation.send(b"AT\r\r\nOK\r\n")
    assert isinstance(settled, Pause)
    assert isinstance(conversation.send(b""), Ask)


class LateLine:
    """A line on which an answer to an earlier question still waits."""

    name = "late"

    def __init__(self) -> None:
        self.waiting = [b"\r\nOK\r\n"]

    def write(self, data: bytes) -> None:
        self.waiting.append(b"\r\nERROR\r\n")

    def read(self, wait_s: float) -> bytes:
        return self.waiting.pop(0) if self.waiting else b""


def test_what_still_waits_on_the_line_is_no_answer_to_the_next_command() -> None:
    line: Any = LateLine()
    asked = Ask(b"AT+CMGF=1\r", b"\r\n", 1.0)
    assert sms._asked(line, asked, Deadline(5)) == b"\r\nERROR\r\n"


def test_what_the_modem_reports_by_itself_is_no_answer(modem: Modem) -> None:
    say = modem._say
    noise = "+CREG: 2", "RING"
    modem._say = lambda *lines: say(*noise, *lines, *noise)  # type: ignore[method-assign]
    sender(modem).send(message())
    assert len(modem.sent) == 1


@pytest.mark.parametrize(("home", "lte"), [(1, 0), (5, 0), (0, 1), (0, 5), (6, 0)])
def test_any_registration_will_do(modem: Modem, home: int, lte: int) -> None:
    modem.registration, modem.lte = home, lte
    sender(modem).send(message())
    assert len(modem.sent) == 1


@pytest.mark.parametrize(
    ("state", "words"), [(0, "not searching"), (2, "searching"), (3, "denied")]
)
def test_without_a_network_it_is_later_in_its_own_words(
    modem: Modem, state: int, words: str
) -> None:
    modem.registration = state
    with pytest.raises(SendLater, match=f"registration in the mobile network, got .*{words}"):
        sender(modem).send(message())
    assert modem.sent == []


@pytest.mark.parametrize("code", [38, 41, 42, 47, 331, 332, 500, 512])
def test_what_passes_is_tried_later(modem: Modem, code: int) -> None:
    modem.error = f"+CMS ERROR: {code}"
    with pytest.raises(SendLater, match=rf"\+CMS ERROR: {code}"):
        sender(modem).send(message())


@pytest.mark.parametrize("code", [1, 8, 21, 28, 30, 50, 69, 304, 330])
def test_what_does_not_pass_is_a_refusal(modem: Modem, code: int) -> None:
    modem.error = f"+CMS ERROR: {code}"
    with pytest.raises(SendRefused, match=rf"\+CMS ERROR: {code}"):
        sender(modem).send(message())


def test_a_wrong_number_does_not_keep_the_others_from_it_and_is_reported(
    modem: Modem, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = modem._begin
    monkeypatch.setattr(
        modem, "_begin", lambda n: modem._say("+CMS ERROR: 304") if n.endswith("00") else begin(n)
    )
    with pytest.raises(SendRefused, match=r"\+49100: .*304"):
        sender(modem, to=["+49100", NUMBER]).send(message())
    assert [sent.number for sent in modem.sent] == [NUMBER]


def test_who_has_it_is_not_sent_it_again_when_others_are_tried_later(modem: Modem) -> None:
    both = sender(modem, to=[NUMBER, "+491719999999"])
    finish = modem._finish

    def first_only(sent: SentText) -> None:
        modem.error = "+CMS ERROR: 42" if modem.sent else ""
        finish(sent)

    modem._finish = first_only  # type: ignore[method-assign]
    with pytest.raises(SendLater, match="42"):
        both.send(message())
    modem._finish, modem.error = finish, ""  # type: ignore[method-assign]
    both.send(message(short="written again"))
    assert [sent.number for sent in modem.sent] == [NUMBER, "+491719999999"]
    both.send(message())
    assert len(modem.sent) == 4


def test_a_pin_is_given_when_it_is_asked_for(tmp_path: Path, modem: Modem) -> None:
    modem.pin, modem.unlocked = "4711", False
    sender(modem, pin=secret(tmp_path, "4711")).send(message())
    sender(modem, pin=secret(tmp_path, "4711")).send(message(short="again"))
    assert len(modem.sent) == 2
    assert modem.commands.count('AT+CPIN="4711"') == 1


def test_a_wrong_pin_is_given_once_for_the_third_locks_the_sim(
    tmp_path: Path, modem: Modem
) -> None:
    modem.pin, modem.unlocked = "4711", False
    wrong = sender(modem, pin=secret(tmp_path, "0815"))
    for _ in range(4):
        with pytest.raises(SendRefused, match="PIN") as caught:
            wrong.send(message())
        assert_hidden(caught.value, "0815")
    assert modem.pin_tries == 2


def test_a_sim_that_wants_a_pin_that_nobody_gave_says_so(modem: Modem) -> None:
    modem.pin, modem.unlocked = "4711", False
    with pytest.raises(SendRefused, match="a PIN in the configuration"):
        sender(modem).send(message())


def test_a_modem_that_is_silent_is_later_in_bounded_time(
    modem: Modem, monkeypatch: pytest.MonkeyPatch
) -> None:
    modem.deaf = True
    monkeypatch.setattr(talk, "ANSWER_S", 0.3)
    begin = time.monotonic()
    with pytest.raises(SendLater, match="check power, port and baud of the modem"):
        sender(modem).send(message())
    assert time.monotonic() - begin < 2.0


def test_a_modem_that_hangs_after_the_text_is_left_at_the_deadline(
    modem: Modem, monkeypatch: pytest.MonkeyPatch
) -> None:
    modem.mute = True
    monkeypatch.setattr(sms, "WHOLE_S", 0.8)
    begin = time.monotonic()
    with pytest.raises(SendLater, match="not done within 0.8 s"):
        sender(modem).send(message())
    assert time.monotonic() - begin < 2.0


def test_a_port_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SendLater, match="plug the adapter in"):
        receiver("sms", port=str(tmp_path / "ttyUSB9"), to=[NUMBER]).send(message())


@pytest.mark.parametrize("number", ["0171", "abc", "+49 171\r", "+", '+49"171'])
def test_a_number_that_is_none_is_found_before_anything_is_sent(number: str) -> None:
    if number == "0171":
        assert sms.SmsSettings.model_validate({"port": "/dev/x", "to": [number]}).to == (number,)
        return
    with pytest.raises(ValidationError, match="telephone number"):
        sms.SmsSettings.model_validate({"port": "/dev/x", "to": [number]})
