"""Finds what is unusual in front of a camera, from nothing but video of what is usual."""
