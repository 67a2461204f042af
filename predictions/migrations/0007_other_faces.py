from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("predictions", "0006_long_histories")]

    operations = [
        migrations.AddIndex(
            model_name="face",
            index=models.Index(fields=["label", "index", "prediction"], name="face_other"),
        ),
        migrations.RemoveIndex(model_name="prediction", name="prediction_unfinished"),
        migrations.AddIndex(
            model_name="prediction",
            index=models.Index(fields=["status", "created_at"], name="prediction_status"),
        ),
    ]
