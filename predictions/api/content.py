"""Reading what requests carry, and answering with pictures."""

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.renderers import BaseRenderer

from predictions.uploads import UploadError

ROOM_FOR_FORM = 1024 * 1024
"""Bytes that the parts of a form may need beside the photo."""


class PhotoParser(MultiPartParser):
    """Refuses by its stated length what could only be refused after it filled the disk."""

    def parse(self, stream, media_type=None, parser_context=None):
        limit = settings.MAX_UPLOAD_MB * 1024 * 1024
        if int(parser_context["request"].META["CONTENT_LENGTH"]) > limit + ROOM_FOR_FORM:
            raise UploadError("file_too_large")
        return super().parse(stream, media_type, parser_context)


class ShallowJSONParser(JSONParser):
    """JSON that nests so deeply that it exhausts the parser is wrong like any other."""

    def parse(self, stream, media_type=None, parser_context=None):
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply") from error


FORMS = (ShallowJSONParser, FormParser, MultiPartParser)
"""What carries a few values."""


class JPEGRenderer(BaseRenderer):
    """Lets ``Accept: image/jpeg`` pass; the views answer with finished responses."""

    media_type = "image/jpeg"
    format = "jpg"
    charset = None
    render_style = "binary"
