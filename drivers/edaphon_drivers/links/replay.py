"""Messages played instead of a broker's: same calls as the MQTT link, no network."""

import threading
from collections.abc import Callable, Iterable, Iterator

from edaphon_drivers.links.mqtt import Acknowledgement, MessageIn, MqttOptions, MqttState

GENERATION = 1
ROUND_S = 1.0


class ReplayLink:
    """Plays (seconds to wait, topic, payload) to whoever would hear a broker; ends with them."""

    def __init__(
        self,
        messages: Iterable[tuple[float, str, bytes]],
        options: MqttOptions,
        on_message: Callable[[MessageIn], None],
        on_round: Callable[[int], None] = lambda generation: None,
        on_state: Callable[[bool, str], None] = lambda connected, words: None,
    ) -> None:
        self.name = options.client_id
        self.state = MqttState(connected=True)
        self._messages: Iterator[tuple[float, str, bytes]] = iter(messages)
        self._on_message, self._on_round = on_message, on_round
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"replay {self.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def acknowledge(self, acknowledgements: Iterable[Acknowledgement]) -> None:
        """Nobody waits for them."""

    def resubscribe(self) -> None:
        """There is nothing to subscribe to."""

    def _run(self) -> None:
        for wait_s, topic, data in self._messages:
            if wait_s:
                self._on_round(GENERATION)  # hand over what came
                if self._stop.wait(wait_s):
                    break
            self._on_message(MessageIn(topic, data, 0, False, False, 0, GENERATION))
        self._on_round(GENERATION)
        while not self._stop.wait(ROUND_S):
            self._on_round(GENERATION)
