"""ONNX Runtime's own options, and how an :class:`~vedette.specs.Execution` becomes its session options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
import onnxruntime

from vedette.errors import BackendError
from vedette.specs import Execution

CONFIG_KEYS = frozenset(
    {
        "optimization.disable_specified_optimizers",
        "session.disable_cpu_ep_fallback",
        "session.disable_double_qdq_remover",
        "session.disable_prepacking",
        "session.disable_quant_qdq",
        "session.dynamic_block_base",
        "session.enable_quant_qdq_cleanup",
        "session.intra_op.allow_spinning",
        "session.intra_op_thread_affinities",
        "session.qdqisint8allowed",
        "session.set_denormal_as_zero",
        "session.use_device_allocator_for_initializers",
        "session.use_env_allocators",
        "session.x64quantprecision",
    }
)
"""ONNX Runtime ignores a configuration entry that it does not know, so only these are let through. Left out are those
that :class:`~vedette.specs.Execution` decides and those that write files or change the precision."""

_LEVELS = {
    "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_RECORD_PLACEMENT = "session.record_ep_graph_assignment_info"
_FATAL_ONLY = 4  # every failure comes as an exception too; warnings are about the file's style


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``options`` of this backend may hold.

    Attributes
    ----------
    graph_optimization
        ``none`` runs the file's operators one by one: the literal arithmetic of a quantised model.
    config
        Session configuration entries by their own names, see :data:`CONFIG_KEYS`.
    provider
        The execution provider, where the build has several for a device.
    provider_options
        Options of that provider by their own names.
    """

    graph_optimization: Literal["none", "basic", "extended", "all"] = "all"
    config: dict[str, str] = {}
    provider: str | None = None
    provider_options: dict[str, str] = {}


def read_options(options: Mapping[str, Any]) -> Options:
    """Check ``options``.

    Raises
    ------
    BackendError
        An option is unknown or has a value of another type.
    """
    try:
        read = msgspec.convert(dict(options), Options)
    except msgspec.ValidationError as error:
        raise BackendError(
            f"options of onnxruntime: {error}", fix=f"the options are: {', '.join(Options.__struct_fields__)}"
        ) from None
    for key in read.config:
        if key not in CONFIG_KEYS:
            raise BackendError(
                f"options of onnxruntime: config has no entry {key!r}",
                fix=f"the entries are: {', '.join(sorted(CONFIG_KEYS))}",
            )
    return read


def session_options(
    execution: Execution, options: Options, pinned: Iterable[str]
) -> onnxruntime.SessionOptions:
    """ONNX Runtime's session options. ``pinned``: symbols of dimensions that are 1."""
    native = onnxruntime.SessionOptions()
    native.log_severity_level = _FATAL_ONLY
    native.intra_op_num_threads = execution.threads_per_request
    native.inter_op_num_threads = 1
    native.graph_optimization_level = _LEVELS[options.graph_optimization]
    # waiting threads that spin take the processor from those that work: three times the latency under contention
    config = {"session.intra_op.allow_spinning": "0", _RECORD_PLACEMENT: "1"} | options.config
    for key, value in config.items():
        native.add_session_config_entry(key, value)
    for symbol in pinned:
        native.add_free_dimension_override_by_name(symbol, 1)
    return native
