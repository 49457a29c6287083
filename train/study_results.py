"""The rows of a study between two calls: kept in `results/NAME.json`, shown in `results/NAME.md`."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from train.settings import SettingsError


def kept_rows(path: Path, parts: Collection[str]) -> dict[str, Any]:
    """Figures of an earlier call, each row with these `parts`; nothing where there was none.

    SettingsError where the file is damaged, rather than losing them.
    """
    if not path.is_file():
        return {}
    try:
        rows: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not all(set(parts) <= set(row) for row in rows.values()):
            raise ValueError("rows without figures")
    except (ValueError, AttributeError, TypeError) as error:
        raise SettingsError(f"{path} is damaged ({error}); put it back or delete it.") from error
    return rows


def same_settings(kept: Any, asked: Any) -> bool:
    """Whether a row was measured with the settings asked for. What is None is as what is not there: a setting
    that came to be since, and is off, changes nothing that was measured without it."""
    return bool(_without_none(kept) == _without_none(asked))


def _without_none(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _without_none(value) for name, value in values.items() if value is not None}
    return values


def write_study(results: Path, name: str, rows: dict[str, Any], table: str) -> None:
    """Whole or not at all: a full disk must not lose what earlier calls measured."""
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{name}.json"
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(rows, allow_nan=False) + "\n")
    partial.replace(path)
    (results / f"{name}.md").write_text(table)
