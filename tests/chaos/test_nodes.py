"""Nodes of a cluster that are killed, or stopped until they look dead and then woken, while a job runs on them.

NODES and SEED in the environment set how often, and which (`make chaos`).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from disturbed import ROOT, RUN_SECONDS, Disturbed, Undisturbed, descendants, signal_all
from ray.cluster_utils import Cluster

DEAD_SECONDS = 25.0
"""Longer than it takes until Ray holds a node for dead."""

AWAKE_SECONDS = 8.0
"""For which a node that was held for dead goes on with its work, and publishes it."""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head without CPUs, and two nodes of one each."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False,
                                                         "object_store_memory": 150 << 20})
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=150 << 20)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def test_nodes_that_die_or_seem_to_lose_and_double_nothing(tmp_path: Path, undisturbed: Undisturbed,
                                                           cluster: Cluster) -> None:
    wanted = int(os.environ.get("NODES", "2"))
    kills: Counter[str] = Counter()
    lost = doubled = lives = 0
    while kills.total() < wanted:
        lives += 1
        folder = tmp_path / str(lives)
        folder.mkdir()
        chance = random.Random(int(os.environ.get("SEED", "1")) + lives)
        job = Disturbed(folder, undisturbed.inputs, str(folder / "out"), chance,
                        {"RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "disabled"})
        running = job.start()
        try:
            for kind in ("killed", "stopped"):
                time.sleep(chance.uniform(8, 16))
                node = chance.choice(sorted(cluster.worker_nodes, key=lambda node: node.node_id))
                raylet = node.all_processes["raylet"][0].process.pid
                kills[kind] += running.poll() is None
                if kind == "killed":
                    cluster.remove_node(node, allow_graceful=False)
                    cluster.add_node(num_cpus=1, object_store_memory=150 << 20)
                else:
                    asleep = descendants(raylet)
                    signal_all(asleep, signal.SIGSTOP)
                    time.sleep(DEAD_SECONDS)
                    cluster.add_node(num_cpus=1, object_store_memory=150 << 20)
                    signal_all(asleep, signal.SIGCONT)
                    time.sleep(AWAKE_SECONDS)
                    cluster.remove_node(node, allow_graceful=False)
            running.wait(RUN_SECONDS)
            assert job.finish() == 1, job.log()[-6000:]
            missing, extra = job.differences(undisturbed.rows)
            lost, doubled = lost + missing, doubled + extra
            print(f"\nlife {lives}: in all {kills.total()} nodes {dict(kills)}: {lost} rows lost, {doubled} doubled",
                  flush=True)
            assert (lost, doubled) == (0, 0), job.log()[-6000:]
        finally:
            job.close()
