"""VLP/1, the Vedette link protocol: its wire format (PROTOCOL.md), and the link over it, without input or output.

``frame parser cbor control messages`` are the wire; ``sending receiving rtt images opening baud security timing rpc``
keep one concern of a link each; ``transmit`` says what leaves when, ``link`` puts all together. Nothing here opens a
port or reads a clock: that is for the shells.
"""
