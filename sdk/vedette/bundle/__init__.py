"""Bundles: a model with everything that is known of it, sealed by hashes."""
