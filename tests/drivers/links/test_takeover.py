"""When short connections in a row are distinguished from a line that drops now and then."""

from edaphon_drivers.links.mqtt import MANY, SHORT_S, ShortConnections


def after(*seconds: float) -> ShortConnections:
    """Connections that lasted so long, one after another."""
    short, now = ShortConnections(), 100.0
    for lasted in seconds:
        short.begin(now)
        now += lasted
        short.end(now)
        now += 1
    return short


def test_only_short_connections_in_a_row_are_many() -> None:
    assert not after(0.5, 0.5).many
    assert after(0.5, 8.0, 0.5).many
    assert not after(0.5, 0.5, 3600, 0.5, 0.5).many
    assert not after(*[SHORT_S] * 9).many


def test_a_failed_try_to_connect_is_no_connection() -> None:
    short = ShortConnections()
    for now in range(9):
        short.end(float(now))
    assert not short.many


def test_it_is_over_once_when_a_connection_lasts() -> None:
    short = after(*[0.5] * MANY)
    short.begin(200.0)
    assert not short.over(200.0 + SHORT_S - 1)
    assert short.many
    assert short.over(200.0 + SHORT_S)
    assert not short.many
    assert not short.over(200.0 + SHORT_S + 1)
