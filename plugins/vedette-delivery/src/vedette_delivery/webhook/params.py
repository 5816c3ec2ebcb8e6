"""What is said of a web server in a configuration."""

from __future__ import annotations

from typing import Annotated

import msgspec

from vedette.outbox.params import OutboxParams
from vedette_delivery.params import EvidenceParams


class WebhookParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters of the sink ``webhook``."""

    url: str
    """``https://...`` or ``http://...``, without user and password. Redirections are not followed."""
    outbox: OutboxParams
    secret: str | None = None
    """Where the secret of the signature is: ``env:NAME`` or ``file:PATH``. ``whsec_`` and base64, or any text."""
    authorization: str | None = None
    """Where the value of the header ``Authorization`` is (``Bearer ...``): ``env:NAME`` or ``file:PATH``."""
    headers: dict[str, str] = {}
    """Further headers, which are no secrets."""
    ca: str | None = None
    """Certificates that vouch for the server (PEM); default: those that this system trusts."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=120)] = 10.0
    """For connecting, and for each part of the answer."""
    evidence: EvidenceParams = EvidenceParams()
