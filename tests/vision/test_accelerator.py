import subprocess
import sys

import pytest

from vedette.vision import accelerator

RESIZE = (
    "import sys, numpy as np; from vedette.vision.resample import resize; image = np.zeros((4, 6), np.uint8);"
)


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", RESIZE + code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_opencv_is_imported_on_first_use_with_one_thread():
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    code = """
import vedette.vision.preprocess
print("cv2" in sys.modules)
resize(image, (3, 2), "bilinear")
print(sys.modules["cv2"].getNumThreads())
"""
    assert run(code) == ["False", "1"]


def test_threads_of_a_program_that_uses_opencv_itself_are_left_alone():
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    code = """
import cv2, logging
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(name)s")
cv2.setNumThreads(2)
resize(image, (3, 2), "bilinear")
print(cv2.getNumThreads())
"""
    assert run(code) == ["vedette.vision", "2"]


def test_without_opencv_numpy_does_it_all():
    code = """
sys.modules["cv2"] = None
from vedette.vision import accelerator
print(resize(image, (3, 2), "bilinear").shape == (2, 3), accelerator.describe())
"""
    assert run(code) == ["True", "numpy"]


def test_reference_only_lasts_for_its_block():
    before = accelerator.opencv()
    with accelerator.reference_only():
        assert accelerator.opencv() is None
        with pytest.raises(KeyError), accelerator.reference_only():
            raise KeyError
        assert accelerator.describe() == "numpy"
    assert accelerator.opencv() is before
