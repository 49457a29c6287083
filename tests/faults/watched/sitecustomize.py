"""Watches the process it is started in: with this folder first on PYTHONPATH, Python imports it by itself.

A line of JSON goes to the file named in WATCHED_LOG for each connection or look-up of a name beyond this
machine, which is refused, and for each file that is opened for writing.
"""

import json
import os
import sys

_LOG = os.open(os.environ["WATCHED_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
_HOME = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", None)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | getattr(os, "O_TMPFILE", 0)


def _watch(event: str, arguments: tuple) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        away, what = isinstance(address, tuple) and address[0] not in _HOME, repr(address)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        away, what = arguments[0] not in _HOME, repr(arguments[0])
    elif event == "open":
        path, _, flags = arguments
        # By a number a file is only taken over that was opened before.
        if not isinstance(path, int) and (flags or 0) & _WRITING:
            _say("open", os.fsdecode(path))
        return
    else:
        return
    if away:
        _say(event, what)
        raise OSError(101, "the network is shut")


def _say(event: str, what: str) -> None:
    os.write(_LOG, (json.dumps([event, what]) + "\n").encode())


sys.addaudithook(_watch)
