"""Serves a report to this machine alone, with its pictures read from the output as they are looked at."""

from __future__ import annotations

import re
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from jobs.report.build import served_page
from jobs.report.data import Gathered
from pipeline import storage, stores

ADDRESS = "127.0.0.1"
PICTURE = re.compile(r"/picture/([0-9]{1,9})")


def server(gathered: Gathered, output: str) -> ThreadingHTTPServer:
    """A server on a free port of 127.0.0.1, not yet started: the page, and the pictures by their number."""
    html = served_page(gathered)
    pictures = [stores.join(output, picture.path) for picture in gathered.pictures]

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):  # who turned to the next finding waits for no picture of this one
                super().handle()

        def do_GET(self) -> None:
            port = serving.server_port
            if self.headers.get("Host") not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
                self.send_error(403, "asked for by another name")  # a page elsewhere that had its name point here
                return
            asked = PICTURE.fullmatch(self.path)
            if self.path == "/":
                self._send("text/html; charset=utf-8", html)
            elif asked and int(asked[1]) < len(pictures):
                try:
                    self._send("image/jpeg", storage.read(pictures[int(asked[1])]))
                except stores.StorageError:
                    self.send_error(404, "the picture cannot be read any more")
            else:
                self.send_error(404)

        def _send(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the terminal shows the address, and whoever asks is who reads it."""

    serving = ThreadingHTTPServer((ADDRESS, 0), Handler)
    return serving
