"""The pages of a user's webhooks and their deliveries."""

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from predictions.pages.access import action
from predictions.services import NotAllowed
from predictions.webhooks import services
from predictions.webhooks.forms import WebhookForm
from predictions.webhooks.models import Webhook

PER_PAGE = 20


def owned(request: HttpRequest, pk) -> Webhook:
    """Return the user's own webhook; anybody else's is as good as not there."""
    return get_object_or_404(Webhook.objects.for_user(request.user), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def webhooks(request: HttpRequest) -> HttpResponse:
    """List the user's webhooks and add one."""
    form = WebhookForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            webhook = services.add(request.user, form.cleaned_data["url"])
        except NotAllowed as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("The webhook is added. Send it a test."))
            return redirect(webhook)
    context = {"form": form, "webhooks": Webhook.objects.for_user(request.user)}
    return render(request, "webhooks/list.html", context)


@require_safe
@never_cache
@login_required
def detail(request: HttpRequest, pk) -> HttpResponse:
    """Show a webhook with its secret and its log."""
    webhook = owned(request, pk)
    page = Paginator(webhook.deliveries.all(), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "webhooks/detail.html", {"webhook": webhook, "page": page})


@action
def switch(request: HttpRequest, pk) -> HttpResponse:
    """Switch on with ``active=true``, off with anything else."""
    webhook = owned(request, pk)
    is_active = request.POST.get("active") == "true"
    services.switch(webhook, is_active)
    messages.success(request, _("The webhook is on.") if is_active else _("The webhook is off."))
    return redirect(webhook)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def delete(request: HttpRequest, pk) -> HttpResponse:
    """Ask first; then the webhook and its log are gone."""
    webhook = owned(request, pk)
    if request.method != "POST":
        return render(request, "webhooks/delete.html", {"webhook": webhook})
    services.delete(webhook)
    messages.success(request, _("The webhook is deleted."))
    return redirect("webhook-list")


@action
def test(request: HttpRequest, pk) -> HttpResponse:
    webhook = owned(request, pk)
    done = _("The test is on its way: load this page again to see it.")
    return _send(request, webhook, partial(services.test, webhook), done)


@action
def send_again(request: HttpRequest, pk, delivery_pk) -> HttpResponse:
    webhook = owned(request, pk)
    delivery = get_object_or_404(webhook.deliveries, pk=delivery_pk)
    done = _("The message is on its way again.")
    return _send(request, webhook, partial(services.send_again, delivery), done)


def _send(
    request: HttpRequest, webhook: Webhook, send: Callable[[], object], done: str
) -> HttpResponse:
    try:
        send()
    except NotAllowed as error:
        messages.error(request, f"{error.detail} ({error.code})")
    else:
        messages.success(request, done)
    return redirect(webhook)
