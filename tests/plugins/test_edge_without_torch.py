"""What an edge box installs never asks for torch: each of its modules is imported where torch cannot be."""

import importlib.util
import json
import subprocess
import sys

import pytest

EDGE = (
    "vedette",
    "vedette_onnxruntime",
    "vedette_openvino",
    "vedette_video",
    "vedette_cnn",
    "vedette_rnn",
    "vedette_anomaly",
    "vedette_tracking",
    "vedette_delivery",
    "vedette_face",
    "vedette_bridge",
)
SERVER_SIDE = ("recipes", "vedette_rnn.packing", "vedette_anomaly.site")
"""What trains and packs lies in subpackages of its own, which the extra ``torch`` is for."""
FORBIDDEN = ("vedette_torch", "torch", "torchvision", "lightning_fabric", "torchmetrics", "kornia", "nncf")

PROGRAM = """
import importlib, importlib.abc, json, pkgutil, sys

package, forbidden, server_side = json.loads(sys.argv[1])

class Forbid(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in forbidden:
            raise AssertionError(f"{name} is asked for")

sys.meta_path.insert(0, Forbid())

def modules(package):
    yield package
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if not {found.name, found.name.rpartition(".")[2]} & {*server_side, "__main__"}:  # which runs the program
            yield from modules(found.name) if found.ispkg else [found.name]

names = list(modules(package))
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize("package", EDGE)
def test_no_module_of_the_edge_imports_torch(package):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package.replace('_', '-')}: pip install it")
    told = json.dumps([package, FORBIDDEN, SERVER_SIDE])
    done = subprocess.run([sys.executable, "-c", PROGRAM, told], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 3
