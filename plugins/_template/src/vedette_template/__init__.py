"""A Vedette plugin to copy: replace what it registers with your own."""
