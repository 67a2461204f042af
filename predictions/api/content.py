"""Reading what requests carry, and answering with pictures."""

from contextlib import suppress

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http.request import RawPostDataException
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.renderers import BaseRenderer

from predictions.bodies import receiving_files
from predictions.limits import BATCH, largest_body, stated_length
from predictions.uploads import UploadError


class WholeBodyMixin:
    """For views: a body that broke off is noticed also where the view takes no fields."""

    def initial(self, request, *args, **kwargs) -> None:
        super().initial(request, *args, **kwargs)
        if stated_length(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            request.data  # noqa: B018, what it reads is kept for the view.
        else:
            with suppress(RawPostDataException):  # It was parsed, and so it was complete.
                request.body  # noqa: B018


class _Limited:
    """Refuses by its stated length what could only be refused after it filled memory or disk."""

    photos = 0

    def parse(self, stream, media_type=None, parser_context=None):
        request = parser_context["request"]
        if stated_length(request) > largest_body(self.photos):
            raise self.too_large()
        with receiving_files(request):
            return super().parse(stream, media_type, parser_context)

    def too_large(self) -> Exception:
        return RequestDataTooBig()


class PhotoParser(_Limited, MultiPartParser):
    """One photo."""

    photos = 1

    def too_large(self) -> Exception:
        return UploadError("file_too_large")


class BatchParser(_Limited, MultiPartParser):
    """Several photos."""

    photos = BATCH


class ShallowJSONParser(_Limited, JSONParser):
    """JSON that nests so deeply that it exhausts the parser is wrong like any other."""

    def parse(self, stream, media_type=None, parser_context=None):
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply") from error


class SmallFormParser(_Limited, FormParser):
    """A form of a few values."""


class SmallMultiPartParser(_Limited, MultiPartParser):
    """A form of a few values, as programs like to send it."""


FORMS = (ShallowJSONParser, SmallFormParser, SmallMultiPartParser)
"""What carries a few values."""


class _Finished(BaseRenderer):
    """Lets an ``Accept`` header pass; the views answer with finished responses."""

    charset = None
    render_style = "binary"


class JPEGRenderer(_Finished):
    media_type = "image/jpeg"
    format = "jpg"


class CSVRenderer(_Finished):
    media_type = "text/csv"
    format = "csv"


class JSONLinesRenderer(_Finished):
    media_type = "application/x-ndjson"
    format = "jsonl"


class ZIPRenderer(_Finished):
    media_type = "application/zip"
    format = "zip"
