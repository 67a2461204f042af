from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("predictions", "0004_kept_removed_earlier"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="prediction",
            index=models.Index(fields=["-created_at", "-id"], name="prediction_newest"),
        ),
    ]
