"""The schema of ``pipeline.toml``: one for files and for Python. Strict: an unknown entry is an error with its path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from vedette.bundle.trust import SignaturePolicy
from vedette.errors import ConfigError
from vedette.proof.policy import Policy
from vedette.secrets import redacted
from vedette.specs import Precision

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]
Positive = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
OnError = Literal["skip", "fallback", "stop"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every table."""


class Reopen(Entry, frozen=True, kw_only=True):
    """``reopen = { ... }``: how a source that failed is opened again. All times in seconds.

    Attributes
    ----------
    within_s
        Longest pause between two attempts in the first ``eager_s`` of an outage.
    eager_s
        Afterwards pauses grow, by half of the time that has passed since.
    max_s
        The longest pause of all.
    times
        How often it may be opened again altogether; default: without limit.
    give_up_s
        The stream ends with the error when an outage has lasted so long; default: never.
    silent_s
        A source that gives no picture for so long has failed; default: only the source itself says so.
    at_start
        Whether the program also starts while the source cannot be opened; else that is an error. For cameras only.
    """

    within_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 0.75
    eager_s: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    max_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 30.0
    times: Annotated[int, msgspec.Meta(ge=0)] | None = None
    give_up_s: Annotated[float, msgspec.Meta(ge=0)] | None = None
    silent_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    at_start: bool = False


class Isolate(Entry, frozen=True, kw_only=True):
    """``isolate = { ... }``: the child process in which a source is opened, read and decoded.

    Attributes
    ----------
    timeout_s
        A child that answers nothing for so long has failed: it is killed.
    open_s
        The same while it starts and opens the source.
    memory_mb
        Limit of its address space in MiB, libraries and shared pictures included; default: none.
    picture_mb
        The largest picture in MiB of pixels. Memory is used only for what pictures really need.
    """

    timeout_s: Annotated[float, msgspec.Meta(ge=1)] = 10.0
    open_s: Annotated[float, msgspec.Meta(ge=1)] = 30.0
    memory_mb: Annotated[int, msgspec.Meta(ge=64, le=2**24)] | None = None
    picture_mb: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 32


class Stream(Entry, frozen=True, kw_only=True):
    """``[[stream]]``: one camera or file.

    Attributes
    ----------
    name
        Unique name.
    source
        Path, glob or URL.
    use
        Source plugin to take, where several could read ``source``.
    max_age_ms
        Live sources: an image older than this when its turn comes is dropped (reason ``stale``).
    in_flight
        Most frames of this stream in the pipeline at once; default: enough to keep every worker and request busy.
    reopen
        What happens when the source fails: ``"never"``: the stream ends with the error; a table: it is opened again. By
        default live sources are, and files are not. A file begins anew.
    isolate
        Whether the source is opened, read and decoded in a child process, for media that nobody vouches for; or a
        table.
    record
        Folder to record the stream to, so that this run can be repeated: new or empty. ``{stream}`` and ``{start}`` are
        replaced (:class:`vedette.sinks.output.OutputPath`).
    record_max_mb
        The recording ends before it grows beyond so many megabytes (10^6 bytes); default: no bound.
    params
        Parameters of the source plugin.
    """

    name: Name
    source: str
    use: str | None = None
    max_age_ms: Annotated[float, msgspec.Meta(gt=0)] = 1000.0
    in_flight: Positive | None = None
    reopen: Literal["never"] | Reopen | None = None
    isolate: bool | Isolate = False
    record: str | None = None
    record_max_mb: Annotated[float, msgspec.Meta(gt=0)] | None = None
    params: dict[str, Any] = {}

    def __repr__(self) -> str:
        """Without what the address has of users and passwords."""
        shown = msgspec.structs.replace(self, source=redacted(self.source))
        return msgspec.Struct.__repr__(shown)


class SaliencyEvidence(Entry, frozen=True, kw_only=True, tag="saliency", tag_field="kind"):
    """``evidence = { kind = "saliency", ... }``: maps of what speaks for the model's answer (:mod:`vedette.explain`).

    Attributes
    ----------
    method
        ``activation`` costs one more inference and needs a bundle that offers it, ``occlusion`` one for each cell of
        the map; ``auto``: the first where it is offered.
    cells
        Of occlusion: cells along the longer side.
    every_s
        Least time between two frames of a stream that are explained, in seconds of their clock. Events in between go
        without, and the summary counts them.
    most
        Answers that are explained in one frame; further events go without.
    """

    method: Literal["auto", "occlusion", "activation"] = "auto"
    cells: Annotated[int, msgspec.Meta(ge=2, le=64)] = 12
    every_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    most: Positive = 3


