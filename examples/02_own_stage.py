"""A stage of your own, in one file: it raises an event when people come and when they are gone.

    python examples/02_own_stage.py MODEL.vedette VIDEO

As a plugin of a distribution it would be found by itself; here the file names itself as an extra module, just as
`vedette --plugin MODULE run pipeline.toml` does.
"""

import sys
from dataclasses import dataclass

import msgspec

from vedette import Detections, EventDraft, Pipeline, StageOutput, StageSpec, hookimpl, load_plugins

PERSON = 0


class PresenceParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``patience``: frames without anybody after which they are gone."""

    patience: int = 10


@dataclass
class Seen:
    """The state of one stream."""

    present: bool = False
    empty: int = 0


class Presence:
    def __init__(self, params: PresenceParams) -> None:
        self.patience = params.patience

    def start(self, stream: str) -> Seen:
        return Seen()

    def process(self, inputs, state: Seen) -> StageOutput | None:
        people = int((inputs.results["boxes"].class_id == PERSON).sum())
        state.empty = 0 if people else state.empty + 1
        if state.present == (state.empty < self.patience):
            return None
        state.present = not state.present
        kind = "presence.began" if state.present else "presence.ended"
        return StageOutput(events=(EventDraft(kind=kind, subject="people", data={"people": people}),))


@hookimpl
def vedette_stages() -> list[StageSpec]:
    return [
        StageSpec(
            name="presence",
            summary="says when people come and go",
            params=PresenceParams,
            build=Presence,
            takes={"boxes": Detections},
            ordered=True,
        )
    ]


def main(bundle: str, video: str) -> None:
    config = {
        "stream": [{"name": "camera", "source": video}],
        "stage": [
            {"name": "detect", "bundle": bundle, "every": 2, "params": {"confidence_threshold": 0.5}},
            {"name": "presence", "use": "presence", "takes": {"boxes": "detect"}},
        ],
    }
    with Pipeline.from_dict(config, registry=load_plugins([__name__])) as pipeline:
        pipeline.observe(lambda packet: [print(packet.frame.ticket, event.kind) for event in packet.events])
        pipeline.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
