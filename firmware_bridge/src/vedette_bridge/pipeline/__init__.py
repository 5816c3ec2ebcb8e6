"""A VLP camera in a pipeline of Vedette: a source, a sink, and two stages. Imported only where Vedette is."""
