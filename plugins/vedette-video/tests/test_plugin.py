import subprocess
import sys

import pytest

from vedette.manager import PluginManager
from vedette_video import plugin


def test_loads_and_registers():
    manager = PluginManager(env={}, search_path=[])
    manager.load(["vedette_video.plugin"])
    (state,) = [state for state in manager.active() if state.module == "vedette_video.plugin"]
    assert set(state.hooks) == {"vedette_sources", "vedette_decoders", "vedette_sinks"}


def test_listing_it_loads_no_ffmpeg():
    code = "import sys, vedette_video.plugin; print(sorted({'av', 'cv2', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "spec",
    [*plugin.vedette_sources(), *plugin.vedette_decoders(), *plugin.vedette_sinks()],
    ids=lambda spec: spec.name,
)
def test_every_specification_says_what_it_is(spec):
    assert spec.summary.endswith(".")
