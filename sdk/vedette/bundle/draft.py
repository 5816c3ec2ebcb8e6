"""The manifest of a model that is being packed, from what its file tells and what its user says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeGuard, get_args, get_origin

import msgspec

from vedette import __version__
from vedette.bundle.manifest import (
    Decoder,
    Feed,
    Graph,
    GraphFiles,
    Input,
    Manifest,
    Output,
    PreprocessFeed,
    Provenance,
    ReferenceFeed,
    Run,
    StateFeed,
    StatePair,
    Task,
    Variant,
)
from vedette.bundle.opened import OpenedModel
from vedette.bundle.options import look_up, options_in
from vedette.bundle.picture import Fields, Option, complete, is_picture, known_fields, missing_options
from vedette.bundle.request import PackRequest
from vedette.errors import BundleError, ConfigError
from vedette.inference import describe
from vedette.registry import Registry
from vedette.specs import PostprocessSpec, Session, TensorInfo
from vedette.vision.spec import InputSpec

GRAPH = "model"
"""Name of the one graph of a packed model."""

IMAGE = "image"
INPUT_WH = "input_wh"
"""The parameter by which a decoder asks for the size of the picture."""


def draft_manifest(
    request: PackRequest, opened: OpenedModel, files: tuple[str, ...], registry: Registry
) -> Manifest:
    """The manifest of a one-graph bundle, without files, grades and goldens.

    Raises
    ------
    BundleError
        Something is missing or contradicts the model; all that is missing is named.
    PluginError, ConfigError
        A decoder or preprocessor is unknown, or its parameters are wrong.
    """
    session = opened.session
    _check_names(request, session)
    pictures = _pictures(request, session)
    decoder = look_up(registry.postprocessors, request.decoder, "--decoder") if request.decoder else None
    missing = [*_missing(request, session, pictures, decoder, registry)]
    if missing or decoder is None or request.task is None or request.licence is None:
        width = max(len(option) for option, _ in missing)
        listed = "".join(f"\n     {option:<{width}}  {help}" for option, help in dict.fromkeys(missing))
        raise BundleError(f"{request.model}: the file does not tell all that is needed", fix=f"add{listed}")
    specs = {name: _input_spec(complete(fields), registry) for name, fields in pictures.items()}
    graph = Graph(
        inputs={
            name: _input(info, request, specs.get(name), registry) for name, info in session.inputs.items()
        },
        outputs={
            name: Output(
                dtype=info.dtype, shape=info.shape, rows=name in request.rows or _is_detection_output(info)
            )
            for name, info in session.outputs.items()
        },
        state=tuple(StatePair(input=target, output=source) for target, source in request.state.items()),
    )
    stored = GraphFiles(format=opened.model.format, files=files, storage=request.storage)
    return Manifest(
        schema=1,
        name=request.name or _slug(request.model.stem),
        version=request.version,
        task=request.task,
        licence=request.licence,
        graphs={GRAPH: graph},
        program=(Run(run=GRAPH),),
        decoder=Decoder(name=decoder.name, params=_decoder_params(request, decoder, specs, registry)),
        variants={request.storage: Variant(graphs={GRAPH: stored})},
        files={},
        labels="labels.txt" if request.labels else None,
        provenance=Provenance(origin=request.origin, recipe=_recipe(request, opened)),
    )


def _recipe(request: PackRequest, opened: OpenedModel) -> str:
    """How the bundle was made, and what of it nobody said but the file."""
    backend = opened.backend
    steps = [
        f"vedette {__version__} pack",
        *([opened.converted] if opened.converted else ()),
        f"reference {backend.name} {backend.version()} on cpu at f32",
    ]
    return "; ".join((", ".join(steps), *request.told))


def _check_names(request: PackRequest, session: Session) -> None:
    """Everything that the user says of a tensor is about one that there is."""
    for kind, options, names, tensors in (
        (
            "input",
            "--feed or --state",
            [*request.feeds, *request.references, *request.state],
            session.inputs,
        ),
        ("output", "--state or --rows", [*request.state.values(), *request.rows], session.outputs),
    ):
        for name in names:
            if name not in tensors:
                known = "; ".join(map(describe, tensors.values()))
                raise BundleError(
                    f"{request.model}: there is no {kind} {name!r}",
                    fix=f"correct {options}; the {kind}s are: {known}",
                )
    for name, info in session.inputs.items():
        if not info.shape:
            raise BundleError(
                f"{request.model}: input {describe(info)} is a single number, without an axis for the batch",
                fix="make it a constant of the model when exporting",
            )
        if (name in request.feeds or name in request.references) and name in request.state:
            raise BundleError(
                f"{request.model}: input {name!r} has both --feed and --state", fix="leave one out"
            )


def _pictures(request: PackRequest, session: Session) -> dict[str, Fields]:
    """What is known of the inputs that take the built-in image preprocessing."""
    named = {name: feed.params for name, feed in request.feeds.items() if _is_image(feed)}
    named |= {name: {} for name in request.references}
    free = [
        info
        for name, info in session.inputs.items()
        if name not in request.feeds and name not in request.references and name not in request.state
    ]
    if len(free) == 1 and is_picture(free[0]):
        named[free[0].name] = {}
    return {name: known_fields(session.inputs[name], {**request.image, **own}) for name, own in named.items()}


def _missing(
    request: PackRequest,
    session: Session,
    pictures: Mapping[str, Fields],
    decoder: PostprocessSpec | None,
    registry: Registry,
) -> Iterator[Option]:
    if request.task is None:
        yield "--task TASK", f"{', '.join(get_args(Task))}"
    if decoder is None:
        yield (
            "--decoder NAME",
            f"what reads the outputs: {', '.join(sorted(registry.postprocessors)) or 'none installed'}",
        )
    else:
        yield from _missing_params(request, decoder, pictures)
    if request.licence is None:
        yield "--licence TEXT", "the model's licence, for example Apache-2.0"
    for name, info in session.inputs.items():
        if not (name in pictures or name in request.feeds or name in request.state):
            yield (
                f"--feed {name}=SOURCE",
                f"what fills {describe(info)}: image, reference:FILE or constant:VALUE (or --state {name}=OUTPUT)",
            )
    for fields in pictures.values():
        yield from missing_options(fields)


def _missing_params(
    request: PackRequest, decoder: PostprocessSpec, pictures: Mapping[str, Fields]
) -> Iterator[Option]:
    for item in msgspec.structs.fields(decoder.params):
        seen = pictures.keys() - request.references.keys()
        known = item.name in request.params or (item.name == INPUT_WH and len(seen) == 1)
        if item.required and not known:
            choices = (
                f": {', '.join(map(str, get_args(item.type)))}" if get_origin(item.type) is Literal else ""
            )
            if item.name == INPUT_WH:
                choices = ": width and height of the picture, which no input takes now (--feed, --state)"
            yield f"--param {item.name}=VALUE", f"a parameter of decoder {decoder.name}{choices}"


def _input_spec(fields: Fields, registry: Registry) -> InputSpec:
    try:
        spec: InputSpec = registry.convert_params(registry.preprocessors[IMAGE], fields, IMAGE)
    except ConfigError as error:
        named = " or ".join(options_in(error.message)) or "the options of the picture"
        raise ConfigError(error.message, fix=f"correct {named}, or leave it out") from None
    return spec


def _input(info: TensorInfo, request: PackRequest, spec: InputSpec | None, registry: Registry) -> Input:
    if spec is not None:
        params = msgspec.to_builtins(spec)
        feed: PreprocessFeed | ReferenceFeed = (
            ReferenceFeed(file=reference_name(info.name, request), name=IMAGE, params=params)
            if info.name in request.references
            else PreprocessFeed(name=IMAGE, params=params)
        )
        return Input(dtype=info.dtype, shape=(info.shape[0], *spec.row_shape), feed=feed)
    given = request.feeds.get(info.name)
    if isinstance(given, PreprocessFeed):
        registry.convert_params(registry.preprocessors[given.name], given.params, f"preprocess {given.name}")
    return Input(dtype=info.dtype, shape=info.shape, feed=StateFeed() if given is None else given)


def _decoder_params(
    request: PackRequest, decoder: PostprocessSpec, specs: Mapping[str, InputSpec], registry: Registry
) -> dict[str, Any]:
    """All parameters, defaults included: a later change of a default does not change this bundle."""
    given = dict(request.params)
    seen = [spec for name, spec in specs.items() if name not in request.references]
    if INPUT_WH in decoder.params.__struct_fields__ and len(seen) == 1:
        given.setdefault(INPUT_WH, seen[0].size_wh)
    try:
        converted = registry.convert_params(decoder, given, f"decoder {decoder.name}")
    except ConfigError as error:
        hint = "correct --param KEY=VALUE (VALUE is JSON, as in [8,16,32], or text)"
        raise ConfigError(error.message, fix=f"{hint}; {error.fix}") from None
    params: dict[str, Any] = msgspec.to_builtins(converted)
    return params


def reference_name(input_name: str, request: PackRequest) -> str:
    """Where the picture that an input is given to compare with lies in the bundle."""
    return f"references/{_slug(input_name)}{request.references[input_name].suffix.lower()}"


def _is_detection_output(info: TensorInfo) -> bool:
    """Records of image, class, confidence and box, as Caffe's and OpenVINO's DetectionOutput layer lists them."""
    return len(info.shape) == 4 and info.shape[1] == 1 and info.shape[3] == 7


def _is_image(feed: Feed) -> TypeGuard[PreprocessFeed]:
    return isinstance(feed, PreprocessFeed) and feed.name == IMAGE


def _slug(stem: str) -> str:
    return re.sub(r"[^a-z0-9_.-]+", "-", stem.lower()).strip("-._")[:64] or "model"
