"""What a disk may hold after a power cut: replays of recorded file operations.

A file's writes are certain once the file was synchronised, a name once its folder was. All else
may be there or not, each write in any order and torn at a sector.
"""

import ctypes
import os
import random
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

_HEAD = struct.Struct("<qqqq")
_SECTORS = (512, 4096)
SOURCE = Path(__file__).with_name("disk_shim.c")


def built_shim(folder: Path) -> Path:
    """The library for LD_PRELOAD; a missing compiler skips the test, and fails it with CI=true."""
    library = folder / "disk_shim.so"
    words = ["cc", "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, SOURCE]
    try:
        subprocess.run([*words, "-ldl", "-pthread"], check=True)
    except FileNotFoundError:
        reason = "cc is missing. Type:  sudo apt-get install -y gcc libc6-dev"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return library


@dataclass(frozen=True)
class Operation:
    """One call: `op` as in disk_shim.c, an open file's number, an offset, bytes or paths."""

    op: str
    handle: int
    offset: int
    data: bytes


def operations(log: Path) -> Iterator[Operation]:
    data, at = log.read_bytes(), 0
    while at < len(data):
        op, handle, offset, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield Operation(chr(op), handle, offset, data[at : at + length])
        at += length


@dataclass
class Inode:
    """A file's certain bytes, and what was done to it since (an offset and bytes, or a size)."""

    certain: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def synchronise(self) -> None:
        for offset, data in self.pending:
            _apply(self.certain, offset, data)
        self.pending.clear()

    def after_cut(self, chance: random.Random, lost: float) -> bytes:
        found = bytearray(self.certain)
        for offset, data in self.pending:
            if data is None:
                if chance.random() >= lost:
                    _apply(found, offset, None)
                continue
            for start, part in _kept_parts(data, chance, lost):
                _apply(found, offset + start, part)
        return bytes(found)


def _apply(found: bytearray, offset: int, data: bytes | None) -> None:
    end = offset if data is None else offset + len(data)
    found.extend(bytes(max(0, end - len(found))))
    if data is None:
        del found[offset:]
    else:
        found[offset:end] = data


def _kept_parts(data: bytes, chance: random.Random, lost: float) -> Iterable[tuple[int, bytes]]:
    """A write whole, or not at all, or some of its sectors."""
    if chance.random() < 0.2:
        sector = chance.choice(_SECTORS)
        parts = [(at, data[at : at + sector]) for at in range(0, len(data), sector)]
        return [part for part in parts if chance.random() >= max(lost, 0.3)]
    return [] if chance.random() < lost else [(0, data)]


Change = tuple[str, Inode | None]  # a path gets that file, or (None) loses it


class Disk:
    """Files and folders below one path, as operations make them."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._names: dict[str, Inode] = {}
        self._certain: dict[str, Inode] = {}
        self._folders: set[str] = {root}
        self._pending: list[tuple[str, list[Change]]] = []  # folder, changes of one operation
        self._open: dict[int, tuple[str, Inode | None]] = {}

    def do(self, one: Operation) -> None:
        if one.op == "o":
            self._opened(one)
        elif one.op in "wtf":
            _, inode = self._open[one.handle]
            assert inode is not None
            if one.op == "f":  # room, and a size
                inode.pending.append((one.offset, b""))
            else:
                inode.pending.append((one.offset, one.data if one.op == "w" else None))
        elif one.op == "s":
            path, inode = self._open[one.handle]
            if inode is not None:
                inode.synchronise()
            else:
                self._synchronise(path)
        else:
            self._renamed_or_removed(one)

    def _opened(self, one: Operation) -> None:
        path = one.data.decode()
        if path in self._folders:
            self._open[one.handle] = (path, None)
            return
        if path not in self._names:
            self._change(path, [(path, Inode())])
        inode = self._names[path]
        if one.offset & os.O_TRUNC:
            inode.pending.append((0, None))
        self._open[one.handle] = (path, inode)

    def _renamed_or_removed(self, one: Operation) -> None:
        path, _, to = one.data.decode().partition("\0")
        if one.op == "m":
            self._folders.add(path)
            self._change(path, [(path, Inode())])
        elif one.op == "u":
            self._folders.discard(path)
            if path in self._names:
                self._change(path, [(path, None)])
        elif path in self._folders:
            raise AssertionError(f"expected no folder to be renamed, got {path} to {to}")
        else:
            self._change(path, [(path, None), (to, self._names[path])])

    def _change(self, path: str, changes: list[Change]) -> None:
        self._pending.append((os.path.dirname(path), changes))
        _rename(self._names, changes)

    def _synchronise(self, folder: str) -> None:
        for own, changes in self._pending:
            if own == folder:
                _rename(self._certain, changes)
        self._pending = [item for item in self._pending if item[0] != folder]

    def after_cut(self, chance: random.Random) -> dict[str, bytes | None]:
        """Path below the root: bytes, or None for a folder. Names of a folder come in order."""
        lost = chance.choice((0.0, 0.5, 0.5, 1.0))
        names = dict(self._certain)
        left = {folder: chance.random() < 0.5 for folder in self._folders}
        for folder, changes in self._pending:
            if left.get(folder) and chance.random() < lost / 4:
                left[folder] = False
            if left.get(folder) or lost == 0.0:
                _rename(names, changes)
        found: dict[str, bytes | None] = {}
        for path in sorted(names):
            if os.path.dirname(path) == self._root or os.path.dirname(path) in found:
                found[path] = self._content(path, names[path], chance, lost)
        return {path.removeprefix(self._root + "/"): data for path, data in found.items()}

    def _content(self, path: str, inode: Inode, chance: random.Random, lost: float) -> bytes | None:
        if path in self._folders:
            return None
        if path.endswith("-shm"):  # written through memory: anything may have come of it
            return chance.choice((b"", bytes(32768), chance.randbytes(32768)))
        return inode.after_cut(chance, lost)


def _rename(names: dict[str, Inode], changes: list[Change]) -> None:
    for path, inode in changes:
        if inode is None:
            names.pop(path, None)
        else:
            names[path] = inode


@dataclass(frozen=True)
class Cut:
    """A power cut after so many operations: what is on the disk, what was acknowledged before."""

    after: int
    files: dict[str, bytes | None]
    acknowledged: tuple[int, ...]


def cuts(log: Path, root: Path, states: int, seed: str) -> Iterator[Cut]:
    """At least so many different states, at each of the operations in turn."""
    done = list(operations(log))
    each = -(-states * 5 // (4 * len(done)))  # some will be the same
    step = max(1, len(done) * 4 // (states * 5))
    chance, disk = random.Random(seed), Disk(str(root))
    reported, seen = list[int](), set[int]()
    for k, one in enumerate(done):
        disk.do(one)
        reported += _identity_stated(disk, one)
        if k % step:
            continue
        for _ in range(each):
            files = disk.after_cut(chance)
            mark = hash((tuple(sorted(files.items(), key=lambda item: item[0])), len(reported)))
            if mark not in seen:
                seen.add(mark)
                yield Cut(k, files, tuple(reported))


def _identity_stated(disk: Disk, one: Operation) -> list[int]:
    if one.op == "w" and disk._open[one.handle][0].endswith("/marks"):
        return [int(word) for word in one.data.split()]
    return []


def laid_out(cut: Cut, station: Path) -> None:
    """The storage folder of a cut, as files."""
    for name, data in cut.files.items():
        path = station / name
        if not name.startswith("storage"):
            continue
        if data is None:
            path.mkdir()
        else:
            path.write_bytes(data)


@cache
def _library(path: str) -> ctypes.CDLL:
    return ctypes.CDLL(path)
