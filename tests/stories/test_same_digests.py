"""The same input gives the same series, release, points and answers, whatever became of the code.

A change that is meant to change them takes the new digests over from the folder that
`python -m tests.stories.same_input FOLDER` writes, and says in its commit which and why.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.stories.same_input import digests, lived

Digests = Mapping[str, str]
RECORDED = json.loads((Path(__file__).parent / "data" / "same_digests.json").read_text())


def differing(found: Digests, recorded: Digests) -> list[str]:
    return [name for name in {**recorded, **found} if found.get(name) != recorded.get(name)]


@pytest.mark.timeout(120)  # one plot's life, on a machine that does other things too
def test_values_flags_uncertainties_order_and_derivations_are_as_recorded(tmp_path):
    found = digests(lived(tmp_path / "plot"))
    names = differing(found["rounded"], RECORDED["rounded"])
    if found["of"] == RECORDED["of"]:  # one build of numpy gives the same, bit for bit
        names += [f"{name}, exact" for name in differing(found["exact"], RECORDED["exact"])]
    if names:
        pytest.fail("\n".join(["these differ:", *names]))
