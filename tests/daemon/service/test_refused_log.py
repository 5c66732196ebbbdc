"""The words about what could not be read: one source never silences another."""

import logging

from edaphon.config import read_config
from edaphon.derive.decode import Note, Sources
from edaphon.derive.pipeline import DeadLetter
from edaphon.journal import Entry, Kind
from edaphon.model import EntryId
from edaphon.service.deriving import CAUSES, RefusedLog
from edaphon.toml_input.lines import read_document
from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import pack_message

CONFIG = """
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/tmp/x"
[broker.local]
host = "127.0.0.1"
topics = ["#"]
[[source]]
broker = "local"
topic = "plot/node1"
field = [{ name = "t", path = "t", quantity = "soil_temperature", unit = "degC" }]
"""


def letter(n: int, path: str) -> DeadLetter:
    return DeadLetter(EntryId(1, n), "local", f"expected a number, got {n}", path)


def test_strangers_neither_fill_the_log_nor_silence_the_words_about_a_source(caplog):
    log = RefusedLog()
    with caplog.at_level(logging.WARNING, "edaphon"):
        for n in range(10_000):
            log.dead_letter(letter(n, ""))
            log.note(Note("local/a", f"part {n}"))
        log.dead_letter(letter(10_001, "local/plot/node1"))
        log.dead_letter(letter(10_001, "local/plot/node1"))
        log.note(Note("local/b", "a part"))
    assert len(caplog.records) == 2 * CAUSES + 2
    assert sum("10001" in record.getMessage() for record in caplog.records) == 1


def test_a_dead_letter_names_the_source_that_sent_it_and_none_for_a_stranger():
    config, config_errors = read_config(read_document("edaphon.toml", CONFIG))
    assert config is not None, config_errors
    sources, found = Sources.of(config), []
    for topic in ("plot/node1", "plot/stranger"):
        payload = pack_message(topic, b"no json", 1, False, False)
        try:
            sources.decode(Entry(Kind.RECORD, 0, 0, "boot", "local", payload))
        except Fault as fault:
            found.append(sources.owner("local", fault))
    assert found == ["local/plot/node1", ""]
