"""What staff do to the log-in of somebody else: whoever it is done to is told.

A line stays on the account page, where nobody can read it away, and mail goes out where there is
some. Whoever forgot a password is sent a link, which staff do not see.
"""

from datetime import timedelta

from allauth.account.adapter import get_adapter
from allauth.account.forms import ResetPasswordForm
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from emotionsite.accounts.models import StaffAct, User

RECALLED = timedelta(days=30)
"""How long each log-in recalls what was done."""


def gets_links(user: User) -> bool:
    """Whether a link to a new password reaches this user, so that nobody need set one."""
    return bool(settings.EMAIL_URL and user.email)


def send_link(request: HttpRequest, user: User) -> None:
    """Send the site's own mail by which its receiver chooses a new password."""
    form = ResetPasswordForm({"email": user.email})
    if form.is_valid():
        form.save(request)


def note(user: User, kind: StaffAct.Kind) -> None:
    """Keep for the user what was done, and send mail about it."""
    act = StaffAct.objects.create(user=user, kind=kind)

    def tell() -> None:
        get_adapter().send_notification_mail("account/email/staff_act", user, {"act": act})

    transaction.on_commit(tell, robust=True)


def remove_factors(factors: QuerySet[Authenticator]) -> None:
    """Delete second factors of users who lost them, and tell these.

    Recovery codes go along that nothing else is left for: they would come back to life with the
    next app that their user sets up.
    """
    with transaction.atomic():
        users = list(User.objects.filter(pk__in=factors.values("user")))
        factors.delete()
        left = Authenticator.objects.filter(user__in=users)
        apps = left.exclude(type=Authenticator.Type.RECOVERY_CODES)
        left.exclude(user__in=apps.values("user")).delete()
        for user in users:
            note(user, StaffAct.Kind.SECOND_FACTOR)


@receiver(user_logged_in)
def recall(sender, request: HttpRequest, user: User, **_kwargs) -> None:
    """Tell at each log-in, also after one by somebody who should not have been there."""
    for act in user.staff_acts.filter(at__gt=timezone.now() - RECALLED):
        messages.warning(request, act.get_kind_display(), fail_silently=True)
