"""The mend of torchvision's import, both ways, in interpreters of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def with_module(folder: Path) -> str:
    """Code that finds the torchvision of `folder` first and loads the mend alone, without its room."""
    return (
        f"import sys, importlib.util; sys.path.insert(0, {str(folder)!r})\n"
        "spec = importlib.util.spec_from_file_location('mend', 'cxrtriage/nets/torchvision_import.py')\n"
        "mend = importlib.util.module_from_spec(spec); spec.loader.exec_module(mend)\n"
    )


def test_after_the_mend_models_and_transforms_work():
    result = run(
        "from cxrtriage.nets.torchvision_import import import_torchvision\n"
        "import_torchvision()\n"
        "import torch, torchvision\n"
        "from torchvision.transforms import v2\n"
        "import pytorch_grad_cam\n"
        "print(torchvision.models.mobilenet_v2()(torch.zeros(1, 3, 64, 64)).shape[1])\n"
    )
    assert result.stdout.strip() == "1000", result.stderr


def test_a_torchvision_that_imports_is_left_alone(tmp_path):
    (tmp_path / "torchvision.py").write_text("mark = 'untouched'\n")
    result = run(
        with_module(tmp_path) + "mend._declare_schemas = lambda: sys.exit('mended without need')\n"
        "print(mend.import_torchvision().mark)\n"
    )
    assert result.stdout.strip() == "untouched", result.stderr


def test_another_error_of_the_import_is_not_hidden(tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('something else')\n")
    result = run(with_module(tmp_path) + "mend.import_torchvision()\n")
    assert "something else" in result.stderr


def test_a_half_imported_torchvision_is_mended(tmp_path):
    """A torchvision that dies on the missing operator once, as beside a CPU build of torch."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "import torch\n"
        "try:\n"
        "    torch.ops.torchvision.nms.default\n"
        "except (AttributeError, RuntimeError):\n"
        "    raise RuntimeError('operator torchvision::nms does not exist')\n"
        "mark = 'mended'\n"
    )
    result = run(with_module(tmp_path) + "print(mend.import_torchvision().mark)\n")
    assert result.stdout.strip() == "mended", result.stderr
