"""A node that costs next to nothing: canned answers on a raw socket, ready some time after its start.

    python -I -S stub_node.py ANSWERS PORT READY_AFTER_S LOG VERSION [VERSION…]

ANSWERS is a marshalled mapping of request target to (status, body), made by `canned.py`; bodies hold
`@SERVER@` and `@VERSION@`. The last VERSION counts: it is the image's. Each request becomes a line of LOG.
Nothing is imported that takes time: a bench of restarts should not measure the restarts of Python.
"""

import marshal
import posix
import sys
import time
from _socket import SO_REUSEADDR, SOL_SOCKET, socket

NOT_READY = "not ready"


def main(answers: str, port: str, ready_after_s: str, log: str, *versions: str) -> None:
    ready_at_s = time.monotonic() + float(ready_after_s)
    listening = socket()
    listening.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", int(port)))
    listening.listen(64)
    with open(answers, "rb") as file:  # noqa: PTH123 - pathlib would take longer than all the rest
        canned = marshal.load(file)
    name = posix.environ.get(b"DW_SERVER_ID", b"?")
    lines = posix.open(log, posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND, 0o600)
    while True:
        descriptor, _ = listening._accept()  # type: ignore[attr-defined]
        connection = socket(fileno=descriptor)
        connection.settimeout(2.0)
        try:
            head = b""
            while b"\r\n\r\n" not in head and (data := connection.recv(65536)):
                head += data
            if not head:
                continue
            target = head.split(b" ", 2)[1].decode()
            posix.write(lines, f"{target}\n".encode())
            key = target if target in canned else target.partition("?")[0]
            if key == "/api/ready" and time.monotonic() < ready_at_s:
                key = NOT_READY
            status, body = canned.get(key, (404, b"{}"))
            body = body.replace(b"@SERVER@", name).replace(b"@VERSION@", versions[-1].encode())
            connection.sendall(
                b"HTTP/1.1 %d -\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                b"Connection: close\r\n\r\n%b" % (status, len(body), body)
            )
        except OSError:
            pass
        finally:
            connection.close()


main(*sys.argv[1:])
