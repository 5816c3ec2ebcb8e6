"""Pixels in and out: video files, cameras, images, their decoders, and annotated video."""
