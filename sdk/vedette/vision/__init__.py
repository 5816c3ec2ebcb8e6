"""Pixels and boxes: views of frames, preprocessing, geometry, non-maximum suppression."""
