"""Models prove themselves when they are loaded: what is accepted, what is refused, and why."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import Golden, Grade, Tolerance
from vedette.bundle.recording import Recording, images_of
from vedette.cli.report import render_summary
from vedette.errors import BackendError, BundleError
from vedette.model.loading import Replace
from vedette.pipeline.run import Pipeline

BOTH = ("onnxruntime", "openvino")


# --- what is accepted and refused ---------------------------------------------------------------------------------


def test_the_trap_is_refused_on_openvino_in_one_line(load, trap):
    """Where its batch is free, OpenVINO's int8 convolutions in front of an LSTM give other numbers."""
    assert load(trap, backend="onnxruntime", batch=2).standing.proof.worst.worst <= 0.01
    with pytest.raises(BackendError) as caught:
        load(trap, backend="openvino", batch=2)
    (line,) = [line for line in caught.value.message.splitlines() if line.startswith("  - ")]
    assert (
        "int8 on openvino:cpu at f32: the proof failed: output 'model/y' differs from the literal oracle by 0."
        in line
    )
    assert "of its range on golden" in line
    assert "allowed: 0.1" in line


def test_what_is_refused_falls_back(load, trap, with_backend, caplog):
    eager = with_backend("openvino", rank=100)
    model = load(trap, plugins=eager, device="auto", batch=2)
    assert [graph.session.backend for graph in model.graphs] == ["onnxruntime"]
    (fallback,) = model.fallbacks
    assert "openvino:cpu at f32: the proof failed: " in fallback
    assert "trying the next candidate" in caplog.text


def test_a_pipeline_runs_the_trap_where_it_is_right(trap, home, data, with_backend):
    eager = with_backend("openvino", rank=100)
    for remembered in (False, True):
        config = {
            "stream": [{"name": "s", "source": str(data / "images" / "dog.jpg")}],
            "stage": [{"name": "digits", "bundle": str(trap), "device": "auto", "batch": 2}],
        }
        summary = Pipeline.from_dict(config, registry=eager).run()
        stage = summary.stages["digits"]
        assert stage["graphs"]["model"]["backend"] == "onnxruntime"
        assert stage["proof"]["verdict"] == "passed"
        assert stage["proof"]["remembered"] is remembered
        assert stage["proof"]["oracle"].startswith("literal (onnxruntime ")
        assert "the proof failed" in stage["fallbacks"][0]
        assert ("known since" in stage["fallbacks"][0]) is remembered
    assert len(list((home / "proofs").glob("*.json"))) == 2, "the refusal is remembered, too"


def test_the_proof_is_of_the_session_that_runs(load, trap):
    """With its batch fixed at 1, OpenVINO runs the same file as it is meant: the proof follows the numbers."""
    proof = load(trap, backend="openvino", batch=1).standing.proof
    assert proof.passed
    assert proof.worst.worst <= 0.01


@pytest.mark.parametrize(("policy", "verdict"), [("warn", "failed"), ("off", "off")])
def test_a_user_may_want_it_all_the_same(load, trap, policy, verdict, caplog):
    model = load(trap, backend="openvino", batch=2, proof=policy)
    assert model.standing.verdict == verdict
    assert ("although its proof failed" in caplog.text) is (policy == "warn")


def bf16_here(registry) -> bool:
    return any("bf16" in device.precisions for device in registry.backends["openvino"].devices())


