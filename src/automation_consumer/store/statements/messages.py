"""Messages: in hand of a process, finished beyond the committed offset, or kept for an operator."""

from __future__ import annotations

from collections.abc import Mapping

from automation_consumer.model.message import Message
from automation_consumer.model.run import Run
from automation_consumer.store.database import Database, Reading
from automation_consumer.store.places import place
from automation_consumer.store.rows import MESSAGE, message_from_row, message_to_row

Partition = tuple[str, int]

_ALIVE = "(SELECT number FROM processes WHERE state = 'alive')"
_BETWEEN = "\x1f"  # between the ids of incidents
_PLACE = 'topic = ? AND "partition" = ? AND "offset" = ? AND timestamp_ms = ?'
_OLDEST_FIRST = 'timestamp_ms, topic, "partition", "offset"'

# A message that is finished already is in hand again when a run of it begins: an operator wants another try.
_HOLD = f"""
    INSERT INTO messages ({MESSAGE}, owner, state, taken_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?)
    ON CONFLICT (topic, "partition", "offset", timestamp_ms) DO UPDATE
    SET owner = excluded.owner, state = 'open', "key" = excluded."key", value = excluded.value, headers = excluded.headers
    WHERE messages.state <> 'open' OR (messages.owner <> excluded.owner AND messages.owner NOT IN {_ALIVE})"""

# By the message, not by its open runs: between two runs of it none may be open. Also one whose process is gone: somebody,
# perhaps we, will take it up at any moment.
_EARLIER = """
    m.state = 'open' AND m.owner <> ?
      AND ((m.topic = ? AND m."partition" = ? AND m."offset" < ?)
        OR (NOT (m.topic = ? AND m."partition" = ?) AND (m.timestamp_ms, m.topic, m."partition") < (?, ?, ?)))"""
_BUSY_ELSEWHERE = f"""
    SELECT 1 FROM runs JOIN messages AS m ON m.topic = runs.topic AND m."partition" = runs."partition"
      AND m."offset" = runs."offset" AND m.timestamp_ms = runs.message_ms
    WHERE runs.incident_id = ? AND {_EARLIER}
    UNION ALL
    SELECT 1 FROM messages AS m WHERE m.incidents LIKE ? ESCAPE '!' AND m.incidents <> '' AND {_EARLIER}
    LIMIT 1"""
_HOLD_WAITING = f"""
    INSERT INTO messages ({MESSAGE}, owner, state, taken_at, incidents) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?)
    ON CONFLICT DO NOTHING"""

# Also for one that has no row: its offset may be committed long after.
_FINISH = f"""
    INSERT INTO messages ({MESSAGE}, owner, state, taken_at) VALUES (?, ?, ?, ?, NULL, NULL, NULL, ?, 'finished', ?)
    ON CONFLICT (topic, "partition", "offset", timestamp_ms) DO UPDATE
    SET state = 'finished', "key" = NULL, value = NULL, headers = NULL
    WHERE messages.state = 'open' AND messages.owner = excluded.owner"""
_KEEP = f"UPDATE messages SET state = 'kept' WHERE {_PLACE} AND owner = ? AND state = 'open'"


def hold(db: Database, message: Message, process: int, at: float) -> None:
    """The message is in hand of this process, unless another one that lives has it."""
    db.execute(_HOLD, (*message_to_row(message), process, at))


def hold_waiting(db: Database, message: Message, process: int, incidents: tuple[str, ...]) -> Reading[None]:
    about = _BETWEEN + _BETWEEN.join(incidents) + _BETWEEN
    at = message.timestamp_ms / 1000
    db.execute(_HOLD_WAITING, (*message_to_row(message), process, at, about))
    return lambda: None


def _quoted(incident_id: str) -> str:
    """The id as it stands between others, for LIKE."""
    for special in "!%_":
        incident_id = incident_id.replace(special, "!" + special)
    return _BETWEEN + incident_id + _BETWEEN


