"""Figures of merit on plain arrays, each with the number of samples and an interval. Nothing here imports torch."""