def test_bf16_is_a_grade_of_its_own(load, packed, registry, rewritten):
    if not bf16_here(registry):
        pytest.skip("this processor does not compute in bf16")
    path = packed("ultraface")
    wanted = {"backend": "openvino", "precision": "bf16"}
    with pytest.raises(BackendError, match="nobody measured its accuracy"):
        load(path, **wanted)
    with pytest.raises(BackendError, match=r"the proof failed: .* \(allowed: 0.0001\)"):
        load(path, **wanted, allow_ungraded=True)
    with open_bundle(path) as bundle:
        grades = bundle.manifest.grades
    graded = Grade(variant="f32", precision="bf16", metric="mAP50", value=0.41, n=128)
    with pytest.raises(BackendError, match=r"allowed: 0.0001"):
        load(rewritten(path, grades=(*grades, graded)), **wanted)
    tolerant = msgspec.structs.replace(graded, tolerance=0.5)
    model = load(rewritten(path, grades=(*grades, tolerant)), **wanted)
    assert model.standing.proof.precision == "bf16"
    assert model.standing.proof.tolerance == Tolerance(worst=0.5)
    assert load(path, backend="openvino").standing.proof.precision == "f32"


def test_a_tolerance_of_one_backend_holds_for_it_alone(load, small, rewritten):
    with open_bundle(small) as bundle:
        (grade,) = bundle.manifest.grades
    mine = msgspec.structs.replace(grade, backend="openvino", tolerance=0.3)
    path = rewritten(small, grades=(grade, mine))
    assert load(path, backend="openvino").standing.proof.tolerance.worst == 0.3
    assert load(path, backend="onnxruntime").standing.proof.tolerance.worst == 1e-4


# --- the three halves, apart --------------------------------------------------------------------------------------


@pytest.fixture
def damaged(small, rewritten):
    """``damaged(change)``: the small bundle with ``change(recording)`` in place of one golden's recording."""

    def damage(change, number=5):
        with open_bundle(small) as bundle:
            images = images_of(bundle.manifest)
            name = bundle.manifest.goldens[number].tensors
            recording = change(Recording.from_npz(bundle.read(name), name, images))
        return rewritten(small, {name: recording.to_npz(images)})

    return damage


@pytest.mark.parametrize("backend", BOTH)
def test_a_bundle_passes_where_it_was_made(load, small, backend):
    proof = load(small, backend=backend).standing.proof
    assert (proof.passed, proof.goldens, proof.preprocess.judged, proof.notes) == (True, 8, 8, ())
    assert proof.preprocess.worst <= 1
    assert proof.worst.worst <= 1e-5
    assert (proof.decoded.agreeing, proof.decoded.total) == (8, 8)
    assert proof.oracle.startswith("self (onnxruntime ")
    assert proof.device == "cpu"


@pytest.mark.parametrize("backend", BOTH)
def test_a_wrong_output_is_found(load, damaged, backend):
    def change(recording):
        scores = recording.outputs["model"]["scores"]
        scores = scores + np.ptp(scores) * np.array([0, 1e-3, 0], np.float32)
        return replace(recording, outputs={"model": {"scores": scores}})

    path = damaged(change)
    proof = load(path, backend=backend, proof="warn").standing.proof
    assert proof.problem.startswith("output 'model/scores' differs from the self oracle by ")
    assert "on golden 5 (allowed: 0.0001)" in proof.problem
    assert proof.preprocess.problem == ""


@pytest.mark.parametrize("backend", BOTH)
def test_wrong_pixels_are_found(load, damaged, backend):
    """And outputs are not blamed, which are judged on the recorded input."""

    def change(recording):
        return replace(recording, affine=recording.affine * 1.01)

    proof = load(damaged(change), backend=backend, proof="warn").standing.proof
    assert proof.problem == "preprocess: the picture lies elsewhere in the tensor on golden 5"
    assert proof.worst.worst <= 1e-5


@pytest.mark.parametrize("backend", BOTH)
def test_a_wrong_result_is_found(load, damaged, backend):
    def change(recording):
        ids = recording.result.class_id[:, ::-1].copy()
        return replace(recording, result=replace(recording.result, class_id=ids))

    proof = load(damaged(change), backend=backend, proof="warn").standing.proof
    assert proof.problem.startswith("decoded results agree in 7 of 8 clear findings: the best class of row 0")
    assert (proof.worst.worst <= 1e-5, proof.preprocess.problem) == (True, "")


