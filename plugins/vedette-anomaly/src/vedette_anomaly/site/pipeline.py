"""A pipeline to begin with, for the model of one site."""

from __future__ import annotations

import json
from pathlib import Path

_TEXT = """\
# What is unusual in front of this camera. Put its address in place of the video, and run it:
#   vedette run {own}

[[stream]]
name = "camera"
source = {video}

[[stage]]
name = "model"
bundle = {bundle}

[[stage]]
name = "score"
use = "anomaly_smooth"
takes = {{ anomaly = "model" }}

[[stage]]
name = "alarm"
use = "anomaly_events"
takes = {{ anomaly = "score" }}

[[sink]]
use = "jsonl"
params = {{ path = "anomalies-{{start}}.jsonl" }}
"""


def pipeline_toml(bundle: Path, video: Path) -> str:
    """The text of ``pipeline.toml`` beside ``bundle``."""
    return _TEXT.format(
        own=bundle.with_name("pipeline.toml"),
        video=json.dumps(str(video.resolve())),
        bundle=json.dumps(f"./{bundle.name}"),
    )
