"""Model files of other tools: their formats, the files that belong to them, and a backend that opens them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette.bundle.options import look_up
from vedette.errors import BackendError, BundleError
from vedette.registry import Registry
from vedette.specs import BackendSpec, Execution, ModelFiles, Session

FORMATS = {".onnx": "onnx", ".xml": "openvino", ".tflite": "tflite", ".keras": "keras"}
"""Format by suffix."""

NAMES = {
    "onnx": "ONNX",
    "openvino": "an OpenVINO IR",
    "tflite": "TensorFlow Lite",
    "saved_model": "a TensorFlow SavedModel",
    "keras": "a Keras file",
}
"""How people call the formats that are packed."""

SAVED_MODEL = "saved_model"
"""The format of a folder, as TensorFlow writes it."""


_KNOWN = f"known are {', '.join(FORMATS)} files, and the folder of a TensorFlow SavedModel"
_OTHERS = {
    ".pt": "PyTorch weights are no network; export it to ONNX (torch.onnx.export, yolo export format=onnx)",
    ".pth": "PyTorch weights are no network; export it to ONNX (torch.onnx.export)",
    ".bin": "the weights of an OpenVINO IR; give its .xml",
    ".h5": "an old Keras file; save the model as .keras",
    ".pb": "a part of a TensorFlow model; give the folder of the SavedModel",
    ".engine": "an engine is made for one GPU; give the ONNX file that it was built from",
    ".vedette": "a bundle already; vedette inspect shows it",
}
"""What people have in hand instead, by suffix."""


@dataclass(frozen=True, kw_only=True)
class ForeignModel:
    """A model as another tool left it: the model file first, then what must lie beside it (weights)."""

    format: str
    paths: tuple[Path, ...]

    @property
    def model(self) -> Path:
        return self.paths[0]

    def stored(self, folder: str, graph: str) -> Mapping[str, Path]:
        """The files by their names in a bundle. Weights that the model file names keep their own name."""
        names = {self.model: f"{graph}{self.model.suffix.lower()}"}
        if self.format == "openvino":
            names[self.paths[1]] = f"{graph}.bin"
        stored = {f"{folder}/{names.get(path, path.name)}": path for path in self.paths}
        if len(stored) < len(self.paths):
            raise BundleError(
                f"{self.model}: two of its files would have the same name: {', '.join(map(str, self.paths))}"
            )
        return stored


def find_model(path: Path, beside: Sequence[Path] = ()) -> ForeignModel:
    """Recognise a model file by its suffix and a TensorFlow SavedModel by what is in the folder; find the weights of an
    OpenVINO IR.

    Raises
    ------
    BundleError
        A file is missing, or the suffix is unknown.
    """
    if path.is_dir():
        return _find_saved_model(path)
    model_format = FORMATS.get(path.suffix.lower())
    if model_format is None:
        raise BundleError(f"{path}: not a model file that can be packed{_hint(path)}", fix=_KNOWN)
    paths = [path, *([path.with_suffix(".bin")] if model_format == "openvino" else ()), *beside]
    for needed in paths:
        if not needed.is_file():
            belongs = "" if needed == path else f" (it belongs to {path.name})"
            raise BundleError(
                f"{needed}: there is no such file{belongs}",
                fix="correct --beside" if needed in beside else "",
            )
    return ForeignModel(format=model_format, paths=tuple(paths))


def _find_saved_model(folder: Path) -> ForeignModel:
    if not (folder / "saved_model.pb").is_file():
        models = sorted(path for path in folder.iterdir() if path.suffix.lower() in FORMATS)
        raise BundleError(
            f"{folder}: a folder without a SavedModel (saved_model.pb) in it",
            fix=f"give one of its files, as {models[0]}" if models else _KNOWN,
        )
    return ForeignModel(format=SAVED_MODEL, paths=(folder,))


def _hint(path: Path) -> str:
    """What a file is that people often have in hand instead."""
    if not path.exists():
        return "; and there is no such file"
    known = _OTHERS.get(path.suffix.lower())
    return f": {known}" if known else ""


def open_foreign(model: ForeignModel, registry: Registry, backend: str | None) -> tuple[BackendSpec, Session]:
    """Open a model on the processor at f32, to look at it: a free batch shows as such.

    Without a choice, backends are tried whose own format it is before those that translate it (the position in
    ``BackendSpec.formats``), then by rank.

    Raises
    ------
    BackendError
        No installed backend reads the format, or none can open the file; the message has each one's reason.
    """
    specs = (
        [look_up(registry.backends, backend, "--backend")] if backend else list(registry.backends.values())
    )
    reasons = []
    able = [spec for spec in specs if model.format in spec.formats]
    for spec in sorted(able, key=lambda spec: (spec.formats.index(model.format), -spec.rank, spec.name)):
        reason = spec.probe()
        try:
            if reason is None:
                return spec, _open(spec, ModelFiles(format=model.format, paths=model.paths))
        except BackendError as error:
            reason = str(error)
        reasons.append(f"{spec.name}: {reason}")
    if not able and backend:
        known = ", ".join(specs[0].formats)
        raise BackendError(
            f"{model.model}: backend {backend!r} does not read {model.format} files",
            fix=f"it reads {known}; leave --backend out",
        )
    if not able:
        names = ", ".join(f"{spec.name} ({', '.join(spec.formats)})" for spec in specs) or "none"
        raise BackendError(
            f"{model.model}: no backend here reads {model.format} files; there are: {names}",
            fix="install one that does: pip install vedette-onnxruntime (onnx) or vedette-openvino (all)",
        )
    raise BackendError(f"{model.model}: no backend can open it\n  " + "\n  ".join(reasons))


def _open(spec: BackendSpec, files: ModelFiles) -> Session:
    """For one row a backend may fix a free batch, for two it cannot; a fixed batch refuses two."""
    try:
        return spec.open(files, "cpu", Execution(batch=2), {})
    except BackendError:
        return spec.open(files, "cpu", Execution(), {})
