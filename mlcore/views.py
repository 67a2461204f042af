"""Which views of a face the network is asked about. Needs the standard library only."""

from dataclasses import dataclass

FACE_SIZE = 48
"""Side in pixels of a FER2013 image: every crop is brought to it first, so that a face from a
large photo has the detail of the faces that the network learned from, and no more."""


@dataclass(frozen=True)
class Views:
    """Views of a face whose logits are averaged.

    ``windows`` are the sides of the squares around the middle of the face, in pixels of the
    48 x 48 face: fewer show it nearer, more show it farther away; with ``mirrored`` the mirror
    image of each counts, too.
    """

    windows: tuple[int, ...] = (FACE_SIZE,)
    mirrored: bool = False

    def __post_init__(self) -> None:
        sizes = range(1, 4 * FACE_SIZE)
        if not self.windows or not all(type(n) is int and n in sizes for n in self.windows):
            raise ValueError(f"windows are {self.windows}, not sides from 1 to {sizes[-1]} pixels")

    @property
    def count(self) -> int:
        return len(self.windows) * (2 if self.mirrored else 1)


ONE_VIEW = Views()
"""The face as it is."""
