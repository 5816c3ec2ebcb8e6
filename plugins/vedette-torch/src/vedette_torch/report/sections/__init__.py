"""Parts of the page: each a pure function from facts to a section."""
