"""Job files: what users may write, and how plainly a wrong one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.checklist import Date, Event, JsonSchema, Label, ListOf, Money, Number, Text, YesNo
from schemas.job import Job, JobError, TransformersSpec, load_job

HEAD = "name: audit\ninputs: [in]\noutput: out\n"


def load(folder: Path, text: str) -> Job:
    path = folder / "audit.yaml"
    path.write_text(text, encoding="utf-8")
    return load_job(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(JobError) as error:
        load(folder, text)
    return str(error.value).replace(str(folder / "audit.yaml"), "FILE")


def ask(**entries: object) -> str:
    """A job of one question; a string is written as it stands, so that a test sees YAML's own reading of it."""
    written = {"id": "a", "ask": "What?", "answer": "text", **entries}
    lines = [f"{key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in written.items()]
    return HEAD + "checklist:\n  - " + "\n    ".join(lines) + "\n"


@pytest.mark.parametrize(("written", "answer"), [
    ("yes/no", YesNo()), ("number", Number()), ("money", Money()), ("date", Date()), ("text", Text()),
    ("list", ListOf()), ("event", Event()), ("{type: list, of: date}", ListOf(of="date")),
    ("{type: money}", Money()), ("[contract, invoice]", Label(labels=("contract", "invoice"))),
    ("{labels: [a, b]}", Label(labels=("a", "b"))), ("[yes, no, on, off, y, n]",
                                                     Label(labels=("yes", "no", "on", "off", "y", "n"))),
])
def test_shorthand_of_every_answer_type(tmp_path: Path, written: str, answer: object) -> None:
    assert load(tmp_path, ask(answer=written)).checklist[0].answer == answer


def test_schema_shorthand_is_resolved_beside_the_job_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "invoice.json").write_text('{"type": "object"}')
    answer = load(tmp_path, ask(answer="{schema: sub/invoice.json}")).checklist[0].answer
    assert isinstance(answer, JsonSchema)
    assert answer.path == str(tmp_path / "sub" / "invoice.json")


@pytest.mark.parametrize("word", ["yes", "no", "on", "Off", "Y", "12:30", "010", "0x1F", "1_000", "2026-02-03",
                                  "2026-13-45", "0123"])
def test_plain_words_stay_words(tmp_path: Path, word: str) -> None:
    assert load(tmp_path, ask(expect=word)).checklist[0].expect == word


@pytest.mark.parametrize(("written", "read"), [("true", "True"), ("12", "12"), ("-7", "-7"), ("1234.50", "1234.5"),
                                               ("1e3", "1000.0"), ("'1234.50'", "1234.50")])
def test_plain_numbers_are_numbers_before_they_are_compared_as_text(tmp_path: Path, written: str, read: str) -> None:
    assert load(tmp_path, ask(expect=written)).checklist[0].expect == read


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_nothing_expected(tmp_path: Path, nothing: str) -> None:
    assert load(tmp_path, ask(expect=nothing)).checklist[0].expect is None


def test_only_true_and_false_are_booleans(tmp_path: Path) -> None:
    assert load(tmp_path, HEAD + "transcribe: true\n").transcribe is True
    assert refusal(tmp_path, HEAD + "transcribe: maybe\n").startswith("FILE: transcribe: ")


def test_expected_yes_is_checked_against_the_answer_type(tmp_path: Path) -> None:
    assert load(tmp_path, ask(answer="yes/no", expect="yes")).checklist[0].expect == "yes"
    assert refusal(tmp_path, ask(answer="yes/no", expect="true")) \
        == "FILE: checklist.0: expect: 'True' is not one of yes, no"
    assert refusal(tmp_path, ask(answer="[a, b]", expect="c")) == "FILE: checklist.0: expect: 'c' is not one of a, b"
    assert refusal(tmp_path, ask(answer="list", expect="c")) \
        == "FILE: checklist.0: expect cannot be compared with an answer of type list"


