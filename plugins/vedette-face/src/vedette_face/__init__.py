"""Faces: aligned, judged, recognised over time, and hidden from recordings."""
