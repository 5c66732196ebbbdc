"""What the tests of one folder share: a plot whose files are followed, closed at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.acquire.followed_files import Plot


@pytest.fixture
def plot(tmp_path: Path) -> Iterator[Plot]:
    plot = Plot(tmp_path)
    yield plot
    plot.stop()
    plot.journal.close()
    plot.state.close()
