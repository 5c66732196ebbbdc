"""A station for stories: its configuration and facts as text, its commands as real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Station", "json_node", "json_node_facts", "teros12_facts"]

QUANTITIES = {
    "vwc": ("volumetric_water_content", "m3/m3"),
    "temp": ("soil_temperature", "degC"),
    "ec": ("bulk_electrical_conductivity", "dS/m"),
}


def json_node(broker: str, topic: str) -> str:
    """A home-made node that sends its time and three numbers."""
    fields = "".join(
        f'[[source.field]]\nname = "{name}"\npath = "{name}"\n'
        f'quantity = "{quantity}"\nunit = "{unit}"\n'
        for name, (quantity, unit) in QUANTITIES.items()
    )
    return (
        f'[[source]]\nbroker = "{broker}"\ntopic = "{topic}"\n'
        f'time = {{ path = "t", format = "epoch_ms" }}\n{fields}'
    )


def json_node_facts(broker: str, topic: str, node: str) -> str:
    return f'[[plot]]\nid = "{node}"\n' + "".join(
        f'[[channel]]\nid = "{node}-{name}"\nplot = "{node}"\nquantity = "{quantity}"\n'
        f'unit = "{unit}"\ndepth_cm = 5\n'
        f'[[deployment]]\nid = "d-{node}-{name}"\nchannel = "{node}-{name}"\n'
        f'source = "{broker}/{topic}"\noutput = "{name}"\n'
        for name, (quantity, unit) in QUANTITIES.items()
    )


def teros12_facts(path: str, probe: str, checks: str = "") -> str:
    """Moisture by the factory's mineral curve, and temperature, of one TEROS 12."""
    return (
        f'[[plot]]\nid = "{probe}"\n'
        f'[[channel]]\nid = "{probe}-vwc"\nplot = "{probe}"\n'
        f'quantity = "volumetric_water_content"\nunit = "m3/m3"\ndepth_cm = 5\n{checks}'
        f'[[deployment]]\nid = "d-{probe}-vwc"\nchannel = "{probe}-vwc"\nsource = "{path}"\n'
        f'output = "water_content_counts"\nfactory = "mineral"\n'
        f'[[channel]]\nid = "{probe}-temp"\nplot = "{probe}"\n'
        f'quantity = "soil_temperature"\nunit = "degC"\n'
        f"depth_cm = 5\n{checks}"
        f'[[deployment]]\nid = "d-{probe}-temp"\nchannel = "{probe}-temp"\nsource = "{path}"\n'
        f'output = "soil_temperature"\n'
    )


class Station:
    """One edaphon.toml with its storage; `run` starts the daemon as a process of its own."""

    def __init__(
        self,
        folder: Path,
        tables: Iterable[str],
        facts: Iterable[str],
        program: tuple[str, ...] = ("-m", "edaphon", "run"),
    ) -> None:
        """`program` is what Python runs as the daemon; it is handed the configuration's path."""
        self.folder = folder
        self.program = program
        self.file = folder / "edaphon.toml"
        self.storage = folder / "storage"
        self.inbox = folder / "facts"
        self.inbox.mkdir(parents=True, exist_ok=True)
        head = (
            f'[logger]\nid = "story-1"\n[site]\nid = "story"\n'
            f'[storage]\nfolder = "{self.storage}"\n[facts]\ninbox = "{self.inbox}"\n'
            f'[clock]\ntrust = "system"\n'
        )
        self.file.write_text(head + "\n".join(tables))
        (self.inbox / "first.toml").write_text("\n".join(facts))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, within_s: float = 20.0) -> float:
        """Start the daemon; seconds until it answers at its socket."""
        begun = time.monotonic()
        process = self.launch()
        while time.monotonic() - begun < within_s:
            if process.poll() is not None:
                raise AssertionError(f"the daemon ended: {self.log()}")
            if self.answers():
                return time.monotonic() - begun
            time.sleep(0.05)
        raise AssertionError(f"the daemon did not answer in {within_s} s: {self.log()}")

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the daemon in a process group of its own, without waiting for it."""
        assert self.process is None, "the daemon runs already"
        environment = {**os.environ, "PYTHONWARNINGS": "error"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or each start compiles everything
        with (self.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_dying_with_us(), sys.executable, *self.program, str(self.file)],
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        return self.process

    def answers(self) -> bool:
        from edaphon.storage.client import DaemonOff, DaemonRefuses, ask

        try:
            ask(self.storage / "control.sock", {"verb": "status"}, 5.0)
        except (DaemonOff, DaemonRefuses):
            return False
        return True

    def kill(self) -> None:
        """As a power switch would, but for what the kernel still holds."""
        self._end(signal.SIGKILL)

    def stop(self) -> float:
        """Seconds that a clean stop took."""
        begun = time.monotonic()
        self._end(signal.SIGTERM)
        return time.monotonic() - begun

    def _end(self, number: int) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the daemon did not end within 30 s: {self.log()}") from None

    def log(self) -> str:
        path = self.folder / "daemon.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def command(self, *words: str, codes: tuple[int, ...] = (0,), within_s: float = 120.0) -> str:
        """What `edaphon WORDS` prints; another exit code than expected fails."""
        done = subprocess.run(
            [sys.executable, "-m", "edaphon", *words],
            capture_output=True,
            text=True,
            timeout=within_s,
        )
        assert done.returncode in codes, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    def json(self, *words: str, codes: tuple[int, ...] = (0,)) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(
            self.command(*words, "--config", str(self.file), "--json", codes=codes)
        )
        return found

    def ask(self, verb: str, **words: Any) -> Any:
        from edaphon.storage.client import ask

        return ask(self.storage / "control.sock", {"verb": verb, **words}, 30.0)


def _dying_with_us() -> list[str]:
    """A daemon that outlives its test would take ports from the next one."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
