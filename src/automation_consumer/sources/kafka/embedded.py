"""A broker inside this process: librdkafka's own mock cluster, for `--embedded`, the demo and the tests.

It speaks the Kafka protocol on 127.0.0.1, so other programs can produce to it. It is a stand-in, not a store:
a partition keeps at most 5 MB (or 100,000 messages) and then drops its oldest ones, nothing outlives the
process, a start by time (`offsets_for_times`) always answers "the end", and there is no TLS, no SASL and no
creating of topics by an admin client (a topic appears on first use, with 4 partitions).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol

import confluent_kafka

from automation_consumer.errors import BrokerError, UsageError

DEFAULT_PARTITIONS: Final = 4
_ERROR_BYTES: Final = 512

_SIGNATURES: Final[Mapping[str, tuple[Any, list[Any]]]] = {
    "rd_kafka_conf_new": (ctypes.c_void_p, []),
    "rd_kafka_conf_set_log_cb": (None, [ctypes.c_void_p, ctypes.c_void_p]),
    "rd_kafka_new": (ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
    "rd_kafka_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_mock_cluster_new": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_mock_cluster_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, [ctypes.c_void_p]),
    "rd_kafka_mock_topic_create": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int],
    ),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [ctypes.c_void_p, ctypes.c_int32]),
}


def bundled_library() -> Path | None:
    """The librdkafka that confluent-kafka's wheel brings along; None when it was built against another one."""
    package = Path(confluent_kafka.__file__).parent
    for pattern in ("confluent_kafka.libs/librdkafka*.so*", "confluent_kafka/.dylibs/librdkafka*.dylib"):
        found = sorted(package.parent.glob(pattern))
        if found:
            return found[0]
    return None


class _Cluster(Protocol):
    """A running mock cluster."""

    address: str

    def create_topic(self, name: str, partitions: int) -> None: ...

    def close(self) -> None: ...


class _NativeCluster:
    """The mock cluster by librdkafka's C interface: topics with any number of partitions, groups that start at once."""

    def __init__(self, library: Path) -> None:
        self._lib = ctypes.CDLL(str(library))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._lib, name)
            function.restype, function.argtypes = result, arguments
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        conf = self._lib.rd_kafka_conf_new()
        self._lib.rd_kafka_conf_set_log_cb(conf, None)
        self._client = self._lib.rd_kafka_new(0, conf, error, _ERROR_BYTES)
        if not self._client:
            raise BrokerError(f"the embedded broker cannot start: {error.value.decode(errors='replace')}")
        self._cluster = self._lib.rd_kafka_mock_cluster_new(self._client, 1)
        if not self._cluster:
            self._lib.rd_kafka_destroy(self._client)
            raise BrokerError("the embedded broker cannot start: no loopback port can be opened")
        self._lib.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self.address: str = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create_topic(self, name: str, partitions: int) -> None:
        code = self._lib.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        if code:
            raise BrokerError(
                f"the embedded broker cannot create topic {name!r} with {partitions} partitions",
                hint="it exists already, or the number is out of range",
            )

    def close(self) -> None:
        self._lib.rd_kafka_mock_cluster_destroy(self._cluster)
        self._lib.rd_kafka_destroy(self._client)


class _ClientCluster:
    """The mock cluster that a plain client brings up, where the C interface can't be found. Partitions: always 4."""

    def __init__(self) -> None:
        self._owner = confluent_kafka.Producer({"test.mock.num.brokers": 1, "log_level": 3})
        brokers = self._owner.list_topics(timeout=10).brokers.values()
        self.address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def create_topic(self, name: str, partitions: int) -> None:
        if partitions != DEFAULT_PARTITIONS:
            raise BrokerError(
                f"the embedded broker cannot give topic {name!r} {partitions} partitions here, only {DEFAULT_PARTITIONS}",
                hint="install confluent-kafka from its wheel, which brings librdkafka along",
            )
        self._owner.list_topics(name, timeout=10)

    def close(self) -> None:
        self._owner.close()


class EmbeddedBroker:
    """One broker on 127.0.0.1 for as long as the `with` block (or until `close`). Close its clients first.

    `topics`: names and their numbers of partitions; others are made on first use, with 4 partitions.
    BrokerError when it cannot start or a topic cannot be made.
    """

    def __init__(self, topics: Mapping[str, int] | None = None, *, native: bool = True) -> None:
        library = bundled_library() if native else None
        self._cluster: _Cluster | None = _NativeCluster(library) if library else _ClientCluster()
        self.address: Final[str] = self._cluster.address
        """`127.0.0.1:PORT`: the bootstrap.servers of clients."""
        for name, partitions in (topics or {}).items():
            self.create_topic(name, partitions)

    def create_topic(self, name: str, partitions: int = DEFAULT_PARTITIONS) -> None:
        """Make a topic. BrokerError when it exists."""
        if self._cluster is None:
            raise UsageError("the embedded broker is closed")
        self._cluster.create_topic(name, partitions)

    @property
    def client_settings(self) -> dict[str, Any]:
        """Consumer settings that suit it: it answers an empty fetch only after the fetch's whole wait, even when a
        message came meanwhile, and it finishes a rebalance only when a session has timed out."""
        return {
            "bootstrap.servers": self.address,
            "fetch.wait.max.ms": 5,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
        }

    def close(self) -> None:
        """Stop it. May be called twice."""
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()

    def __enter__(self) -> EmbeddedBroker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
