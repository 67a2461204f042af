"""The empty table of django-rest-knox holds no user any more.

Its foreign key would outlive the model that it belonged to: PostgreSQL then refuses to truncate
the users, because a table that Django does not know refers to them.
"""

from django.db import migrations, models


def set_constraint(apps, schema_editor, *, wanted: bool) -> None:
    tokens = apps.get_model("knox", "AuthToken")
    users = apps.get_model("accounts", "User")

    def user_field(constraint: bool) -> models.ForeignKey:
        field = models.ForeignKey(
            users,
            models.CASCADE,
            related_name="auth_token_set",
            db_constraint=constraint,
        )
        field.set_attributes_from_name("user")
        field.model = tokens
        return field

    schema_editor.alter_field(tokens, user_field(not wanted), user_field(wanted))


def release(apps, schema_editor) -> None:
    set_constraint(apps, schema_editor, wanted=False)


def hold(apps, schema_editor) -> None:
    set_constraint(apps, schema_editor, wanted=True)


class Migration(migrations.Migration):

    dependencies = [("accounts", "0003_take_over_tokens")]

    operations = [migrations.RunPython(release, hold)]
