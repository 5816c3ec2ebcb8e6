"""What both sinks take."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class EvidenceParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``evidence = { ... }``: what becomes of the pictures and clips of events."""

    where: Literal["inline", "files", "none"] = "inline"
    """``inline``: in the message, in base64; ``files``: written into the folder ``NAME.evidence`` beside the outbox
    ``NAME.db`` before the message is sent, which has the absolute path and the SHA-256; ``none``: left out."""
    keep_mb: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Of ``files``: the oldest are removed beyond so many megabytes (10^6 bytes); default: never."""
    keep_days: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Of ``files``: those older than so many days are removed; default: never."""
