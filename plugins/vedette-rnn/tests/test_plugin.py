"""What the plugin gives is what its README lists, and to list it loads nothing heavy."""

import re
import subprocess
import sys
from pathlib import Path

from vedette.registry import load_plugins

HEAVY = ("onnxruntime", "openvino", "cv2", "av", "torch")
LISTED = {
    "model": "models",
    "decoder": "postprocessors",
    "stage": "stages",
    "recipe": "recipes",
    "command": "commands",
}


def test_listing_loads_nothing_heavy():
    hooks = ("postprocessors", "stages", "results", "models", "recipes", "commands")
    calls = "; ".join(f"[spec.name for spec in p.vedette_{hook}()]" for hook in hooks)
    code = f"import sys; import vedette_rnn.plugin as p; {calls}; print({{*{HEAVY}}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_readme_lists_what_there_is():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    rows = re.findall(r"^\| (\w+) \| `(?:vedette )?([\w-]+)` \|", readme, re.MULTILINE)
    registry = load_plugins()
    there = {
        (kind, name)
        for kind, slot in LISTED.items()
        for name, spec in getattr(registry, slot).items()
        if ":" not in name and "vedette-rnn" in str(registry.provider(spec))
    }
    assert set(rows) == there
