"""Every hook of Vedette, from top to bottom. A plugin is a module that implements some of them.

Each docstring holds a complete plugin. Write it to a module, and announce the module in your ``pyproject.toml``::

    [project.entry-points."vedette.plugins"]
    mine = "my_package.plugin"

The rules, which hold for every hook:

* The hooks that register something take no argument and return an iterable of specifications: data, see
  :mod:`vedette.specs`. They are called once, when plugins are loaded. Import heavy libraries inside the factories.
* A name is lower case (``a-z 0-9 _ . -``) and belongs to the plugin that claims it first.
* A plugin is used as a whole or not at all: after one error everything that it registers is withdrawn,
  ``vedette plugins`` gives the reason, and a pipeline that needs it stops with that reason.
* An implementation may leave out arguments that it does not need. Defaults, keyword-only arguments, ``*args``,
  ``**kwargs`` and hook wrappers are refused.
* No hook is called per frame; what a hook hands over is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from vedette.specs import (
    BackendSpec,
    Candidate,
    CommandSpec,
    DecoderSpec,
    ModelSpec,
    PostprocessSpec,
    PreprocessSpec,
    RecipeSpec,
    ResultSpec,
    SinkSpec,
    SourceSpec,
    StageSpec,
)

if TYPE_CHECKING:
    from vedette.bundle.bundle import Bundle
    from vedette.pipeline.plan import Plan
    from vedette.pipeline.run import Pipeline

hookspec = pluggy.HookspecMarker("vedette")
hookimpl = pluggy.HookimplMarker("vedette")
"""Marks a function of a plugin as the implementation of the hook of the same name."""


class Specs:
    """The hooks."""

    # --- the three parts of a model stage -------------------------------------------------------------------------

    @hookspec
    def vedette_preprocessors(self) -> Iterable[PreprocessSpec]:
        """Ways to turn the pixels of a region into a model's input tensor.

        Named by a bundle's feed, or by ``preprocess = ...`` of a ``[[stage]]``.

        ```python
        import msgspec
        import numpy as np

        from vedette import PreprocessSpec, hookimpl


        class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
            gain: float = 1.0


        class Brightness:
            '''Fills a (1,) float32 input with the mean brightness of the region, 0..255, times ``gain``.'''

            def __init__(self, params, tensor):
                self.gain = params.gain

            def write(self, frame, roi, out):
                corners = roi.affine @ [[0, roi.size_wh[0]], [0, roi.size_wh[1]], [1, 1]]
                x0, y0 = np.clip(corners[:, 0], 0, frame.size_wh).astype(int).tolist()
                x1, y1 = np.clip(corners[:, 1], 0, frame.size_wh).astype(int).tolist()
                out[...] = frame.view("gray8", rect=(x0, y0, x1 - x0, y1 - y0)).mean() * self.gain
                return roi.affine


        @hookimpl
        def vedette_preprocessors():
            return [
                PreprocessSpec(name="brightness", summary="Mean brightness.", params=Params, build=Brightness)
            ]
        ```
        """
        raise NotImplementedError

    @hookspec
    def vedette_backends(self) -> Iterable[BackendSpec]:
        """Runtimes. ``open`` loads a model; the session keeps the contract of :class:`vedette.specs.Session`.

        Chosen by the plan among those that read the format of a bundle's variant, or by ``backend = ...``.

        ```python
        import numpy as np

        from vedette import BackendSpec, hookimpl
        from vedette.specs import Device, TensorInfo


        def load(files, device, execution, options):
            from vedette.testing.session import FunctionSession  # where a plugin imports its runtime

            weights = np.loadtxt(files.model, dtype=np.float32, ndmin=2)
            return FunctionSession(
                lambda inputs: {"y": inputs["x"] @ weights},
                inputs={"x": TensorInfo(name="x", dtype="float32", shape=(1, weights.shape[0]))},
                outputs={"y": TensorInfo(name="y", dtype="float32", shape=(1, weights.shape[1]))},
                backend="matrix",
            )


        @hookimpl
        def vedette_backends():
            return [
                BackendSpec(
                    name="matrix",
                    summary="Multiplies by a matrix in a text file.",
                    formats=("matrix",),
                    probe=lambda: None,
                    version=lambda: np.__version__,
                    devices=lambda: (Device(name="cpu", detail="numpy"),),
                    open=load,
                )
            ]
        ```
        """
        raise NotImplementedError

    @hookspec
    def vedette_postprocessors(self) -> Iterable[PostprocessSpec]:
        """Decoders: pure functions from a model's raw outputs to a result.

        Named by a bundle's ``decoder``, or by ``postprocess = ...`` of a ``[[stage]]``.

        ```python
        import numpy as np

        from vedette import Embedding, PostprocessSpec, hookimpl


        def build(labels):
            def unit_vectors(outputs, affines, size_wh, params):
                (raw,) = outputs.values()
                vector = raw.astype(np.float32) / np.linalg.norm(raw, axis=1, keepdims=True).clip(1e-12)
                return Embedding(vector=vector, source_row=np.arange(len(vector), dtype=np.int32))

            return unit_vectors


        @hookimpl
        def vedette_postprocessors():
            return [
                PostprocessSpec(name="unit", summary="L2-normalised vectors.", result=Embedding, build=build)
            ]
        ```
        """
        raise NotImplementedError

    # --- what else a pipeline is made of --------------------------------------------------------------------------

    @hookspec
    def vedette_models(self) -> Iterable[ModelSpec]:
        """Bundles that a distribution carries, so that a ``[[stage]]`` can say ``bundle = "shapes"``, as can ``Model``,
        ``vedette run`` and the other commands. An installed model of the same name goes before it.

        ```python
        from pathlib import Path

        from vedette import ModelSpec, hookimpl


        def locate():
            return Path(__file__).parent / "bundles" / "shapes-1.0.0.vedette"


        @hookimpl
        def vedette_models():
            return [ModelSpec(name="shapes", summary="Circles and squares.", task="detection", locate=locate)]
        ```
        """
        raise NotImplementedError

    @hookspec
    def vedette_stages(self) -> Iterable[StageSpec]:
        """User code between the models: trackers, zones, rules. Named by ``use = ...`` of a ``[[stage]]``.

        ```python
        from vedette import Detections, EventDraft, StageOutput, StageSpec, hookimpl


        class Presence:
            '''Raises an event when something appears on a stream where nothing was.'''

            def start(self, stream):
                return {"occupied": False}

            def process(self, inputs, state):
                before, state["occupied"] = state["occupied"], len(inputs.results["boxes"]) > 0
                appeared = state["occupied"] and not before
                return StageOutput(events=(EventDraft(kind="presence.started"),) if appeared else ())


        @hookimpl
        def vedette_stages():
            return [
                StageSpec(
                    name="presence",
                    summary="An event when something appears.",
                    takes={"boxes": Detections},
                    ordered=True,
                    build=lambda params: Presence(),
                )
            ]
        ```
        """
        raise NotImplementedError

    @hookspec
    def vedette_sources(self) -> Iterable[SourceSpec]:
        """Where images come from. The source whose ``matches(uri)`` is highest reads a ``[[stream]]``.

        ```python
        import time

        import numpy as np

        from vedette import Capture, Clock, EndOfStream, Packed, SourceInfo, SourceSpec, hookimpl


        class Grey:
            '''``grey://25`` gives 25 grey images of 64 x 48 pixels.'''

            def __init__(self, count):
                self.info = SourceInfo(live=False, size_wh=(64, 48), frames=count)
                self.count, self.seq = count, 0

            def read(self, timeout_s):
                if self.seq == self.count:
                    raise EndOfStream
                clock = Clock(mono_ns=time.monotonic_ns(), wall_ns=time.time_ns())
                self.seq += 1
                return Capture(
                    image=Packed("gray8", np.full((48, 64), 128, np.uint8)), clock=clock, seq=self.seq - 1
                )

            def close(self):
                pass


        @hookimpl
        def vedette_sources():
            return [
                SourceSpec(
                    name="grey",
                    summary="Grey images.",
                    matches=lambda uri: 10 if uri.startswith("grey://") else 0,
                    open=lambda uri, params: Grey(int(uri.removeprefix("grey://"))),
                )
            ]
        ```
        """
        raise NotImplementedError

    @hookspec
    def vedette_decoders(self) -> Iterable[DecoderSpec]:
        r"""Decoders of compressed still images, found by their ``fourcc``. Called after the drop decision.

        ```python
        import numpy as np

        from vedette import DecoderSpec, Packed, SourceError, hookimpl


        def build():
            def portable_graymap(image):
                magic, size, depth, pixels = image.data.split(b"\n", 3)
                w, h = (int(word) for word in size.split())
                if (magic, depth, len(pixels)) != (b"P5", b"255", w * h):
                    raise SourceError("not a binary 8-bit PGM image")
                return Packed("gray8", np.frombuffer(pixels, np.uint8).reshape(h, w))

            return portable_graymap


        @hookimpl
        def vedette_decoders():
            return [DecoderSpec(name="pgm", summary="Portable graymap.", fourccs=("PGM ",), build=build)]
        ```
        """
        raise NotImplementedError

    @hookspec
    def vedette_sinks(self) -> Iterable[SinkSpec]:
        r"""Where packets and events go. Named by ``use = ...`` of a ``[[sink]]``.

        ```python
        import msgspec

        from vedette import SinkSpec, hookimpl


        class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
            path: str


        class Tally:
            '''Writes the number of packets and events to a file.'''

            def __init__(self, params):
                self.file = open(params.path, "w", encoding="utf-8")
                self.packets = self.events = 0

            def write(self, packet):
                self.packets += 1

            def write_event(self, event):
                self.events += 1

            def close(self):
                if not self.file.closed:
                    self.file.write(f"{self.packets} packets, {self.events} events\n")
                    self.file.close()

            abort = close


        @hookimpl
        def vedette_sinks():
            return [SinkSpec(name="tally", summary="Counts.", params=Params, open=Tally)]
        ```
        """
        raise NotImplementedError

    @hookspec
    def vedette_results(self) -> Iterable[ResultSpec]:
        """Result types of a plugin, so that what a sink wrote can be read back. ``name`` equals the type's ``type``.

        ```python
        from dataclasses import dataclass
        from typing import ClassVar

        import numpy as np

        from vedette import Column, Result, ResultSpec, hookimpl


        @dataclass(frozen=True, kw_only=True, eq=False)
        class Depth(Result):
            '''``metres (n,) float32``: the distance of each row.'''

            type: ClassVar[str] = "depth"
            columns: ClassVar = {"metres": Column(np.float32)}

            metres: np.ndarray


        @hookimpl
        def vedette_results():
            return [ResultSpec(name="depth", summary="Distances in metres.", result=Depth)]
        ```
        """
        raise NotImplementedError

    @hookspec
    def vedette_commands(self) -> Iterable[CommandSpec]:
        """Subcommands of ``vedette``. ``build`` is called when the command is used.

        ```python
        from vedette import CommandSpec, hookimpl


        def build():
            import click

            @click.command()
            @click.argument("name")
            def greet(name):
                '''Greet NAME.'''
                click.echo(f"Hello {name}")

            return greet


        @hookimpl
        def vedette_commands():
            return [CommandSpec(name="greet", summary="Greet somebody.", build=build)]
        ```
        """
        raise NotImplementedError

    @hookspec
    def vedette_recipes(self) -> Iterable[RecipeSpec]:
        """Ways to train a model, for the server side; an edge box lists them and never builds one.

        ```python
        from vedette import RecipeSpec, hookimpl


        def build():
            from my_training import Recipe  # imports torch: only when somebody trains

            return Recipe()


        @hookimpl
        def vedette_recipes():
            return [RecipeSpec(name="tiny", summary="A tiny classifier.", task="classification", build=build)]
        ```
        """
        raise NotImplementedError

    # --- policy and notices ---------------------------------------------------------------------------------------

    @hookspec(firstresult=True)
    def vedette_rank_candidates(
        self, bundle: Bundle, candidates: tuple[Candidate, ...]
    ) -> Sequence[Candidate] | None:
        """Put the ways to run a bundle in order, the best first; ``None`` leaves the question to the next plugin.

        Called while a plan is built, unless the configuration settles it. The plugin that was loaded last is asked
        first (``hookimpl(tryfirst=True)`` jumps the queue), and the first answer counts: all the candidates, each
        once. It beats the tuned plan and the static order. An implementation that raises or answers something else
        is blamed in the log, and the next one is asked.

        ```python
        from vedette import hookimpl


        @hookimpl
        def vedette_rank_candidates(candidates):
            return sorted(candidates, key=lambda candidate: candidate.device != "npu")  # a stable sort
        ```
        """

    @hookspec
    def vedette_check_ext(self, ext: Mapping[str, Any]) -> None:
        """Check what a bundle says under ``ext`` for your distribution; raise if it is wrong.

        Called whenever a model is loaded from a bundle with such an entry, with the entry of the plugin's own
        distribution and no other. An entry of a distribution that checks nothing here refuses the bundle: nobody would
        answer for it.

        ```python
        import msgspec

        from vedette import hookimpl


        class Ext(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
            floor_plan: str


        @hookimpl
        def vedette_check_ext(ext):
            msgspec.convert(ext, Ext)
        ```
        """

    @hookspec
    def vedette_plan_built(self, plan: Plan) -> None:
        """A plan was built and is about to run. An error is blamed in the log, and the plan runs.

        ```python
        import logging

        from vedette import hookimpl

        logger = logging.getLogger("plans")


        @hookimpl
        def vedette_plan_built(plan):
            logger.warning("about to run %s", plan)
        ```
        """

    @hookspec
    def vedette_pipeline_closed(self, pipeline: Pipeline, error: Exception | None) -> None:
        """A pipeline has ended: every sink is closed. ``error`` is what stopped it, ``None`` after a normal end.

        ```python
        import logging

        from vedette import hookimpl

        logger = logging.getLogger("closings")


        @hookimpl
        def vedette_pipeline_closed(error):
            logger.warning("ended: %s", error or "normally")
        ```
        """
