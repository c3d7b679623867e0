"""The OpenAI engine against a server that answers as servers do on a bad day."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from model_actors import openai_engine
from model_actors.choosing import choose
from model_actors.engine import Reply, Request, RequestError, StartError, View
from model_actors.openai_engine import OpenAIEngine
from schemas.checklist import Question
from schemas.job import Job, JobError

QUESTIONS = (Question(id="total", ask="What is the total?", answer="number"),  # type: ignore[arg-type]
             Question(id="kind", ask="What is it?", answer=["letter", "invoice"]))  # type: ignore[arg-type]
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A real HTTP server. `answers` are given in turn; when they are through, a good reply to whatever is asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.text = '{"total": 12.50, "kind": "letter"}'
        self.most = self.now = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.now += 1
                outer.most = max(outer.most, outer.now)
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                outer.keys.append(self.headers["Authorization"])
                try:
                    (outer.answers.pop(0) if outer.answers else outer.good)(self)
                finally:
                    outer.now -= 1

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def good(self, handler: BaseHTTPRequestHandler) -> None:
        tokens = [{"token": letter, "bytes": list(letter.encode()), "logprob": -0.01, "top_logprobs": []}
                  for letter in self.text]
        send(handler, 200, {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [{
            "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": self.text},
            "logprobs": {"content": tokens, "refusal": None}}],
            "usage": {"prompt_tokens": 100, "completion_tokens": len(tokens), "total_tokens": 100 + len(tokens)}})

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: dict[str, Any] | bytes, **headers: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def too_many(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 429, {"error": {"message": "slow down"}}, Retry_After="0.01")


def broken(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 500, {"error": {"message": "out of memory"}}, Retry_After_Ms="10")


def half_a_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id": "1", "choices": [')
    handler.wfile.flush()
    handler.connection.close()


def nonsense(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, b"<html>It works!</html>")


def no_choices(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": []})


def unauthorised(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 401, {"error": {"message": "who are you?"}})


def too_long(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 400, {"error": {"message": "maximum context length is 100 tokens"}})


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def engine(server: Server, **settings: Any) -> OpenAIEngine:
    made = choose(Job.model_validate({
        "name": "t", "inputs": ["/in"], "output": "/out", "transcribe": True,
        "engine": {"kind": "openai", "model": "m", "url": server.url, **settings}})).build()
    assert isinstance(made, OpenAIEngine)
    return made


def ask(asked: OpenAIEngine, count: int = 1, transcribe: bool = False) -> list[Reply]:
    view = View(np.full((48, 96, 3), 255, np.uint8), page=3)

    async def all_of_them() -> list[Reply]:
        try:
            return await asyncio.gather(*(asked.ask(Request(
                str(number), "a@1", (view,), QUESTIONS, transcribe, "Be exact.", 70)) for number in range(count)))
        finally:
            await asked.close()

    return asyncio.run(all_of_them())


def test_questions_are_asked_as_one_json_object_with_the_picture(server: Server) -> None:
    [reply] = ask(engine(server))
    assert [(answer.value, answer.evidence[0].page) for answer in reply.answers] == [("12.50", 3), ("letter", 3)]
    assert reply.answers[0].confidence == pytest.approx(np.exp(-0.01 * 5))  # five letters of one word
    assert (reply.usage.input_tokens, reply.usage.steps) == (100, None)
    [body] = server.asked
    assert body["messages"][0] == {"role": "system", "content": "Be exact."}
    assert body["messages"][1]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["total", "kind"]
    assert {"enum": ["letter", "invoice"]} in schema["properties"]["kind"]["anyOf"]


def test_a_transcript_is_the_text_with_the_confidence_of_its_least_sure_token(server: Server) -> None:
    server.text = "First line\n\nSecond"
    [reply] = ask(engine(server), transcribe=True)
    [transcript] = reply.transcripts
    assert (transcript.text, [block.text for block in transcript.blocks]) == (server.text, ["First line", "Second"])
    assert transcript.confidence == pytest.approx(np.exp(-0.01))


@pytest.mark.parametrize("bad", [too_many, broken, half_a_body, nonsense, no_choices])
def test_what_passes_is_tried_again(server: Server, bad: Answer) -> None:
    server.answers = [bad]
    [reply] = ask(engine(server))
    assert reply.answers[1].value == "letter"
    assert len(server.asked) == 2


@pytest.mark.parametrize(("bad", "message"), [
    (too_many, "answered 429 after 2 further tries: .*slow down"),
    (broken, "answered 500 after 2 further tries: .*out of memory"),
    (nonsense, "2 replies that hold no message"), (too_long, "answered 400 .*maximum context")])
def test_what_does_not_pass_is_a_failure_that_names_the_server_and_the_reason(
        server: Server, bad: Answer, message: str) -> None:
    server.answers = [bad] * 20
    with pytest.raises(RequestError, match=message) as caught:
        ask(engine(server, retries=2))
    assert server.url in str(caught.value)


def test_a_server_that_breaks_off_after_it_has_answered_costs_its_request_alone(server: Server) -> None:
    asked = engine(server, retries=1, concurrency=1)
    server.answers = [server.good, half_a_body, half_a_body, server.good]
    view = View(np.full((48, 96, 3), 255, np.uint8), page=3)

    async def three() -> list[Reply | BaseException]:
        found: list[Reply | BaseException] = []
        for number in range(3):
            found += await asyncio.gather(asked.ask(Request(str(number), "a@1", (view,), QUESTIONS, False, "", 70)),
                                          return_exceptions=True)
        await asked.close()
        return found

    good, failed, again = asyncio.run(three())
    assert isinstance(good, Reply)
    assert isinstance(again, Reply)
    assert isinstance(failed, RequestError)
    assert "cannot be reached after 1 further tries" in str(failed)


def test_a_server_that_was_never_there_ends_the_job(server: Server) -> None:
    server.close()
    with pytest.raises(StartError, match=r"is the server up, and engine\.url right"):
        ask(engine(server, retries=0))


def test_a_wrong_key_ends_the_job_and_is_never_shown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret-123")
    server.answers = [unauthorised] * 20
    with pytest.raises(StartError, match=r"refuses \(401\): .*the key in MY_KEY") as caught:
        ask(engine(server, key_from="MY_KEY"))
    assert server.keys == ["Bearer secret-123"]
    assert "secret" not in str(caught.value)


def test_a_key_that_the_environment_lacks_is_refused_before_anything_runs(server: Server) -> None:
    with pytest.raises(JobError, match="the environment has no NO_SUCH_KEY"):
        engine(server, key_from="NO_SUCH_KEY")


def test_no_more_requests_are_under_way_than_allowed(server: Server) -> None:
    ask(engine(server, concurrency=2), count=10)
    assert server.most <= 2


def test_requests_wait_until_the_rate_allows_them(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(openai_engine.asyncio, "sleep", sleep)
    monkeypatch.setattr(openai_engine.time, "monotonic", lambda: 1000.0)
    ask(engine(server, requests_per_minute=30), count=3)
    assert sorted(seconds for seconds in waited if seconds in (0, 2, 4)) == [0, 2, 4]


def test_a_reply_that_is_no_json_leaves_every_question_unanswered(server: Server) -> None:
    server.text = "I cannot help with that."
    [reply] = ask(engine(server, schema_support=False))
    assert [(answer.value, answer.confidence) for answer in reply.answers] == [(None, 0.0)] * 2
    assert "response_format" not in server.asked[0]


def test_a_server_without_log_probabilities_gives_no_confidence(server: Server) -> None:
    server.good = lambda handler: send(handler, 200, {  # type: ignore[method-assign]
        "id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [{
            "index": 0, "finish_reason": "stop", "logprobs": None,
            "message": {"role": "assistant", "content": '```json\n{"kind": "invoice", "total": null}\n```'}}]})
    [reply] = ask(engine(server, logprobs=False))
    assert [(answer.value, answer.confidence) for answer in reply.answers] == [(None, None), ("invoice", None)]
