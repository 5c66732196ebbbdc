"""An MQTT connection as a link: it receives, acknowledges when asked to, and reconnects by itself.

paho connects, subscribes and keeps alive, but its own thread is not used: our loop reads many
messages for one wake-up and sends the acknowledgements of a whole commit for another. An exception
in a callback would end paho's loop for good (paho-mqtt 2.2, suppress_exceptions); here it ends in
a counter.
"""

import contextlib
import logging
import random
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edaphon_drivers.faults import LinkDown
from edaphon_drivers.links.mqtt_stream import Published, Stream
from edaphon_drivers.outside import read_certificates

SHORT_S = 12.0  # longer than this link waits before it comes back: another one waits no longer
MANY = 3


class ShortConnections:
    """Counts connections in a row that ended within SHORT_S; times are monotonic [s]."""

    def __init__(self) -> None:
        self._n = 0
        self._since_s: float | None = None

    @property
    def many(self) -> bool:
        """Whether somebody else seems to take the session again and again."""
        return self._n >= MANY

    def begin(self, now_s: float) -> None:
        self._since_s = now_s

    def end(self, now_s: float) -> None:
        """The connection is gone; nothing happens where there was none."""
        if self._since_s is not None:
            self._n = self._n + 1 if now_s - self._since_s < SHORT_S else 0
            self._since_s = None

    def lasts(self, now_s: float) -> bool:
        """Whether this connection is no short one any more."""
        return self._since_s is not None and now_s - self._since_s >= SHORT_S

    def over(self, now_s: float) -> bool:
        """Whether there were many and this connection lasts: true once."""
        if self.many and self.lasts(now_s):
            self._n = 0
            return True
        return False


IDLE_S = 2.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 8.0
FROZEN_AFTER_S = 60.0  # longer than any name look-up and connection time-out

