"""What other rooms may want to hear of a prediction's life. Both carry ``prediction_id`` (UUID)."""

from django.dispatch import Signal

ended = Signal()
"""A prediction succeeds, fails or is canceled, in a transaction that is still open.

What is written now is committed with it or not at all; an exception undoes the end.
"""

finished = Signal()
"""The same once it is committed, in the process that ended it; it goes on after the receivers."""