def test_one_page_and_one_phrase_need_no_list(tmp_path: Path) -> None:
    question = load(tmp_path, ask(pages="3", look_for="Total")).checklist[0]
    assert (question.pages, question.look_for) == ("3", ("Total",))


@pytest.mark.parametrize(("text", "message"), [
    (HEAD + "transcribe: true\noutputs: x\n", "FILE: unknown key 'outputs': did you mean 'output'?"),
    (ask(serverity="high"), "FILE: checklist.0: unknown key 'serverity': did you mean 'severity'?"),
    (HEAD + "transcribe: true\nframes: {evry: 2}\n", "FILE: frames: unknown key 'evry': did you mean 'every'?"),
    (HEAD + "transcribe: true\nframes: {zzz: 2}\n", "FILE: frames: unknown key 'zzz': known keys: budget, every"),
    (HEAD + "transcribe: true\n7: 2\n", "FILE: unknown key 7: known keys: "),
    (HEAD, "FILE: nothing to do: give a checklist, or 'transcribe: true'"),
    (ask(pages="2-1"), "FILE: checklist.0.pages: pages: '2-1' runs backwards"),
    (ask(pages="one"), "FILE: checklist.0.pages: pages: write page numbers from 1 like '1-3, 7, last', not 'one'"),
    (ask(answer="event", pages="1"),
     "FILE: checklist.0: an event is looked for in videos: 'scope: page' and 'pages' do not apply"),
    (ask(answer="event", of="documents"),
     "FILE: checklist.0: of: an event is looked for in videos"),
    (ask(of="videos", pages="1-2"),
     "FILE: checklist.0: of: videos have no pages: 'scope: page' and 'pages' do not apply"),
    (ask(answer="event", combine="any"),
     "FILE: checklist.0: an event is seen or not seen in every window: 'combine' does not apply"),
    (ask(answer="text", combine="sum"), "FILE: checklist.0: combine: sum is for answers of type number or money"),
    (ask(answer="[a, a]"), "FILE: checklist.0.answer.label.labels: labels must differ from each other"),
    (ask(answer="maybe"), "FILE: checklist.0.answer: unknown answer type 'maybe': one of yes/no, number, money, date, "
                          "text, list, event, a list of labels or {schema: file}"),
    (ask(only_if="x > 3"), "FILE: checklist.0: only_if: write 'id == value' or 'id != value', not 'x > 3'"),
    (ask(id="1st"), "FILE: checklist.0.id: "),
    (HEAD + "transcribe: true\nengine: {kind: vlm}\n",
     "FILE: engine: unknown kind 'vlm': one of embedded, transformers"),
    (HEAD + "transcribe: true\nengine: {kind: transformers}\n", "FILE: engine.model: Field required"),
    (HEAD + "transcribe: true\nengine: {kind: transformers, model: m, sampler: {temperature: 1}}\n",
     "FILE: engine.sampler: unknown key 'temperature': known keys: confidence, entropy_bound, seed"),
    (HEAD + "transcribe: true\nengine: {kind: transformers, model: m, sampler: {entropy_bond: 1}}\n",
     "FILE: engine.sampler: unknown key 'entropy_bond': did you mean 'entropy_bound'?"),
    (HEAD + "transcribe: true\nengine: {kind: transformers, model: m, sampler: {t_min: 1, t_max: 0.5}}\n",
     "FILE: engine.sampler: t_max (0.5) must be above t_min (1.0): the temperature falls"),
    (HEAD + "transcribe: true\nframes: {every: 2 parsecs}\n", "FILE: frames.every: "),
    (HEAD.replace("inputs: [in]", "inputs: []") + "transcribe: true\n", "FILE: inputs: "),
    ("- a\n- b\n", "FILE: a job file is a mapping with name, inputs, output and a checklist"),
    ("", "FILE: a job file is a mapping with name, inputs, output and a checklist"),
])
def test_refusal_names_the_file_and_the_place(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text).startswith(message)


