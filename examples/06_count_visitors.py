"""Count visitors: run 06_count_visitors.toml on your own film and print what happened.

python examples/06_count_visitors.py MODEL.vedette VIDEO
"""

import sys
import tomllib
from collections import Counter
from pathlib import Path

from vedette import Packet, Pipeline

PLAIN = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))


def main(model: str, video: str) -> None:
    PLAIN["stream"][0]["source"] = str(Path(video).resolve())
    PLAIN["stage"][0]["bundle"] = str(Path(model).resolve())
    PLAIN["sink"] = []
    crossed: Counter[str] = Counter()

    def watch(packet: Packet) -> None:
        for event in packet.events:
            at_s = (packet.frame.clock.media_ns or 0) / 1e9
            place = event.data.get("line") or event.data["zone"]
            print(f"{at_s:7.1f} s  {event.kind:<13} {place:<5} #{event.data['track_id'] % 1000:03d}")
            if event.kind == "line.crossed":
                crossed[event.data["direction"]] += 1

    with Pipeline.from_dict(PLAIN) as pipeline:
        pipeline.observe(watch)
        pipeline.run()
    print(f"through the door: {crossed['in']} in, {crossed['out']} out")


if __name__ == "__main__":
    main(*sys.argv[1:])
