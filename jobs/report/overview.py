"""Counts over all rows of the output tables: verdicts, coverage, cost, failures by reason, runs, reviews."""

from __future__ import annotations

from typing import Any

from jobs.reviewing import precision
from schemas.job import Job

QUERIES = {
    "answers": """
        select question, severity, verdict, status, grounding, count(*) as count,
               count(*) filter (source = 'human') as human
        from answers where level = 'asset' group by all order by all""",
    "assets": """
        select kind, status, count(*) as count, sum(units)::bigint as units, sum(units_failed)::bigint as units_failed,
               sum(bytes)::bigint as bytes, sum(duration_s) as seconds, count(missing_since) as missing
        from assets group by all order by all""",
    "transcripts": """
        select source, engine, grounding, count(*) as count, avg(confidence) as confidence,
               count(*) filter (len(findings) > 0) as differing
        from transcripts group by all order by all""",
    "requests": """
        select engine, count(*) as count, sum(images)::bigint as images, sum(input_tokens)::bigint as input_tokens,
               sum(output_tokens)::bigint as output_tokens, sum(steps)::bigint as steps,
               sum(render_seconds) as render_seconds, sum(ask_seconds) as ask_seconds,
               count(*) filter (len(rungs) > 0) as climbed
        from requests group by all order by all""",
    "failures": """
        select phase, category, bool_or(retryable) as retryable,
               count(distinct (asset, page, time_s, message)) as count, count(distinct asset) as assets,
               arg_min(asset, asset) as asset, arg_min(message, asset) as message
        from failures group by phase, category order by count desc, phase, category""",
    "runs": """
        select run_id, status, started_at, finished_at, assets, shards, failures, versions
        from runs order by started_at desc limit 50""",
}


def overview(tables: Any, job: Job) -> dict[str, list[dict[str, Any]]]:
    """The rows of each query, on a connection to the output tables (jobs.querying.connect), and what reviews tell."""
    counts = {name: tables.sql(query).to_arrow_table().to_pylist() for name, query in QUERIES.items()}
    return {**counts, "reviews": precision(tables, job)}
