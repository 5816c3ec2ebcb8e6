"""Search for good settings of a recipe, by optuna (the extra ``search``).

Each trial is a run folder like any other. What was found out is in ``study.db`` (SQLite) after every epoch, so that a
search that was killed goes on where it was.
"""

from vedette_torch.search.run import SearchResult, search
from vedette_torch.search.space import Space, parse_space, read_space
from vedette_torch.search.trials import Trial

__all__ = ["SearchResult", "Space", "Trial", "parse_space", "read_space", "search"]
