"""Classification and detection: models, and decoders of the common output formats."""
