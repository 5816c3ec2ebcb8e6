"""Vedette on the server: from a folder of data to a bundle that has proved its accuracy."""
