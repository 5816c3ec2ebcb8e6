"""Recipes by which the networks of this distribution are trained. They need ``vedette-torch`` and run on no edge
box."""
