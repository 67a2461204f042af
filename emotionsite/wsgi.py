"""The WSGI entry point for gunicorn."""

import os
from contextlib import suppress

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from mlcore.decoder import shared_decoder
from mlcore.errors import DecoderUnavailable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emotionsite.settings")


class Utf8Request(WSGIRequest):
    """Read as UTF-8 whatever it claims: Python knows charsets that are none of text."""

    encoding = property(lambda self: "utf-8", lambda self, charset: None)


class Handler(WSGIHandler):
    request_class = Utf8Request


django.setup(set_prefix=False)
# The first upload need not wait until the decoders are loaded.
with suppress(DecoderUnavailable):
    shared_decoder().start()
application = Handler()
