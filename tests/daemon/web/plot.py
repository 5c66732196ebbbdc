"""A plot that never was: a control socket's answers for a page that is looked at or tested.

Run it (`python -m tests.daemon.web.plot PORT`) to see the page in a browser.
"""

import sys
import time

import numpy as np

from edaphon.web import ControlView, serve

MINUTE = 60 * 10**9
DAY = 86400 * 10**9
NOON = 1_763_812_800 * 10**9  # 2025-11-22T12:00:00Z

# quantity, unit, plot, profile, depth_cm, mean, swing, u_random, u_systematic
CHANNELS = {
    "A.-3.t": ("soil_temperature", "degC", "P1", "A", "-3", 7.1, 3.2, 0.01, 0.25),
    "A.5.t": ("soil_temperature", "degC", "P1", "A", "5", 8.4, 1.9, 0.01, 0.25),
    "A.5.w": ("volumetric_water_content", "m**3/m**3", "P1", "A", "5", 0.231, 0.018, 0.002, 0.03),
    "A.20.t": ("soil_temperature", "degC", "P1", "A", "20", 9.1, 0.5, 0.01, 0.25),
    "A.20.w": ("volumetric_water_content", "m**3/m**3", "P1", "A", "20", 0.274, 0.006, 0.002, 0.03),
    "A.20.p": ("matric_potential", "kPa", "P1", "A", "20", -31.0, 4.0, 0.5, 3.1),
    "A.50.w": ("volumetric_water_content", "m**3/m**3", "P1", "A", "50", 0.318, 0.001, 0.002, 0.03),
    "B.10.w": ("volumetric_water_content", "m**3/m**3", "P1", "B", "10", 0.2, 0.01, 0.002, 0.03),
    "C1.f": ("soil_co2_efflux", "umol/(m**2*s)", "P1", "", "", 2.31, 0.8, 0.06, 0.1),
    "logger.b": ("battery_voltage", "V", "", "", "", 12.61, 0.3, 0.01, 0.0),
}


