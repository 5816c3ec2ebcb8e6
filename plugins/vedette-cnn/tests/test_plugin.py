import re
import subprocess
import sys
from pathlib import Path

import pluggy
import pytest

from vedette import hookspecs
from vedette.specs import PostprocessSpec
from vedette_cnn import plugin
from vedette_cnn.decoders import DECODERS


def test_the_hook_gives_the_decoders():
    manager = pluggy.PluginManager("vedette")
    manager.add_hookspecs(hookspecs.Specs)
    manager.register(plugin)
    manager.check_pending()

    (specs,) = (list(given) for given in manager.hook.vedette_postprocessors())

    assert tuple(specs) == DECODERS
    names = [spec.name for spec in specs]
    assert names == sorted(set(names))
    assert all(isinstance(spec, PostprocessSpec) and spec.summary for spec in specs)


@pytest.mark.parametrize("call", ["", "; list(p.vedette_postprocessors())"])
def test_listing_loads_nothing_heavy(call):
    code = f"""import sys; import vedette_cnn.plugin as p{call}
print(sorted({{"onnxruntime", "openvino", "cv2", "av", "torch"}} & set(sys.modules)))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_readme_lists_the_decoders():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .* \| `(\w+)`", readme, re.MULTILINE)
    assert rows == [(spec.name, spec.result.__name__) for spec in DECODERS]
    parameters = {name for spec in DECODERS for name in spec.params.__struct_fields__}
    named = set(re.findall(r"`([a-z_]+)(?: = 1)?`", readme.partition("What a bundle")[2]))
    assert named - {"softmax", "sigmoid", "none"} <= parameters