@pytest.mark.parametrize("backend", BOTH)
def test_another_kernel_is_found(load, small, backend):
    """A preprocessing that is not the bundle's: named as such, in levels."""
    with open_bundle(small) as bundle:
        params = bundle.manifest.graphs["model"].inputs["pixels"].feed.params
    parts = Replace(preprocess_params=params | {"kernel": "nearest"})
    proof = load(small, parts, backend=backend, proof="warn").standing.proof
    assert proof.problem.startswith("preprocess: a pixel is off by ")
    assert "levels (allowed: 1) on golden" in proof.problem
    assert proof.worst.worst <= 1e-5
    with pytest.raises(BackendError, match="preprocess: a pixel is off by"):
        load(small, parts, backend=backend)


def test_thresholds_of_the_user_do_not_matter(load, packed):
    model = load(packed("fastestdet"), Replace(params={"confidence_threshold": 0.95}))
    assert model.standing.verdict == "passed"
    assert model.standing.proof.decoded.total > 20
    assert model.params.confidence_threshold == 0.95


def test_a_damaged_golden_is_an_error(load, small, rewritten):
    with pytest.raises(BundleError, match=r"'goldens/003\.npz': not a golden"):
        load(rewritten(small, {"goldens/003.npz": b"not arrays"}))


def test_without_goldens_it_runs_and_says_so(load, small, rewritten, caplog):
    model = load(rewritten(small, goldens=()))
    assert model.standing.verdict == "no goldens"
    assert "has no goldens" in caplog.text


def test_goldens_may_belong_to_a_variant(load, small, rewritten):
    with open_bundle(small) as bundle:
        goldens, variants = bundle.manifest.goldens, bundle.manifest.variants
    mine = tuple(msgspec.structs.replace(golden, variant="f32") for golden in goldens[:3])
    both = {"f32": variants["f32"], "again": variants["f32"]}
    path = rewritten(small, goldens=(*mine, *goldens[3:4]), variants=both)
    assert load(path, variant="f32").standing.proof.goldens == 4
    assert load(path, variant="again", allow_ungraded=True).standing.proof.goldens == 1


def test_pictures_that_cannot_be_decoded_are_noted(load, small, rewritten, caplog):
    with open_bundle(small) as bundle:
        goldens = tuple(
            msgspec.structs.replace(golden, image="goldens/x.bin") for golden in bundle.manifest.goldens
        )
    model = load(rewritten(small, {"goldens/x.bin": b"?"}, goldens=goldens))
    assert model.standing.verdict == "passed"
    assert model.standing.proof.preprocess.judged == 0
    assert model.standing.proof.notes == (
        "preprocess: not judged: no decoder is installed for 'unknown' images",
    )
    assert "not judged" in caplog.text
    nothing = Golden(image="goldens/x.bin")
    assert (
        load(rewritten(small, {"goldens/x.bin": b"?"}, goldens=(nothing,))).standing.verdict == "no goldens"
    )


def test_the_summary_says_what_was_used_all_the_same(trap, home, data, registry):
    config = {
        "stream": [{"name": "s", "source": str(data / "images" / "dog.jpg")}],
        "stage": [
            {"name": "digits", "bundle": str(trap), "backend": "openvino", "batch": 2, "proof": "warn"}
        ],
    }
    summary = Pipeline.from_dict(config, registry=registry).run()
    assert summary.stages["digits"]["proof"]["verdict"] == "failed"
    assert "note: stage 'digits' was used although its proof failed: output" in render_summary(summary)


def test_an_output_of_another_shape_is_refused_and_remembered(load, damaged, home):
    def change(recording):
        return replace(recording, outputs={"model": {"scores": np.zeros((1, 4), np.float32)}})

    path = damaged(change)
    for _ in range(2):
        standing = load(path, backend="onnxruntime", proof="warn").standing
        assert standing.proof.problem.startswith("output 'model/scores' differs from the self oracle")
    assert standing.remembered
