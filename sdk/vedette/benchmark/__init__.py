"""Measure: the raw runtime against the pipeline, in interleaved rounds, with an eye on what else the machine does."""
