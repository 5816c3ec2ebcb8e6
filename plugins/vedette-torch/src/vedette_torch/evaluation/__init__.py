"""Models judged on labelled data: through the edge, through torch, and one against the other.

Only :mod:`~vedette_torch.evaluation.run`, which opens the network of a training, imports torch.
"""
