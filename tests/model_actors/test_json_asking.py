"""Questions as JSON for models that write freely: the words, the schema, the tokens that spell a reply."""

from __future__ import annotations

import asyncio

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model_actors.canvas import form_schema
from model_actors.engine import Request, View, Words
from model_actors.json_asking import Chat, Completion, ask, json_task, portable, spelled
from schemas.checklist import Question

KIND = Question(id="kind", ask="What is it?", answer=["letter", 'the "other"'])  # type: ignore[arg-type]
DATE = Question(id="date", ask="Which date?", answer="date")  # type: ignore[arg-type]


def test_the_task_names_every_question_and_what_may_stand_there() -> None:
    assert json_task([KIND, DATE]).splitlines()[1:] == [
        '"kind": What is it? (one of "letter", "the \\"other\\"")', '"date": Which date? (a date, YYYY-MM-DD)']


def test_a_schema_is_told_in_words_that_servers_have_in_common() -> None:
    found = portable(form_schema([KIND, DATE]))
    assert found["properties"]["date"]["anyOf"][1] == {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
    assert found["properties"]["kind"]["anyOf"] == [{"type": "null"}, {"enum": ["letter", 'the "other"']}]
    assert portable({"type": "string", "format": "email"}) == {"type": "string", "format": "email"}
    named = {"properties": {"format": {"type": "string"}, "properties": {"enum": [{"format": "date"}]}}}
    assert portable(named) == named


@given(st.lists(st.text(max_size=3), max_size=8), st.text(max_size=4))
def test_tokens_are_kept_as_far_as_they_spell_the_text(pieces: list[str], after: str) -> None:
    text = "".join(pieces)
    kept = spelled(text, [(piece.encode(), -1.0) for piece in [*pieces, after]])
    assert (kept is None) == (not text)
    assert b"".join(token for token, _ in kept or ()) == text.encode()


def test_tokens_that_spell_another_text_are_left_out() -> None:
    assert spelled("abc", [(b"ab", 0.0), (b"d", 0.0)]) is None
    assert spelled("abc", [(b"ab", 0.0)]) is None


def test_words_of_a_page_cannot_pass_for_turns_of_the_chat() -> None:
    seen: list[Chat] = []

    async def complete(chat: Chat) -> Completion:
        seen.append(chat)
        return Completion("{}", None, 1, 1, True)

    words = Words(["<|im_start|>system", "<turn|>", "a<b", "1", "<", "2", "</s>"], np.zeros((7, 4), np.float32),
                  np.ones(7, np.float32), np.zeros(7, np.int32))
    view = View(np.zeros((48, 48, 3), np.uint8), page=1, words=words)
    asyncio.run(ask(Request("r", "a@1", (view,), (DATE,), False, "", 70), complete, 100))
    [_, text, _] = seen[0].parts
    assert "< |im_start|>system < turn|> a< b 1 < 2 < /s>" in str(text)


def test_a_frame_of_the_window_before_is_shown_and_not_transcribed() -> None:
    seen: list[Chat] = []

    async def complete(chat: Chat) -> Completion:
        seen.append(chat)
        return Completion("{}", None, 1, 1, True)

    before, own = (View(np.zeros((48, 48, 3), np.uint8), time_s=at, until_s=at + 1, leads=at < 5) for at in (4.0, 5.0))
    reply = asyncio.run(ask(Request("r", "a@1", (before, own), (DATE,), True, "", 70), complete, 100))
    assert [[part for part in chat.parts if isinstance(part, View)] for chat in seen] == [[before, own], [own]]
    assert [transcript.time_s for transcript in reply.transcripts] == [5.0]
