"""Checkpoints on disk: whole or not there, and refused in one line where they do not fit."""

import io
import pickle
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


class CheckpointError(Exception):
    """A checkpoint cannot be written or read, or belongs to another network or recipe."""


def write_checkpoint(path: Path, state: dict) -> None:
    """Write beside the final place first: what lay there stays whole until the new one is."""
    content = io.BytesIO()
    torch.save(state, content)
    partial = path.with_suffix(".partial")
    try:
        partial.write_bytes(content.getbuffer())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path} cannot be written: {error.strerror}; what was there before is intact"
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a checkpoint is read and used into one line."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        # Torch's own message advises to trust the file.
        raise CheckpointError(f"{path} is no checkpoint, or a damaged one") from error
    except Exception as error:  # Torch meets foreign bytes with a dozen kinds of exceptions.
        # Where shapes differ, the first line only announces those that say which.
        lines = (str(error).strip() or repr(error)).splitlines()[:2]
        reason = textwrap.shorten(" ".join(lines), 160, placeholder=" …")
        raise CheckpointError(f"{path} is no checkpoint of this network: {reason}") from error


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict:
    """Return the state that write_checkpoint was given; raises CheckpointError."""
    with reading(path):
        state = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(f"it holds a {type(state).__name__}")
        return state
