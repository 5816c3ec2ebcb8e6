"""A file system that is really full: what was there before is there afterwards, whole."""

import os
import random
import subprocess
from contextlib import contextmanager

import pytest
from test_quantize_command import pack

from vedette.bundle.bundle import open_bundle
from vedette.bundle.write import write_bundle
from vedette.errors import BundleError, VedetteError
from vedette_torch.training import Hardware, train

CPU = Hardware(accelerator="cpu")


@contextmanager
def small_disk(folder, size=1 << 20):
    """A file system of ``size`` bytes at ``folder``."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs root, to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def room(disk):
    free = os.statvfs(disk)
    return free.f_bavail * free.f_frsize


def test_a_training_stops_with_its_last_checkpoint_whole_and_goes_on(tiny, pictures, tmp_path):
    settings = tiny.TinySettings(epochs=4)
    with small_disk(tmp_path / "disk") as disk:
        run, ballast, kept = disk / "run", disk / "ballast", []

        def fill(line):
            if not kept:
                kept.append((run / "last.pt").read_bytes())
                ballast.write_bytes(bytes(room(disk) - 4096))

        with pytest.raises(
            VedetteError, match=r"cannot write .*\.pt: No space left on device; what was there"
        ):
            train(tiny.Tiny(), pictures, run, settings=settings, hardware=CPU, say=fill)
        assert [(run / "last.pt").read_bytes()] == kept
        assert not list(run.glob(".*")), "nothing half written is left"
        ballast.unlink()
        done = train(tiny.Tiny(), pictures, run, settings=settings, hardware=CPU, resume=True)
    assert len(done.history) == 4


@pytest.mark.parametrize("name", ["q.vedette", "q"])
def test_a_bundle_is_replaced_whole_or_not_at_all(tmp_path, name):
    with open_bundle(pack(tmp_path)) as bundle, small_disk(tmp_path / "disk") as disk:
        contents = {name: bundle.read(name) for name in bundle.manifest.files}
        path = write_bundle(disk / name, bundle.manifest, contents)
        with open_bundle(path) as written:
            digest = written.digest
        larger = {**contents, "more.bin": random.Random(0).randbytes(room(disk))}
        with pytest.raises(BundleError, match=rf"{name}: cannot be written: .*No space left on device"):
            write_bundle(path, bundle.manifest, larger, overwrite=True)
        with open_bundle(path) as still_there:
            assert still_there.digest == digest
        assert [item.name for item in disk.iterdir()] == [name]
