"""The tests of this folder, and the soak, share ``line.py``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
