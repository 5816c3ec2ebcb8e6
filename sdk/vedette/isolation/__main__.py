"""``python -m vedette.isolation SOCKET MEMORY``: the child; started by :mod:`vedette.isolation.process` only."""

from __future__ import annotations

import sys

from vedette.isolation.child import main

if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
