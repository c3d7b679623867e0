"""What tests share: a real S3 server, and whole jobs run with the real embedded engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from pipelines import Runner
from s3_server import ENVIRONMENT, S3Server, running_s3

settings.register_profile("canvass", deadline=None)  # other work on the machine is no failure
settings.load_profile("canvass")


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server that `s3://` reaches for the rest of the session; ask it for a fresh bucket."""
    with running_s3(tmp_path_factory.mktemp("s3")) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": server.endpoint}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        yield server


@pytest.fixture(scope="session")
def run() -> Iterator[Runner]:
    """Runs whole jobs on local files, without Ray, with one embedded engine for the session."""
    from model_actors.embedded_engine import EmbeddedEngine

    runner = Runner(EmbeddedEngine())
    yield runner
    runner.close()