def series(name: str, start_ns: int, end_ns: int, every_ns: int = 10 * MINUTE) -> dict:
    """A day wave; A.20.w lost three hours, A.5.t has flags, B.10.w fell silent."""
    _, _, _, _, _, mean, swing, u_random, u_systematic = CHANNELS[name]
    time_ns = np.arange(-(-start_ns // every_ns), -(-end_ns // every_ns)) * every_ns
    wave = np.sin(2 * np.pi * (time_ns % DAY) / DAY + 3.6)
    noise = np.random.default_rng(len(name)).normal(0, 0.03, len(time_ns))
    value = mean + swing * (wave + noise)
    flag = np.ones(len(time_ns), int)
    hours_ago = (end_ns - time_ns) / (3600 * 10**9)
    keep = np.full(len(time_ns), True)
    if name == "A.20.w":
        keep = (hours_ago < 9) | (hours_ago > 12)
    if name == "B.10.w":
        keep = hours_ago > 3
    if name == "A.5.t":
        flag[(hours_ago > 5) & (hours_ago < 6)] = 3
        flag[(hours_ago > 15) & (hours_ago < 15.3)] = 4
        value[flag == 4] = 99.0
    if name == "A.20.p":
        flag[hours_ago < 1.5] = 9
        value[flag == 9] = np.nan
    time_ns, value, flag = time_ns[keep], value[keep], flag[keep]
    return {
        "time_ns": time_ns.tolist(),
        "value": [None if np.isnan(v) else float(v) for v in value],
        "flag": flag.tolist(),
        "u_random": [u_random] * len(value),
        "u_systematic": [u_systematic] * len(value),
    }


def channel(name: str, now_ns: int) -> dict:
    quantity, unit, plot, profile, depth, *_ = CHANNELS[name]
    day = series(name, now_ns - DAY, now_ns + 1)
    latest = {key: column[-1] for key, column in day.items()}
    return {
        "id": f"whs.{name}",
        "quantity": quantity,
        "unit": unit,
        "site": "whs",
        "plot": plot,
        "profile": profile,
        "depth_cm": depth,
        "latest": {**latest, "raw": latest["value"]},
    }


def incident(now_ns: int = NOON, **changes: object) -> dict:
    """What the control socket tells of an open incident."""
    reported = {
        "number": 17,
        "severity": "lost",
        "what": "port lost",
        "cause": "bus sdi12",
        "cause_label": "sdi12 (/dev/serial/by-id/usb-FTDI_FT232R_A10K2XYZ-if00-port0)",
        "members": ["T12-00041873 (meter.teros12)", "T12-00041874 (meter.teros12)"],
        "since_ns": now_ns - 2 * 3600 * 10**9,
        "opened_ns": now_ns - 3600 * 10**9,
        "wrong": True,
        "acknowledged_until_ns": 0,
        "acknowledged_by": "",
        "why": "",
        "title": "White Hall: No data from bus sdi12",
        "short": "No data from bus sdi12",
        "text": "No data from bus sdi12 since 11:00.\n\n1. Plug the adapter in.\n2. Look at it.\n",
    }
    return {**reported, **changes}


def status(now_ns: int = NOON) -> dict:
    """What the control socket answers to {"verb": "status"}."""
    source = {"model": "meter.teros12", "last_ns": now_ns - 2 * MINUTE, "state": "ok", "detail": ""}
    return {
        "site": {"id": "whs", "name": "Waldhof, spruce", "utc_offset_s": 3600},
        "logger": "whs-logger-1",
        "version": "0.1.0",
        "now_ns": now_ns,
        "since_ns": now_ns - 3 * DAY,
        "clock": {"known": True, "how": "ntp"},
        "journal": {"entries": 48211, "last_ns": now_ns - MINUTE, "position": "3.48211"},
        "ledgers": {
            "taken": 40312,
            "journalled": 40310,
            "derived": 120702,
            "current": 120690,
            "conflicts": 12,
            "entries": {
                "records": 40310,
                "decoded": 40291,
                "dead": 4,
                "duplicates": 15,
                "held": 0,
            },
            "gaps": {"no answer": 18, "garbled": 2},
            "delivered": {"institute": 118004, "laptop": 0},
            "set_aside": {"institute": 3},
            "waiting": {"institute": 2683, "laptop": 120690},
        },
        "sources": [
            {**source, "path": "sdi12/a"},
            {**source, "path": "sdi12/b"},
            {
                **source,
                "path": "sdi12/c",
                "last_ns": now_ns - 180 * MINUTE,
                "state": "silent",
                "detail": "no answer, 18 times",
            },
            {**source, "path": "ttn/a84041b2c1d5e6f7", "model": "dragino.lse01-1.2.1"},
        ],
        "sinks": [
            {
                "name": "institute",
                "kind": "influxdb",
                "up": True,
                "why": "",
                "blocked": False,
                "since_ns": now_ns - 4000 * MINUTE,
            },
            {
                "name": "laptop",
                "kind": "influxdb",
                "up": False,
                "why": "http://10.0.0.7:8086 refuses the connection",
                "blocked": False,
                "since_ns": now_ns - 3 * DAY,
            },
        ],
        "channels": [channel(name, now_ns) for name in CHANNELS],
        "trouble": ["Source sdi12/c has been silent for 3 h: check power, cable and address."],
    }


def answer(question: dict, now_ns: int = NOON) -> dict:
    """The recorder's part of the talk."""
    if question["verb"] == "status":
        return status(now_ns)
    name = question["channel"].removeprefix("whs.")
    return series(name, question["start_ns"], question["end_ns"])


if __name__ == "__main__":
    serve(ControlView(lambda q: answer(q, time.time_ns())), "127.0.0.1", int(sys.argv[1]))
