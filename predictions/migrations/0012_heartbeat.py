import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('predictions', '0011_place_queued'),
    ]

    operations = [
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40, unique=True)),
                ('counter', models.PositiveBigIntegerField(default=0)),
                ('beaten_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
    ]