_UNSPECIFIED = 128  # what paho makes of a connection that ended without a word
_TAKEN = (
    "the broker ends each connection soon after its start: another client uses the client id "
    "{id!r} (is this card a copy of another logger's?), or what is subscribed is not allowed; "
    "give each logger its own id in [logger], or a client_id in its [broker]"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """`client_id` names the session at the broker: another one is another queue of messages.

    With an `own_id` the session may be another client's, whose card was copied to this machine. It
    is tried: nothing is acknowledged until the connection has lasted, and if somebody takes the
    session back again and again, `own_id` is used from then on and the other one lost nothing.
    """

    host: str
    client_id: str
    topics: tuple[str, ...]
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: Path | None = None
    keepalive_s: int = 60
    expects_session: bool = False  # the broker should know this client already
    own_id: str = ""


class MessageIn(NamedTuple):
    """One message as it came; `generation` numbers the connection that it came over."""

    topic: str
    data: bytes
    qos: int
    retain: bool
    dup: bool
    mid: int
    generation: int


class Acknowledgement(NamedTuple):
    mid: int
    qos: int
    generation: int


@dataclass(slots=True)
class MqttState:
    """Counters since start; `problem` says why there is no connection, "" if there is one.

    `client_id` is the one in use, "" while it is tried whether it is another client's.
    """

    connected: bool = False
    generation: int = 0
    connects: int = 0
    messages: int = 0
    acknowledged: int = 0
    late_acknowledgements: int = 0  # dropped: their connection was gone
    lost_sessions: int = 0
    refused_topics: int = 0
    failed_callbacks: int = 0
    problem: str = "not connected yet"
    client_id: str = ""


class HookGone(Exception):
    """The installed paho-mqtt connects without our stream: no message would be received."""


class MqttLink:
    """One connection to one broker, in one thread of its own.

    In that thread `on_message` is called for each message and `on_round(generation)` after each
    run of messages and at least each 2 s. `on_state(connected, words)` is called once when the
    connection is lost or refused, once when it is back, and when the broker lost the session.
    What a callback raises is counted and logged, and its message stays unacknowledged.
    """

    def __init__(
        self,
        options: MqttOptions,
        on_message: Callable[[MessageIn], None],
        on_round: Callable[[int], None] = lambda generation: None,
        on_state: Callable[[bool, str], None] = lambda connected, words: None,
    ) -> None:
        self._options = options
        self._on_message, self._on_round, self._on_state = on_message, on_round, on_state
        self.state = MqttState(client_id="" if options.own_id else options.client_id)
        self.name = f"{options.host}:{options.port}"
        self._expects_session = options.expects_session
        self._client = self._make_client()
        self._acks: deque[Acknowledgement] = deque()
        self._stop = threading.Event()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._beat = time.monotonic()
        self._is_reported = self._is_deaf = False
        self._short = ShortConnections()
        self._thread = threading.Thread(target=self._run, name=f"mqtt {self.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Disconnect and end the thread; what is not acknowledged will come again."""
        self._stop.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(FROZEN_AFTER_S)
        self._wake_in.close()
        self._wake_out.close()

    def alive(self) -> bool:
        """Whether it runs, turns and can receive; a lost connection alone is no reason to worry."""
        fresh = time.monotonic() - self._beat < FROZEN_AFTER_S
        return self._thread.is_alive() and fresh and not self._is_deaf

    def acknowledge(self, acknowledgements: Iterable[Acknowledgement]) -> None:
        """Send these soon, from any thread; those of an earlier connection are dropped.

        After a reconnect the broker may use the same identifier for another message, which a late
        PUBACK would acknowledge unheard.
        """
        self._acks.extend(acknowledgements)
        self._wake()

    def resubscribe(self) -> None:
        """Subscribe again, to be called from a callback of this link.

        mosquitto 2.0.11 with autosave_on_changes doesn't count messages in flight as changes and
        forgets them when it is killed; a subscription is a change and makes it save them too.
        """
        self._client.subscribe([(topic, 1) for topic in self._options.topics])

    def _make_client(self) -> Client:
        options = self._options
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,  # or a refused CONNECT is tried again as MQTT 3.1
        )
        if options.username is not None:
            client.username_pw_set(options.username, options.password)
        streams: Any = _Streams(_tls_context(options) if options.tls else None)
        client.tls_set_context(streams)
        # paho hands each of them: client, own data, flags or identifier, reasons, properties.
        client.on_connect = lambda *words: self._call(self._connected, *words[2:4])
        client.on_subscribe = lambda *words: self._call(self._subscribed, words[3])
        client.on_disconnect = lambda *words: self._call(self._disconnected, words[3])
        # With this callback paho leaves writing to our loop; the loop asks want_write() itself.
        client.on_socket_register_write = lambda *_: None
        client.connect_async(options.host, options.port, options.keepalive_s)
        return client

    def _call(self, callback: Callable[..., None], *words: Any) -> None:
        try:
            callback(*words)
        except Exception:  # the one place: nothing may end the loop that hears
            self.state.failed_callbacks += 1
            n = self.state.failed_callbacks
            if n & (n - 1) == 0:  # the 1st, 2nd, 4th, 8th ...: the log must not fill a disk
                _log.exception("%s: a callback failed (%d so far)", self.name, n)

    def _run(self) -> None:
        wait_s = FIRST_RETRY_S
        while not self._stop.is_set():
            try:
                self._serve()
            except Exception as error:  # the supervisor of this link: it comes back from anything
                self._report_problem(f"{type(error).__name__}: {error}")
            if self.state.connected:
                self.state.connected = False
                if not self._short.many:  # or two clients would take turns twice a second
                    wait_s = FIRST_RETRY_S
            if self._short.many and self._options.own_id:
                self._take_own_id()
            self._beat = time.monotonic()
            self._stop.wait(wait_s * random.uniform(0.8, 1.0))  # noqa: S311  spreads reconnects
            wait_s = min(2 * wait_s, LONGEST_RETRY_S)

    def _take_own_id(self) -> None:
        """The session that was tried belongs to somebody who is there: leave it alone."""
        former, own = self._options.client_id, self._options.own_id
        self._options = replace(self._options, client_id=own, own_id="")
        self.state.client_id = own
        self._short, self._client = ShortConnections(), self._make_client()
        self._expects_session = False
        words = f"another logger uses the client id {former!r}; this one goes on as {own!r}"
        self._call(self._on_state, True, f"{self.name}: {words}")

    def _serve(self) -> None:
        """Connect and hear until the connection is gone or stop() is called."""
        self.state.generation += 1
        self._client.reconnect()
        self._is_deaf = self._stream() is None and self._client.socket() is not None
        if self._is_deaf:
            self._client.disconnect()
            raise HookGone("paho-mqtt takes no stream of ours: install the version edaphon names")
        while self._turn():
            if self._stop.is_set():
                self._client.disconnect()
                self._client.loop_write()
                return

    def _turn(self) -> bool:
        """Read, acknowledge, write, keep alive; False when the connection is gone."""
        self._beat = time.monotonic()
        client, stream = self._client, self._stream()
        if stream is None:
            return False
        to_read: list[Any] = [stream, self._wake_in]
        to_write = [stream] if stream.unsent or client.want_write() else []
        ready, _, _ = select.select(to_read, to_write, [], 0 if stream.pending else IDLE_S)
        if self._wake_in in ready:
            self._wake_in.recv(4096)
        if (stream in ready or stream.pending) and not self._read(stream):
            return False
        self._call(self._on_round, self.state.generation)
        self._send_acknowledgements(stream)
        if client.want_write() and client.loop_write() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        if self._short.over(self._beat):
            self._call(self._say_connected)
        alive = client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS
        stream.flush()
        return alive

    def _stream(self) -> Stream | None:
        """The open connection, if there is one."""
        found: Any = self._client.socket()
        return found if isinstance(found, Stream) else None

    def _read(self, stream: Stream) -> bool:
        for message in stream.read():
            self._call(self._received, message)
        while stream.for_paho:
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return False
        return True

    def _send_acknowledgements(self, stream: Stream) -> None:
        if not self.state.client_id:
            if not self._short.lasts(self._beat):
                return
            self.state.client_id = self._options.client_id
            self._options = replace(self._options, own_id="")
        owed = [self._acks.popleft() for _ in range(len(self._acks))]
        mids = [mid for mid, _, generation in owed if generation == self.state.generation]
        stream.acknowledge(mids)
        self.state.acknowledged += len(mids)
        self.state.late_acknowledgements += len(owed) - len(mids)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it wakes anyway; closed: nobody is left
            self._wake_out.send(b"\0")

    def _received(self, message: Published) -> None:
        self.state.messages += 1
        self._on_message(MessageIn(*message, self.state.generation))

    def _connected(self, flags: ConnectFlags, reason: ReasonCode) -> None:
        if reason.is_failure:
            self._report_problem(f"the broker refused the connection: {reason}")
            return
        self.state.connected = True
        self.state.connects += 1
        self._short.begin(time.monotonic())
        # Whatever session_present says: a broker may have kept the session and lost its topics.
        self.resubscribe()
        if not self._short.many:
            self._say_connected()
        if self._expects_session and not flags.session_present:
            self.state.lost_sessions += 1
            self._on_state(
                True,
                f"{self.name}: expected the session of client {self._options.client_id!r}, the "
                "broker has none: messages that waited there are lost; see its persistence "
                "settings (deploy/mosquitto/edaphon.conf)",
            )
        self._expects_session = True

    def _subscribed(self, reasons: list[ReasonCode]) -> None:
        answered = zip(self._options.topics, reasons, strict=False)
        refused = [topic for topic, reason in answered if reason.is_failure]
        self.state.refused_topics = len(refused)
        if refused:
            self._on_state(
                True, f"{self.name}: the broker refused the topics {refused}; see its access list"
            )

    def _disconnected(self, reason: ReasonCode) -> None:
        if self._stop.is_set():
            return
        before = self._short.many
        self._short.end(time.monotonic())
        if self._short.many:
            self._is_reported = self._is_reported and before
            self._report_problem(_TAKEN.format(id=self._options.client_id))
        else:
            why = "the broker closed it" if reason.value == _UNSPECIFIED else str(reason)
            self._report_problem(f"connection lost: {why}")

    def _say_connected(self) -> None:
        self.state.problem = ""
        if self._is_reported:
            self._is_reported = False
            self._on_state(True, f"{self.name}: connected again")

    def _report_problem(self, words: str) -> None:
        self.state.problem = words
        if not self._is_reported:
            self._is_reported = True
            again = f"trying again at least each {LONGEST_RETRY_S:.0f} s"
            self._call(self._on_state, False, f"{self.name}: {words}; {again}")


class _Streams:
    """What paho wraps connections with, by `tls_set_context`: TLS where there is, then a Stream."""

    check_hostname = True  # is the context's part; nothing is left for paho to check

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls

    def wrap_socket(self, connection: socket.socket, **words: Any) -> Stream:
        if self._tls is None:
            return Stream(connection)
        return Stream(self._tls.wrap_socket(connection, **words))


def _tls_context(options: MqttOptions) -> ssl.SSLContext:
    try:
        trusted = read_certificates(options.ca_file) if options.ca_file else None
        context = ssl.create_default_context(cadata=trusted)
    except OSError as error:
        files = f"{options.ca_file or 'the system'}, no client certificate"
        raise LinkDown("certificates that can be read", error.strerror or "", files) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
