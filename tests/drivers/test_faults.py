"""What a fault says of the place that it came from."""

from edaphon_drivers.faults import LinkDown


def test_the_path_of_a_port_is_shown_whole() -> None:
    path = "/dev/serial/by-path/" + "platform-xhci-hcd.0-usb-0:1.3:1.0-" * 4 + "port0"
    assert path in str(LinkDown("a port that can be read", "nothing more", path))


def test_a_very_long_place_keeps_its_beginning_and_its_end_and_no_control_character() -> None:
    text = str(LinkDown("a message", "", "plots/a/" + "x" * 5000 + "\n/soil-7"))
    assert "plots/a/xx" in text
    assert text.endswith("\\n/soil-7")
    assert len(text) < 400
