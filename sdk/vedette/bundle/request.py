"""What a user says of a model file that is to be packed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vedette.bundle.documents import Documents
from vedette.bundle.manifest import ConstantFeed, PreprocessFeed, Storage, Task, Tolerance


@dataclass(frozen=True, kw_only=True)
class PackRequest:
    """What to pack, and what the file does not tell.

    Attributes
    ----------
    model
        An ``.onnx``, ``.xml`` (its ``.bin`` beside it) or ``.tflite`` file; or what a backend converts: a folder with a
        TensorFlow SavedModel, a ``.keras`` file.
    beside
        Further files that the model file names: external weights.
    task, decoder, params
        What the model is for, and which decoder reads its outputs, with its parameters. ``input_wh`` is filled in
        where the decoder has such a parameter.
    licence
        The model's licence, as an SPDX expression or in words.
    name, version
        Of the bundle. The name defaults to the file's.
    labels
        A UTF-8 file with one class name per line, or the names.
    image
        Fields of :class:`~vedette.vision.spec.InputSpec` for picture inputs. Those that the file tells may be left
        out; one value of ``mean``, ``scale`` and ``pad`` stands for all channels.
    feeds
        What fills an input, by its name: needed unless it is the only one and a picture. For the preprocessor ``image``
        the parameters are those of ``image`` above, and its own go before.
    references
        Pictures to compare with, by the input that takes them: prepared as ``image`` says, and stored in the bundle.
    state
        Recurrent state: for each input that carries it the output that it becomes.
    samples
        Encoded pictures to record goldens from. Fewer than 8 are made up to 8.
    oracle, reference
        What answers the goldens: ``self``, the model as ``backend`` runs it; ``literal``, ONNX Runtime with nothing
        optimised, for files with quantisation in them; ``fp32-relative``, the float model file ``reference``, from
        which this one was quantised.
    tolerance
        By how much raw outputs may differ from the goldens; by default what is usual for ``storage``.
    rows
        Outputs that are lists of records in no certain order, besides those of DetectionOutput layers.
    storage
        How the weights are stored; also the name of the variant.
    backend
        The backend to open the model with; by default the first that can.
    origin
        Where the model comes from, for instance its address.
    documents
        What the bundle says to people: its card and its report.
    told
        What the file told that the user did not say, and by what it was understood, one line each; for the record.
    """

    model: Path
    beside: Sequence[Path] = ()
    task: Task | None = None
    decoder: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    licence: str | None = None
    name: str | None = None
    version: str = "1.0.0"
    labels: Path | Sequence[str] | None = None
    image: Mapping[str, Any] = field(default_factory=dict)
    feeds: Mapping[str, PreprocessFeed | ConstantFeed] = field(default_factory=dict)
    references: Mapping[str, Path] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    samples: Sequence[Path] = ()
    storage: Storage = "f32"
    backend: str | None = None
    oracle: Literal["literal", "fp32-relative", "self"] = "self"
    reference: Path | None = None
    tolerance: Tolerance | None = None
    rows: Sequence[str] = ()
    origin: str = ""
    documents: Documents = field(default_factory=Documents)
    told: Sequence[str] = ()
