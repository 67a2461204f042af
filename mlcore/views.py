"""Which views of a face the network is asked about. Needs the standard library only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

FACE_SIZE = 48
"""Side in pixels of a FER2013 image: every crop is brought to it first, so that a face from a
large photo has the detail of the faces that the network learned from, and no more."""

LARGEST = 4 * FACE_SIZE
"""Of a window's side; a face farther away than that is none."""


@dataclass(frozen=True)
class Views:
    """Views of a face whose logits are averaged.

    ``windows`` are the sides of the squares around the middle of the face, in pixels of the
    48 x 48 face: fewer show it nearer, more show it farther away; with ``mirrored`` the mirror
    image of each counts, too. Raises ValueError where a side is no number from 1 to LARGEST.
    """

    windows: tuple[int, ...] = (FACE_SIZE,)
    mirrored: bool = False

    def __post_init__(self) -> None:
        sides = range(1, LARGEST + 1)
        if not self.windows or not all(type(n) is int and n in sides for n in self.windows):
            raise ValueError(f"windows are {self.windows}, not sides from 1 to {LARGEST} pixels")
        if not isinstance(self.mirrored, bool):
            raise ValueError(f"mirrored is {self.mirrored}")

    @classmethod
    def of(cls, metadata: Mapping[str, object]) -> "Views":
        """Return the views that the metadata of a model file name, as JSON values or strings.

        A file that names none is asked about the face as it is. Raises ValueError and TypeError
        where they are malformed.
        """
        windows, mirrored = (
            json.loads(value) if isinstance(value, str) else value
            for value in (metadata.get("windows", [FACE_SIZE]), metadata.get("mirrored", False))
        )
        return cls(tuple(windows), mirrored)

    @property
    def count(self) -> int:
        return len(self.windows) * (2 if self.mirrored else 1)


ONE_VIEW = Views()
"""The face as it is."""
