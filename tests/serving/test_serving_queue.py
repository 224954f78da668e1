"""The queue's promise, on a real Valkey: whatever is put is answered once, whoever dies in between."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from teppr.errors import BadSettings, Corrupt, Missing
from teppr.serving import queue
from teppr.serving.consumer import MOST_TRIES, Batch, Consumer, Task
from teppr.serving.directory import Presence
from teppr.serving.queue import COUNTS, REPLIES, SERVERS, TASKS, WAITING, Priority, script, stream_of
from teppr.serving.tasks import GIVEN_UP, TOO_LATE, Failed, decode_ask, decode_outcome
from teppr.testing.examples import examples
from teppr.testing.service import running_queue, started_queue, url_of_home

KEY = "acme-ods-1"
STREAMS = [stream_of(KEY, priority) for priority in Priority]
INTERACTIVE, BULK = STREAMS


class Asker:
    """Puts tasks as a web does, and reads their answers; each test's own tasks only."""

    def __init__(self, url: str) -> None:
        self.queue = queue.connect(url)
        self.queue.flushall()
        self._put = self.queue.register_script(script("put"))

    def put(
        self,
        task_id: str,
        stream: str = INTERACTIVE,
        *,
        budget_ms: int = 60_000,
        most: int = 1000,
        most_of_client: int = 1000,
        per_minute: int = 0,
        fingerprint: str = "same",
        image: str = "image",
    ) -> list[bytes]:
        keys = [stream, TASKS + task_id, f"{WAITING}tests", "teppr:rate:tests"]
        arguments: list[str | int] = [
            task_id, fingerprint, REPLIES + "x", budget_ms, 60_000, most, most_of_client, per_minute, "ask", image,
            "note",
        ]  # fmt: skip
        answer = self._put(keys=keys, args=arguments)
        assert isinstance(answer, list)
        return answer

    def answer_of(self, task_id: str) -> Failed | None:
        answer = self.queue.hget(TASKS + task_id, "answer")
        if answer is None:
            return None
        assert isinstance(answer, bytes)
        outcome = decode_outcome(answer)
        assert isinstance(outcome, Failed)
        return outcome

    def count(self, name: str) -> int:
        return int(self.queue.get(COUNTS + name) or 0)


