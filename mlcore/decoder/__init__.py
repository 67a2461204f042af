"""Reading untrusted pictures in a process that can do no harm.

A `Decoder` starts a *launcher* by exec, with an empty environment and one socket. The launcher is
single-threaded, loads the decoders and then forks one child for each picture. The child gives up
everything but two shared pieces of memory before it looks at a byte: see `mlcore.decoder.sandbox`.
What it returns is a code, a format, four numbers and pixels.
"""

from mlcore.decoder.client import Decoder, Header, shared_decoder

__all__ = ["Decoder", "Header", "shared_decoder"]
