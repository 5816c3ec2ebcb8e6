"""Installed models and signature policies in a pipeline."""

import logging
import shutil

import cv2
import numpy as np
import pytest

from vedette.bundle.signing import sign_bundle
from vedette.bundle.store import ModelStore
from vedette.bundle.trust import Trust
from vedette.bundle.trust_store import TrustStore
from vedette.errors import BundleError, ConfigError
from vedette.model.single import Model
from vedette.pipeline.config import parse_config
from vedette.pipeline.run import Pipeline


@pytest.fixture
def run(registry, tmp_path):
    """Run one picture through a model; the summary's entry of its stage and the answer."""
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((2, 4, 3), np.uint8))

    def go(model: str, **options):
        plain = {
            "stream": [{"name": "pictures", "source": "one.png"}],
            "stage": [{"name": "look", "bundle": model, "backend": "onnxruntime"}],
            **options,
        }
        answers = []
        with Pipeline(parse_config(plain), registry=registry, base_dir=tmp_path) as pipeline:
            pipeline.observe(lambda packet: answers.append(int(packet.results["look"].class_id[0, 0])))
            summary = pipeline.run()
        return summary.stages["look"], answers

    return go


@pytest.fixture
def signed(bundle, key, tmp_path):
    path = shutil.copy(bundle("1.0.0", 2), tmp_path / "signed.vedette")
    sign_bundle(path, key)
    return path


def test_an_installed_model_by_its_name(run, store, bundle):
    with pytest.raises(BundleError, match="there is no such bundle"):
        run("tiny")
    store.install(bundle("1.0.0", 1))
    stage, answers = run("tiny")
    assert (stage["bundle"], answers) == ("tiny 1.0.0", [1])
    store.install(bundle("1.1.0", 2))
    assert run("tiny")[1] == [2]
    store.rollback("tiny")
    assert run("tiny")[1] == [1]


def test_a_path_is_a_path(run, store, bundle, tmp_path):
    store.install(bundle("1.0.0", 1))
    shutil.copytree(store.install(bundle("1.1.0", 2)).path, tmp_path / "tiny")
    store.rollback("tiny")
    assert run("./tiny")[1] == [2]
    assert run("tiny")[1] == [1]


def test_policies(run, signed, bundle, key, tmp_path, caplog):
    unsigned = str(bundle("1.0.0", 1))
    with pytest.raises(BundleError, match="refused: unsigned"):
        run(unsigned, signatures="require")
    with pytest.raises(BundleError, match=f"keys trust {key.public.fingerprint}"):
        run("signed.vedette", signatures="require")
    stage, answers = run("signed.vedette")
    assert answers == [2]
    assert stage["signature"] == f"signed by a key that is not trusted here: {key.public.fingerprint}"
    warnings = [record for record in caplog.records if record.name == "vedette.bundle"]
    assert [record.levelno for record in warnings] == [logging.WARNING]
    TrustStore().trust(key.public.fingerprint, "acme")
    stage, answers = run("signed.vedette", signatures="require")
    assert (stage["signature"], answers) == (f"signed by 'acme', {key.public.fingerprint}", [2])
    TrustStore().revoke(key.public.fingerprint)
    with pytest.raises(BundleError, match="revoked"):
        run("signed.vedette", signatures="require")
    assert run("signed.vedette", signatures="off")[0]["signature"] == "not looked at (signatures = off)"


def test_trusted_keys_beside_the_pipeline(run, signed, key, tmp_path):
    (tmp_path / "keys").mkdir()
    TrustStore(tmp_path / "keys").trust(key.public.fingerprint, "fleet")
    assert run("signed.vedette", signatures="require", trust="keys")[1] == [2]
    with pytest.raises(BundleError, match="no such folder of trusted keys"):
        run("signed.vedette", signatures="require", trust="kyes")


def test_what_is_no_policy():
    plain = {"stream": [{"name": "a", "source": "b"}], "stage": [{"name": "c", "use": "d"}]}
    with pytest.raises(ConfigError, match="signatures: Invalid enum value 'tell'"):
        parse_config({**plain, "signatures": "tell"})


def test_a_model_for_single_calls(bundle, signed, registry, key):
    require = {"trust": Trust("require"), "registry": registry, "backend": "onnxruntime"}
    with pytest.raises(BundleError, match="unsigned"):
        Model(bundle("1.0.0"), **require)
    TrustStore().trust(key.public.fingerprint, "acme")
    with Model(signed, **require) as model:
        assert model(np.zeros((2, 4, 3), np.uint8)).class_id[0, 0] == 2
    ModelStore().install(signed)
    with Model("tiny", **require) as model:
        assert model.bundle.signature.name == "acme"
