import unicodedata

from django.db import migrations, models


def fill_name_keys(apps, schema_editor) -> None:
    Prediction = apps.get_model("predictions", "Prediction")
    for pk, name in list(Prediction.objects.values_list("pk", "photo__name")):
        key = unicodedata.normalize("NFKC", name).casefold()[:200]
        Prediction.objects.filter(pk=pk).update(name_key=key)


class Migration(migrations.Migration):
    dependencies = [("predictions", "0005_newest_first")]

    operations = [
        migrations.AddField(
            model_name="prediction",
            name="name_key",
            field=models.CharField(blank=True, default="", editable=False, max_length=200),
            preserve_default=False,
        ),
        migrations.RemoveIndex(model_name="prediction", name="prediction_history"),
        migrations.RemoveIndex(model_name="prediction", name="prediction_label"),
        migrations.AddIndex(
            model_name="prediction",
            index=models.Index(
                fields=[
                    "owner",
                    "removed_at",
                    "-created_at",
                    "-id",
                    "status",
                    "label",
                    "unsure",
                    "name_key",
                ],
                name="prediction_history",
            ),
        ),
        migrations.AddIndex(
            model_name="prediction",
            index=models.Index(
                fields=[
                    "owner",
                    "removed_at",
                    "confidence",
                    "created_at",
                    "id",
                    "status",
                    "label",
                    "unsure",
                    "name_key",
                ],
                name="prediction_sureness",
            ),
        ),
        migrations.AddIndex(
            model_name="prediction",
            index=models.Index(
                fields=[
                    "owner",
                    "removed_at",
                    "name_key",
                    "-created_at",
                    "-id",
                    "status",
                    "label",
                    "unsure",
                ],
                name="prediction_name",
            ),
        ),
        migrations.AddIndex(
            model_name="face",
            index=models.Index(
                condition=models.Q(("corrected_at__isnull", False)),
                fields=["prediction"],
                name="face_corrected",
            ),
        ),
        migrations.RunPython(fill_name_keys, migrations.RunPython.noop),
    ]
