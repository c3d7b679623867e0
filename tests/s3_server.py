"""A real S3 server for tests: SeaweedFS from its wheel, on loopback, with data in a folder of its own."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ACCESS_KEY, SECRET_KEY = "canvass-tests", "only-for-tests-on-loopback"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": "us-east-1",
               "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
READY_SECONDS = 60


@dataclass(frozen=True)
class S3Server:
    """A running server. `client` is boto3's, with the right keys."""

    endpoint: str
    client: Any
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh_bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        return name


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """Start a server that keeps its data below `folder`, wait until it takes a PUT, and kill it in the end."""
    master, volume, filer, s3 = _free_ports(4)
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [{
        "name": "tests", "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List"]}]}))
    (folder / "data").mkdir()
    command = [str(Path(sys.executable).with_name("weed")), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1",
               "-ip.bind=127.0.0.1", f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
               "-volume.max=500", "-master.volumeSizeLimitMB=64", "-master.telemetry=false", "-s3", f"-s3.port={s3}",
               "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={config}", "-s3.autoCreateBucket=false",
               f"-filer.localSocket={folder / 'filer.sock'}", f"-s3.localSocket={folder / 's3.sock'}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with ExitStack() as stack:
        log = stack.enter_context(open(folder / "server.log", "wb"))
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment)
        stack.callback(_kill, server)
        endpoint = f"http://127.0.0.1:{s3}"
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=ACCESS_KEY,
                              aws_secret_access_key=SECRET_KEY,
                              config=Config(connect_timeout=2, read_timeout=20, retries={"max_attempts": 0}))
        _wait_until_ready(server, client, folder / "server.log")
        yield S3Server(endpoint, client)


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, each with the one 10,000 above it, where the server puts its gRPC."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            first, second = (held.enter_context(socket.socket()) for _ in range(2))
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            if port + 10_000 < 65_536:
                try:
                    second.bind(("127.0.0.1", port + 10_000))
                except OSError:
                    continue
                found.append(port)
    return found


def _wait_until_ready(server: subprocess.Popen[bytes], client: Any, log: Path) -> None:
    """Poll with real PUTs: an open port is not readiness."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"ready")
            return
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and "BucketAlready" in str(error):
                client.put_object(Bucket="ready", Key="ready", Body=b"ready")
                return
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the S3 server is not ready:\n{log.read_text(errors='replace')[-4000:]}") from error
            time.sleep(0.1)


def _kill(server: subprocess.Popen[bytes]) -> None:
    server.kill()
    server.wait()
