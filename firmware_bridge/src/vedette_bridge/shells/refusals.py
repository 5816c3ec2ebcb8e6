"""Why a camera that answers gives no session, as errors for people."""

from __future__ import annotations

from vedette_bridge.errors import AuthError, LinkError, ProtocolError
from vedette_bridge.vlp.events import RefusedReason


def refusal(name: str, reason: RefusedReason) -> LinkError:
    """The error; ``name`` is what messages call the camera."""
    match reason:
        case "open":
            return AuthError(
                f"{name} is paired and wants its key", fix="give it: key=file:PATH in the address"
            )
        case "unpaired":
            return AuthError(
                f"{name} has no key, and so cannot prove that it is the camera",
                fix="pair it: `vedette bridge pair`; or leave the key out of the address",
            )
        case "key":
            return AuthError(f"{name} does not have this key", fix="is it the right camera, and its key?")
    return ProtocolError(
        f"{name} speaks no version of the protocol that this side knows", fix="update the older one"
    )