class Stage(Entry, frozen=True, kw_only=True):
    """``[[stage]]``: a model (``bundle``) or a stage plugin (``use``).

    Attributes
    ----------
    name
        Unique name; later stages and sinks refer to it.
    bundle
        Path of a bundle, or the name of an installed model (``./NAME`` is always a path).
    use
        Name of a stage plugin.
    streams
        The streams it works on; default all.
    takes
        Role to stage: which results it takes.
    on
        Short for ``takes = { boxes = ... }``: look at each box of that stage instead of the whole frame.
    every
        Look at every n-th frame only; the others say "not run".
    on_error
        ``skip``: this packet goes on without it; ``fallback``: as skip, and move to the next candidate that can run the
        model; ``stop``: end the pipeline with the error.
    quarantine_after
        Errors in a row after which the stage is no longer called.
    params
        Parameters of the stage plugin, or of the bundle's decoder (over the bundle's own).
    preprocess, postprocess, backend
        Replace one of the three parts of the model by another plugin's.
    preprocess_params
        Parameters of the replaced preprocessor; default: the bundle's.
    device
        ``auto``, one device, or several in order of preference.
    allow_fallback
        Whether a device other than the first may be used (said in the log and the summary) or is an error.
    reference
        Picture file: what a model that compares is to compare with, in place of the one in its bundle.
    variant, precision
        Take this one only.
    allow_ungraded
        Also use variants whose accuracy nobody measured.
    proof
        ``require``: what does not give the bundle's recorded answers on this box is not used; ``warn``: it is, and the
        log says so; ``off``: nothing is proved.
    options
        The runtime's own options.
    batch
        Rows per request, for models with a free batch.
    max_wait_ms
        How long a recurrent step waits for other streams to share its batch.
    evidence
        ``"saliency"``, or a table: events of stages that take this model's results carry a picture of what spoke for
        the answer. Frames without an event cost nothing.
    """

    name: Name
    bundle: str | None = None
    use: str | None = None
    streams: tuple[Name, ...] | None = None
    takes: dict[Name, Name] = {}
    on: Name | None = None
    every: Positive = 1
    on_error: OnError = "skip"
    quarantine_after: Positive = 10
    params: dict[str, Any] = {}
    preprocess: str | None = None
    preprocess_params: dict[str, Any] | None = None
    backend: str | None = None
    postprocess: str | None = None
    device: str | tuple[str, ...] = "auto"
    allow_fallback: bool = True
    reference: str | None = None
    variant: str | None = None
    precision: Precision | None = None
    allow_ungraded: bool = False
    proof: Policy = "require"
    options: dict[str, Any] = {}
    batch: Positive = 1
    max_wait_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 5.0
    evidence: Literal["saliency"] | SaliencyEvidence | None = None


class Sink(Entry, frozen=True, kw_only=True):
    """``[[sink]]``: where packets and events go. ``name`` defaults to ``use``."""

    use: str
    name: Name | None = None
    streams: tuple[Name, ...] | None = None
    on_error: Literal["skip", "stop"] = "stop"
    quarantine_after: Positive = 10
    params: dict[str, Any] = {}

    @property
    def title(self) -> str:
        return self.name or self.use


class State(Entry, frozen=True, kw_only=True):
    """``[state]``: what streams remember outlives a stop of the pipeline.

    Attributes
    ----------
    path
        Folder for one file per stream, from this file's folder.
    every_s
        How often it is saved while running, besides when the pipeline stops. A process that is killed goes on from
        there. A stream is saved between two packets, for which those in flight are waited for.
    unusable
        A saved state that is damaged or belongs to another source: ``reset``: a warning, and everything begins afresh;
        ``refuse``: the pipeline does not start.
    """

    path: str
    every_s: Annotated[float, msgspec.Meta(ge=0.01, le=86_400)] = 30.0
    unusable: Literal["reset", "refuse"] = "reset"


class Config(Entry, frozen=True, kw_only=True):
    """A whole pipeline.

    Attributes
    ----------
    threads
        Processor threads it may keep busy; default all that this process may use.
    signatures
        Bundles that are not signed by a trusted key: ``require`` refuses them, ``warn`` logs them, ``off`` does not
        look.
    trust
        Folder of trusted keys; default: that of ``vedette keys``.
    state
        Where state is saved; default: nowhere, and each run begins afresh.
    """

    name: Name = "pipeline"
    threads: Positive | None = None
    cache_dir: str | None = None
    signatures: SignaturePolicy = "warn"
    trust: str | None = None
    state: State | None = None
    stream: tuple[Stream, ...] = ()
    stage: tuple[Stage, ...] = ()
    sink: tuple[Sink, ...] = ()


def parse_config(plain: dict[str, Any], where: str = "config") -> Config:
    """Check plain dictionaries against the schema.

    Raises
    ------
    ConfigError
        With the path of the offending entry, e.g. ``stage[1].device``.
    """
    try:
        config = msgspec.convert(plain, Config)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        place = path.rstrip("`").lstrip(".")
        raise ConfigError(f"{where}: {place + ': ' if place else ''}{message}") from None
    _check(config, where)
    return config


def load_config(path: Path) -> Config:
    """Read a TOML file. Its bundles and sources count from its folder; what sinks write, from the working directory."""
    try:
        plain = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    return parse_config(plain, str(path))


def _check(config: Config, where: str) -> None:
    for table, entries in (("stream", config.stream), ("stage", config.stage)):
        if not entries:
            raise ConfigError(f"{where}: there is no [[{table}]]", fix=f"add at least one [[{table}]] table")
    seen: dict[tuple[str, str], str] = {}
    for table, titles in (
        ("stream", [item.name for item in config.stream]),
        ("stage", [item.name for item in config.stage]),
        ("sink", [item.title for item in config.sink]),
    ):
        for index, title in enumerate(titles):
            here = f"{table}[{index}].name"
            if (table, title) in seen:
                raise ConfigError(f"{where}: {here}: {title!r} is already the name of {seen[table, title]}")
            seen[table, title] = f"{table}[{index}]"
    streams = {item.name for item in config.stream}
    for table, index, chosen in [
        *(("stage", i, item.streams) for i, item in enumerate(config.stage)),
        *(("sink", i, item.streams) for i, item in enumerate(config.sink)),
    ]:
        for name in chosen or ():
            if name not in streams:
                raise ConfigError(
                    f"{where}: {table}[{index}].streams: there is no stream {name!r}",
                    fix=f"streams are: {', '.join(sorted(streams))}",
                )
    for index, stage in enumerate(config.stage):
        if (stage.bundle is None) == (stage.use is None):
            raise ConfigError(
                f"{where}: stage[{index}] ({stage.name}): give either 'bundle' (a model) or 'use' (a stage plugin)"
            )
        if stage.on is not None and "boxes" in stage.takes:
            raise ConfigError(f"{where}: stage[{index}].on: the same as takes.boxes; give one of them")
