"""A proxy before the S3 server that does to requests what networks and busy stores do, by a seed."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from s3_server import ACCESS_KEY, SECRET_KEY

FAULTS = ("busy", "reset", "cut", "unheard", "hang")
"""A 503; a connection that is reset; a body that ends early; a request that is applied unheard; silence."""

HANG_SECONDS = 5.0
"""How long a request that gets no answer is held, before its connection is reset."""

SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>"
DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
UNKNOWN = (b"<?xml version='1.0'?><Error><Code>NotImplemented</Code>"
           b"<Message>A header you provided implies functionality that is not implemented</Message></Error>")


@dataclass
class FaultyS3:
    """The proxy: `share` of all requests fail. `read_only` refuses every write; `conditions` of writes may be `kept`,
    `refused` or `overlooked`. `counts` has the faults by name.
    """

    endpoint: str
    upstream: str
    share: float
    chance: random.Random
    read_only: bool = False
    conditions: str = "kept"
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self) -> str | None:
        """What happens to the next request."""
        with self.lock:
            if self.chance.random() >= self.share:
                return None
            name = self.chance.choice(FAULTS)
            self.counts[name] += 1
            return name


    def remove(self, path: str) -> None:
        """Delete an object on the server itself."""
        bucket, _, key = unquote(urlsplit(path).path).lstrip("/").partition("/")
        boto3.client("s3", endpoint_url=self.upstream, region_name="us-east-1", aws_access_key_id=ACCESS_KEY,
                     aws_secret_access_key=SECRET_KEY).delete_object(Bucket=bucket, Key=key)


@contextmanager
def faulty_s3(upstream: str, share: float = 0.0, seed: int = 0) -> Iterator[FaultyS3]:
    """A proxy before the server at `upstream`, for as long as the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    faulty = FaultyS3(f"http://127.0.0.1:{server.server_port}", upstream, share, random.Random(seed))
    server.faulty = faulty  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield faulty
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        faulty: FaultyS3 = self.server.faulty  # type: ignore[attr-defined]
        body = self._body()
        fault = faulty.fault()
        writes = self.command in ("PUT", "POST", "DELETE")
        if faulty.read_only and writes:
            self._reply(403, {"Content-Type": "application/xml"}, DENIED)
        elif faulty.conditions == "refused" and (self.headers["If-None-Match"] or self.headers["If-Match"]):
            self._reply(501, {"Content-Type": "application/xml"}, UNKNOWN)
        elif fault == "busy":
            self._reply(503, {"Content-Type": "application/xml"}, SLOW_DOWN)
        elif fault == "reset":
            self._reset()
        elif fault == "hang":
            threading.Event().wait(HANG_SECONDS)
            self._reset()
        else:
            if faulty.conditions == "overlooked" and self.headers["If-None-Match"]:
                faulty.remove(self.path)  # so that the condition holds
            status, headers, found = self._forward(faulty.upstream, body)
            if fault == "unheard":
                self._reset()
            else:
                self._reply(status, headers, found, cut=fault == "cut" and len(found) > 1)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def _forward(self, upstream: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        place = urlsplit(upstream)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("transfer-encoding", "expect", "connection", "content-length"):
                connection.putheader(name, value)
        if body or self.command in ("PUT", "POST"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        reply = connection.getresponse()
        found = reply.read()
        headers = {name: value for name, value in reply.getheaders()
                   if name.lower() not in ("transfer-encoding", "connection", "date", "server")}
        connection.close()
        return reply.status, headers, found

    def _reply(self, status: int, headers: dict[str, str], body: bytes, cut: bool = False) -> None:
        headers = dict(headers)
        if self.command != "HEAD":
            headers["Content-Length"] = str(len(body))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._reset()

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def handle(self) -> None:
        with suppress(OSError):  # the client went away, or we reset its connection
            super().handle()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        pass
