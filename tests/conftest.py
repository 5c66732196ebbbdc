"""What one test changes of its process, and the next one in the same process must not find."""

import os
from collections.abc import Iterator

import pytest

UMASK = os.umask(0o022)  # of whoever runs the tests
os.umask(UMASK)


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """Commands that are called in the process of the tests set theirs, as in one of their own."""
    os.umask(UMASK)
    yield
    os.umask(UMASK)
