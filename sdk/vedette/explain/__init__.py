"""Where a model looked: maps of what speaks for one answer, by the model's own runtime, with numpy alone.

:func:`~vedette.explain.single.explain` makes a :class:`~vedette.explain.saliency.Saliency` of one picture; a pipeline
adds such maps to events (``evidence = "saliency"``, :mod:`vedette.pipeline.evidence`).
"""
