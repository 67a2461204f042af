"""Pages that stay put while new records arrive."""

from datetime import UTC, datetime

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination


class NewestFirst(CursorPagination):
    ordering = ("-created_at", "-id")
    page_size = 25
    max_page_size = 100
    page_size_query_param = "page_size"

    def get_page_size(self, request) -> int:
        """Return how many records a page has, however many are asked for. Raises
        ValidationError where that is no number."""
        asked = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if not (asked.isascii() and asked.isdigit() and asked.strip("0")):
            raise ValidationError({"page_size": ["A whole number from 1 on is needed."]})
        # Python refuses to read a number of thousands of digits.
        return self.max_page_size if len(asked) > 9 else min(int(asked), self.max_page_size)

    def get_schema_operation_parameters(self, view) -> list[dict]:
        parameters = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] |= {"minimum": 1, "default": self.page_size}
                parameter["description"] = f"Records on a page; at most {self.max_page_size} come."
        return parameters

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
