"""The way from normal video to an installed bundle, step by step; it can be interrupted, and goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vedette.bundle.store import ModelStore
from vedette.errors import VedetteError
from vedette.registry import Registry
from vedette_anomaly.recipes.footage import Footage, WindowSample, hold_back, read_footage
from vedette_anomaly.recipes.next_frame import NextFrame, NextFrameSettings
from vedette_anomaly.site.finish import Learnt, Say, finish, prove
from vedette_anomaly.site.pipeline import pipeline_toml
from vedette_anomaly.site.suitable import check_footage, look_at_footage
from vedette_torch.data.footage import read_clip
from vedette_torch.pictures import PictureLoader
from vedette_torch.recipe import Splits
from vedette_torch.training import Hardware, train


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be fitted.

    Attributes
    ----------
    videos
        Normal footage, nothing else.
    folder
        For the training, the bundle and a pipeline; what is there already is gone on with.
    name
        Of the bundle.
    settings
        Of the training. ``size_wh`` and ``validation`` are those of the model and of the share that is held back.
    minutes
        How much of each video is used; ``None``: all.
    per_day
        False alarms.
    """

    videos: Sequence[Path]
    folder: Path
    name: str
    settings: NextFrameSettings
    minutes: float | None
    per_day: float


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What came of it."""

    bundle: Path
    pipeline: Path


class OneSite(NextFrame):
    """The recipe, with footage that was read and checked before."""

    def __init__(self, learnt: Sequence[Footage], held: Sequence[Footage]) -> None:
        self._learnt, self._held = learnt, held

    def read(self, data: Path, settings: NextFrameSettings) -> Splits[WindowSample]:
        return self.splits(self._learnt, self._held, settings)


def fit(request: Request, registry: Registry, say: Say) -> Fitted:
    """Learn, find the limit, pack and prove.

    Raises
    ------
    VedetteError
        The footage cannot be read or is not fit to learn from, the training failed, or the bundle does not compute
        here what it should.
    """
    settings = request.settings
    say(f"reading {', '.join(map(str, request.videos))}")
    learnt, held = read_site(request)
    look = look_at_footage([*learnt, *held], settings.rate_hz)
    say(f"    {look}, {settings.size_wh[0]} x {settings.size_wh[1]} at {settings.rate_hz:g} Hz")
    check_footage(look)
    say(f"learning what is usual; goes on after an interruption ({request.folder})")
    recipe = OneSite(learnt, held)
    done = train(
        recipe,
        request.videos[0],
        request.folder / "run",
        settings=settings,
        hardware=Hardware(accelerator="auto", cache_mb=0),
        resume=True,
        say=say,
    )
    learnt_site = Learnt(
        recipe=recipe,
        settings=settings,
        network=done.network,
        held=held,
        videos=tuple(path.name for path in request.videos),
    )
    bundle = finish(learnt_site, request.folder, request.name, request.per_day, registry, say)
    pipeline = request.folder / "pipeline.toml"
    pipeline.write_text(pipeline_toml(bundle, request.videos[0]), encoding="utf-8")
    return Fitted(bundle=bundle, pipeline=pipeline)


def read_site(request: Request) -> tuple[list[Footage], list[Footage]]:
    """What is learnt from, and the end of each piece, which is held back."""
    settings = request.settings
    loader = PictureLoader(NextFrame().inputs(settings))
    most = None if request.minutes is None else round(request.minutes * 60 * settings.rate_hz)
    found = [item for path in request.videos for item in read_footage(path, loader, settings.temporal, most)]
    parts = [hold_back([item], settings.validation) for item in found if len(item) > settings.past]
    return [item for learnt, _ in parts for item in learnt], [item for _, held in parts for item in held]


def install(fitted: Fitted, registry: Registry, say: Say) -> None:
    """Put it to use on this machine, under its name."""
    model = ModelStore().install(fitted.bundle, prove=partial(prove, registry=registry, say=say))
    say(f"installed {model.name}")


def site_size(video: Path, width: int) -> tuple[int, int]:
    """The size of the network's pictures: that of the video, or ``width`` pixels wide if it is wider; in multiples of
    the network's stride."""
    frame = next(read_clip(video), None)
    if frame is None:
        raise VedetteError(f"{video} holds no picture", fix="give normal footage of the camera")
    factor = min(1.0, width / frame.size_wh[0])
    stride = NextFrame.stride
    across, down = (max(round(side * factor / stride), 1) * stride for side in frame.size_wh)
    return across, down
