"""Gathers from the output tables what a report shows: findings worst first, assets, and the pictures they rest on."""

from __future__ import annotations

import datetime
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.querying import connect
from jobs.report.overview import overview
from pipeline import storage, stores
from pipeline.evidence import EVIDENCE, THUMBNAILS, picture_path
from schemas.checklist import Label
from schemas.job import Job

Row = dict[str, Any]

MAX_LISTED = 50_000
"""Findings, and assets, that a report lists: what a browser on a small machine still holds."""

MAX_PARTS = 40
"""Answers of pages and chunks that are shown with a finding."""

MAX_OF_ASSET = 2_000
"""Scenes, events and screen texts each that are shown of one video."""

MAX_NOTES = 200
"""Notes on transcripts, and failures, that are shown of one asset."""

MAX_ROWS = 200_000
"""Parts of all findings, and rows of each other table of all assets, that a report holds: what fits into memory."""

MAX_QUOTE = 1_200
"""Characters of a quoted text that are shown."""

OF_ASSETS = {
    "scenes": ("kind, start_s, end_s, picture", "start_s", "true", MAX_OF_ASSET),
    "events": ("question, start_s, end_s, confidence", "start_s", "true", MAX_OF_ASSET),
    "screen_texts": ("text, first_s, last_s, frames, confidence", "first_s", "true", MAX_OF_ASSET),
    "failures": ("page, time_s, phase, category, retryable, message, attempts", "page, time_s, phase", "true",
                 MAX_NOTES),
    "transcripts": ("page, time_s, source, confidence, note, grounding, grounding_source, grounded, recalled, findings",
                    "page, time_s", "note is not null or len(findings) > 0 or grounding in ('contradicted', 'absent')",
                    MAX_NOTES),
}
"""What is shown of an asset by table: columns, order, which rows, and how many at most."""

WORST_FIRST = """
    case when verdict = 'fail' then 0 when grounding in ('contradicted', 'absent') then 1
         when verdict = 'unsure' then 2 when status in ('unsure', 'failed') then 3
         when status = 'answered' then 4 else 5 end,
    case severity when 'high' then 0 when 'medium' then 1 else 2 end,
    confidence nulls first, asset, question"""
"""The order of findings: failed checks, answers that their page does not bear out, doubts, answers; each by severity,
then by doubt.
"""

OF_ANSWERS = ("status", "value", "currency", "confidence", "confidence_source", "grounding", "verdict", "reason")
NUMBERS = "regexp_extract_all(p.chunk_id, '[0-9]+')::bigint[]"
"""The numbers of a chunk's id, by which 2 comes before 10."""


