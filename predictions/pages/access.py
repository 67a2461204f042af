"""Where to go on: after the log-in that a view needs first, and with a form that was refused."""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from urllib.parse import SplitResult, urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

View = Callable[..., HttpResponse]


def action(view: View) -> View:
    """Let users POST to a view, which answers nothing else."""
    return require_POST(_back_to_the_page(view))


def fragment(view: View) -> View:
    """Let users GET a part of a page."""
    return require_safe(_back_to_the_page(view))


def _back_to_the_page(view: View) -> View:
    """Send whoever must log in first back to the page that asked; the view itself is none."""

    @wraps(view)
    def checked(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        page = came_from(request)
        response = redirect_to_login(page.path if page else resolve_url("home"))
        return HttpResponseClientRedirect(response.url) if request.htmx else response

    return checked


def came_from(request: HttpRequest) -> SplitResult | None:
    """Return the address of this site's page that a request came from, if it says so."""
    with suppress(ValueError):  # Some texts, such as http://[, are no addresses.
        page = urlsplit(request.headers.get("Referer", ""))
        if page.netloc == request.get_host():
            return page
    return None


def form_too_old(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form without a valid CSRF token, and lead back to its page, which has a new one."""
    page = came_from(request)
    context = {"page": page.geturl() if page else ""}
    return render(request, "403_csrf.html", context, status=403)
