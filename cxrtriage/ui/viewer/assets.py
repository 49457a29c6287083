"""The viewer's markup, style and script, as the strings that Streamlit's component takes.

The script lies in modules that import one another, one thing each. Streamlit takes a single module, so they
are joined here in the order of their imports; there is no other build step.
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
LAST_MODULE = "mount.js"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def markup() -> str:
    return (HERE / "viewer.html").read_text(encoding="utf-8")


def style() -> str:
    return (HERE / "viewer.css").read_text(encoding="utf-8")


def script(last: str = LAST_MODULE) -> str:
    """The module `last` and all that it imports, as one module without imports."""
    joined: dict[str, str] = {}

    def join(name: str) -> None:
        if name in joined:
            return
        source = (HERE / "script" / name).read_text(encoding="utf-8")
        for imported in _IMPORT.findall(source):
            join(imported)
        bare = _IMPORT.sub("", source)
        joined[name] = f"// {name}\n" + (bare if name == last else _EXPORT.sub("", bare))

    join(last)
    return "\n".join(joined.values())
