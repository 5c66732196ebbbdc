"""Who did something, by name and by account, and the account that owns the storage folder."""

import getpass
import os
import pwd
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES
from pathlib import Path

from edaphon.storage.client import become
from edaphon.storage.paths import Layout

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED, unix(7)


def account_of(uid: int) -> str:
    """The name of an account; its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def own_account() -> str:
    """Of whoever started this process, whatever the environment says."""
    return account_of(os.getuid())


def peer_account(connection: socket.socket) -> str:
    """Of the process at the other end of a unix socket, as the kernel knows it."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return account_of(_CREDENTIALS.unpack(found)[1])


def person(who: str, account: str) -> str:
    """Both for a person to read: the account stands behind a name that is another one."""
    return who if account in {"", who} else f"{who} (account {account})"


def account_name() -> str:
    """The login of this process; a container may run an account that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


UMASK = 0o027
FILE_MODE, CLOSED_MODE, LOCK_MODE, FOLDER_MODE = 0o640, 0o440, 0o600, 0o750
_WRITE = 0o222  # none of these bits is set on a file that is closed for ever


def set_umask() -> None:
    """New files are 0640 and folders 0750, of this process and of what it starts."""
    os.umask(UMASK)


def become_owner(folder: Path, for_good: bool = False) -> bool:
    """Root goes on as the account of a folder, with its groups; whether anything changed.

    Not for good: as far as files are concerned, until the command ends.
    """
    if os.geteuid() != 0 or not folder.exists():
        return False
    uid, gid = folder.stat().st_uid, folder.stat().st_gid
    if uid == 0:
        return False
    with suppress(KeyError):  # an account without a name has no groups
        own = pwd.getpwuid(uid)
        gid = own.pw_gid
        os.setgroups(os.getgrouplist(own.pw_name, gid))
    os.setegid(gid)
    os.seteuid(uid)
    _expect_readable()
    if for_good:
        os.seteuid(0)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    return True


def _expect_readable() -> None:
    """Modules that are needed later could not be imported from another person's home folder."""
    for file in (os.__file__, __file__):
        if not os.access(file, os.R_OK, effective_ids=True):
            owner = account_of(os.geteuid())
            why = f"expected a program that {owner}, who owns the storage folder, can read"
            os.seteuid(os.getuid())
            raise PermissionError(
                EACCES, f"{why}; use the edaphon of the service, or no sudo", file
            )


@contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """What is made meanwhile belongs to the account of the folder."""
    uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
    become_owner(folder)
    try:
        yield
    finally:
        if os.geteuid() != uid:
            become(uid, gid, groups)


def mend_modes(layout: Layout) -> int:
    """Close what an earlier version left open to others; how many files and folders were changed.

    Only files that edaphon makes, and of this account.
    """
    changed = 0
    for path in layout.own_paths():
        with suppress(OSError):  # it goes away just now, or belongs to somebody else
            changed += _mend(path)
    return changed


def _mend(path: Path) -> bool:
    about = path.lstat()
    wanted = _wanted(path.name, about.st_mode)
    if wanted is None or about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) == wanted:
        return False
    os.chmod(path, wanted)
    return True


def _wanted(name: str, mode: int) -> int | None:
    """None for what is left alone."""
    if stat.S_ISDIR(mode):  # nothing is opened that a person has closed
        return None if mode & stat.S_ISVTX else stat.S_IMODE(mode) & (FOLDER_MODE | stat.S_ISGID)
    if not stat.S_ISREG(mode):
        return None
    if name == "journal.lock":
        return LOCK_MODE
    return FILE_MODE if mode & _WRITE else CLOSED_MODE
