"""The benchmarks of this repository: ``python -m bench``. Each module measures one thing and states its target."""
