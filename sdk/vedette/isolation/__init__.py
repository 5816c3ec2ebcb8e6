"""A source that is opened, read and decoded in a child process of its own.

The parent (``source.py``, ``process.py``) and the child (``child.py``, ``confinement.py``) speak in short messages
(``messages.py``) over a socket; pixels lie in shared memory (``pictures.py``). What the child says is checked as if a
stranger said it, since the medium that it decodes may have taken it over. Linux only.
"""
