"""What status says of a broker that forgot messages, and how a later life comes to know of it."""

from collections.abc import Callable, Iterable
from pathlib import Path

from tests.daemon.commands.calling import call, until
from tests.stories.station import Station, json_node

from edaphon.service.process import running
from edaphon.service.sources import Overrides
from edaphon_drivers.links.mqtt import Acknowledgement, MqttOptions, MqttState

TABLES = '[broker.local]\nhost = "127.0.0.1"\nport = 1883\ntopics = ["plot/#"]\n'


class QuietLink:
    """Connects at once and brings nothing; `made` holds what each was made with."""

    made: list["QuietLink"] = []  # noqa: RUF012

    def __init__(
        self,
        options: MqttOptions,
        on_message: Callable[..., None],
        on_round: Callable[[int], None],
        on_state: Callable[[bool, str], None],
    ) -> None:
        self.options, self.on_state = options, on_state
        self.state = MqttState(client_id=options.client_id)
        self.made.append(self)

    def start(self) -> None:
        self.state.connects = 1

    def stop(self) -> None: ...

    def alive(self) -> bool:
        return True

    def acknowledge(self, acknowledgements: Iterable[Acknowledgement]) -> None: ...

    def resubscribe(self) -> None: ...


def test_a_session_that_the_broker_forgot_is_a_problem_that_status_shows(
    tmp_path: Path, caplog
) -> None:
    station = Station(tmp_path, [TABLES, json_node("local", "plot/n1")], [])
    QuietLink.made.clear()
    with running(station.file, Overrides(make_link=QuietLink)):
        until(lambda: QuietLink.made and QuietLink.made[0].state.connects)
        link = QuietLink.made[0]
        assert not link.options.expects_session  # the first life
        call(station, "status")
        link.state.lost_sessions = 1
        link.on_state(True, "expected the session, the broker has none")
        out, _ = call(station, "status", codes=(1,))
        assert "broker local: it forgot the session of this client 1 times" in out
        assert "messages that waited there are lost" in out
        assert "expected the session" in caplog.text
        link.state.lost_sessions, link.state.refused_topics = 0, 1
        assert "refuses 1 of the topics" in call(station, "status", codes=(1,))[0]
    with running(station.file, Overrides(make_link=QuietLink)):
        until(lambda: len(QuietLink.made) == 2)
        assert QuietLink.made[1].options.expects_session
    station.file.write_text(station.file.read_text().replace("1883", "1884"))
    with running(station.file, Overrides(make_link=QuietLink)):
        until(lambda: len(QuietLink.made) == 3)
        assert not QuietLink.made[2].options.expects_session  # another broker
