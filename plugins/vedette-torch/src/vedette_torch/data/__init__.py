"""Data sets as they lie on a disk, read into lists of samples. Nothing here imports torch."""
