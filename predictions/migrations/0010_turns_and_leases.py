
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('predictions', '0009_demo_image_names'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ExplanationRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('turn', models.BigIntegerField(editable=False, null=True)),
                ('is_urgent', models.BooleanField(default=False, editable=False, help_text='A person is waiting for it.')),
                ('queued_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('not_before', models.DateTimeField(editable=False, help_text='When a failed attempt is repeated.', null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('lease', models.CharField(blank=True, editable=False, max_length=60)),
                ('lease_count', models.PositiveIntegerField(default=0, editable=False)),
                ('index', models.PositiveSmallIntegerField(help_text='Of the face.')),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('canceled', 'Canceled')], default='queued', max_length=10)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveField(
            model_name='prediction',
            name='sent_at',
        ),
        migrations.AddField(
            model_name='prediction',
            name='is_urgent',
            field=models.BooleanField(default=False, editable=False, help_text='A person is waiting for it.'),
        ),
        migrations.AddField(
            model_name='prediction',
            name='lease',
            field=models.CharField(blank=True, editable=False, max_length=60),
        ),
        migrations.AddField(
            model_name='prediction',
            name='lease_count',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='prediction',
            name='not_before',
            field=models.DateTimeField(editable=False, help_text='When a failed attempt is repeated.', null=True),
        ),
        migrations.AddField(
            model_name='prediction',
            name='queued_at',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.AddField(
            model_name='prediction',
            name='turn',
            field=models.BigIntegerField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name='prediction',
            index=models.Index(condition=models.Q(('turn__isnull', False)), fields=['turn', 'queued_at'], name='prediction_turn'),
        ),
        migrations.AddIndex(
            model_name='prediction',
            index=models.Index(condition=models.Q(('turn__isnull', False)), fields=['owner', 'turn'], name='prediction_owner_turn'),
        ),
        migrations.AddIndex(
            model_name='prediction',
            index=models.Index(condition=models.Q(('turn__isnull', False)), fields=['owner', '-is_urgent', 'queued_at'], name='prediction_owner_next'),
        ),
        migrations.AddIndex(
            model_name='prediction',
            index=models.Index(condition=models.Q(('finished_at__isnull', False)), fields=['-finished_at'], name='prediction_finished'),
        ),
        migrations.AddField(
            model_name='explanationrequest',
            name='owner',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='explanationrequest',
            name='prediction',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='explanation_requests', to='predictions.prediction'),
        ),
        migrations.AddIndex(
            model_name='explanationrequest',
            index=models.Index(condition=models.Q(('turn__isnull', False)), fields=['turn', 'queued_at'], name='explanationrequest_turn'),
        ),
        migrations.AddIndex(
            model_name='explanationrequest',
            index=models.Index(condition=models.Q(('turn__isnull', False)), fields=['owner', 'turn'], name='explanationrequest_owner_turn'),
        ),
        migrations.AddIndex(
            model_name='explanationrequest',
            index=models.Index(condition=models.Q(('turn__isnull', False)), fields=['owner', '-is_urgent', 'queued_at'], name='explanationrequest_owner_next'),
        ),
        migrations.AddConstraint(
            model_name='explanationrequest',
            constraint=models.UniqueConstraint(fields=('prediction', 'index'), name='explanation_requested_once'),
        ),
    ]
