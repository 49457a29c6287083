"""JSON of ours with one part after the other replaced by what should not be there."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

ODD = (None, "x", "", [], {}, -1, 5.0, float("nan"), float("inf"), True, [[]], [["a", {}]], {"a": 1}, 10**400)


def odd_parts(values: Any) -> Iterator[tuple[str, str]]:
    """What was replaced by what, in words, and the JSON: every part of `values`, and the whole, by every odd
    value."""
    for path in _paths(values):
        for odd in ODD:
            yield f"{'.'.join(map(str, path))}: {odd!r:.20}", json.dumps(_with(values, path, odd))


def _paths(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    parts = (
        values.items() if isinstance(values, dict) else enumerate(values if isinstance(values, list) else ())
    )
    for key, part in parts:
        yield from _paths(part, (*path, key))


def _with(values: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    changed = copy.deepcopy(values)
    part = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = odd
    return changed
