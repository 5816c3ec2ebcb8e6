"""A million frames through a line that drops, doubles, damages and swaps each 1 % of them, in both directions.

``python link_faults.py [--frames 1000000] [--share 0.01] [--seed 1]`` prints one JSON object; exit status 1 if anything
was lost, doubled, wrong, out of order, or ended the session. ``cpu_s`` is of both ends and the simulated line together.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "vlp"))
from line import SIDES, Faults
from pair import Traffic, paired, settle

from vedette_bridge.vlp.config import Limits


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--frames", type=int, default=1_000_000, help="in both directions together")
    arguments.add_argument("--low", type=int, default=64, help="bytes of the shortest payload")
    arguments.add_argument("--high", type=int, default=4096, help="bytes of the longest payload")
    arguments.add_argument("--share", type=float, default=0.01, help="of frames that each fault hits")
    arguments.add_argument("--baud", type=int, help="pace the line; without, bytes take no time")
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()

    line = paired(
        Limits(maxpl=max(64, chosen.high)),
        faults=Faults.each(chosen.share),
        seed=chosen.seed,
        baud=chosen.baud,
        start_baud=chosen.baud,
    )
    traffic = Traffic(line, chosen.frames // 2, chosen.low, chosen.high)
    begin_s, begin_us = time.process_time(), line.now_us
    complete = traffic.run(10**15, lambda: bool(traffic.downs)) and settle(line)
    cpu_s = time.process_time() - begin_s
    ok = complete and not traffic.wrong and not traffic.downs and set(traffic.got.values()) == {traffic.count}
    result = {
        "ok": ok,
        "frames": 2 * traffic.count,
        "payload_bytes": traffic.bytes,
        "received": traffic.got,
        "wrong_or_out_of_order": traffic.wrong,
        "sessions_lost": len(traffic.downs),
        "cpu_s": round(cpu_s, 2),
        "cpu_us_per_frame": round(cpu_s / (2 * traffic.count) * 1e6, 1),
        "virtual_s": round((line.now_us - begin_us) / 1e6, 2),
        "faults": {side: dict(line.ways[side].counts) for side in SIDES},
        "statistics": {side: line.links[side].statistics() for side in SIDES},
        "seed": chosen.seed,
    }
    print(json.dumps(result, indent=2))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
