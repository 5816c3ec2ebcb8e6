"""A model file of another tool, opened to be looked at: what it takes and gives, and what it tells of itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vedette.bundle.convert import convert
from vedette.bundle.facts import read_told
from vedette.bundle.foreign import ForeignModel, find_model, open_foreign
from vedette.bundle.request import PackRequest
from vedette.errors import BundleError
from vedette.proof.oracle import LITERAL_BACKEND
from vedette.registry import Registry
from vedette.specs import BackendSpec, ModelFacts, Session


@dataclass(frozen=True, kw_only=True)
class OpenedModel:
    """The files (of a converted model: what it became), the backend that opened them, and what is known of them.

    ``converted`` says by what the model was converted, if it was: ``converted from keras by OpenVINO 2026.4.1``.
    """

    model: ForeignModel
    backend: BackendSpec
    session: Session
    facts: ModelFacts
    converted: str = ""


@contextmanager
def open_model(request: PackRequest, registry: Registry) -> Iterator[OpenedModel]:
    """Open what is to be packed, on the processor at f32. A model of a format that no backend reads is converted first,
    into a temporary folder that goes away at the end.

    Raises
    ------
    BundleError
        A file is missing or damaged, of an unknown format, or the options contradict each other.
    BackendError
        No installed backend can open or convert it.
    """
    backend = _backend(request)
    with tempfile.TemporaryDirectory(prefix="vedette-convert-") as folder:
        given = find_model(request.model, request.beside)
        metadata, labels = read_told(given)
        model, converted = convert(given, registry, Path(folder))
        if converted:
            metadata = {**read_told(model)[0], **metadata}
        spec, session = open_foreign(model, registry, backend)
        with closing(session):
            facts = ModelFacts(
                format=model.format,
                inputs=session.inputs,
                outputs=session.outputs,
                metadata=metadata,
                labels=labels,
            )
            yield OpenedModel(model=model, backend=spec, session=session, facts=facts, converted=converted)


def _backend(request: PackRequest) -> str | None:
    """The backend that the oracle needs, or that the user wants."""
    if (request.oracle == "fp32-relative") != (request.reference is not None):
        raise BundleError(
            f"{request.model}: the oracle fp32-relative and a reference model go together",
            fix="give both: --oracle fp32-relative --reference FLOAT_MODEL",
        )
    if request.oracle != "literal":
        return request.backend
    if request.backend not in (None, LITERAL_BACKEND):
        raise BundleError(
            f"{request.model}: only {LITERAL_BACKEND} runs a file literally, not {request.backend}",
            fix="leave --backend out, or use another --oracle",
        )
    return LITERAL_BACKEND