@dataclass(frozen=True)
class Picture:
    """A picture that was kept: where below the output, and its size in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class Gathered:
    """What a report is made of, ready for JSON: nulls are left out, moments are ISO 8601.

    `index` holds what its lists and its overview show; `findings` and `assets` hold, in the order of the lists in the
    index, what is shown of one of them. They name pictures by their place in `pictures`, which begins with those of the
    worst findings and ends with the small ones of scenes.
    """

    index: Row
    findings: list[Row]
    assets: list[Row]
    pictures: list[Picture]


def gather(job: Job) -> Gathered:
    """Read the output tables of a job. Raises JobError where there are none, and StorageError."""
    tables = connect(job.output)
    tables.execute(f"""
        create temp table chosen as
        select row_number() over (order by {WORST_FIRST}) - 1 as place, answers.*
        from answers join (select asset from assets) using (asset) where level = 'asset'
        order by place limit {MAX_LISTED}""")
    assets = _rows(tables.sql(f"""
        select * exclude (fingerprint, asked, tried, judged, stamp, shards, run_id) from assets
        where asset in (select asset from chosen) or asset in (
            select asset from assets order by status = 'ok', asset limit {MAX_LISTED})
        order by case status when 'quarantined' then 0 when 'partial' then 1 else 2 end, asset"""))
    pictures = _Pictures(job.output, assets)
    findings = _findings(tables, pictures)
    places = {row["asset"]: place for place, row in enumerate(assets)}
    details = _assets(tables, assets, pictures)
    index = {
        "job": job.name,
        "output": job.output,
        "made_at": datetime.datetime.now(datetime.UTC),
        "questions": [_question(question) for question in job.checklist],
        "assets": [{name: value for name, value in row.items() if name != "version"} for row in assets],
        "findings": [_listed(row, places[row["asset"]]) for row in findings],
        "failures": _failures(tables, places),
        "overview": overview(tables, job),
    }
    own = ("evidence", "parts", "parts_in_all", "events", "events_in_all", "probabilities", "review", "engine",
           "coverage", "grounding_source", "run_id")
    return Gathered(plain(index), [plain({name: row.get(name) for name in own}) for row in findings], plain(details),
                    pictures.kept)


class _Pictures:
    """The pictures below an output that are of some assets, numbered as they are asked for."""

    def __init__(self, output: str, assets: Sequence[Row]) -> None:
        root = stores.join(output, "")
        wanted = {_folder(picture_path(each["asset"], each["version"], 1, None)) for each in assets}
        found = (each for folder in (EVIDENCE, THUMBNAILS) for each in storage.list_prefix(root + folder + "/"))
        self._there = {path: each.size for each in found if _folder(path := each.uri.removeprefix(root)) in wanted}
        self._places: dict[str, int] = {}
        self.kept: list[Picture] = []

    def place(self, path: str | None) -> int | None:
        """The place of a picture; None where it was not kept."""
        if path is None or path not in self._there:
            return None
        if path not in self._places:
            self._places[path] = len(self.kept)
            self.kept.append(Picture(path, self._there[path]))
        return self._places[path]

    def shown(self, asset: str, version: str, evidence: Iterable[Mapping[str, Any]] | None) -> list[Row]:
        """Pieces of evidence, each with the place of its picture."""
        return [{**item, "quote": item["quote"] and item["quote"][:MAX_QUOTE],
                 "picture": self.place(picture_path(asset, version, item["page"], item["time_s"]))
                 if item["page"] is not None or item["time_s"] is not None else None} for item in evidence or ()]


def _folder(path: str) -> str:
    """The folder that the pictures of one version of an asset lie in."""
    return path.split("/")[1]


def _rows(result: Any) -> list[Row]:
    found: list[Row] = result.to_arrow_table().to_pylist()
    return found


def _question(question: Any) -> Row:
    return {"id": question.id, "ask": question.ask, "type": question.answer.type, "expect": question.expect,
            "severity": question.severity, "only_if": question.only_if, "scope": question.scope,
            "labels": list(question.answer.labels) if isinstance(question.answer, Label) else None}


def _findings(tables: Any, pictures: _Pictures) -> list[Row]:
    """The chosen answers in their order, each with the parts it was made from, its events and its review."""
    parts, reviews = _parts(tables), _reviews(tables)
    findings = _rows(tables.sql("""
        select chosen.*, parts_in_all, climbed or null as climbed,
               (different > 1 and answer_type <> 'event') or null as differ
        from chosen left join (
            select place, count(*) as parts_in_all, count(distinct said) as different,
                   bool_or(len(rungs) > 0) as climbed
            from parts group by place) using (place)
        order by place"""))
    events = _by_place(tables.sql(f"""
        select place, start_s, end_s, e.confidence, e.confidence_source, e.evidence,
               count(*) over (partition by place) as in_all
        from events e join chosen using (asset, question)
        qualify row_number() over (partition by place order by start_s) <= {MAX_PARTS}
        order by place, start_s limit {MAX_ROWS}"""))
    for row in findings:
        place = row["place"]
        seen = {"asset": row["asset"], "version": row["version"]}
        row["evidence"] = pictures.shown(**seen, evidence=row["evidence"])
        found = events.get(place, [])
        row["events"] = [{**event, "evidence": _pictured(pictures.shown(**seen, evidence=event["evidence"]))}
                         for event in found]
        row["events_in_all"] = found[0]["in_all"] if found else None
        row["parts"] = [{**part, "evidence": pictures.shown(**seen, evidence=part["evidence"]),
                         "picture": pictures.place(picture_path(**seen, page=part["page"], time_s=None))
                         if part["page"] is not None else None} for part in parts.get(place, ())]
        row["review"] = reviews.get(place)
    return findings


def _pictured(evidence: list[Row]) -> list[Row]:
    """The frames of an event whose picture was kept, or its first."""
    return [item for item in evidence if item["picture"] is not None][:MAX_PARTS] or evidence[:1]


def _parts(tables: Any) -> dict[int, list[Row]]:
    """The answers of pages and chunks by finding, with the rungs that were climbed for each.

    They stand in a table of their own then; the evidence of a finding's only part is the finding's own.
    """
    tables.execute(f"""
        create temp table parts as
        select place, p.chunk_id, p.page, p.evidence[1:1] as evidence, {', '.join(f'p.{name}' for name in OF_ANSWERS)},
               r.rungs, r.budget, r.images,
               case when p.status = 'answered' then coalesce(p.number::varchar, lower(trim(p.value))) || ' '
                   || coalesce(p.currency, '') end as said,
               row_number() over (partition by place order by p.page, {NUMBERS}, p.chunk_id) as number
        from answers p join chosen using (asset, question)
        left join requests r on (r.asset, r.shard_id, r.chunk_id) = (p.asset, p.shard_id, p.chunk_id)
        where p.level in ('page', 'chunk')""")
    return _by_place(tables.sql(f"""
        select * exclude (said, number, evidence), case when max(number) over (partition by place) > 1 then evidence end
            as evidence
        from parts where number <= {MAX_PARTS} order by place, number limit {MAX_ROWS}"""))


def _reviews(tables: Any) -> dict[int, Row]:
    """Of findings that a person has the word on: what the engine had answered, and what the person wrote beside it."""
    engines = ", ".join(f"e.{name} as engine_{name}" for name in OF_ANSWERS)
    found = _rows(tables.sql(f"""
        select place, {engines}, note, reviewer, reviewed_at
        from chosen left join (from answers where level = 'reviewed') e using (asset, question)
        left join (from reviews qualify row_number() over (partition by asset, question order by reviewed_at desc) = 1)
            using (asset, question)
        where chosen.source = 'human'"""))
    return {row.pop("place"): row for row in found}


def _by_place(result: Any) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in _rows(result):
        found[row.pop("place")].append(row)
    return found


def _listed(row: Row, asset: int) -> Row:
    """What the list shows of a finding."""
    first = next(iter(row["evidence"]), {"page": None, "time_s": None, "quote": None})
    return {"asset": asset, "severity": row["severity"], "question": row["question"],
            **{name: row[name] for name in OF_ANSWERS}, "page": first["page"], "time_s": first["time_s"],
            "quote": first["quote"] and first["quote"][:120], "differ": row["differ"], "climbed": row["climbed"],
            "human": row["source"] == "human" or None}


def _assets(tables: Any, assets: Sequence[Row], pictures: _Pictures) -> list[Row]:
    """Of each listed asset its stretches of time, its screen texts, what to know of its transcripts, its cost."""
    tables.register("listed", _names(assets))
    found: dict[str, Row] = defaultdict(dict)
    for name, (columns, order, wanted, most) in OF_ASSETS.items():
        for row in _rows(tables.sql(f"""
                select asset, {columns}, count(*) over (partition by asset) as in_all
                from {name} join listed using (asset) where {wanted}
                qualify row_number() over (partition by asset order by {order}) <= {most}
                order by asset, {order} limit {MAX_ROWS}""")):
            own, in_all = found[row.pop("asset")], row.pop("in_all")
            own.setdefault(name, []).append(row)
            if in_all > most:
                own.setdefault("cut", {})[name] = in_all
    for row in _rows(tables.sql("""
            select asset, count(*) as requests, sum(images)::bigint as images,
                   sum(input_tokens)::bigint as input_tokens, sum(output_tokens)::bigint as output_tokens,
                   sum(render_seconds) as render_seconds, sum(ask_seconds) as ask_seconds,
                   list_sort(list(distinct engine)) as engines
            from requests join listed using (asset) group by asset""")):
        found[row.pop("asset")]["cost"] = [row]
    for each in assets:
        for scene in found[each["asset"]].get("scenes", ()):
            scene["picture"] = pictures.place(scene["picture"])
        for note in found[each["asset"]].get("transcripts", ()):
            note["picture"] = pictures.place(picture_path(each["asset"], each["version"], note["page"], note["time_s"]))
    return [dict(found[each["asset"]]) for each in assets]


def _names(assets: Sequence[Row]) -> Any:
    import pyarrow as pa

    return pa.table({"asset": pa.array([row["asset"] for row in assets], pa.string())})


def _failures(tables: Any, places: Mapping[str, int]) -> list[Row]:
    """What failed, once each: what was asked in two rounds has failed in both."""
    found = _rows(tables.sql(f"""
        select asset, page, time_s, phase, category, message, max(attempts) as attempts, bool_or(retryable) as retryable
        from failures group by asset, page, time_s, phase, category, message
        order by phase, category, asset, page, time_s, message limit {MAX_LISTED}"""))
    return [{**row, "asset": places[row["asset"]]} for row in found if row["asset"] in places]


def plain(value: Any) -> Any:
    """A value as JSON has it: moments as ISO 8601, numbers rounded to 5 digits, without what is null."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return value