@pytest.mark.parametrize("text", [
    "a: [", "a: *nowhere", "a: !!python/object:os.system x", "!!map word", "? [a, b]\n: 1", "{{a: 1}: 2}",
    "a: !!int word", "a: \0", "[" * 5000,
])
def test_bad_yaml_is_refused_and_names_the_file(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).startswith("FILE: not valid YAML: ")


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(JobError, match=r"audit\.yaml: not valid YAML: "):
        load_job(tmp_path / "audit.yaml")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError) as error:
        load_job(tmp_path / "none.yaml")
    assert str(error.value) == f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory"


def test_every_wrong_place_is_named_at_once(tmp_path: Path) -> None:
    lines = refusal(tmp_path, "name: ''\ninputs: [in]\noutput: out\ntranscribe: true\ncontext: 1\n").splitlines()
    assert [line.rpartition(": ")[0] for line in lines] == ["FILE: name", "FILE: context"]


def test_doubled_key_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, HEAD + "transcribe: true\nname: other\n")
    assert message.startswith("FILE: not valid YAML: key 'name' is given twice")
    message = refusal(tmp_path, HEAD + "checklist:\n  - {id: a, ask: b, ask: c, answer: text}\n")
    assert "key 'ask' is given twice" in message
    assert "line 5" in message


def test_merged_mapping_may_be_overridden(tmp_path: Path) -> None:
    questions = "checklist:\n  - &first {id: a, ask: Why, answer: text}\n  - {<<: *first, id: b}\n"
    assert [(question.id, question.ask) for question in load(tmp_path, HEAD + questions).checklist] \
        == [("a", "Why"), ("b", "Why")]


def questions(*entries: dict[str, Any]) -> str:
    return HEAD + "checklist: " + json.dumps([{"ask": "?", "answer": "yes/no", **entry} for entry in entries])


def test_doubled_question_ids_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, questions({"id": "a"}, {"id": "b"}, {"id": "a"})) == "FILE: question ids must differ: a"


@pytest.mark.parametrize("named", ["b", "a", "zzz"])
def test_only_if_must_name_an_earlier_question(tmp_path: Path, named: str) -> None:
    message = refusal(tmp_path, questions({"id": "a", "only_if": f"{named} == yes"}, {"id": "b"}))
    assert message == f"FILE: only_if of 'a' names {named!r}, which is no earlier question"


def test_only_if_of_an_earlier_question_is_fine(tmp_path: Path) -> None:
    job = load(tmp_path, questions({"id": "a"}, {"id": "b", "only_if": "a != no"}))
    assert job.checklist[1].only_if == "a != no"


def test_relative_places_are_resolved_beside_the_job_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs").mkdir()
    monkeypatch.chdir(tmp_path)
    path = Path("jobs/audit.yaml")
    path.write_text("name: a\ninputs: [docs/**/*.pdf, ../scans, /abs/x.pdf, 's3://bucket/*.pdf']\n"
                    "exclude: ['docs/old/*', 's3://bucket/x*']\noutput: ./out\ntranscribe: true\n")
    job = load_job(path)
    assert job.inputs == (f"{tmp_path}/jobs/docs/**/*.pdf", f"{tmp_path}/scans", "/abs/x.pdf", "s3://bucket/*.pdf")
    assert job.exclude == (f"{tmp_path}/jobs/docs/old/*", "s3://bucket/x*")
    assert job.output == f"{tmp_path}/jobs/out"


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file or directory"), ("{", "Expecting property name"),
                                                 ("", "Expecting value")])
def test_schema_that_is_missing_or_no_json_is_refused(tmp_path: Path, content: str | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "invoice.json").write_text(content)
    message = refusal(tmp_path, ask(answer="{schema: invoice.json}"))
    assert message.startswith(f"FILE: checklist 'a': schema {tmp_path / 'invoice.json'}: ")
    assert reason in message


