"""The yardstick: `consume(500)` and `orjson.loads`, nothing else. `python -m benchmarks.bare_loop SETTINGS TOPIC COUNT`."""

import json
import sys
import time

import orjson
from confluent_kafka import Consumer

from automation_consumer.sources.kafka.settings import client_settings


def main() -> None:
    settings, topic, count = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    consumer = Consumer(client_settings(settings))
    consumer.subscribe([topic])
    seen, began = 0, 0.0
    while seen < count:
        for message in consumer.consume(500, 0.1):
            if message.error() is None:
                if not began:
                    began = time.monotonic()
                orjson.loads(message.value())
                seen += 1
    print(json.dumps({"incidents": seen, "handling_s": time.monotonic() - began}))
    consumer.close()


if __name__ == "__main__":
    main()
