"""
Ids that come from their cause, and the order of ids.

`event_id` = session / stage / id of the direct cause without its session / key / output index. The cause names only what no
partitioning changes: exchange, symbol and the feed's sequence for a market record; `timer`, name, key, deadline for a timer;
`command` and its id for a command. Output indexes count per cause and key over all topics, so an id is unique over all topics.
"""


def market_id(session: str, exchange: str, symbol: str, sequence: int) -> str:
    """The id of a record that a feed writes; `sequence` counts the feed's records of that symbol from 0."""
    return f"{session}/feed/{exchange}/{symbol}/{sequence}"


def timer_cause(name: str, key: str, deadline: int) -> str:
    """What a timer's outputs name as their cause; `deadline` in microseconds."""
    return f"timer/{name}/{key}/{deadline}"


def cause_of(event_id: str) -> str:
    """An id without its session: what outputs caused by that record carry inside their own ids."""
    return event_id.partition("/")[2]


def output_id(session: str, stage: str, cause: str, key: str, index: int) -> str:
    """The id of the output number `index` (from 0) for `key` that `cause` made in `stage`."""
    return f"{session}/{stage}/{cause}/{key}/{index}"


def session_of(event_id: str) -> str:
    """The session that an id belongs to."""
    return event_id.partition("/")[0]


def order_key(event_id: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts ids field by field, numbers as numbers and before words."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in event_id.split("/"))
