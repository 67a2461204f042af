"""The account page: what is known of a user, API tokens, and leaving."""

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from knox.settings import knox_settings

from emotionsite.accounts.forms import DeleteAccountForm, TokenForm
from emotionsite.accounts.models import ApiToken, User


def _page(request: HttpRequest, form: TokenForm, new_token: str = "") -> HttpResponse:
    photos = request.user.predictions.aggregate(bytes=Sum("photo__bytes"))
    context = {
        "form": form,
        "new_token": new_token,
        "tokens": ApiToken.objects.living(request.user),
        "photo_count": request.user.predictions.count(),
        "photo_bytes": photos["bytes"] or 0,
    }
    return render(request, "account/settings.html", context)


@require_safe
@never_cache
@login_required
def account(request: HttpRequest) -> HttpResponse:
    return _page(request, TokenForm())


@require_POST
@never_cache
@login_required
def create_token(request: HttpRequest) -> HttpResponse:
    """Make an API token and show it in this answer only: the database keeps a hash of it."""
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            _token, text = ApiToken.objects.issue(
                request.user,
                name=form.cleaned_data["name"],
                scope=form.cleaned_data["scope"],
                lifetime=form.lifetime,
            )
            return _page(request, TokenForm(), new_token=text)
        except ApiToken.LimitReached:
            limit = {"limit": knox_settings.TOKEN_LIMIT_PER_USER}
            form.add_error(None, _("You have %(limit)s tokens; revoke one first.") % limit)
    return _page(request, form)


@require_POST
@login_required
def revoke_token(request: HttpRequest, key: str) -> HttpResponse:
    get_object_or_404(ApiToken, user=request.user, token_key=key).delete()
    messages.success(request, _("The token is revoked."))
    return redirect("account")


@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def delete_account(request: HttpRequest) -> HttpResponse:
    """Delete the user with every photo, result and token, once the password was given."""
    form = DeleteAccountForm(request.POST or None, user=request.user)
    if not form.is_valid():
        return render(request, "account/delete.html", {"form": form})
    with transaction.atomic():
        # Whoever adds a photo or a token at this moment is waited for, or comes too late.
        user = User.objects.select_for_update().get(pk=request.user.pk)
        user.delete()
    logout(request)
    messages.success(request, _("Your account and everything in it are deleted."))
    return redirect("home")
