"""Quantisation: from a float bundle to one with an int8 variant whose accuracy was measured where it will run."""
