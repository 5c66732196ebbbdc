#!/usr/bin/env python3
"""Runs cases against an installed `edaphon` from the outside: run_cases.py EDAPHON FOLDER [WORD...]

Standard library only; Linux; loopback only. A case (one JSON file) says in `run`:
  config    TOML behind [logger], [site], [storage]; @DIR@, @MQTT@, @HTTP@ are replaced
  channels  {id: [source, output, quantity, unit]}
  files     {name: text} written into @DIR@ before the start
  steps     [[verb, ...]]: write NAME TEXT | append NAME TEXT | hex NAME DIGITS (append)
            | replace NAME TEXT (rename over it) | move A B | sleep S
            | publish TOPIC WHAT (object, or "hex:...") | answer STATUS TYPE BODY | accept
            | refuse PATTERN STATUS BODY
  decode    [arguments of `edaphon decode`]; @IN@ is a file that holds `input`; with `config` it
            gets --config
  expect    a list of alternatives, each a list of conditions that must all hold:
            values CH [[time, value]..] exactly | has CH time value | count CH n | none CH
            | never CH value | flags CH [allowed] | status REGEX | notstatus REGEX
            | decode REGEX | notdecode REGEX | explain CH time REGEX | arrived CH n | exit n
Prints a line a case; exit 0 if all hold. `status` looks in status, its --json, verify and the log.
"""

import concurrent.futures as cf
import gzip
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

EDAPHON = ""


