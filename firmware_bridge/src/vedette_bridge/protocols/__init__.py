"""The protocols of other people's cameras, one package each: ``camera`` is this side, ``emulator`` the other."""
