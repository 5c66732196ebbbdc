"""Who did something: the name that a person gave, and the account that the system vouches for."""

import getpass
import os
import pwd
import socket
import struct

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
    """Both for a person to read: the account follows a name that differs from it."""
    return who if account in {"", who} else f"{who} (account {account})"


def account_name() -> str:
    """The login of this process; a container may run an account that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
