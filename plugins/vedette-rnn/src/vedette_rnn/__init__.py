"""Recurrent networks over video and over tracks."""
