"""A server in this process that reads one request and then does as the test wants."""

import contextlib
import socket
import ssl
import threading


class ScriptedServer:
    """Each of ``acts`` is called with a connection, one after the other, the last again and again; ``cert``: a PEM file
    with key and certificate."""

    def __init__(self, *acts, cert=None):
        self.requests = []
        self._acts = acts
        self._context = None
        if cert is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(cert)
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else a thread that waits in accept() still accepts
        self._listener.close()

    def _serve(self):
        number = 0
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            act = self._acts[min(number, len(self._acts) - 1)]
            threading.Thread(target=self._play, args=(connection, act), daemon=True).start()
            number += 1

    def _play(self, connection, act):
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                some = connection.recv(65536)
                if not some:
                    return
                head += some
            self.requests.append(head.decode("latin-1"))
            act(connection, self._closed)
        except OSError:
            pass
        finally:
            connection.close()


def say(*pieces, then="close"):
    """Send ``pieces``; then close, ``hang``, or ``repeat`` the last piece without end."""

    def act(connection, closed):
        for piece in pieces:
            connection.sendall(piece)
        while then == "repeat" and not closed.is_set():
            connection.sendall(pieces[-1])
        if then == "hang":
            closed.wait(30)

    return act


def drip(head, byte, every_s):
    """Send ``head``, then one byte after the other, slowly and without end."""

    def act(connection, closed):
        connection.sendall(head)
        while not closed.wait(every_s):
            connection.sendall(byte)

    return act


def answer(content_type, body=b"", *, status="200 OK", headers=()):
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
