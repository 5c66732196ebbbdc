"""The same input gives the same series, release, points and answers, whatever became of the code.

A change that is meant to change them takes the new digests over from the folder that
`python -m tests.stories.same_input FOLDER` writes, and says in its commit which and why.
"""

import json
from pathlib import Path

import pytest
from tests.stories.same_input import digests, lived

RECORDED = json.loads((Path(__file__).parent / "data" / "same_digests.json").read_text())


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    return digests(lived(tmp_path_factory.mktemp("same") / "plot"))


def expect_same(found: dict[str, str], recorded: dict[str, str]) -> None:
    names = [name for name in {**recorded, **found} if found.get(name) != recorded.get(name)]
    if names:
        pytest.fail("\n".join(["these differ:", *names]))


def test_values_flags_uncertainties_order_and_derivations_are_as_recorded(found):
    expect_same(found["rounded"], RECORDED["rounded"])


def test_with_one_build_of_numpy_they_are_the_same_bit_for_bit(found):
    if found["of"] != RECORDED["of"]:
        pytest.skip(f"recorded with {RECORDED['of']}, this is {found['of']}")
    expect_same(found["exact"], RECORDED["exact"])
