"""`edaphon decode` of every model over good and spoilt payloads: no crash, no impossible number.

1,000 spoilt payloads of each model run with every test, 10,000 with EDAPHON_FAULTS=long.
"""

import subprocess
import sys
from collections import Counter

import pytest
from tests.drivers.good_frames import ENGINES
from tests.stories.decode_campaign import (
    Decodes,
    good_payloads,
    payloads_with_words,
    spoilt_payloads,
    wrong_in,
)
from tests.stories.load import LONG, table

from edaphon_drivers.sheets import load_sheet, model_names

SPOILT = 10_000 if LONG else 1000
# Rows of a logger whose zone only its owner knows: settings of a source, so no bare model will do.
OWNERS_WORD = {
    "campbell.toa5",
    "licor.li-8100a",
    "licor.li-850-file",
    "losgatos.ugga",
    "ppsystems.egm-4-file",
    "ppsystems.egm-5-file",
}


def models_of(engine: str) -> list[str]:
    return [model for model in model_names() if load_sheet(model).engine == engine]


@pytest.mark.parametrize("model", model_names())
def test_decode_of_every_model_gives_the_numbers_of_its_own_frames_or_says_why(model: str) -> None:
    found = Decodes().run(model, good_payloads(model))
    assert found.wrong == []
    if model in OWNERS_WORD:
        assert found.exits.keys() == {2}
        assert all("settings of its [[source]]" in words for words in found.words)
    else:
        assert found.exits[0] > 0, found.words[:3]


@pytest.mark.timeout(3600 if LONG else 120)
@pytest.mark.parametrize("engine", ENGINES)
def test_spoilt_payloads_give_no_traceback_and_no_impossible_number(
    engine: str, capfd: pytest.CaptureFixture[str]
) -> None:
    exits: Counter[int] = Counter()
    numbers = impossible = 0
    for model in models_of(engine):
        found = Decodes().run(model, spoilt_payloads(model, SPOILT))
        assert found.wrong == []
        exits.update(found.exits)
        numbers += found.numbers
        impossible += found.impossible
    assert exits.total() == SPOILT * len(models_of(engine))
    head = ("models", "spoilt", "exit 0", "exit 1", "exit 2", "numbers", "impossible")
    row = (len(models_of(engine)), exits.total(), *(exits[n] for n in (0, 1, 2)))
    shown = tuple(f"{n:,}" for n in (*row, numbers, impossible))
    table(capfd, f"decode, {engine}", [head, shown])


@pytest.mark.parametrize("model", [*models_of("lorawan"), *models_of("modbus")])
def test_the_words_of_a_dead_sensor_give_no_impossible_number(model: str) -> None:
    """0x8000, 0x7FFF, 0xFFFF and 0 at every place of a frame, its check made for them."""
    assert Decodes().run(model, payloads_with_words(model)).wrong == []


@pytest.mark.parametrize("engine", ENGINES)
def test_the_command_itself_answers_as_the_function_does(engine: str) -> None:
    model = next(model for model in models_of(engine) if model not in OWNERS_WORD)
    for payload, port, topic in [*good_payloads(model)[:1], *spoilt_payloads(model, 1)]:
        words = ["decode", f"--model={model}", f"--payload={payload}", f"--topic={topic}", "--json"]
        words += [f"--port={port}"] if port is not None else []
        done = subprocess.run(
            [sys.executable, "-m", "edaphon", *words], capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        assert list(wrong_in(done.returncode, done.stdout, done.stderr)) == []
