"""The sinks of the core: JSON Lines and standard output, and what sinks of other distributions build on."""
