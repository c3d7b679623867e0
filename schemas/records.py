"""The Arrow schema of every output table, and of the one object in which a shard is published.

Boxes are normalised to the page or frame as displayed: [x0, y0, x1, y1] in 0..1, origin top left. Times are
seconds from the start of the presentation. Confidences are probabilities in 0..1.
"""

from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 3
SCHEMA_VERSION_KEY = b"canvass.schema_version"

TEXT = pa.string()
COUNT = pa.int64()
REAL = pa.float64()
MOMENT = pa.timestamp("us", tz="UTC")
BOX = pa.list_(pa.float32())

EVIDENCE = pa.struct([
    pa.field("page", pa.int32()),
    pa.field("time_s", REAL),
    pa.field("end_s", REAL),
    pa.field("box", BOX),
    pa.field("quote", TEXT),
    pa.field("score", REAL),
])
FINDING = pa.struct([
    pa.field("kind", TEXT),
    pa.field("text", TEXT),
    pa.field("expected", TEXT),
    pa.field("box", BOX),
])
PROBABILITY = pa.struct([pa.field("label", TEXT), pa.field("probability", REAL)])
STRETCH = pa.struct([
    pa.field("kind", TEXT),
    pa.field("start_s", REAL),
    pa.field("end_s", REAL),
    pa.field("picture", TEXT),
])
CELL = pa.struct([
    pa.field("row", pa.int32()),
    pa.field("column", pa.int32()),
    pa.field("text", TEXT),
    pa.field("box", BOX),
])
BLOCK = pa.struct([
    pa.field("kind", TEXT),
    pa.field("text", TEXT),
    pa.field("box", BOX),
    pa.field("order", pa.int32()),
    pa.field("confidence", REAL),
    pa.field("cells", pa.list_(CELL)),
])
WORD = pa.struct([pa.field("text", TEXT), pa.field("box", BOX), pa.field("confidence", pa.float32())])


def _field(name: str, kind: pa.DataType, comment: str, required: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=not required, metadata={"comment": comment})


def _schema(*fields: pa.Field) -> pa.Schema:
    return pa.schema(fields, metadata={SCHEMA_VERSION_KEY: str(SCHEMA_VERSION)})


ASSET = _field("asset", TEXT, "Address of the input object: an absolute path or a URI", required=True)
VERSION = _field("version", TEXT, "Version of its content: etag and size; locally a digest and the size", required=True)
FINGERPRINT = _field("fingerprint", TEXT, "Fingerprint of the engine that produced the row", required=True)
RUN = _field("run_id", TEXT, "The run that produced the row", required=True)
SHARD = _field("shard_id", TEXT, "The shard in which the row was published", required=True)
ASKED = _field("asked", TEXT, "What was asked of the asset: fingerprints of questions (and of the sampling rate, for a "
                              "video), and 'transcribe'", required=True)
PAGE = _field("page", pa.int32(), "Page number from 1; null for video")
TIME = _field("time_s", REAL, "Presentation time in seconds from the start; null for pages")

