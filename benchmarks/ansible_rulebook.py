"""Events/s of ansible-rulebook with 1,000 rules beside ours, in one run. Needs Java 17."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median

import yaml

from benchmarks.harness import ROOT, Bench, Figure
from benchmarks.incidents import NOTE, conditions, incidents, node_pattern, service
from benchmarks.throughput import our_rate

VENV = ROOT / ".cache" / "venv-eda"
RULES, DISTINCT, LOOPS, ROUNDS = 1_000, 400, 20, 2
OURS = 60_000
FILTER = '''
import json, time

seen = 0

def main(event, out):
    """Note when the events pass from the source to the engine; the queue between them holds one."""
    global seen
    seen += 1
    if seen %% 100 == 1 or seen == %d:
        with open(out, "a") as file:
            file.write(json.dumps([seen, time.time()]) + "\\n")
    return event
'''


def measure(bench: Bench) -> list[Figure]:
    what = f"the same against ansible-rulebook with {RULES:,} rules"
    target = "≥ 10 times its events/s"
    if reason := _install():
        return [Figure(what, target, "not measured", None, reason)]
    topic = bench.topic()
    count = topic.fill(incidents(bench.many(OURS)))
    ours, theirs = [], []
    for number in range(ROUNDS):
        ours.append(our_rate(bench.config(topic, conditions(RULES), [NOTE])[0], count))
        theirs.append(_their_rate(bench.folder / f"eda-{number}"))
    ratio = median(ours) / median(theirs)
    return [
        Figure(
            what,
            target,
            f"{ratio:.0f} times: {median(ours):,.0f}/s against {median(theirs):,.0f}/s",
            ratio >= 10,
            f"{ROUNDS} rounds in turns; the same incidents and the same conditions; ours from Kafka, with commits; "
            "ansible-rulebook from its `generic` source, which needs no broker and no decoding",
        )
    ]


def _install() -> str:
    """Put ansible-rulebook into an environment of its own; why not, when it can't be."""
    if shutil.which("java") is None:
        return "there is no Java"
    if not (VENV / "bin" / "ansible-rulebook").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        pip = [VENV / "bin" / "pip", "install", "--quiet", "ansible-rulebook", "ansible-core"]
        try:
            subprocess.run(pip, check=True, timeout=240)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            shutil.rmtree(VENV)
            return f"it could not be installed: {type(error).__name__}"
    return ""


def _their_rate(folder: Path) -> float:
    total = DISTINCT * LOOPS
    filters = folder / "filters"
    filters.mkdir(parents=True)
    (filters / "bench_count.py").write_text(FILTER % total)
    counted, payload = folder / "counted", folder / "payload.json"
    payload.write_text(json.dumps([_flat(each) for each in islice(incidents(DISTINCT), DISTINCT)]))
    (folder / "rulebook.yml").write_text(yaml.safe_dump(_rulebook(payload, counted), sort_keys=False))
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [VENV / "bin" / "ansible-rulebook", "--rulebook", "rulebook.yml", "-F", filters],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"},
        )
    until = time.monotonic() + 120
    try:
        while True:
            time.sleep(0.25)
            seen = [json.loads(line) for line in counted.read_text().splitlines()] if counted.exists() else []
            if seen and seen[-1][0] == total:
                return (total - seen[0][0]) / (seen[-1][1] - seen[0][1])
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"it did not get to the end: {(folder / 'log').read_text()[-1000:]}")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _flat(document: dict) -> dict:
    """The service beside the list of tags, where a rule can ask for it."""
    return {**document, "service": document["incidentTags"][0]["value"]}


def _rulebook(payload: Path, counted: Path) -> list:
    source = {
        "name": "incidents",
        "eda.builtin.generic": {"payload_file": str(payload), "loop_count": LOOPS, "shutdown_after": 60},
        "filters": [{"bench_count": {"out": str(counted)}}],
    }
    rules = [
        {
            "name": f"rule {index}",
            "condition": f'event.service == "{service(index)}" and event.title is '
            f'search("{node_pattern(index)}", ignorecase=false)',
            "action": {"none": None},
        }
        for index in range(RULES)
    ]
    return [{"name": "bench", "hosts": "localhost", "sources": [source], "rules": rules}]
