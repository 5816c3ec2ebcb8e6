"""Whose bundles this box runs: the policy, and the judgement of a signature by it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from vedette.bundle.signature import verify_signature
from vedette.bundle.trust_store import TrustStore
from vedette.errors import BundleError

log = logging.getLogger("vedette.bundle")

SignaturePolicy = Literal["require", "warn", "off"]
State = Literal["trusted", "unknown", "revoked", "unsigned", "unchecked"]


_NOBODY_KNOWN = ("unsigned", "unknown")
"""States in which a carrier speaks for a bundle."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What is known of a bundle's signature; as text, in words.

    Attributes
    ----------
    state
        ``trusted``: by a key that is trusted here. ``unknown``, ``revoked``: by another one. ``unsigned``: there is
        none. ``unchecked``: it was not looked at.
    fingerprint
        Of the key that signed.
    name
        What the key is called here.
    reason
        When and why it was revoked.
    carrier
        The distribution that the bundle came with, ``vedette-cnn 1.0.0``, if it did not come by itself.
    """

    state: State
    fingerprint: str | None = None
    name: str | None = None
    reason: str | None = None
    carrier: str | None = None

    def __str__(self) -> str:
        if self.carrier and self.state in _NOBODY_KNOWN:
            whom = "unsigned" if self.state == "unsigned" else f"signed by {self.fingerprint}"
            return f"{whom}; came with {self.carrier}, whose code runs here too"
        key = f"{self.name!r}, {self.fingerprint}" if self.name else f"{self.fingerprint}"
        return {
            "trusted": f"signed by {key}",
            "unknown": f"signed by a key that is not trusted here: {key}",
            "revoked": f"signed by a revoked key: {key} ({self.reason})",
            "unsigned": "unsigned: the manifest itself is unprotected, whoever can write to the bundle can change it",
            "unchecked": "not looked at (signatures = off)",
        }[self.state]


@dataclass(frozen=True)
class Trust:
    """Which bundles may be opened.

    Attributes
    ----------
    policy
        ``require``: those that are signed by a trusted key, and every file is compared with its hash at once.
        ``warn``: all but those whose signature does not verify; what is not signed by a trusted key is logged.
        ``tell``: the same without a word, for those who show :attr:`vedette.bundle.bundle.Bundle.signature`.
        ``off``: all; signatures are not looked at.
    folder
        Where the keys are; default: :func:`vedette.bundle.trust_store.trust_folder`.
    carrier
        The installed distribution that the bundle is part of. Whoever could change that file could change the code
        beside it, so ``warn`` does not log that it is unsigned. It is no signature: ``require`` refuses it like any
        other.
    """

    policy: SignaturePolicy | Literal["tell"] = "tell"
    folder: Path | None = None
    carrier: str | None = None

    def __post_init__(self) -> None:
        """A misspelt policy must not let everything pass."""
        if self.policy not in (*get_args(SignaturePolicy), "tell"):
            raise BundleError(f"{self.policy!r} is no policy", fix="take require, warn, tell or off")


def check_signature(manifest: bytes, signature: bytes | None, where: str, trust: Trust) -> Signature:
    """Judge the exact bytes of a manifest, before anybody parses them.

    Parameters
    ----------
    signature
        Content of the file ``signature``; ``None`` where there is none.

    Raises
    ------
    BundleError
        The signature does not verify, or the policy is ``require`` and it is not by a trusted key.
    """
    if trust.policy == "off":
        return Signature(state="unchecked")
    if signature is None:
        found = Signature(state="unsigned")
    else:
        key = verify_signature(manifest, signature, where)
        found = judge(TrustStore(trust.folder), key.fingerprint)
    found = replace(found, carrier=trust.carrier)
    if found.state != "trusted":
        if trust.policy == "require":
            raise BundleError(f"{where}: refused: {found}", fix=_what_to_do(found))
        if trust.policy == "warn" and not (trust.carrier and found.state in _NOBODY_KNOWN):
            log.warning("%s: %s", where, found)
    return found


def judge(store: TrustStore, fingerprint: str) -> Signature:
    """What a good signature by a key is worth.

    Raises
    ------
    BundleError
        What was decided on the key cannot be read.
    """
    known = store.get(fingerprint)
    if known is None:
        return Signature(state="unknown", fingerprint=fingerprint)
    if known.revoked:
        reason = str(known.revoked)
        return Signature(state="revoked", fingerprint=fingerprint, name=known.name, reason=reason)
    return Signature(state="trusted", fingerprint=fingerprint, name=known.name)


def _what_to_do(found: Signature) -> str:
    if found.carrier and found.state in _NOBODY_KNOWN:
        return "sign a copy of the bundle, and install that: vedette sign COPY --key KEY; vedette models install COPY"
    if found.state == "unsigned":
        return "get a signed one, or sign it yourself: vedette sign BUNDLE --key KEY"
    if found.state == "unknown":
        return (
            "if the author of the bundle tells you the same fingerprint: "
            f"vedette keys trust {found.fingerprint} --name NAME"
        )
    return "get one that is signed with a key in force"
