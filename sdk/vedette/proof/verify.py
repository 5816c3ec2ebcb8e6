"""Prove a bundle on everything here that can run it, whatever was proved before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec

from vedette.bundle.bundle import Bundle
from vedette.decoding import image_decoder
from vedette.errors import BackendError, BundleError
from vedette.model.candidates import Wanted, choose
from vedette.model.loading import Replace, load_model
from vedette.model.pool import SessionPool
from vedette.proof.key import proof_key
from vedette.proof.memory import ProofMemory
from vedette.proof.run import Proof, goldens_of, prove
from vedette.registry import Registry
from vedette.specs import Candidate


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one variant on one backend and device, at one precision.

    ``problem``: why it is not to be used, in one line; empty where it passed. ``proof`` is ``None`` where it could not
    be opened or run.
    """

    variant: str
    backend: str
    device: str
    precision: str
    problem: str
    proof: Proof | None = None

    @property
    def passed(self) -> bool:
        return not self.problem


def verify(
    bundle: Bundle,
    registry: Registry,
    wanted: Wanted,
    parts: Replace,
    threads: int,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Verdict]:
    """Prove ``bundle`` by its goldens on each backend and device that fits ``wanted``, and remember what came of it.

    Parameters
    ----------
    threads
        Processor threads.
    say
        Told what is being done.

    Raises
    ------
    BundleError
        There are no goldens, or one of them is damaged.
    BackendError
        Nothing here can run the bundle.
    """
    memory = ProofMemory.of_this_user()
    if not any(goldens_of(bundle.manifest, variant) for variant in bundle.manifest.variants):
        raise BundleError(
            f"{bundle.path}: there are no goldens in it, so nothing can be proved",
            fix="pack the model again: vedette pack MODEL --sample PICTURE",
        )
    for candidate in _candidates(bundle, wanted, registry):
        say(f"{candidate.variant} on {candidate.backend}:{candidate.device} at {candidate.precision}")
        yield _verify(bundle, candidate, registry, parts, threads, memory)


def _candidates(bundle: Bundle, wanted: Wanted, registry: Registry) -> list[Candidate]:
    """On every device, not only the first kind that is here."""
    found: list[Candidate] = []
    reasons: list[BackendError] = []
    names = [wanted.backend] if wanted.backend else sorted(registry.backends)
    for name in names:
        spec = registry.backends[name]
        devices: tuple[str, ...] | str = wanted.device
        if devices == "auto" and spec.probe() is None:
            devices = tuple(device.name for device in spec.devices())
        try:
            choice = choose(bundle, replace(wanted, backend=name, device=devices), registry)
            found += choice.candidates
        except BackendError as error:
            reasons.append(error)
    if not found:
        raise reasons[0] if len(reasons) == 1 else BackendError("\n".join(error.message for error in reasons))
    order = list(bundle.manifest.variants)
    return sorted(dict.fromkeys(found), key=lambda candidate: order.index(candidate.variant))


def _verify(
    bundle: Bundle,
    candidate: Candidate,
    registry: Registry,
    parts: Replace,
    threads: int,
    memory: ProofMemory,
) -> Verdict:
    pinned = Wanted(
        backend=candidate.backend,
        device=candidate.device,
        variant=candidate.variant,
        precision=candidate.precision,
        allow_ungraded=True,
        allow_fallback=False,
        proof="off",
    )
    proof: Proof | None = None
    decode = image_decoder(registry)
    if not goldens_of(bundle.manifest, candidate.variant):
        problem = "no golden holds answers of this variant"
    else:
        try:
            model = load_model(bundle, registry, SessionPool(threads), decode, wanted=pinned, replace=parts)
            try:
                proof = prove(model, decode)
                memory.keep(proof_key(bundle, candidate, model.parts, registry, parts), proof)
                problem = proof.problem
            finally:
                model.close()
        except BackendError as error:
            problem = " ".join(error.message.split())
    return Verdict(
        variant=candidate.variant,
        backend=candidate.backend,
        device=candidate.device,
        precision=candidate.precision,
        problem=problem,
        proof=proof,
    )