class Server:
    """A model server that answers with its own name, and may die."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.queue = queue.connect(url)
        self.consumer = Consumer(self.queue, name, STREAMS, hangs_after_s=600)
        self.queue.set(SERVERS + name, "lives")
        self.held: list[tuple[bytes, Task]] = []

    def hold(self, batch: Batch) -> None:
        self.held += [(batch.stream, task) for task in batch.tasks]

    def answer_all(self) -> None:
        for stream, task in self.held:
            self.consumer.answer(stream, [(task, Failed(status=200, error=self.name, detail=task.id.decode()))])
        self.held = []

    def die(self) -> None:
        self.queue.delete(SERVERS + self.name)
        self.held = []


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_queue(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def asker(url: str) -> Asker:
    return Asker(url)


@pytest.fixture
def server(url: str, asker: Asker) -> Server:
    assert asker.queue.ping()
    return Server(url, "s1")


def test_a_task_is_taken_answered_and_off_the_stream(asker: Asker, server: Server) -> None:
    assert asker.put("a") == [b"put"]
    batch = server.consumer.take(STREAMS, 8)
    (task,) = batch.tasks
    assert (batch.stream.decode(), task.id, task.ask, task.image) == (INTERACTIVE, b"a", b"ask", b"image")
    server.hold(batch)
    server.answer_all()
    assert asker.queue.xlen(INTERACTIVE) == 0
    assert asker.put("a")[0] == b"answered"
    assert asker.count("answered") == 1


def test_the_first_stream_that_has_any_is_taken_from(asker: Asker, server: Server) -> None:
    asker.put("slow", BULK)
    asker.put("quick")
    assert [task.id for task in server.consumer.take([INTERACTIVE, BULK], 8).tasks] == [b"quick"]
    assert [task.id for task in server.consumer.take([INTERACTIVE, BULK], 8).tasks] == [b"slow"]
    assert server.consumer.take(STREAMS, 8) == Batch()


def test_waiting_ends_with_a_task(asker: Asker, server: Server) -> None:
    asker.put("a", BULK)
    (batch,) = server.consumer.wait(10_000)
    assert batch.stream.decode() == BULK
    assert [task.id for task in batch.tasks] == [b"a"]
    assert server.consumer.wait(1) == []


def test_an_expired_task_is_answered_as_too_late_and_never_handed_out(asker: Asker, server: Server) -> None:
    asker.put("late", budget_ms=0)
    asker.put("in time")
    assert [task.id for task in server.consumer.take(STREAMS, 8).tasks] == [b"in time"]
    assert asker.answer_of("late") == TOO_LATE
    assert asker.count("expired") == 1


def test_a_task_that_nobody_waits_for_is_not_handed_out(asker: Asker, server: Server) -> None:
    asker.put("gone")
    asker.queue.delete(TASKS + "gone")
    assert server.consumer.take(STREAMS, 8) == Batch()
    assert asker.count("abandoned") == 1
    assert asker.queue.xlen(INTERACTIVE) == 0


def test_a_full_stream_a_quota_and_a_rate_refuse(asker: Asker) -> None:
    assert asker.put("a", most=1) == [b"put"]
    assert asker.put("b", most=1) == [b"full", 1]
    assert asker.put("c", most_of_client=1) == [b"quota", 1]
    assert [asker.put(f"r{i}", per_minute=2)[0] for i in range(3)] == [b"put", b"put", b"rate"]
    assert asker.put("a", most=1) == [b"waiting"]  # what is in is not refused when it is asked for again


def test_what_is_answered_or_too_late_is_no_longer_a_clients_waiting(asker: Asker, server: Server) -> None:
    asker.put("a", most_of_client=1)
    server.hold(server.consumer.take(STREAMS, 8))
    server.answer_all()
    assert asker.put("b", most_of_client=1, budget_ms=0) == [b"put"]
    assert asker.put("c", most_of_client=1) == [b"put"]


def test_the_same_id_with_another_image_is_a_conflict(asker: Asker) -> None:
    asker.put("a")
    assert asker.put("a", fingerprint="another") == [b"conflict"]


def test_a_server_that_lives_keeps_its_tasks(url: str, asker: Asker, server: Server) -> None:
    asker.put("a")
    server.consumer.take(STREAMS, 8)
    assert Server(url, "s2").consumer.claim() == Batch()


def test_a_task_over_which_servers_die_is_given_up(url: str, asker: Asker) -> None:
    asker.put("poison")
    for i in range(MOST_TRIES):
        server = Server(url, f"victim{i}")
        assert (server.consumer.take(STREAMS, 8) if i == 0 else server.consumer.claim()).tasks
        server.die()
    assert Server(url, "wary").consumer.claim() == Batch()
    assert asker.answer_of("poison") == GIVEN_UP
    assert asker.count("given_up") == 1


def test_of_a_batch_that_died_the_others_are_answered(url: str, asker: Asker) -> None:
    """Whoever works on "b2" dies, in whatever company."""
    for i in range(5):
        asker.put(f"b{i}")
    first = Server(url, "first")
    first.consumer.take(STREAMS, 8)
    first.die()
    for i in range(MOST_TRIES + 1):
        server = Server(url, f"next{i}")
        while (batch := server.consumer.claim()).tasks:
            server.hold(batch)
            if batch.tasks[0].id == b"b2":
                server.held = server.held[:-1]
                server.answer_all()
                server.die()
                break
            server.answer_all()
    assert asker.answer_of("b2") == GIVEN_UP
    assert all(asker.answer_of(f"b{i}") != GIVEN_UP and asker.answer_of(f"b{i}") for i in (0, 1, 3, 4))


def test_a_queue_that_kept_nothing_gets_its_streams_again(asker: Asker, server: Server) -> None:
    asker.queue.flushall()
    assert server.consumer.take(STREAMS, 8) == Batch()
    asker.put("a")
    assert len(server.consumer.take(STREAMS, 8).tasks) == 1


def fill(asker: Asker) -> int:
    """How many large images the queue takes until its memory is full."""
    for i in itertools.count():
        try:
            asker.put(f"large{i}", image="x" * 100_000)
        except redis.OutOfMemoryError:
            return i
    raise AssertionError


def test_a_queue_whose_memory_is_full_takes_no_more_and_can_be_emptied(tmp_path: Path) -> None:
    with started_queue(tmp_path, memory_mib=8):
        url = url_of_home(tmp_path)
        asker = Asker(url)
        server = Server(url, "s1")
        waiting = fill(asker)
        assert 10 < waiting < 100
        with Presence(queue.connect(url), "s1", []):
            while (batch := server.consumer.take(STREAMS, 8)).tasks:
                server.hold(batch)
                server.answer_all()
        assert asker.count("answered") == waiting
        assert asker.put("small") == [b"put"]


def test_a_url_that_is_none_and_a_queue_that_is_not_there_are_said(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"must begin with one of .*'http://user@host'"):
        queue.connect("http://user:secret@host")
    with pytest.raises(Missing, match="does not answer"):
        queue.check(f"unix://{tmp_path}/none.sock")


def test_what_another_version_wrote_is_said() -> None:
    for text in (b"{", b"[]", b'{"is": "Ask", "other": 1}', b'{"is": "Something"}'):
        with pytest.raises(Corrupt, match="of one version"):
            decode_ask(text)
    with pytest.raises(Corrupt, match="asks nothing"):
        decode_ask(b'{"is":"Failed","status":1,"error":"x","detail":"y"}')


class Life(RuleBasedStateMachine):
    """Servers come, take, answer, hang on to tasks and die, in any order; askers ask, and ask again."""

    url = ""
    servers = Bundle("servers")
    ids = Bundle("ids")

    @initialize()
    def begin(self) -> None:
        self.asker = Asker(self.url)
        self.made = 0
        self.put_ids: set[str] = set()
        self.first: dict[str, Failed] = {}
        self.alive: list[Server] = []

    @rule(target=servers)
    def start(self) -> Server:
        self.made += 1
        server = Server(self.url, f"s{self.made}")
        self.alive.append(server)
        return server

    @rule(target=ids, stream=st.sampled_from(STREAMS))
    def put(self, stream: str) -> str:
        task_id = f"t{len(self.put_ids)}"
        assert self.asker.put(task_id, stream) == [b"put"]
        self.put_ids.add(task_id)
        return task_id

    @rule(task_id=ids)
    def put_again(self, task_id: str) -> None:
        word = self.asker.put(task_id)[0]
        assert word == (b"answered" if self.asker.answer_of(task_id) else b"waiting")

    @rule(server=servers, most=st.integers(1, 4), order=st.permutations(STREAMS))
    def take(self, server: Server, most: int, order: list[str]) -> None:
        if server in self.alive:
            batch = server.consumer.take(order, most)
            assert len(batch.tasks) <= most
            server.hold(batch)

    @rule(server=servers)
    def claim(self, server: Server) -> None:
        if server in self.alive:
            server.hold(server.consumer.claim())

    @rule(server=servers)
    def answer(self, server: Server) -> None:
        if server in self.alive:
            server.answer_all()

    @rule(server=servers, answers_late=st.booleans())
    def die(self, server: Server, answers_late: bool) -> None:
        """Some are only taken for dead, and answer what another has taken over."""
        if server in self.alive and len(self.alive) > 1:
            self.alive.remove(server)
            late = list(server.held)
            server.die()
            if answers_late:
                server.held = late
                next(iter(self.alive)).hold(next(iter(self.alive)).consumer.claim())
                server.answer_all()

    @invariant()
    def answers_are_their_own_and_stay(self) -> None:
        for task_id in getattr(self, "put_ids", ()):
            answer = self.asker.answer_of(task_id)
            assert answer == self.first.setdefault(task_id, answer) if answer else task_id not in self.first
            assert answer is None or answer == GIVEN_UP or answer.detail == task_id

    def teardown(self) -> None:
        """In the end one server is there, and everything is answered."""
        if not hasattr(self, "asker"):
            return
        last = Server(self.url, "last")
        for server in self.alive:
            server.answer_all()
            server.die()
        while (batch := last.consumer.take(STREAMS, 4)).tasks or (batch := last.consumer.claim()).tasks:
            last.hold(batch)
            last.answer_all()
        assert all(self.asker.answer_of(task_id) for task_id in self.put_ids)
        assert self.asker.queue.xlen(INTERACTIVE) == self.asker.queue.xlen(BULK) == 0
        assert self.asker.queue.zcard(f"{WAITING}tests") == 0
        given = self.asker.count("answered") + self.asker.count("given_up")
        assert given == len(self.put_ids)


def test_whoever_dies_every_task_is_answered_once(url: str) -> None:
    class OnThisQueue(Life):
        pass

    OnThisQueue.url = url
    case = OnThisQueue.TestCase
    case.settings = settings(max_examples=examples(0.6), stateful_step_count=25, deadline=None)
    case().runTest()


def test_redis_errors_are_those_of_a_queue_that_is_gone() -> None:
    assert issubclass(redis.BusyLoadingError, queue.QUEUE_ERRORS)
