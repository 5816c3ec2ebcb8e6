"""Goldens: what a model answers to samples, recorded where it is known to be right, to measure every box by."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vedette.bundle.bundle import Bundle
from vedette.bundle.recording import Recording, first_row
from vedette.decoding import image_decoder
from vedette.errors import PluginError, VedetteError
from vedette.frame import Pixels
from vedette.inference import infer
from vedette.model.feeds import PreparedInput, Row, prepare_input, still
from vedette.model.loading import Replace, resolve_parts
from vedette.registry import Registry
from vedette.results import Result, type_name
from vedette.specs import Affine, BackendSpec, Roi, Session, Tensor, Tensors
from vedette.vision.accelerator import reference_only


class Recorder:
    """Runs a bundle on whole pictures through the reference path: nothing fused, one row, pixels by numpy alone.

    Recurrent graphs start from their initial state and carry it on from picture to picture. A clip holds the latest
    pictures, and as long as there are too few the first one in place of those before it.

    Parameters
    ----------
    sessions
        One open session for each graph, by name; they stay the caller's.
    """

    def __init__(
        self, bundle: Bundle, registry: Registry, backend: BackendSpec, sessions: Mapping[str, Session]
    ) -> None:
        self._manifest = bundle.manifest
        self._sessions = sessions
        parts = resolve_parts(bundle, registry, backend, Replace())
        decode = image_decoder(registry)
        self._inputs: dict[str, list[PreparedInput]] = {}
        for graph, session in sessions.items():
            self._inputs[graph] = [
                prepare_input(
                    item.feed,
                    session.inputs[name],
                    item.shape,
                    bundle,
                    parts.preprocess.get((graph, name)),
                    decode,
                    item.clip,
                )
                for name, item in self._manifest.graphs[graph].inputs.items()
            ]
        self._spec = spec = parts.postprocess
        self._params = registry.convert_params(spec, self._manifest.decoder.params, f"decoder {spec.name}")
        self._postprocess = spec.build(bundle.labels)
        self._state: dict[str, dict[str, Tensor]] = {}
        self._clips: dict[tuple[str, str], deque[Tensor]] = {}
        self.restart()

    def restart(self) -> None:
        """Go back to the initial state."""
        self._state = {graph: self._initial_state(graph) for graph in self._sessions}
        self._clips = {}

    def record(
        self,
        pixels: Pixels,
        results: Mapping[str, Result] = MappingProxyType({}),
        reference: Pixels | None = None,
    ) -> Recording:
        """Run the model once. ``results``: of other stages, by the roles that inputs are fed from. ``reference``: in
        place of the bundle's.

        Raises
        ------
        VedetteError
            A part of the model failed, or the decoder does not fit the outputs.
        """
        frame = still(pixels)
        roi = Roi.whole(frame.size_wh)
        inputs: dict[str, Tensors] = {}
        outputs: dict[str, Tensors] = {}
        affine: Affine | None = None
        for step in self._manifest.program:
            row = Row(
                frame=frame,
                roi=roi,
                index=0,
                results=results,
                tensors=outputs,
                state=self._state[step.run],
                reference=None if reference is None else still(reference),
            )
            with reference_only():
                inputs[step.run], written = self._fill(step.run, row)
            affine = written if affine is None else affine
            outputs[step.run] = infer(self._sessions[step.run], inputs[step.run])
            for pair in self._manifest.graphs[step.run].state:
                self._state[step.run][pair.input] = outputs[step.run][pair.output][0]
        affine = roi.affine if affine is None else affine
        last = self._manifest.program[-1].run
        row_outputs = first_row(outputs[last], inputs[last])
        result = self._decode(row_outputs, np.stack([affine]), frame.size_wh)
        return Recording(inputs=inputs, outputs=outputs, affine=affine, size_wh=frame.size_wh, result=result)

    def _fill(self, graph: str, row: Row) -> tuple[dict[str, Tensor], Affine | None]:
        """The inputs of a graph, and the geometry of the first picture among them. Rows of a fixed batch are alike."""
        filled: dict[str, Tensor] = {}
        affine: Affine | None = None
        for item in self._inputs[graph]:
            info = self._sessions[graph].inputs[item.name]
            if item.sample is not None:
                written = self._add_sample(graph, item, row)
                affine = written if affine is None else affine
            tensor = np.zeros((info.shape[0] or 1, *(item.row_shape or item.shape_of(row))), info.dtype)
            written = item.write(row, tensor[0, ...])
            affine = written if affine is None else affine
            tensor[1:] = tensor[0]
            filled[item.name] = tensor
        return filled, affine

    def _add_sample(self, graph: str, item: PreparedInput, row: Row) -> Affine | None:
        """Put this moment's sample at the end of a clip; the geometry of its picture."""
        assert item.sample is not None
        shape = item.row_shape or item.shape_of(row)
        sample = np.zeros(shape[1:], self._sessions[graph].inputs[item.name].dtype)
        affine = item.sample.write(row, sample)
        clip = self._clips.setdefault((graph, item.name), deque([sample] * shape[0], maxlen=shape[0]))
        clip.append(sample)
        row.clips = {**row.clips, item.name: tuple(clip)}
        return affine

    def _initial_state(self, graph: str) -> dict[str, Tensor]:
        shapes = {item.name: item.row_shape or () for item in self._inputs[graph]}
        return {
            pair.input: np.full(shapes[pair.input], pair.init, self._sessions[graph].inputs[pair.input].dtype)
            for pair in self._manifest.graphs[graph].state
        }

    def _decode(self, outputs: Tensors, affines: NDArray[np.float64], size_wh: tuple[int, int]) -> Result:
        try:
            result = self._postprocess(outputs, affines, size_wh, self._params)
        except VedetteError:
            raise
        except Exception as error:
            raise PluginError(
                f"decoder {self._spec.name!r} raised {type(error).__name__}: {error}"
            ) from error
        if not isinstance(result, self._spec.result):
            raise PluginError(
                f"decoder {self._spec.name!r} returned {type_name(result)}, not {self._spec.result.__name__}"
            )
        return result
