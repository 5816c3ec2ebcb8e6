"""The packages of the examples, as a script beside them finds them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "examples"))
