"""No file can bring code along: nothing in the program unpickles, and weights are read as plain tensors."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cxrtriage"
WEIGHTS = PACKAGE.parent / "weights"

FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "builtins.eval", "builtins.exec", "torch.load", "torch.jit.load",
    "torch.hub.load", "torch.hub.load_state_dict_from_url", "pandas.read_pickle",
    "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all",
    "os.system", "os.popen",
}  # fmt: skip
FORBIDDEN_METHODS = {"load_from_checkpoint", "from_pretrained", "read_pickle"}
SAFE_YAML = {"yaml.SafeLoader", "yaml.CSafeLoader"}


def dangers(source: str) -> Iterator[str]:
    """What in a module could run code that a file brings along, by the names it is imported under."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                names[one.asname or one.name.split(".")[0]] = (
                    one.name if one.asname else one.name.split(".")[0]
                )
                if one.name.split(".")[0] in FORBIDDEN_MODULES:
                    yield f"import {one.name}"
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                names[one.asname or one.name] = f"{node.module}.{one.name}"
            if (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
                yield f"from {node.module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _dangers_of_call(node, names)


def _dangers_of_call(node: ast.Call, names: dict[str, str]) -> Iterator[str]:
    called = full_name(node.func, names)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if called in FORBIDDEN_CALLS or called.rsplit(".", 1)[-1] in FORBIDDEN_METHODS:
        yield called
    if "allow_pickle" in given and not _is(given["allow_pickle"], False):
        yield f"{called}(allow_pickle)"
    if called in ("numpy.load", "numpy.lib.format.read_array") and len(node.args) > 2:
        yield f"{called} by position"
    if called == "yaml.load":
        loader = given.get("Loader") or (node.args[1] if len(node.args) > 1 else None)
        if loader is None or full_name(loader, names) not in SAFE_YAML:
            yield called
    if called.startswith("subprocess.") and "shell" in given and not _is(given["shell"], False):
        yield f"{called}(shell)"


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    """`np.load` as `numpy.load`; "" for what is no name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = full_name(node.value, names)
        return f"{before}.{node.attr}" if before else f".{node.attr}"
    return ""


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import joblib as j", "from joblib import load",
        "import dill", "import shelve", "import marshal", "import torch\ntorch.load('a')",
        "from torch import load\nload('a')", "import torch as t\nt.load('a', weights_only=True)",
        "import torch.jit\ntorch.jit.load('a')", "import numpy as np\nnp.load('a', allow_pickle=True)",
        "import numpy\nnumpy.load('a', None, True)", "from numpy import load as l\nl('a', allow_pickle=x)",
        "import yaml\nyaml.load(a)", "import yaml\nyaml.load(a, Loader=yaml.Loader)",
        "from yaml import unsafe_load\nunsafe_load(a)", "eval('1')", "exec('1')", "compile('1', '', 'eval')",
        "Net.load_from_checkpoint('a')", "import pandas as pd\npd.read_pickle('a')",
        "import subprocess\nsubprocess.run('ls', shell=True)", "import os\nos.system('ls')",
        "from transformers import AutoModel\nAutoModel.from_pretrained('a')",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_is_for(source):
    assert list(dangers(source))


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.load('a')", "import numpy as np\nnp.load('a', allow_pickle=False)",
        "import yaml\nyaml.safe_load(a)", "import yaml\nyaml.load(a, Loader=yaml.SafeLoader)",
        "net.eval()", "import re\nre.compile('a')", "import json\njson.load(a)",
        "from safetensors.torch import load_file\nload_file('a')",
    ],
)  # fmt: skip
def test_the_search_finds_nothing_else(source):
    assert not list(dangers(source))


def test_nothing_in_the_program_runs_code_from_a_file():
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 60
    found = {path.name: list(dangers(path.read_text(encoding="utf-8"))) for path in files}
    assert not {name: bad for name, bad in found.items() if bad}


def test_weights_are_read_by_safetensors_alone():
    """One module reads weights into nets, from files that hold tensors and nothing else."""
    readers, takers = set(), set()
    for path in PACKAGE.rglob("*.py"):
        source, place = path.read_text(encoding="utf-8"), path.relative_to(PACKAGE).as_posix()
        if "safetensors" in source:
            readers.add(place)
        if ".load_state_dict(" in source:
            takers.add(place)
    assert readers == {"weights.py"}
    # Nets take states that are handed to them, and know no files (import-linter, and below).
    assert {place for place in takers if not place.startswith("nets/")} == {"weights.py"}
    for path in (PACKAGE / "nets").glob("*.py"):
        assert "pathlib" not in path.read_text(encoding="utf-8")
    kinds = {path.suffix for path in WEIGHTS.iterdir() if path.is_file() and not path.name.startswith(".")}
    assert kinds <= {".safetensors", ".json"}


def test_a_pickle_named_as_weights_is_refused_and_not_run(tmp_path):
    import torch

    from cxrtriage.weights import Card, WeightsError, checksum, load_net, write_card

    ran = tmp_path / "ran"

    class Harm:
        def __reduce__(self):
            return (Path.touch, (ran,))

    path = tmp_path / "net.safetensors"
    pickled = tmp_path / "net.pt"
    torch.save({"weight": Harm()}, pickled)
    torch.load(pickled, weights_only=False)
    assert ran.exists()  # it would do harm
    ran.unlink()
    pickled.rename(path)
    card = Card("net", "task", ("a",), "mobilenet_v2", {}, {}, checksum(path), "none")
    write_card(card, tmp_path)
    assert json.loads((tmp_path / "net.json").read_text())["sha256"] == card.sha256
    with pytest.raises(WeightsError) as caught:
        load_net(card, tmp_path)
    assert caught.value.code == "weights_damaged"
    assert not ran.exists()
