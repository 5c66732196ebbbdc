"""What is said of a port that can't be used: what to do with hands and tools."""

import pytest

from edaphon_drivers.faults import LinkDown
from edaphon_drivers.links.serial import SerialLink


@pytest.mark.parametrize(
    ("path", "remedy"), [("/dev/null", "this is none"), ("/dev/nowhere", "plug the adapter in")]
)
def test_a_port_that_is_none_or_is_gone_is_told_apart(path, remedy):
    with pytest.raises(LinkDown, match=remedy):
        SerialLink(path)
