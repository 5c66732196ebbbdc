"""The link to a real broker: it comes back, drops late acknowledgements, and outlives mistakes."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from tests.programs import ROOT, Mosquitto, output, require, wait_until

from edaphon_drivers.faults import LinkDown
from edaphon_drivers.links import mqtt as takeover
from edaphon_drivers.links.mqtt import Acknowledgement, MessageIn, MqttLink, MqttOptions

CONNACK = b"\x20\x02\x00\x00"


class Ears:
    """A started link and everything it reported."""

    def __init__(self, port: int, acknowledges: bool = False, **options: object) -> None:
        self.messages: list[MessageIn] = []
        self.states: list[tuple[bool, str]] = []
        # Before the link starts: what waits at the broker comes with the connection.
        self.act: Callable[[MessageIn], None] = (
            self.acknowledge if acknowledges else lambda message: None
        )
        given = {"host": "127.0.0.1", "client_id": "logger-1", "topics": ("plot/#",)} | options
        self.link = MqttLink(
            MqttOptions(port=port, **given),  # type: ignore[arg-type]
            self._hear,
            on_state=lambda connected, words: self.states.append((connected, words)),
        )
        self.link.start()

    def _hear(self, message: MessageIn) -> None:
        self.messages.append(message)
        self.act(message)

    def __enter__(self) -> "Ears":
        return self

    def __exit__(self, *exc: object) -> None:
        self.link.stop()

    def wait_connected(self, connects: int = 1) -> None:
        wait_until(
            lambda: self.link.state.connected and self.link.state.connects >= connects, "connection"
        )

    def wait_heard(self, *data: bytes) -> None:
        wait_until(lambda: [m.data for m in self.messages] == list(data), f"{data}")

    def acknowledge(self, message: MessageIn) -> None:
        self.link.acknowledge([Acknowledgement(message.mid, message.qos, message.generation)])


def publish(broker: Mosquitto, *texts: bytes, topic: str = "plot/1") -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect(broker.host, broker.port)
    client.loop_start()
    for text in texts:
        client.publish(topic, text, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@contextmanager
def answering(connack: bytes, then: bytes) -> Iterator[int]:
    """A server that says these two things to everyone who connects and sends something."""
    server, stop = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def answer() -> None:
        while not stop.is_set():
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(1000)
                connection.sendall(connack)
                connection.recv(1000)
                connection.sendall(then)
                connection.recv(1000)

    thread = threading.Thread(target=answer)
    thread.start()
    yield server.getsockname()[1]
    stop.set()
    socket.create_connection(server.getsockname()).close()
    thread.join(10)
    server.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


def test_what_is_not_acknowledged_comes_again_with_its_identifier_and_dup(
    broker: Mosquitto,
) -> None:
    with Ears(broker.port) as ears:
        ears.wait_connected()
        publish(broker, b"a", b"b")
        ears.wait_heard(b"a", b"b")
        ears.acknowledge(ears.messages[0])
        wait_until(lambda: ears.link.state.acknowledged == 1, "the acknowledgement")
        first = ears.messages[1]
    with Ears(broker.port) as ears:
        ears.wait_heard(b"b")
        again = ears.messages[0]
    assert (again.mid, first.dup, again.dup) == (first.mid, False, True)


@pytest.mark.parametrize("end", [Mosquitto.stop, Mosquitto.kill])
def test_a_late_acknowledgement_of_an_earlier_connection_is_dropped(
    broker: Mosquitto, end: Callable[[Mosquitto], None]
) -> None:
    with Ears(broker.port) as ears:
        ears.wait_connected()
        publish(broker, b"a")
        ears.wait_heard(b"a")
        size = broker.saved_bytes
        ears.link.resubscribe()  # so that the kill doesn't make the broker forget it
        ears.link.acknowledge([])
        wait_until(lambda: broker.saved_bytes > size, "the broker to save")
        end(broker)
        wait_until(lambda: not ears.link.state.connected, "the loss")
        broker.start()
        ears.wait_connected(2)
        ears.acknowledge(ears.messages[0])
        ears.wait_heard(b"a", b"a")
        wait_until(lambda: ears.link.state.late_acknowledgements == 1, "the drop")
        assert ears.link.state.acknowledged == 0
        assert [m.generation for m in ears.messages][0] < ears.messages[1].generation
        assert [connected for connected, _ in ears.states] == [False, True]
        assert ears.states[1][1].endswith("connected again")


def test_a_callback_that_raises_costs_its_own_message_only(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    def act(message: MessageIn) -> None:
        if message.data == b"bad":
            raise ZeroDivisionError
        ears.acknowledge(message)

    with Ears(broker.port) as ears:
        ears.act = act
        ears.wait_connected()
        publish(broker, b"1", b"bad", b"3", b"bad", b"bad", b"6")
        ears.wait_heard(b"1", b"bad", b"3", b"bad", b"bad", b"6")
        wait_until(lambda: ears.link.state.acknowledged == 3, "acknowledgements")
        assert ears.link.state.failed_callbacks == 3
        assert ears.link.alive()
    assert len(caplog.records) == 2  # the 1st and the 2nd, not the 3rd


def test_a_lost_session_is_said_and_hearing_goes_on(broker: Mosquitto) -> None:
    with Ears(broker.port, expects_session=True) as ears:
        ears.wait_connected()
        wait_until(lambda: ears.link.state.lost_sessions == 1, "the complaint")
        assert "expected the session of client 'logger-1', the broker has none" in ears.states[0][1]
        broker.kill()
        (broker.folder / "mosquitto.db").unlink(missing_ok=True)
        broker.start()
        ears.wait_connected(2)
        publish(broker, b"after")
        ears.wait_heard(b"after")
        assert ears.link.state.lost_sessions == 2


def test_a_new_session_is_no_reason_to_complain(broker: Mosquitto) -> None:
    with Ears(broker.port) as ears:
        ears.wait_connected()
        publish(broker, b"a")
        ears.wait_heard(b"a")
        assert ears.states == []


def test_two_clients_of_one_identifier_are_named_as_such_and_take_turns_ever_more_seldom(
    broker: Mosquitto,
) -> None:
    with Ears(broker.port) as one, Ears(broker.port) as other:
        wait_until(lambda: bool(one.states and other.states), "both to lose it")

        def stated(ears: Ears) -> list[str]:
            return [
                words for _, words in ears.states if "another client uses the client id" in words
            ]

        wait_until(lambda: bool(stated(one) or stated(other)), "the cause", 20)
        named = one if stated(one) else other
        assert "'logger-1'" in stated(named)[0]
        assert "copy of another logger" in named.link.state.problem
        connects = one.link.state.connects + other.link.state.connects
        assert connects < 12
        wait_until(lambda: named.link.state.connected, "its next turn", 20)
        assert named.states[-1][0] is False, "it is not back while it is taken again and again"
        assert "copy of another logger" in named.link.state.problem
    assert not any("Unspecified" in words for _, words in one.states + other.states)


def test_a_tried_session_is_left_to_its_owner_who_loses_nothing(broker: Mosquitto) -> None:
    with Ears(broker.port, acknowledges=True) as owner:
        owner.wait_connected()
        with Ears(broker.port, acknowledges=True, own_id="logger-2") as copy:
            texts = [b"%d" % n for n in range(20)]
            for text in texts:
                publish(broker, text)
            wait_until(lambda: copy.link.state.client_id == "logger-2", "its own name", 20)
            assert any("another logger uses the client id" in words for _, words in copy.states)
            wait_until(
                lambda: {m.data for m in owner.messages} >= {*texts}, "all of the owner's", 20
            )

            def both_hear_more() -> bool:
                publish(broker, b"more")
                return all(ears.messages[-1].data == b"more" for ears in (owner, copy))

            wait_until(both_hear_more, "both")


def test_a_tried_session_is_kept_where_nobody_takes_it_back(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "SHORT_S", 1.5)
    with Ears(broker.port) as before:
        before.wait_connected()
    publish(broker, b"waited")
    with Ears(broker.port, acknowledges=True, own_id="logger-2") as moved:
        moved.wait_heard(b"waited")
        assert (moved.link.state.client_id, moved.link.state.acknowledged) == ("", 0)
        wait_until(lambda: moved.link.state.acknowledged == 1, "the acknowledgement", 10)
        assert moved.link.state.client_id == "logger-1"


def test_topics_that_the_broker_refuses_are_named() -> None:
    suback = b"\x90\x04\x00\x01\x01\x80"
    with answering(CONNACK, suback) as port, Ears(port, topics=("plot/#", "no/+")) as ears:
        wait_until(lambda: bool(ears.states), "a complaint")
        assert "refused the topics ['no/+']; see its access list" in ears.states[0][1]


def test_a_refused_password_is_said_once_and_tried_again(tmp_path: Path) -> None:
    conf = "allow_anonymous false\npersistence false\n"
    with Mosquitto(tmp_path, conf) as broker, Ears(broker.port) as ears:
        wait_until(lambda: ears.link.state.generation > 2, "a second try")
        assert len(ears.states) == 1
        assert "refused the connection: Not authorized" in ears.states[0][1]
        assert ears.link.alive()


def test_a_broker_that_is_not_there_is_said_once(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with Ears(closed.getsockname()[1]) as ears:
            wait_until(lambda: ears.link.state.generation > 2, "a second try")
            assert len(ears.states) == 1
            assert "Connection refused" in ears.states[0][1]


def test_a_packet_that_no_broker_should_send_ends_the_connection_and_not_the_link() -> None:
    topic_beyond_the_end = b"\x32\x05\xff\xff\x00\x01\x02"
    with answering(CONNACK, topic_beyond_the_end) as port, Ears(port) as ears:
        wait_until(lambda: ears.link.state.connects == 2, "a second connection")
        assert "Garbled: expected a message of QoS 0 or 1" in ears.states[0][1]
        assert ears.link.alive()


def test_stop_ends_the_thread_at_once(broker: Mosquitto) -> None:
    ears = Ears(broker.port)
    ears.wait_connected()
    ears.link.stop()
    assert not ears.link.alive()
    ears.acknowledge(MessageIn("plot/1", b"", 1, False, False, 1, 1))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves the
# socket of a failed handshake to the garbage collector
def test_tls_is_checked_against_the_named_authority(tmp_path: Path) -> None:
    openssl = require("openssl", "openssl")
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    words += " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    output(openssl, *words.split(), cwd=tmp_path)
    conf = f"allow_anonymous true\ncertfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem\n"
    with Mosquitto(tmp_path, conf) as broker:
        with Ears(broker.port, tls=True, client_id="stranger") as ears:
            wait_until(lambda: bool(ears.states), "a refusal")
            assert "certificate verify failed" in ears.states[0][1]
        with (
            Ears(broker.port, tls=True, ca_file=tmp_path / "cert.pem") as ears,
            Ears(broker.port, tls=True, ca_file=tmp_path / "cert.pem", client_id="b") as other,
        ):
            ears.wait_connected()
            other.wait_connected()
            assert ears.states == []
    with pytest.raises(LinkDown, match="expected certificates that can be read"):
        Ears(1, tls=True, ca_file=tmp_path / "none.pem")


def test_the_shipped_broker_configuration_keeps_what_waits() -> None:
    text = (ROOT / "deploy" / "mosquitto" / "edaphon.conf").read_text("utf-8")
    lines = {line for line in text.splitlines() if line and not line.startswith("#")}
    assert {
        "persistence true",
        "autosave_on_changes true",
        "autosave_interval 1",
        "max_queued_messages 100000",
        "max_inflight_messages 1000",
        "listener 1883 127.0.0.1",
    } <= lines
    assert any(line.startswith("message_size_limit ") for line in lines)


def test_a_client_that_takes_no_stream_of_ours_is_reported_and_is_not_alive(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it connects, subscribes, and no message is ever received."""
    monkeypatch.setattr(Client, "tls_set_context", lambda self, context: None)
    with Ears(broker.port) as ears:
        wait_until(lambda: not ears.link.alive(), "the report")
        assert "install the version edaphon names" in ears.link.state.problem
        wait_until(lambda: bool(ears.states), "the report to people")
        assert ears.states[0][0] is False
        assert not ears.link.state.connected


def test_no_private_name_of_paho_is_used() -> None:
    """So that another version of it breaks nothing unseen."""
    text = Path(takeover.__file__).read_text("utf-8")
    names = {name for name in dir(Client) if name.startswith("_") and not name.startswith("__")}
    assert not {name for name in names if f"client.{name}(" in text or f"def {name}(" in text}
