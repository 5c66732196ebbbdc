"""A source of edaphon.toml for `edaphon decode`: its sheet, or its owner's fields and codec."""

from pathlib import Path

from edaphon.commands.check import usual_file
from edaphon.commands.decode.payload import held
from edaphon.commands.decode.typed import Unclear, plain_bytes
from edaphon.config import Configuration, LorawanSource, Source
from edaphon.config.reading import read_codec
from edaphon.derive.decode import Sources
from edaphon.storage.access import configured
from edaphon_calibration.errors import suggestion
from edaphon_drivers.faults import Refused
from edaphon_drivers.lorawan import Uplink
from edaphon_drivers.payloads import Message
from edaphon_drivers.readings import Reading

__all__ = ["named_source", "own_readings"]

_USUAL_PORT = 1


def named_source(path: str, file: Path | None) -> tuple[Configuration, Source]:
    """The configuration and its source of that path; raises Unclear for one that it lacks."""
    config = configured(file or usual_file()).config
    known = {source.path: source for source in config.sources}
    if path not in known:
        near = suggestion(path, tuple(known))
        raise Unclear(f"expected a source of the configuration, got {path!r}{near}")
    return config, known[path]


def own_readings(
    config: Configuration, source: Source, payload: str, port: int | None
) -> tuple[Reading, ...]:
    """What a source without a model makes of a payload; raises Fault."""
    if isinstance(source, LorawanSource):
        codec = source.codec_file
        files = {str(codec): _codec(codec)} if codec else {}
        what = held(payload, "lorawan", port, "", "")
        used = _USUAL_PORT if what.port is None else what.port
        uplink = Uplink(source.dev_eui, used, 0, what.data, None, "", ())
        return Sources.of(config, files).readers[source.path](uplink)
    topic = getattr(source, "topic", "")
    message = Message(topic, plain_bytes(payload, "message"))
    return Sources.of(config).readers[source.path](message)


def _codec(path: Path) -> str:
    try:
        return read_codec(path, errors="replace")
    except OSError as error:
        raise Refused("a codec that can be read", error.strerror or "", str(path)) from None
