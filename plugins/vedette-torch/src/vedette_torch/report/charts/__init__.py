"""Charts as inline SVG: a pure function for each kind, from numbers to markup. Colours are variables of the page."""
