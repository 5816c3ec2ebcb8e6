"""How the networks of this distribution are trained. Needs the extra ``torch``."""
