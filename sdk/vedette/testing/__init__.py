"""What a plugin author tests with: fakes that keep the contracts, fake distributions, and pytest fixtures."""