def orphans(db: Database, process: int, limit: int) -> Reading[list[Message]]:
    taken = db.execute(
        f"""
        UPDATE messages SET owner = ? WHERE (topic, "partition", "offset", timestamp_ms) IN (
            SELECT topic, "partition", "offset", timestamp_ms FROM messages
            WHERE state = 'open' AND owner <> ? AND owner NOT IN {_ALIVE}
            ORDER BY {_OLDEST_FIRST} LIMIT ? {db.skip_locked})
        RETURNING {MESSAGE}""",
        (process, process, limit),
    )
    return lambda: sorted(map(message_from_row, taken.rows), key=_age)


def _age(message: Message) -> tuple[int, str, int, int]:
    return message.timestamp_ms, message.topic, message.partition, message.offset


def busy_elsewhere(db: Database, process: int, incident_id: str, message: Message) -> Reading[bool]:
    where = (message.topic, message.partition)
    moment = (message.timestamp_ms, *where)
    earlier = (process, *where, message.offset, *where, *moment)
    found = db.execute(_BUSY_ELSEWHERE, (incident_id, *earlier, f"%{_quoted(incident_id)}%", *earlier))
    return lambda: bool(found.rows)


# Another process handles it as well (under a newer configuration, say) and has a run of it open: it is that one's to finish.
_ELSEWHERE = """
    SELECT runs.owner FROM runs WHERE runs.topic = messages.topic AND runs."partition" = messages."partition"
      AND runs."offset" = messages."offset" AND runs.message_ms = messages.timestamp_ms
      AND runs.status IN ('running', 'waiting', 'retrying') AND runs.owner <> messages.owner"""
_LEAVE = f"""
    UPDATE messages SET owner = ({_ELSEWHERE} LIMIT 1)
    WHERE {_PLACE} AND owner = ? AND state = 'open' AND EXISTS ({_ELSEWHERE})"""


def finish(db: Database, process: int, message: Message, keep: bool) -> Reading[None]:
    db.execute(_LEAVE, (*place(message), process))
    if keep:
        db.execute(_KEEP, (*place(message), process))
    else:
        db.execute(_FINISH, (*place(message), process, message.timestamp_ms / 1000))
    return lambda: None


def remembered(
    db: Database, partitions: tuple[Partition, ...]
) -> Reading[dict[Partition, frozenset[tuple[int, int]]]]:
    query = (
        'SELECT "offset", timestamp_ms FROM messages'
        " WHERE topic = ? AND \"partition\" = ? AND state IN ('finished', 'kept')"
    )
    found = {partition: db.execute(query, partition) for partition in partitions}
    return lambda: {
        partition: frozenset((offset, moment) for offset, moment in result.rows)
        for partition, result in found.items()
    }


def committed(db: Database, offsets: Mapping[Partition, int]) -> Reading[None]:
    before = 'topic = ? AND "partition" = ? AND "offset" < ? AND state ='
    for (topic, partition), offset in sorted(offsets.items()):
        where = (topic, partition, offset)
        db.execute(f"DELETE FROM messages WHERE {before} 'finished'", where)
        db.execute(f"UPDATE messages SET state = 'archived' WHERE {before} 'kept'", where)
    return lambda: None


def message_of(db: Database, run: Run) -> Reading[Message | None]:
    # A run that an older version wrote does not know its message's time: the newest at that place is its own.
    found = db.execute(
        f"""
        SELECT {MESSAGE} FROM messages WHERE topic = ? AND "partition" = ? AND "offset" = ? AND state <> 'finished'
          AND timestamp_ms = coalesce((SELECT message_ms FROM runs WHERE id = ?), timestamp_ms)
        ORDER BY timestamp_ms DESC LIMIT 1""",
        (run.topic, run.partition, run.offset, run.id),
    )
    return lambda: next(map(message_from_row, found.rows), None)
