"""Boards on a belt: the input of the demo, drawn here."""
