"""Build a plan from a configuration and run it: streams, lanes, faults, accounting."""