def test_a_model_in_a_folder_beside_the_job_file_is_found_and_any_other_name_is_left(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for written, read in (("model", str(tmp_path / "model")), ("google/some-model", "google/some-model")):
        (tmp_path / "job.yaml").write_text(
            HEAD + f"transcribe: true\nengine: {{kind: transformers, model: {written}}}\n")
        engine = load_job(tmp_path / "job.yaml").engine
        assert isinstance(engine, TransformersSpec)
        assert engine.model == read


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    job = load(tmp_path, HEAD + "transcribe: true\npasswords: [open-sesame, 0123]\n")
    assert [password.get_secret_value() for password in job.passwords] == ["open-sesame", "0123"]
    for shown in (repr(job), str(job), job.model_dump_json(), repr(job.model_dump())):
        assert "open-sesame" not in shown
        assert "0123" not in shown


def test_wrong_password_entry_is_refused_without_showing_it(tmp_path: Path) -> None:
    message = refusal(tmp_path, HEAD + "transcribe: true\npasswords: [{word: open-sesame}, 987654]\n")
    assert [line.rpartition(": ")[0] for line in message.splitlines()] == ["FILE: passwords.0", "FILE: passwords.1"]
    assert "open-sesame" not in message
    assert "987654" not in message


@pytest.mark.parametrize(("written", "seconds"), [("2", 2.0), ("0.5", 0.5), ("500ms", 0.5), ("2s", 2.0), ("1min", 60.0),
                                                  ("5min", 300.0)])
def test_seconds_between_frames(tmp_path: Path, written: str, seconds: float) -> None:
    assert load(tmp_path, HEAD + f"transcribe: true\nframes: {{every: {written}}}\n").frames.every == seconds


@pytest.mark.parametrize(("written", "an_hour"), [("600/h", 600.0), ("10/min", 600.0), ("0.5 / min", 30.0)])
def test_budget_of_frames(tmp_path: Path, written: str, an_hour: float) -> None:
    assert load(tmp_path, HEAD + f"transcribe: true\nframes: {{budget: {written}}}\n").frames.budget == an_hour


@pytest.mark.parametrize("written", ["600", "0/h", "600/day", "many/h"])
def test_budget_without_its_unit_is_refused(tmp_path: Path, written: str) -> None:
    assert refusal(tmp_path, HEAD + f"transcribe: true\nframes: {{budget: {written}}}\n").startswith(
        "FILE: frames.budget: ")


@pytest.mark.parametrize(("answer", "expect", "hint"), [
    ("number", "ninety", "write it like 1234.5"), ("number", "'10,5'", "write it like 1234.5"),
    ("money", "48.750,00 EUR", "write it like 1234.50 or 1234.50 EUR"), ("date", "1 June 2025", "like 2026-02-03"),
])
def test_an_expectation_that_no_answer_can_equal_is_refused(
        tmp_path: Path, answer: str, expect: str, hint: str) -> None:
    assert hint in refusal(tmp_path, ask(answer=answer, expect=expect))


def test_a_setting_of_our_worker_is_refused_beside_the_stock_one(tmp_path: Path) -> None:
    engine = "engine: {kind: vllm, model: m, worker: stock, images: causal}\n"
    assert "'images' is for our own worker" in refusal(tmp_path, HEAD + "transcribe: true\n" + engine)


SMALL = {"name": "a", "inputs": ["in"], "output": "out", "transcribe": True}


@pytest.mark.parametrize(("share", "read"), [("20%", 0.2), ("12.5 %", 0.125), (0.5, 0.5)])
def test_the_share_that_may_fail_is_a_number_or_a_percentage(share: object, read: float) -> None:
    assert Job.model_validate({**SMALL, "stop_if_failed_over": share}).stop_if_failed_over == read


@pytest.mark.parametrize("share", ["120%", "0%", 1.0, "a fifth", True])
def test_another_share_is_refused_with_what_to_write(share: object) -> None:
    with pytest.raises(ValidationError, match="write a share between 0 and 1, or a percentage"):
        Job.model_validate({**SMALL, "stop_if_failed_over": share})
