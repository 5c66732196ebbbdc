"""Who reads a record imports the engine that decodes it, and no other of the configuration."""

import subprocess
import sys

CONFIGURATION = """
[logger]
id = "l"
[site]
id = "s"
[storage]
folder = "/nowhere"
[bus.line]
kind = "sdi12"
port = "/dev/null"
[bus.mod]
kind = "serial"
port = "/dev/zero"
[broker.net]
host = "h"
topics = ["#"]
envelope = "chirpstack-v4"
[[source]]
bus = "line"
address = "a"
model = "meter.teros12"
interval = "1min"
[[source]]
broker = "net"
dev_eui = "A840410000000001"
model = "dragino.lse01-1.1.4"
"""
PROGRAM = """
import sys, orjson
from edaphon.derive.decode import sources_of
from edaphon.journal import Entry, Kind
from edaphon_drivers.faults import Fault
from edaphon_drivers.readings import pack_exchange

text = sys.stdin.read()
payload = orjson.dumps({"file": "edaphon.toml", "text": text})
sources = sources_of(Entry(Kind.CONFIGURATION, 0, 0, "", "", payload))
assert set(sources.decoders) == {"line/a", "net"}, sources.decoders
engines = ("ascii", "files.engine", "i2c", "lorawan", "modbus", "sdi12", "smart_home", "w1")
packages = {f"edaphon_drivers.{name}" for name in engines}
assert not packages & sys.modules.keys(), packages & sys.modules.keys()
record = Entry(Kind.RECORD, 0, 0, "", "line/a", pack_exchange([]))
try:
    sources.decode(record)
except Fault:
    pass
print(*(packages & sys.modules.keys()))
"""


def test_a_record_imports_only_its_own_engine() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=CONFIGURATION, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "edaphon_drivers.sdi12"
