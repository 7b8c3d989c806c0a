"""Where the time of an incident that nothing matches goes, step by step, without a broker: `python -m benchmarks.stages`."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import orjson
import yaml

from automation_consumer.model.message import Message
from automation_consumer.pipeline.commit import Offsets
from automation_consumer.pipeline.decode import Poison, decode
from automation_consumer.plugin.registry import Registry
from automation_consumer.service.rules import check
from automation_consumer.sources.formats import build_format
from automation_consumer.sources.formats.bigpanda import _Incident, read
from automation_consumer.sources.formats.document import parse
from benchmarks.incidents import NOTE, conditions, encode, incidents

COUNT = 20_000


def main() -> None:
    values = [encode(each) for each in incidents(COUNT)]
    messages = [Message("t", n % 8, n, value) for n, value in enumerate(values)]
    documents = [orjson.loads(value) for value in values[:5000]]
    form = build_format("bigpanda", 5_000_000)
    config = {
        "version": 1,
        "kafka": {"topics": ["t"]},
        "actions": [NOTE],
        "incident_conditions": conditions(1000),
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.dump(config))
        rules = check([path], Registry.installed(), {}).need()
    found = [one for each in messages for one in _incidents(decode(form, each))]
    offsets = Offsets()
    steps = {
        "orjson.loads": (values, orjson.loads),
        "parse (loads and the checks for ambiguity)": (values, lambda each: parse(each, 5_000_000)),
        "msgspec.convert to the shape": (documents, lambda each: msgspec.convert(each, _Incident)),
        "read (convert, tag check, Incident)": (documents, read),
        "decode as a whole": (messages, lambda each: decode(form, each)),
        "match, 1,000 conditions": (found, lambda each: rules.conditions.match(each, 0.0)),
        "offset": (messages, lambda each: offsets.progress((each.topic, each.partition)).skip(each.offset)),
        "Message": (values, lambda each: Message("t", 1, 2, each, None, (), 0)),
    }
    for name, (inputs, step) in steps.items():
        began = time.perf_counter()
        for each in inputs:
            step(each)
        print(f"{(time.perf_counter() - began) / len(inputs) * 1e6:6.2f} µs  {name}")


def _incidents(decoded):
    assert not isinstance(decoded, Poison), decoded
    return decoded


if __name__ == "__main__":
    main()
