"""Redis goes away and comes back: every upload is accepted, none is lost."""

import os
import signal
import time

import redis

from tests.support.waiting import wait_until

BACK_TO_WORK = 15
"""Seconds until a photo must be done that waited for Redis; on two busy cores it takes 2."""


def finished(status, *predictions) -> bool:
    return all(status(prediction) == "succeeded" for prediction in predictions)


def test_upload_without_redis_is_accepted_and_finishes_by_itself(
    worker, redis_server, submit, status, astronaut, make_image, record_property
):
    redis_server.stop()
    started = time.monotonic()
    predictions = [submit(astronaut), submit(make_image()), submit(make_image("PNG"))]
    accepted = (time.monotonic() - started) / len(predictions)
    assert accepted < 1
    # Long enough for worker and beat to notice, and for retries that grow to have grown.
    time.sleep(8)
    redis_server.start()
    took = wait_until(lambda: finished(status, *predictions), BACK_TO_WORK)
    record_property("accepted", accepted)
    record_property("seconds after Redis was back", took)


def test_tasks_that_redis_forgot_are_sent_again(worker, redis_server, submit, status, astronaut):
    worker.stop()
    prediction = submit(astronaut)
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.llen("celery") >= 1
        client.flushall()
    worker.start()
    wait_until(lambda: finished(status, prediction), 30)


def test_redis_killed_under_load_loses_nothing(worker, redis_server, submit, status, make_image):
    predictions = [submit(make_image(size=(300 + n, 300))) for n in range(6)]
    redis_server.kill()
    predictions += [submit(make_image(size=(400 + n, 300))) for n in range(3)]
    redis_server.start()
    wait_until(lambda: finished(status, *predictions), 40)


def test_upload_while_redis_hangs(worker, redis_server, submit, status, astronaut):
    with redis.Redis.from_url(redis_server.url) as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        prediction = submit(astronaut)
        assert time.monotonic() - started < 10
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: finished(status, prediction), BACK_TO_WORK)
