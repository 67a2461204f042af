"""Pages that stay put while new records arrive."""

from datetime import UTC, datetime

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination


class NewestFirst(CursorPagination):
    ordering = ("-created_at", "-id")
    page_size = 25
    max_page_size = 100
    page_size_query_param = "page_size"

    def decode_cursor(self, request) -> Cursor | None:
        """Return the cursor of the request, its position a moment. Raises ValidationError."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is None or cursor.position is None:
                return cursor
            moment = datetime.fromisoformat(cursor.position).astimezone(UTC)
        except (NotFound, ValueError, OverflowError) as error:
            raise ValidationError({"cursor": ["This cursor is not one of ours."]}) from error
        return cursor._replace(position=moment.isoformat())
