"""The card of a model: what it is, what it is for, how good it is, and what it must not be used for."""
