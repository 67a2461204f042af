"""What an image file is made of, checked before any decoder reads it.

A decoder's loops run as often as the file says, and some copy everything they have read so far on
every turn. The walkers here follow the same structures in bounded time and memory, and refuse a
file whose markers, chunks, tags, comments or scans would keep a decoder busy for seconds. They
decode no pixels, and they leave damage to the decoder to report. They need nothing but the
standard library.
"""

from mlcore.structure.checking import check_structure
from mlcore.structure.magic import sniff

__all__ = ["check_structure", "sniff"]
