"""Data and runs that tests of training share."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vedette.bundle.samples import encode_png

TESTS = Path(__file__).parent
CLASSES = ("dark", "light", "striped")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """``train/CLASS/NN.png``: three classes that can be told apart, with noise; 32 of each."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (root / "train" / name).mkdir(parents=True)
        for number in range(32):
            picture = np.full((14, 16, 3), {"dark": 70, "light": 180, "striped": 125}[name], float)
            if name == "striped":
                picture[4:10] += 60
                picture[:4] -= 60
            noisy = (picture + rng.normal(0, 25, picture.shape)).clip(0, 255).astype(np.uint8)
            (root / "train" / name / f"{number:02}.png").write_bytes(encode_png(noisy))
    return root


@pytest.fixture(scope="session")
def vedette():
    """Run ``vedette --plugin tiny_recipe ...`` in a process of its own."""

    def run(*arguments, **environment) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "vedette", "--plugin", "tiny_recipe", *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def tiny():
    """The module ``tiny_recipe``."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("tiny_recipe", TESTS / "tiny_recipe.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
