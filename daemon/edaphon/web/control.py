"""The view through the recorder's control socket: JSON objects become frozen data."""

from collections.abc import Callable, Mapping

import numpy as np
from pydantic import TypeAdapter, ValidationError

from edaphon.model import Float, Observations
from edaphon.web.view import Silent, Status, Unreadable

__all__ = ["ControlView"]

Answer = Mapping[str, object]
Ask = Callable[[dict[str, object]], Answer]


class ControlView:
    """`ask` sends one JSON object to the recorder and returns its answer.

    It may raise OSError or EOFError (nobody answers) and ValueError (not JSON).
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._status = TypeAdapter(Status)

    def status(self) -> Status:
        answer = self._answer({"verb": "status"})
        try:
            return self._status.validate_python(_in_our_words(answer))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the answer"
            raise Unreadable(f"status: {place}: {first['msg']}") from None

    def day(self, channel_id: str, start_ns: int, end_ns: int) -> list[Observations]:
        answer = self._answer(
            {"verb": "series", "channel": channel_id, "start_ns": start_ns, "end_ns": end_ns}
        )
        try:
            return [_observations(channel_id, answer)]
        except KeyError as error:
            raise Unreadable(f"series: the answer has no {error}") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise Unreadable(f"series: {error}") from None

    def _answer(self, question: dict[str, object]) -> Answer:
        try:
            answer = self._ask(question)
        except (OSError, EOFError) as error:
            raise Silent(str(error) or type(error).__name__) from None
        except ValueError as error:
            raise Unreadable(f"{question['verb']}: not JSON: {error}") from None
        if not isinstance(answer, Mapping):
            raise Unreadable(f"{question['verb']}: expected an object, came {answer!r:.80}")
        return answer


def _observations(channel_id: str, answer: Answer) -> Observations:
    """What the socket doesn't send (raw number, doubt, sequence, derivation) stays empty."""
    time_ns = np.array(answer["time_ns"], np.int64)
    flag = np.array(answer["flag"], np.int16).astype(np.int8)
    value, u_random, u_systematic = (
        _floats(answer, name) for name in ("value", "u_random", "u_systematic")
    )
    columns = (time_ns, value, u_random, u_systematic, flag)
    if time_ns.ndim != 1 or any(c.shape != time_ns.shape for c in columns):
        shapes = ", ".join(str(c.shape) for c in columns)
        raise ValueError(f"columns differ in length: {shapes}")
    nothing = np.full(len(time_ns), np.nan)
    none = np.zeros(len(time_ns), np.int64)
    doubt = np.zeros(len(time_ns), np.int8)
    reported = (value, u_random, u_systematic, flag)
    return Observations(channel_id, "", time_ns, time_ns, nothing, *reported, doubt, none)


def _floats(answer: Answer, name: str) -> Float:
    return np.array(answer[name], np.float64)  # None becomes NaN


def _in_our_words(answer: object) -> object:
    """The status with `problems` for `trouble`, the key that scripts read since version 0.1."""
    if not isinstance(answer, dict) or "trouble" not in answer:
        return answer
    return {"problems" if key == "trouble" else key: value for key, value in answer.items()}
