"""Give every queued photo a turn: owners take turns from the first moment on."""

from django.db import migrations

BATCH_SIZE = 1000


def place_queued(apps, schema_editor) -> None:
    """Let each owner's photos hold consecutive turns from 0 on, as if all had come at once."""
    Prediction = apps.get_model("predictions", "Prediction")
    turns: dict[int | None, int] = {}
    placed = []
    queued = Prediction.objects.filter(status="queued").order_by("created_at", "pk")
    for prediction in queued.only("owner_id", "created_at").iterator(BATCH_SIZE):
        prediction.turn = turns.get(prediction.owner_id, 0)
        prediction.queued_at = prediction.created_at
        turns[prediction.owner_id] = prediction.turn + 1
        placed.append(prediction)
    Prediction.objects.bulk_update(placed, ["turn", "queued_at"], BATCH_SIZE)


class Migration(migrations.Migration):
    dependencies = [("predictions", "0010_turns_and_leases")]

    operations = [migrations.RunPython(place_queued, migrations.RunPython.noop, elidable=True)]
