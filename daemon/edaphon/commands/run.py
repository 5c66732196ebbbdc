"""`edaphon run`: the service in the foreground, reported to systemd, ended by SIGTERM or SIGINT."""

import logging
import os
import signal
import threading

from edaphon.commands.options import ConfigFile
from edaphon.printer import log_to_stderr
from edaphon.service.check import usual_file
from edaphon.service.prerequisites import lacking
from edaphon.service.process import end_for_certain, give_memory_back, notify, running
from edaphon.service.sources import Overrides

_log = logging.getLogger("edaphon")
LEFT = 70  # a part hung at the stop and was left behind; nothing that was acknowledged is lost
WATCHDOG_S = 10.0


def run(file: ConfigFile = None) -> None:
    """Record: read the sources, keep every answer, derive values, bring them to the sinks."""
    give_memory_back()
    log_to_stderr(logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    end_for_certain()
    with running(file or usual_file(), Overrides(is_armed=True)) as service:
        notify("READY=1")
        _log.info("recording into %s; `edaphon status` shows what comes in", service.layout.folder)
        if missing := len(lacking(service.config)):
            _log.info(
                "ports, switches or files that are not there yet or can't be used: %d; see"
                " `edaphon check`",
                missing,
            )
        while not stop.wait(WATCHDOG_S):
            if service.alive():
                notify("WATCHDOG=1")
        notify("STOPPING=1")
    if not service.is_over:  # Python would wait for threads that hang
        logging.shutdown()
        os._exit(LEFT)
