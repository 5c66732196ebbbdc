"""Which configured source a message belongs to, and whether the budget lets it into the journal."""

from collections.abc import Callable, Iterator
from functools import partial

from edaphon.acquire.budget import ROW_BYTES, Budgets
from edaphon.acquire.floods import Floods, message_bytes
from edaphon.config import Configuration, JsonSource, LorawanSource
from edaphon_drivers.faults import Fault
from edaphon_drivers.links.mqtt import MessageIn
from edaphon_drivers.lorawan import read_envelope

__all__ = ["BrokerBudget", "owner_of"]

Owner = Callable[[str, bytes], str]


def owner_of(config: Configuration, broker: str) -> Owner:
    """From topic and bytes to the path of the configured source, "" for none."""
    own = [s for s in config.sources if getattr(s, "broker", None) == broker]
    if (envelope := config.brokers[broker].envelope) == "json":
        topics = {s.topic: s.path for s in own if isinstance(s, JsonSource)}
        return lambda topic, data: topics.get(topic, "")
    devices = {s.dev_eui: s.path for s in own if isinstance(s, LorawanSource)}
    return partial(_device, envelope, devices)


def _device(envelope: str, devices: dict[str, str], topic: str, data: bytes) -> str:
    try:
        uplink = read_envelope(envelope, topic, data)
    except Fault:  # whatever a stranger sends: it is no message of a device
        return ""
    return devices.get(uplink.dev_eui, "") if uplink is not None else ""


class BrokerBudget:
    """The budgets of all sources of one broker."""

    def __init__(self, broker: str, owner: Owner, budgets: Budgets, floods: Floods) -> None:
        self._broker, self._owner = broker, owner
        self._budgets, self._floods = budgets, floods

    def keeps(self, message: MessageIn, packed: bytes, digest: int) -> bool:
        """Whether a message is kept; if not, it is counted."""
        topic, data, qos, _, dup, mid, _ = message
        path, size = self._owner(topic, data), len(packed) + ROW_BYTES
        if path:
            if self._budgets.takes(path, size):
                return True
        elif self._budgets.takes_unknown(self._broker, size):
            return True
        whole: int = getattr(data, "whole", len(data))
        hashed = message_bytes(topic, data)
        self._floods.count(path or self._broker, hashed, whole, dup, packed)
        if qos:
            self._floods.note_delivery(self._broker, mid, digest)
        return False

    def keep_counts(self) -> None:
        """Make durable what was counted. Raises sqlite3.Error where that can't be."""
        self._floods.keep()

    def earlier_deliveries(self) -> Iterator[tuple[int, int]]:
        """(packet identifier, digest) of what an earlier life counted last, oldest first."""
        return self._floods.earlier_deliveries(self._broker)
