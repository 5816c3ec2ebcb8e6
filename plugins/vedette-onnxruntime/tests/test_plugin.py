"""The plugin as Vedette sees it."""

import builtins
import subprocess
import sys

import onnxruntime

from vedette.manager import PluginManager
from vedette_onnxruntime import plugin


def test_importing_the_plugin_loads_no_runtime():
    code = "import sys, vedette_onnxruntime.plugin; print(*{'onnxruntime', 'cv2', 'av', 'torch'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert loaded.strip() == ""


def test_the_hook_gives_the_backend():
    manager = PluginManager(env={}, search_path=())
    manager.load(["vedette_onnxruntime.plugin"])
    assert plugin.vedette_backends() == [plugin.BACKEND]
    assert plugin.BACKEND.formats == ("onnx",)


def test_the_runtime_is_usable_and_its_version_is_told():
    assert plugin.BACKEND.probe() is None
    assert plugin.BACKEND.version() == onnxruntime.__version__


def test_a_broken_installation_is_told_in_one_line(monkeypatch):
    real = builtins.__import__

    def broken(name, *args, **more):
        if name == "onnxruntime":
            raise ImportError("libonnxruntime.so:\n undefined symbol: _ZN4onnx")
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", broken)
    reason = plugin.BACKEND.probe()
    assert "undefined symbol: _ZN4onnx" in reason
    assert "\n" not in reason


def test_an_installation_without_content_is_told(monkeypatch):
    monkeypatch.delattr(onnxruntime, "get_available_providers")
    assert "get_available_providers" in plugin.BACKEND.probe()


def test_the_processor_is_a_device_that_computes_in_f32():
    cpu = next(device for device in plugin.BACKEND.devices() if device.name == "cpu")
    assert cpu.detail == "CPUExecutionProvider"
    assert cpu.precisions == ("f32",)
