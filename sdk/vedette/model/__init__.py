"""One model, ready to run: which candidate, its sessions, how its inputs are filled and its outputs decoded."""
