"""What other rooms may want to hear of a prediction's life."""

from django.dispatch import Signal

finished = Signal()
"""A prediction has succeeded, failed or been canceled, and that is committed.

Sent with ``prediction_id`` (UUID) by ``services``, in the process that ended it. Receivers must
be quick: they run before that process goes on.
"""
