"""Whole addresses, for those who read a page elsewhere."""

from django import template
from django.conf import settings
from django.utils.encoding import iri_to_uri

register = template.Library()


@register.simple_tag(takes_context=True)
def absolute(context, path: str) -> str:
    """Return the address of a path with the site's name before it.

    Without SITE_URL that name is what the request came to; without a request the path stays.
    """
    if settings.SITE_URL:
        start = settings.SITE_URL.rstrip("/")
    elif request := context.get("request"):
        # Not joined: a path of somebody's invention, such as //[, can be no part of an address.
        start = f"{request.scheme}://{request.get_host()}"
    else:
        return path
    return iri_to_uri(start + path)
