"""Claims a folder as an output: of a known schema version, on a store that takes conditional writes, read by an engine.

`_engines/` holds, for each way in which a job file asks (Fingerprints.settings), the engine fingerprints under which
its results were accepted, one small object each, in order.
"""

from __future__ import annotations

import json
from dataclasses import replace

from pipeline import storage, stores
from pipeline.fingerprints import Fingerprints
from pipeline.stores import StorageError
from schemas.records import SCHEMA_VERSION

MARKER = "_canvass.json"
ENGINES = "_engines"


def claim(output: str, single_writer: bool = False) -> None:
    """Mark a folder as an output of this schema version, which proves that its store takes conditional writes. Raises
    StorageError.

    A store that overlooks their conditions will do where there is a `single_writer`.
    """
    marker, mark = stores.join(output, MARKER), json.dumps({"schema_version": SCHEMA_VERSION}).encode()
    try:
        overlooks = storage.put_if_absent(marker, mark) and storage.put_if_absent(marker, mark)
    except StorageError as error:
        if error.category == "unsupported":
            raise StorageError("unsupported", f"this store refuses conditional writes, without which no table can be "
                               f"committed: use another ({error})") from None
        raise
    if overlooks and not single_writer:
        raise StorageError("unsupported", "this store writes over objects that it is told not to, so that two writers "
                           "cannot be kept apart: use another, or say 'single_writer: true' where nobody else ever "
                           "writes there")
    found, tag = storage.read_tagged(marker)
    written = json.loads(found)["schema_version"]
    if written < SCHEMA_VERSION:  # its tables get the columns of this version, which an older Canvass does not know
        storage.replace(marker, mark, tag)
    if written > SCHEMA_VERSION:
        raise StorageError("conflict", f"it was written by schema version {written}; this Canvass writes "
                                       f"{SCHEMA_VERSION}: install a newer one, or choose another output")


def accepted(output: str, names: Fingerprints) -> Fingerprints:
    """The names with the engine fingerprint that the output's results go by, their own where there are none yet.

    An older one stands for what an older Canvass would have read and asked in the same way: its results stay, and what
    is new goes beside them, until `accept`. Raises StorageError.
    """
    found = _last(output, names)
    return replace(names, engine=found[1]) if found else names


def accept(output: str, names: Fingerprints) -> None:
    """Let the output's results go by this Canvass's own fingerprint from now on. Raises StorageError."""
    found = _last(output, names)
    if found is None or found[1] != names.engine:
        number = found[0] + 1 if found else 1
        uri = stores.join(output, ENGINES, f"{names.settings}-{number:06}.json")
        storage.put_if_absent(uri, json.dumps({"fingerprint": names.engine}).encode())


def _last(output: str, names: Fingerprints) -> tuple[int, str] | None:
    """The number and fingerprint of the last acceptance of what the job file says."""
    prefix = stores.join(output, ENGINES, f"{names.settings}-")
    uris = sorted(item.uri for item in storage.list_prefix(stores.join(output, ENGINES) + "/")
                  if item.uri.startswith(prefix) and item.uri.endswith(".json"))
    if not uris:
        return None
    number = int(uris[-1].removeprefix(prefix).removesuffix(".json"))
    return number, json.loads(storage.read(uris[-1]))["fingerprint"]
