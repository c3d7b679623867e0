"""The server of a report: the page and its pictures, to this machine, and nothing else."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_rows import evidence, picture, write

from jobs.report.data import gather
from jobs.report.serving import server
from pipeline.evidence import picture_path
from schemas.job import Job


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A served report of one answer, with the pictures of its two pages; one of them is then removed."""
    output = str(tmp_path)
    write(output, "assets", [{"asset": "/a", "version": "v", "status": "ok", "kind": "pdf"}])
    write(output, "answers", [{"asset": "/a", "version": "v", "question": "q", "level": "asset", "status": "answered",
                               "evidence": [evidence(1), evidence(2)]}])
    for page in (1, 2):
        picture(output, "/a", "v", page)
    gathered = gather(Job.model_validate({"name": "made", "inputs": ["/in"], "transcribe": True, "output": output}))
    (tmp_path / picture_path("/a", "v", 2, None)).unlink()
    with server(gathered, output) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


def asked(port: int, path: str, **headers: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    reply = connection.getresponse()
    return reply.status, reply.headers["Content-Type"], reply.read()


def test_the_page_takes_pictures_from_the_server_alone(port: int) -> None:
    status, kind, page = asked(port, "/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert b"img-src 'self' data:;" in page
    assert b'id="picture-' not in page


def test_a_picture_is_read_from_the_output_as_it_is_asked_for(port: int, tmp_path: Path) -> None:
    assert asked(port, "/picture/0") == (
        200, "image/jpeg", (tmp_path / picture_path("/a", "v", 1, None)).read_bytes())
    assert asked(port, "/picture/1")[0] == 404


@pytest.mark.parametrize("path", ["/picture/2", "/picture/-1", "/picture/0/../../x", "/../../etc/passwd",
                                  "/report.html", "/answers/_delta_log/00000000000000000000.json"])
def test_nothing_else_is_served(port: int, path: str) -> None:
    assert asked(port, path)[0] == 404


def test_a_page_elsewhere_whose_name_points_here_is_refused(port: int) -> None:
    assert asked(port, "/", Host=f"evil.example:{port}")[0] == 403
    assert asked(port, "/", Host=f"localhost:{port}")[0] == 200


def test_who_does_not_wait_for_a_picture_is_no_error(
        port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / picture_path("/a", "v", 1, None)).write_bytes(bytes(20_000_000))
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port)) as hasty:
            hasty.sendall(f"GET /picture/0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            hasty.recv(1)
            hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert asked(port, "/picture/0")[0] == 200
    assert capsys.readouterr().err == ""
