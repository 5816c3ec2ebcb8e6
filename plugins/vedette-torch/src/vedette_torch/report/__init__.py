"""A report of a model: one page of HTML that needs nothing else, made from what was measured.

Data flows one way: :mod:`~vedette_torch.report.sources` reads files into :mod:`~vedette_torch.report.facts`,
:mod:`~vedette_torch.report.sections` turn facts into markup with :mod:`~vedette_torch.report.charts`, and
:mod:`~vedette_torch.report.page` puts them together.
"""