TABLES: dict[str, pa.Schema] = {
    "assets": _schema(
        ASSET, VERSION,
        _field("status", TEXT, "ok, partial (some units failed) or quarantined (nothing could be read)", True),
        _field("reason", TEXT, "Why the status is not ok; null where it is"),
        _field("kind", TEXT, "pdf, image, video, or unknown", True),
        _field("media_type", TEXT, "Media type told by the content"),
        _field("bytes", COUNT, "Size of the object", True),
        _field("units", COUNT, "Pages, or frames of a video, that were to be seen"),
        _field("units_failed", COUNT, "Units that could not be seen"),
        _field("duration_s", REAL, "Claimed duration of a video in seconds"),
        _field("coverage", REAL, "Share of those units that was seen, 0..1"),
        _field("repaired", pa.bool_(), "The file was damaged and was read after a repair"),
        FINGERPRINT,
        ASKED,
        _field("tried", TEXT, "Fingerprint of the passwords and limits it was tried with", True),
        _field("judged", TEXT, "Fingerprint of how the answers were judged", True),
        _field("locked", TEXT, "Ids of the questions that its other answers keep from being asked (only_if), or might"),
        _field("stamp", TEXT, "What a listing last showed of it: etag, or locally modification time, and size", True),
        _field("rounds", pa.int32(), "How often something was asked of it", True),
        _field("shards", pa.list_(TEXT), "The shards that its rows come from", True),
        _field("missing_since", MOMENT, "When a run first found it no longer among the inputs; null while it is there"),
        RUN,
        _field("finished_at", MOMENT, "When the last shard of the asset was published"),
    ),
    "transcripts": _schema(
        ASSET, VERSION, PAGE, TIME,
        _field("until_s", REAL, "Until when the frame was seen unchanged, or stands for frames that a budget left "
                               "out, in seconds; null for pages"),
        _field("text", TEXT, "All text in reading order", True),
        _field("markdown", TEXT, "The same as Markdown, with headings and tables", True),
        _field("blocks", pa.list_(BLOCK), "Blocks: kind, text, box, reading order, confidence, table cells"),
        _field("words", pa.list_(WORD), "Words with boxes and confidences"),
        _field("source", TEXT, "text_layer, ocr or model", True),
        _field("confidence", REAL, "Mean word confidence; null for a text layer"),
        _field("confidence_source", TEXT, "ocr, min_token_probability, or null"),
        _field("note", TEXT, "What a reader should know: an unreadable script, a distrusted text layer"),
        _field("grounding", TEXT, "How it agrees with the page's own words: exact, close, contradicted (a number "
                                  "stands there otherwise), absent (most of it is not there), or not_checkable; null "
                                  "where it is those words itself"),
        _field("grounding_source", TEXT, "Whence the page's own words are: text_layer or ocr; null where none are"),
        _field("grounded", REAL, "Share of its tokens that stand on the page, 0..1"),
        _field("recalled", REAL, "Share of the page's tokens that it has, 0..1"),
        _field("findings", pa.list_(FINDING), "Where it differs: kind (contradiction, unsupported, omission, loop, "
                                              "invented, reading_order), what it says, what the page says, box"),
        _field("budget", pa.int32(), "Image budget in soft tokens", True),
        _field("engine", TEXT, "Engine that read the unit", True),
        FINGERPRINT, RUN, SHARD,
    ),
    "answers": _schema(
        ASSET, VERSION,
        _field("question", TEXT, "Id of the question", True),
        _field("question_fingerprint", TEXT, "Fingerprint of the question as it was asked", True),
        _field("level", TEXT, "asset (one a question), page or chunk (answers that the asset's was made from), or "
                              "reviewed (the engine's answer for the asset, in whose place a person's stands)", True),
        _field("source", TEXT, "engine, or human where a review has the word; null in tables of older versions"),
        PAGE,
        _field("chunk_id", TEXT, "The chunk that was asked; null at level asset"),
        _field("answer_type", TEXT, "Type of the question's answer", True),
        _field("status", TEXT, "answered, unsure, failed, or not_applicable (only_if does not hold)", True),
        _field("value", TEXT, "The answer in canonical text: yes, a label, 1234.56, 2026-02-03, JSON for lists"),
        _field("number", REAL, "Numeric value of a number or an amount"),
        _field("currency", TEXT, "ISO 4217 currency of an amount"),
        _field("date", pa.date32(), "A date answer"),
        _field("confidence", REAL, "Confidence of the answer, 0..1; null where there is none"),
        _field("confidence_source", TEXT, "label_probability, min_word_probability, ocr or rule"),
        _field("probabilities", pa.list_(PROBABILITY), "Probability of each label, where the engine gives them"),
        _field("grounding", TEXT, "How it agrees with the page's own words: exact, close, contradicted, absent, or "
                                  "not_checkable; null where that was not looked at"),
        _field("grounding_source", TEXT, "Whence those words are: text_layer or ocr; null where there are none"),
        _field("verdict", TEXT, "pass, fail or unsure against `expect`; null where it is no check"),
        _field("severity", TEXT, "Severity of the check", True),
        _field("evidence", pa.list_(EVIDENCE), "Page or time, box, quoted text and retrieval score"),
        _field("reason", TEXT, "Why the answer is unsure, or how it was found"),
        _field("coverage", REAL, "Share of the pages that were seen for this answer, or of the samples of a video that "
                                 "could be (a budget asks about fewer: see requests.images), 0..1"),
        _field("engine", TEXT, "Engine that answered", True),
        FINGERPRINT, RUN,
        _field("shard_id", TEXT, "The shard in which the row was published; null at level asset"),
    ),
    "events": _schema(
        ASSET, VERSION,
        _field("question", TEXT, "Id of the question", True),
        _field("start_s", REAL, "Time of the first sample that shows it, in seconds", True),
        _field("end_s", REAL, "Time of the first sample after it that does not", True),
        _field("confidence", REAL, "Confidence, 0..1"),
        _field("confidence_source", TEXT, "label_probability, min_word_probability, ocr or rule"),
        _field("evidence", pa.list_(EVIDENCE), "The frames that show it"),
        _field("engine", TEXT, "Engine that found it", True),
        FINGERPRINT, RUN,
    ),
    "scenes": _schema(
        ASSET, VERSION,
        _field("kind", TEXT, "scene, or a stretch that is still (nothing moves for 5 s or longer), black, or damaged "
                             "(no frame could be decoded)", True),
        _field("start_s", REAL, "Second at which it begins: a scene with its first frame, or, where that is not "
                              "found, with the first sample that shows it, and so all else", True),
        _field("end_s", REAL, "Second at which it ends: with the scene, or with the first sample after it", True),
        _field("picture", TEXT, "Where below the output a small picture of a scene's first sample is"),
        FINGERPRINT, RUN,
    ),
    "screen_texts": _schema(
        ASSET, VERSION,
        _field("text", TEXT, "A line of text that a video shows, as it was read most surely", True),
        _field("first_s", REAL, "Time of the first sample that shows it, in seconds", True),
        _field("last_s", REAL, "Time of the first sample after it that does not", True),
        _field("frames", COUNT, "Frames, none of which looks like the one before, in which it was read", True),
        _field("confidence", REAL, "Confidence of the surest reading, 0..1"),
        _field("box", BOX, "Box of the block that it stands in"),
        FINGERPRINT, RUN,
    ),
    "failures": _schema(
        ASSET, VERSION, PAGE, TIME,
        _field("phase", TEXT, "probe, render or ask", True),
        _field("category", TEXT, "What kind of failure: encrypted, damaged, empty, timeout, memory, crash, ...", True),
        _field("retryable", pa.bool_(), "Whether another try may pass", True),
        _field("message", TEXT, "What happened and what to do", True),
        _field("attempts", pa.int32(), "How often it was tried, this time included", True),
        FINGERPRINT, RUN, SHARD,
    ),
    "requests": _schema(
        ASSET, VERSION,
        _field("chunk_id", TEXT, "The chunk that was asked", True),
        _field("engine", TEXT, "Engine", True),
        _field("budget", pa.int32(), "Image budget in soft tokens", True),
        _field("images", pa.int32(), "Images sent", True),
        _field("input_tokens", COUNT, "Tokens of the prompt, images included; an upper bound where the engine counts "
                                      "none", True),
        _field("output_tokens", COUNT, "Tokens written; null for an engine that writes none"),
        _field("steps", COUNT, "Denoising steps; null for an engine without them"),
        _field("forwards", COUNT, "Passes of the model, prefills and commits included; null where not counted"),
        _field("tokens_per_forward", REAL, "Tokens written per pass, or per step where passes are not counted"),
        _field("mean_entropy", REAL, "Mean entropy of a canvas's tokens over its steps, in nats; null likewise"),
        _field("render_seconds", REAL, "Wall-clock seconds of rendering", True),
        _field("ask_seconds", REAL, "Wall-clock seconds of asking", True),
        _field("decoding", TEXT, "How a video's frames were found: keyframes, groups of pictures (from the keyframe "
                                 "before each sample on), or sequential and why; and how many were decoded"),
        _field("rungs", pa.list_(TEXT), "Rungs of the ladder that were climbed, in order"),
        _field("finish_reason", TEXT, "Why the reply ended", True),
        FINGERPRINT, RUN, SHARD,
    ),
    "reviews": _schema(
        ASSET, VERSION,
        _field("question", TEXT, "Id of the question", True),
        _field("question_fingerprint", TEXT, "Fingerprint of the question as it was asked", True),
        _field("value", TEXT, "The right answer in canonical text; null where a person cannot tell either"),
        _field("currency", TEXT, "ISO 4217 currency of an amount"),
        _field("note", TEXT, "What the person wrote beside it"),
        _field("reviewer", TEXT, "Who reviewed it, as the import names them"),
        _field("reviewed_at", MOMENT, "When the review was imported; of several the last counts", True),
        _field("engine_value", TEXT, "What the engine had answered; null where it abstained"),
        _field("engine_currency", TEXT, "ISO 4217 currency of an amount that it had answered"),
        _field("engine_confidence", REAL, "Confidence of that answer, 0..1"),
        _field("engine_verdict", TEXT, "Verdict of that answer"),
        FINGERPRINT, RUN,
    ),
    "runs": _schema(
        RUN,
        _field("job", TEXT, "Name of the job", True),
        _field("status", TEXT, "finished, interrupted, or stopped (too much failed)", True),
        _field("started_at", MOMENT, "When the run began", True),
        _field("finished_at", MOMENT, "When the run ended", True),
        FINGERPRINT,
        _field("questions", TEXT, "JSON: question id to question fingerprint", True),
        _field("versions", TEXT, "JSON: versions of Canvass and of the libraries that read and asked", True),
        _field("assets", COUNT, "Objects that ended in this run", True),
        _field("shards", COUNT, "Shards published in this run", True),
        _field("failures", COUNT, "Failures recorded in this run", True),
    ),
    "shards": _schema(
        SHARD, ASSET, VERSION,
        _field("part", pa.int32(), "Which part of the asset the shard holds, from 0", True),
        _field("parts", pa.int32(), "How many parts were asked in its round", True),
        _field("plan", TEXT, "Fingerprint of how the asset was cut into parts", True),
        _field("round", pa.int32(), "Which time it is that something was asked of the asset, from 1", True),
        _field("attempt", pa.int32(), "How often this part was tried, this time included", True),
        _field("replaces", pa.list_(TEXT), "Shards of earlier attempts, whose rows give way", True),
        _field("kind", TEXT, "pdf, image, video, or unknown", True),
        _field("media_type", TEXT, "Media type told by the content"),
        _field("bytes", COUNT, "Size of the object", True),
        _field("units", COUNT, "Pages or frames of the whole asset that were to be seen", True),
        _field("units_failed", COUNT, "Units of this part that could not be seen", True),
        _field("duration_s", REAL, "Claimed duration of a video in seconds"),
        _field("repaired", pa.bool_(), "The file was damaged and was read after a repair"),
        _field("stretches", pa.list_(STRETCH), "What this part of a video showed: its scenes and the cuts between "
                                               "them, still, black and damaged stretches"),
        _field("published_at", MOMENT, "When the shard was rendered and asked", True),
        FINGERPRINT,
        ASKED,
        _field("tried", TEXT, "Fingerprint of the passwords and limits it was tried with", True),
        _field("stamp", TEXT, "What a listing showed of the asset: etag, or locally modification time, and size", True),
        RUN,
    ),
}

PUBLISHED = ("transcripts", "answers", "failures", "requests", "shards")
"""Tables whose rows a shard publishes; the others are made by the fold or by the run."""

SHARD_OBJECT = pa.schema(
    [pa.field(name, pa.struct([field.with_nullable(True) for field in TABLES[name]])) for name in PUBLISHED],
    metadata={SCHEMA_VERSION_KEY: str(SCHEMA_VERSION)},
)
"""A published shard: one nullable struct column a table; in each row exactly one is set."""


def rows_to_table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows of table `name` as Arrow, in the order of its schema. Missing optional fields are null."""
    return pa.Table.from_pylist(rows, schema=TABLES[name])
