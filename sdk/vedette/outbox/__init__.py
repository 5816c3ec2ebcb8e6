"""Events on disk until they are delivered: a sink that puts them here loses none to a power cut or a dead network."""