class Broker:
    """MQTT 3.1.1 for one subscriber: what is published goes to whoever subscribed, QoS 1."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.subscriber, self.mid, self.ready = None, 0, threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed: the case is over
                return
            threading.Thread(target=self._client, args=(client,), daemon=True).start()

    def _client(self, client):
        with client, client.makefile("rb") as stream:
            while head := stream.read(1):
                n = shift = 0
                while True:
                    byte = stream.read(1)[0]
                    n |= (byte & 127) << shift
                    shift += 7
                    if not byte & 128:
                        break
                body, kind = stream.read(n), head[0] >> 4
                if kind == 1:
                    client.sendall(b"\x20\x02\x00\x00")
                elif kind == 8:
                    at, count = 2, 0
                    while at < len(body):
                        at += 3 + struct.unpack("!H", body[at : at + 2])[0]
                        count += 1
                    client.sendall(bytes([0x90, 2 + count]) + body[:2] + b"\x01" * count)
                    self.subscriber = client
                    self.ready.set()
                elif kind == 12:
                    client.sendall(b"\xd0\x00")

    def publish(self, topic, payload):
        self.ready.wait(20)
        self.mid += 1
        body = (
            struct.pack("!H", len(topic)) + topic.encode() + struct.pack("!H", self.mid) + payload
        )
        size, n = bytearray(), len(body)
        while True:
            n, low = n >> 7, n & 127
            size.append(low | 128 if n else low)
            if not n:
                break
        self.subscriber.sendall(b"\x32" + bytes(size) + body)


class Server:
    """Takes line protocol; `answer` = (status, type, body); only a 204 stores."""

    def __init__(self):
        outer, self.answer, self.points, self.refuse = self, (204, "", ""), set(), ""

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send_response(204)
                self.send_header("X-Influxdb-Version", "2.7.12")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                lines = [x for x in body.decode().split("\n") if x]
                status, kind, text = outer.answer
                bad = [x for x in lines if outer.refuse and re.search(outer.refuse, x)]
                if outer.refuse and not bad:
                    status, kind, text = 204, "", ""
                if status == 204 or outer.refuse:
                    outer.points |= {
                        x.rsplit(" ", 2)[0] + x.rsplit(" ", 1)[1] for x in lines if x not in bad
                    }
                self.send_response(status)
                self.send_header(
                    "X-Influxdb-Version", "2.7.12"
                ) if status == 204 or outer.refuse else None
                if status != 204:
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(text.encode())

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def facts(channels):
    rows = ['[[plot]]\nid = "P"\n']
    for name, (source, output, quantity, unit) in channels.items():
        rows.append(
            f'[[channel]]\nid = "{name}"\nplot = "P"\nquantity = "{quantity}"\n'
            f'unit = "{unit}"\ndepth_cm = 5\n'
            f'[[deployment]]\nid = "d-{name}"\nchannel = "{name}"\n'
            f'source = "{source}"\noutput = "{output}"\n'
        )
    return "".join(rows)


class Run:
    def __init__(self, case):
        self.case, self.run = case, case["run"]
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="case-"))
        self.broker, self.server, self.process = Broker(), Server(), None
        (self.dir / "facts").mkdir()
        self.toml = self.dir / "edaphon.toml"
        head = (
            f'[logger]\nid = "case"\n[site]\nid = "case"\n'
            f'[storage]\nfolder = "{self.dir}/storage"\n'
            f'[facts]\ninbox = "{self.dir}/facts"\n[clock]\ntrust = "system"\n'
        )
        for name, text in self.run.get("files", {}).items():
            (self.dir / name).write_text(self.fill(text), newline="")
        self.toml.write_text(head + self.fill(self.run.get("config", "")))
        if channels := self.run.get("channels"):
            (self.dir / "facts" / "first.toml").write_text(facts(channels))
        self.decoded = None

    def fill(self, text):
        return (
            text.replace("@DIR@", str(self.dir))
            .replace("@MQTT@", str(self.broker.port))
            .replace("@HTTP@", str(self.server.port))
        )

    def command(self, *words, timeout=60):
        try:
            done = subprocess.run(
                [EDAPHON, *words, "--config", str(self.toml)],
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            return 124, "", "no answer"
        return done.returncode, done.stdout, done.stderr

    def go(self):
        try:
            if "decode" in self.run:
                source = self.dir / "input"
                source.write_text(self.run.get("input", ""), newline="")
                words = [w.replace("@IN@", f"@{source}") for w in self.run["decode"]]
                tail = ["--config", str(self.toml)] if "config" in self.run else []
                done = subprocess.run(
                    [EDAPHON, "decode", *words, *tail], capture_output=True, text=True, timeout=60
                )
                self.decoded = done.returncode, done.stdout + done.stderr
            else:
                self.record()
            return self.judge()
        finally:
            if self.process and self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.server.http.shutdown()
            self.server.http.server_close()
            self.broker.listener.close()
            shutil.rmtree(self.dir, ignore_errors=True)

    def record(self):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [EDAPHON, "run", str(self.toml)], stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 40
        while (
            time.monotonic() < end
            and self.process.poll() is None
            and not (self.dir / "storage" / "control.sock").exists()
        ):
            time.sleep(0.1)
        if self.process.poll() is not None:
            raise RuntimeError("no start: " + (self.dir / "log").read_text()[-300:])
        for verb, *rest in self.run["steps"]:
            getattr(self, f"do_{verb}")(*rest)
        time.sleep(self.run.get("settle", 4))

    def do_write(self, name, text):
        (self.dir / name).write_text(self.fill(text), newline="")

    def do_append(self, name, text):
        with open(self.dir / name, "a", newline="") as file:
            file.write(text)

    def do_hex(self, name, digits):
        with open(self.dir / name, "ab") as file:
            file.write(bytes.fromhex(digits))

    def do_replace(self, name, text):
        other = self.dir / "replacement.tmp"
        other.write_text(text, newline="")
        os.replace(other, self.dir / name)

    def do_move(self, a, b):
        os.replace(self.dir / a, self.dir / b)

    def do_sleep(self, seconds):
        time.sleep(seconds)

    def do_publish(self, topic, what):
        payload = (
            bytes.fromhex(what[4:])
            if isinstance(what, str) and what.startswith("hex:")
            else json.dumps(what).encode()
        )
        self.broker.publish(topic, payload)
        time.sleep(0.3)

    def do_answer(self, status, kind, body):
        self.server.answer = status, kind, body

    def do_refuse(self, pattern, status, body):
        self.server.refuse, self.server.answer = pattern, (status, "application/json", body)

    def do_accept(self):
        self.server.answer, self.server.refuse = (204, "", ""), ""

    def rows(self, channel):
        _, out, err = self.command("query", channel, "--format", "csv")
        lines = out.splitlines()
        if not lines:
            return []
        names = lines[0].split(",")
        return [dict(zip(names, line.split(","), strict=False)) for line in lines[1:]]

    def values(self, channel):
        return {
            same(r["time"]): float(r["value"])
            for r in self.rows(channel)
            if r["value"] not in ("", "nan")
        }

    def reported(self):
        texts = [
            self.command(*words)[1] + self.command(*words)[2]
            for words in (("status",), ("status", "--json"), ("verify",))
        ]
        return "\n".join(texts) + (self.dir / "log").read_text(errors="replace")

    def holds(self, kind, *a):
        if kind == "values":
            return self.values(a[0]) == {same(t): float(v) for t, v in a[1]}
        if kind == "has":
            return abs(self.values(a[0]).get(same(a[1]), float("nan")) - a[2]) < 1e-9
        if kind == "count":
            return len(self.values(a[0])) == a[1]
        if kind == "none":
            return not self.values(a[0])
        if kind == "never":
            return a[1] not in self.values(a[0]).values()
        if kind == "flags":
            return all(int(r["flag"]) in a[1] for r in self.rows(a[0])) and bool(self.rows(a[0]))
        if kind == "status":
            return bool(re.search(a[0], self.reported(), re.I))
        if kind == "notstatus":
            return not re.search(a[0], self.reported(), re.I)
        if kind == "decode":
            return bool(re.search(a[0], self.decoded[1], re.I | re.M))
        if kind == "notdecode":
            return not re.search(a[0], self.decoded[1], re.I | re.M)
        if kind == "explain":
            rc, out, err = self.command("explain", a[0], a[1])
            return (
                rc in (0, 1) and "Traceback" not in err + out and bool(re.search(a[2], out, re.I))
            )
        if kind == "arrived":
            return sum(f"channel={a[0]}" in p for p in self.server.points) >= a[1]
        if kind == "exit":
            return self.decoded[0] == a[0]
        raise ValueError(f"unknown condition {kind}")

    def judge(self):
        missing = []
        for alternative in self.run["expect"]:
            failed = [c for c in alternative if not self.holds(*c)]
            if not failed:
                return ""
            missing.append(json.dumps(failed, ensure_ascii=False)[:160])
        return " | or ".join(missing)


def same(time_text):
    """2026-09-02T00:00:00.500000Z -> 2026-09-02T00:00:00.5Z"""
    head, dot, tail = str(time_text).rstrip("Z").partition(".")
    tail = tail.rstrip("0")
    return head + (f".{tail}" if tail else "") + "Z"


def one(path):
    case = json.loads(path.read_text())
    if "run" not in case:
        return path, "by hand", ""
    try:
        wrong = Run(case).go()
    except Exception as error:  # a case that can't be run at all is a failed case
        wrong = f"{type(error).__name__}: {error}"[:240]
    return path, "failed" if wrong else "holds", wrong


def main():
    global EDAPHON
    EDAPHON, folder, words = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    paths = [
        p for p in sorted(folder.glob("*.json")) if not words or any(w in p.stem for w in words)
    ]
    counts = {"holds": 0, "failed": 0, "by hand": 0}
    with cf.ThreadPoolExecutor(3) as pool:
        for path, word, wrong in pool.map(one, paths):
            counts[word] += 1
            print(f"{word:8} {path.stem}  {wrong}", flush=True)
    print(f"{counts['holds']} passed, {counts['failed']} failed, {counts['by hand']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
