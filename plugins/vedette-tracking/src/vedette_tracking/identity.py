"""Names of tracks: numbers that are unique over streams, epochs, restarts and boxes without anybody who hands them out.

A ``track_id`` is ``PREFIX NNN``: the last three decimal digits count the tracks of a stream from 1 on, so that people
can tell them apart; the prefix is a hash of what is true of no other thousand tracks. It is below 2**53, so that it
survives JSON readers that know only double precision. A million prefixes in use, a billion tracks, have a chance of one
in 18 of any two being equal; ten thousand, one in 180 000.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

_THOUSAND = 1000
_PREFIXES = 2**53 // _THOUSAND - 1


@lru_cache(maxsize=4096)
def track_id(origin: str, number: int) -> int:
    """The id of the ``number``-th track (from 1) of ``origin``: a pure function of both, so that the same run over a
    file gives the same ids.

    >>> track_id("door", 7) % 1000
    7
    >>> track_id("door", 7) == track_id("gate", 7)
    False
    """
    thousand, last = divmod(number, _THOUSAND)
    digest = hashlib.blake2b(f"{origin}\0{thousand}".encode(), digest_size=16).digest()
    return (1 + int.from_bytes(digest) % _PREFIXES) * _THOUSAND + last
