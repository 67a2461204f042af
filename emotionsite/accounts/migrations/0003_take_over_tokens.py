"""Tokens made before they had scopes go on working: they may write, as they could.

The table of django-rest-knox stays, empty, since its own migrations count on it. A row left there
would hold its user fast: nothing deletes it with the account any more.
"""

from django.db import migrations


def move(source, target, alias: str) -> None:
    """Move every token from one table to the other, on the database ``alias``."""
    for token in source.objects.using(alias).all():
        target.objects.using(alias).create(
            digest=token.digest,
            token_key=token.token_key,
            user_id=token.user_id,
            expiry=token.expiry,
        )
        # On creation the field takes the present moment, whatever it is given.
        target.objects.using(alias).filter(pk=token.pk).update(created=token.created)
    source.objects.using(alias).all().delete()


def take_over(apps, schema_editor) -> None:
    models = apps.get_model("knox", "AuthToken"), apps.get_model("accounts", "ApiToken")
    move(*models, schema_editor.connection.alias)


def hand_back(apps, schema_editor) -> None:
    """Hand back what could always write; a token that may only read must not learn to write."""
    alias = schema_editor.connection.alias
    token, old = apps.get_model("accounts", "ApiToken"), apps.get_model("knox", "AuthToken")
    token.objects.using(alias).exclude(scope="write").delete()
    move(token, old, alias)


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0002_apitoken"),
        ("knox", "0009_extend_authtoken_field"),
    ]

    operations = [migrations.RunPython(take_over, hand_back)]
