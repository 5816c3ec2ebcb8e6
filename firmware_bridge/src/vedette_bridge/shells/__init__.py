"""Input and output of a link: ports, threads, event loops. The link itself (:mod:`vedette_bridge.vlp`) does neither."""
