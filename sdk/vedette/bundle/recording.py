"""Recording: what a model answers to one sample, as the ``.npz`` file of a golden."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import msgspec
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from vedette.bundle.manifest import Manifest, PreprocessFeed
from vedette.bundle.quoting import one_line
from vedette.errors import BundleError
from vedette.npy import read_npy
from vedette.results import RESULT_TYPES, Result, from_builtins
from vedette.specs import Affine, Tensor, Tensors
from vedette.vision.spec import InputSpec

MAX_BYTES = 1 << 30
"""What the arrays of one golden may take in memory."""

Images = Mapping[tuple[str, str], InputSpec]
"""How inputs are made from pixels, by graph and tensor; those that the built-in preprocessing fills."""

_Graphs = dict[str, dict[str, Tensor]]
_LEVEL = 3
"""Of compression: a third of the default's time, for files that are a tenth larger."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What came of one sample.

    Attributes
    ----------
    inputs, outputs
        By graph and tensor: what was put in, and the raw output. Whole batches, whose rows are alike.
    affine
        ``(2, 3) float64``: from the picture input's pixels to those of the sample.
    size_wh
        Of the sample, in pixels.
    result
        The decoded result, without labels.
    """

    inputs: Mapping[str, Tensors]
    outputs: Mapping[str, Tensors]
    affine: Affine
    size_wh: tuple[int, int]
    result: Result

    def to_npz(self, images: Images) -> bytes:
        """As a file: ``input/GRAPH/TENSOR``, ``output/GRAPH/TENSOR``, ``affine``, ``size_wh`` (int64), and ``result``,
        JSON as UTF-8 in an array of uint8. An input among ``images`` is ``pixels/GRAPH/TENSOR`` instead, the uint8 that
        it is made from: a tenth of the size. The same recording gives the same bytes."""
        arrays: dict[str, Tensor] = {}
        for graph, tensors in self.inputs.items():
            for name, tensor in tensors.items():
                pixels = _exact_pixels(tensor, images.get((graph, name)))
                kind = "input" if pixels is None else "pixels"
                arrays[f"{kind}/{graph}/{name}"] = tensor if pixels is None else pixels
        for graph, tensors in self.outputs.items():
            arrays |= {f"output/{graph}/{name}": tensor for name, tensor in tensors.items()}
        arrays["affine"] = self.affine
        arrays["size_wh"] = np.array(self.size_wh, np.int64)
        result = json.dumps(replace(self.result, labels=()).to_builtins()).encode()
        arrays["result"] = np.frombuffer(result, np.uint8)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, array in arrays.items():
                content = io.BytesIO()
                npy.write_array(content, np.asanyarray(array), allow_pickle=False)
                # Compression is said here: an entry that is given as a ZipInfo takes none from the archive.
                entry = zipfile.ZipInfo(f"{name}.npy")
                archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED, _LEVEL)
        return buffer.getvalue()

    @classmethod
    def from_npz(
        cls, data: bytes, where: str, images: Images, types: tuple[type[Result], ...] = RESULT_TYPES
    ) -> Self:
        """Read the file.

        Parameters
        ----------
        images
            As in :meth:`to_npz`.
        types
            The types that the result may have.

        Raises
        ------
        BundleError
            It is damaged, holds something else or lacks something, or is larger than :data:`MAX_BYTES` in memory.
        """
        try:
            arrays = dict(_arrays(data))
            affine = arrays.pop("affine").astype(np.float64)
            width, height = map(int, arrays.pop("size_wh").tolist())
            plain = json.loads(arrays.pop("result").tobytes())
            result = from_builtins(plain, types)
            if affine.shape != (2, 3) or not np.isfinite(affine).all():
                raise ValueError("affine is not a finite (2, 3) array")
            inputs, outputs = _by_graph(arrays, images)
        except KeyError as error:
            missing = one_line(repr(error.args[0]))
            raise BundleError(f"{where}: {missing} is missing", fix="pack the model again") from None
        except Exception as error:  # zipfile, zlib, numpy and the tokenizer that it uses raise a dozen types
            raise BundleError(
                f"{where}: not a golden: {one_line(str(error))}", fix="pack the model again"
            ) from None
        return cls(
            inputs=inputs,
            outputs=outputs,
            affine=affine,
            size_wh=(width, height),
            result=result,
        )


def images_of(manifest: Manifest) -> dict[tuple[str, str], InputSpec]:
    """The inputs of a model that the built-in preprocessing fills, and how."""
    return {
        (graph_name, name): msgspec.convert(item.feed.params, InputSpec)
        for graph_name, graph in manifest.graphs.items()
        for name, item in graph.inputs.items()
        if isinstance(item.feed, PreprocessFeed) and item.feed.name == "image"
    }


def pixel_half(tensor: Tensor, spec: InputSpec) -> NDArray[np.uint8]:
    """``uint8 (n, h, w, c)``: the pixels that the tensor half of ``spec`` makes ``tensor`` (``n`` rows) from."""
    pixels = tensor.transpose(0, 2, 3, 1) if spec.layout == "nchw" else tensor
    values = pixels * np.array(spec.scale, np.float32) + np.array(spec.mean, np.float32)
    whole: NDArray[np.uint8] = np.rint(values).clip(0, 255).astype(np.uint8)
    return whole


def tensor_half(pixels: NDArray[np.uint8], spec: InputSpec) -> Tensor:
    """What the tensor half of ``spec`` makes of ``uint8 (n, h, w, c)``: ``n`` rows of the input, exactly."""
    tensor: Tensor = pixels
    if spec.dtype == "float32":
        tensor = (pixels - np.array(spec.mean, np.float32)) / np.array(spec.scale, np.float32)
    return np.ascontiguousarray(tensor.transpose(0, 3, 1, 2) if spec.layout == "nchw" else tensor)


def first_row(outputs: Tensors, inputs: Tensors) -> Tensors:
    """The first row of each output; what has no batch axis, as long as that of the inputs, passes."""
    batch = len(next(iter(inputs.values())))
    return {
        name: array[:1] if array.ndim and len(array) == batch else array for name, array in outputs.items()
    }


def _by_graph(arrays: Mapping[str, Tensor], images: Images) -> tuple[_Graphs, _Graphs]:
    inputs: _Graphs = {}
    outputs: _Graphs = {}
    for path, array in arrays.items():
        kind, graph, name = path.split("/", 2)
        if kind == "pixels":
            inputs.setdefault(graph, {})[name] = tensor_half(array, images[graph, name])
        elif kind in ("input", "output"):
            (inputs if kind == "input" else outputs).setdefault(graph, {})[name] = array
        else:
            raise ValueError(f"it holds {path!r}")
    return inputs, outputs


def _exact_pixels(tensor: Tensor, spec: InputSpec | None) -> NDArray[np.uint8] | None:
    """The pixels that give exactly ``tensor``, if there are any. Clips are kept as they are."""
    if spec is None or tensor.ndim != 4:
        return None
    pixels = pixel_half(tensor, spec)
    return pixels if np.array_equal(tensor_half(pixels, spec), tensor) else None


def _arrays(data: bytes) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of an ``.npz`` file. Nothing is allocated that the file does not hold; pickles are refused."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES:,} bytes")
        for entry in archive.infolist():
            with archive.open(entry) as file:
                try:
                    yield entry.filename.removesuffix(".npy"), read_npy(file)
                except ValueError as error:
                    raise ValueError(f"{entry.filename!r}: {error}") from None
