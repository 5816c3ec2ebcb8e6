"""What a proof, or the want of one, means for a model that is being loaded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from vedette.errors import BackendError
from vedette.frame import Decode
from vedette.proof.key import ProofKey
from vedette.proof.memory import ProofMemory, Record
from vedette.proof.run import Proof, goldens_of, prove

if TYPE_CHECKING:
    from vedette.bundle.bundle import Bundle
    from vedette.model.loading import LoadedModel
    from vedette.specs import Candidate

log = logging.getLogger("vedette.proof")

Policy = Literal["require", "warn", "off"]
"""``require``: what fails is not used; ``warn``: it is, and the log says so; ``off``: nothing is proved."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a loaded model stands: its proof, since when, and whether it was made now or remembered.

    ``proof`` is ``None`` where there are no goldens, or proving is off.
    """

    verdict: Literal["passed", "failed", "no goldens", "off"]
    proof: Proof | None = None
    when: str | None = None
    remembered: bool = False
    key: str | None = None

    def to_builtins(self) -> dict[str, Any]:
        """In short, for a summary."""
        plain: dict[str, Any] = {"verdict": self.verdict}
        if self.proof is not None:
            figures, decoded = self.proof.worst, self.proof.decoded
            plain |= {
                "when": self.when,
                "remembered": self.remembered,
                "key": self.key,
                "oracle": self.proof.oracle,
                "worst": figures.worst,
                "rms": figures.rms,
                "decoded": f"{decoded.agreeing} of {decoded.total}",
                "problem": self.proof.problem,
            }
        return plain


OFF = Standing(verdict="off")


class Gate:
    """Lets a candidate through if it has proved itself here, now or before.

    ``recall`` is asked before the model is opened, ``admit`` after.
    """

    def __init__(self, bundle: Bundle, policy: Policy, memory: ProofMemory | None = None) -> None:
        self._bundle = bundle
        self._policy = policy
        self._memory = memory or ProofMemory.of_this_user()

    def guards(self, candidate: Candidate) -> bool:
        """Whether there is something that a candidate has to prove."""
        return self._policy != "off" and bool(goldens_of(self._bundle.manifest, candidate.variant))

    def recall(self, key: ProofKey) -> Standing | None:
        """What is remembered of a candidate.

        Raises
        ------
        BackendError
            It is known to fail, and proofs are required.
        """
        record = self._memory.find(key)
        if record is None:
            return None
        log.info("bundle %r: its proof is of %s", self._bundle.manifest.name, record.when)
        return self._judge(record, key, remembered=True)

    def admit(self, model: LoadedModel, key: ProofKey, decode: Decode) -> Standing:
        """Prove a model that was opened, and remember it.

        Raises
        ------
        BackendError
            It fails, and proofs are required.
        """
        record = self._memory.keep(key, prove(model, decode))
        standing = self._judge(record, key, remembered=False)
        log.info(
            "bundle %r: %s the proof on %s", self._bundle.manifest.name, standing.verdict, record.proof.device
        )
        return standing

    def pass_unproved(self) -> Standing:
        """Let a candidate through that has nothing to prove."""
        if self._policy == "off":
            return OFF
        log.warning(
            "bundle %r has no goldens, so nobody knows whether its answers are right here; pack it again",
            self._bundle.manifest.name,
        )
        return Standing(verdict="no goldens")

    def _judge(self, record: Record, key: ProofKey, *, remembered: bool) -> Standing:
        proof = record.proof
        for note in proof.notes:
            log.warning("bundle %r: %s", self._bundle.manifest.name, note)
        if proof.problem and self._policy == "require":
            since = f" (known since {record.when})" if remembered else ""
            raise BackendError(
                f"the proof failed: {proof.problem}{since}",
                fix='take another backend or precision; proof = "warn" uses it all the same',
            )
        if proof.problem:
            log.warning(
                "bundle %r is used although its proof failed: %s", self._bundle.manifest.name, proof.problem
            )
        return Standing(
            verdict="failed" if proof.problem else "passed",
            proof=proof,
            when=record.when,
            remembered=remembered,
            key=key.digest if key.lasting else None,
        )
