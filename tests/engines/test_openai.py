"""The HTTP engine against a scripted server: requests, faults, limits, images."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from tests import pictures
from vlreward.data.images import open_image
from vlreward.engines._pictures import encode
from vlreward.engines.base import (
    EngineConfig,
    EngineError,
    Generation,
    GenerationError,
    Outcome,
    Request,
    make_engine,
)
from vlreward.engines.openai import OpenAIEngine
from vlreward.geometry import Size
from vlreward.resizing import Resizing

QWEN = "Qwen/Qwen2.5-VL-3B-Instruct"


def ask(key: str = "k", text: str = "How many?", image: Path | bytes | None = None) -> Request:
    content: list[dict[str, Any]] = [] if image is None else [{"type": "image"}]
    content.append({"type": "text", "text": text})
    return Request(key, [{"role": "user", "content": content}], image)


def engine_for(stub: Any, model: str = "m", **options: Any) -> OpenAIEngine:
    options = {"tries": 3, "concurrency": 4, "base_url": stub.url, **options}
    return OpenAIEngine(EngineConfig(model, **options), backoff=0.01)


def answers(engine: OpenAIEngine, *requests: Request) -> dict[str, Outcome]:
    try:
        return dict(engine.generate(requests))
    finally:
        engine.close()


def generation(outcome: Outcome) -> Generation:
    assert isinstance(outcome, Generation), outcome
    return outcome


def failure(outcome: Outcome) -> GenerationError:
    assert isinstance(outcome, GenerationError), outcome
    return outcome


def test_request_carries_model_sampling_and_plain_text(stub: Any) -> None:
    sampling: dict[str, Any] = {"max_tokens": 77, "temperature": 0.5, "top_p": 0.9, "seed": 3}
    engine = engine_for(stub, **sampling, api_key="secret", options={"n": 1})
    assert generation(answers(engine, ask())["k"]).text == "ok"
    (body,) = stub.requests
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "How many?"}],
        "max_tokens": 77,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": engine.sampling.batch_seed("k"),
        "n": 1,
    }
    assert stub.headers[0]["Authorization"] == "Bearer secret"
    assert "secret" not in json.dumps(engine.describe())


def test_greedy_by_default_and_key_from_the_environment(
    stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-env")
    answers(engine_for(stub), ask())
    assert stub.requests[0]["temperature"] == 0.0
    assert "seed" not in stub.requests[0]
    assert stub.headers[0]["Authorization"] == "Bearer from-env"


def test_reply_is_recorded(stub: Any) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14, "details": None}
    stub.reply = lambda n, body: stub.answer("a", "length", usage=usage)
    got = generation(answers(engine_for(stub), ask())["k"])
    assert got.truncated
    assert got.completion.truncated
    assert (got.finish_reason, got.token_count, got.served_model) == ("length", 5, "m-served")
    assert got.usage == {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    assert got.seconds is not None
    assert got.seconds > 0


def test_the_only_model_served_is_chosen(stub: Any) -> None:
    engine = OpenAIEngine(EngineConfig(base_url=stub.url))
    assert engine.model == "m"
    assert engine.served_models == ["m"]
    engine.close()
    stub.models = (200, json.dumps({"data": [{"id": "a"}, {"id": "b"}]}).encode())
    with pytest.raises(EngineError, match=r"lists 2 models \(a, b\): name one by --model"):
        OpenAIEngine(EngineConfig(base_url=stub.url))


@pytest.mark.parametrize(
    "listing", [(404, b"no such page"), (200, b"<html>"), (200, b'{"data": 3}')]
)
def test_an_endpoint_without_a_list_of_models_is_used(stub: Any, listing: Any) -> None:
    stub.models = listing
    assert generation(answers(engine_for(stub), ask())["k"]).text == "ok"


# --- images -------------------------------------------------------------------------------------


def sent_image(body: dict[str, Any]) -> Image.Image:
    entry = body["messages"][0]["content"][0]
    head, data = entry["image_url"]["url"].split(",", 1)
    image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    assert (entry["type"], head) == ("image_url", f"data:image/{str(image.format).lower()};base64")
    assert image.mode in ("RGB", "L")  # of any other mode a server may make what it likes
    return image


def noise(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    return pictures.noise(size).convert(mode)


@pytest.mark.parametrize(
    ("model", "size", "expected"),
    [
        # Sizes from the smart_resize of the Qwen-VL processors (factor 28, Qwen3-VL 32).
        ("Qwen/Qwen2.5-VL-3B-Instruct", (640, 428), (644, 420)),
        ("Qwen/Qwen2-VL-2B-Instruct", (100, 37), (112, 28)),
        ("Qwen/Qwen3-VL-4B-Instruct", (640, 428), (640, 416)),
    ],
)
def test_an_image_goes_as_it_is_and_its_frame_is_what_the_family_resizes_to(
    stub: Any, tmp_path: Path, model: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    """Every image was decoded, resized and packed anew: 41 ms of CPU for a photograph, now 2."""
    for name in ("i.png", "i.jpg"):
        noise(size).save(tmp_path / name)
        got = generation(answers(engine_for(stub, model), ask(image=tmp_path / name))["k"])
        (url,) = re.findall(r'"url": "data:image/(?:png|jpeg);base64,([^"]*)"', raw(stub))
        assert base64.b64decode(url) == (tmp_path / name).read_bytes()
        assert got.image_size == Size(*size)
        assert got.input_size == Size(*expected)
        engine = engine_for(stub, model, always_resize=True)
        again = generation(answers(engine, ask(image=tmp_path / name))["k"])
        assert sent_image(stub.requests[-1]).size == expected
        assert (again.image_size, again.input_size) == (got.image_size, got.input_size)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("size", [(640, 428), (1000, 31), (29, 29)])
def test_pixels_are_the_bicubic_resize_of_the_file(
    tmp_path: Path, size: tuple[int, int], compress: bool
) -> None:
    original = noise(size)
    original.putpixel((0, 0), (255, 0, 255))
    original.save(tmp_path / "i.png")
    limits = Resizing(28, 28 * 28 * 4, 28 * 28 * 64)
    picture = encode(tmp_path / "i.png", limits, compress=compress, always=True)
    assert picture.input_size == limits.size(Size(*size))
    expected = original.resize(picture.input_size, Image.Resampling.BICUBIC)
    image = Image.open(io.BytesIO(base64.b64decode(picture.base64)))
    assert (picture.kind, image.format, image.mode) == ("image/png", "PNG", "RGB")
    assert ImageChops.difference(image, expected).getbbox() is None


def _turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    noise((60, 30)).save(path, "JPEG", exif=exif)


@pytest.mark.parametrize(
    "write",
    [
        _turned,
        lambda path: noise((60, 30)).save(path, "WEBP"),
        lambda path: noise((60, 30)).convert("RGBA").save(path, "PNG"),
        lambda path: noise((60, 30)).convert("P").save(path, "PNG"),
        lambda path: noise((60, 30)).convert("CMYK").save(path, "JPEG"),
        lambda path: noise((60, 30)).save(path, "PNG", transparency=(0, 0, 0)),
        lambda path: noise((60, 30), "L").convert("I").convert("I;16").save(path, "PNG"),
        lambda path: noise((60, 30)).save(
            path, "PNG", save_all=True, append_images=[noise((60, 30))]
        ),
        lambda path: noise((22_000, 3)).save(path, "TIFF"),  # a row fills more than one block
    ],
    ids=["turned", "webp", "rgba", "palette", "cmyk", "transparent", "16 bit", "animated", "long"],
)
@pytest.mark.parametrize("compress", [True, False])
def test_what_servers_may_read_otherwise_is_packed_anew(
    tmp_path: Path, write: Any, compress: bool
) -> None:
    write(tmp_path / "image")
    picture = encode(tmp_path / "image", None, compress=compress)
    image = Image.open(io.BytesIO(base64.b64decode(picture.base64)))
    assert (image.format, image.mode, getattr(image, "n_frames", 1)) == ("PNG", "RGB", 1)
    assert image.tobytes() == open_image(tmp_path / "image").tobytes()
    assert Size(*image.size) == picture.image_size


def raw(stub: Any) -> str:
    return json.dumps(stub.requests[-1])


def test_an_image_is_encoded_once_for_all_that_is_asked_about_it(
    stub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seven expressions of an image were seven encodings of it."""
    for i in range(6):
        noise((320, 240)).save(tmp_path / f"{i}.png")
    requests = [ask(f"{i} {j}", f"{j}?", tmp_path / f"{i}.png") for i in range(6) for j in range(5)]
    engine = engine_for(stub, QWEN, max_pixels=28 * 28 * 16, concurrency=8)
    for _ in range(2):  # another suite on the same images
        assert len(dict(engine.generate(requests))) == 30
    assert engine._pictures.encoded == 6
    sizes = {sent_image(body).size for body in stub.requests}
    assert sizes == {engine.input_size(Size(320, 240))}
    engine.close()
    # No more is kept than there is room for.
    monkeypatch.setattr("vlreward.engines._pictures._KEPT", 75_000)
    engine = engine_for(stub, QWEN, max_pixels=28 * 28 * 16, concurrency=1)
    for _ in range(2):
        assert len(dict(engine.generate(requests))) == 30
        kept = [future.result() for future in engine._pictures._kept.values()]
        assert sum(len(picture.base64) for picture in kept) == engine._pictures._bytes <= 75_000
    assert engine._pictures.encoded == 12
    engine.close()


def test_pixel_limits_are_obeyed(stub: Any, tmp_path: Path) -> None:
    noise((640, 428)).save(tmp_path / "i.png")
    engine = engine_for(stub, QWEN, max_pixels=28 * 28 * 64)
    got = generation(answers(engine, ask(image=tmp_path / "i.png"))["k"])
    width, height = sent_image(stub.requests[0]).size
    assert width * height <= 28 * 28 * 64
    assert got.input_size == Size(width, height) == engine.input_size(Size(640, 428))
    assert engine.describe()["image"]["max_pixels"] == 28 * 28 * 64


def test_families_without_smart_resize_get_the_original_size(stub: Any, tmp_path: Path) -> None:
    noise((101, 37)).save(tmp_path / "i.png")
    got = generation(
        answers(engine_for(stub, "OpenGVLab/InternVL3-8B"), ask(image=tmp_path / "i.png"))["k"]
    )
    assert sent_image(stub.requests[0]).size == (101, 37)
    assert got.input_size is None
    with pytest.raises(ValueError, match="min_pixels and max_pixels need a family"):
        engine_for(stub, "mystery", max_pixels=1000)


def test_exif_orientation_is_applied(stub: Any, tmp_path: Path) -> None:
    image = noise((60, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was turned: show it rotated by 90 degrees.
    image.save(tmp_path / "i.png", exif=exif)
    got = generation(answers(engine_for(stub, "m"), ask(image=tmp_path / "i.png"))["k"])
    assert got.image_size == Size(30, 60)
    turned = image.transpose(Image.Transpose.ROTATE_270)
    assert ImageChops.difference(sent_image(stub.requests[0]), turned).getbbox() is None


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1"])
def test_every_mode_is_sent_as_rgb(stub: Any, tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("i.tiff" if mode == "CMYK" else "i.png")
    noise((40, 40), mode if mode not in ("LA", "P") else "L").convert(mode).save(path)
    answers(engine_for(stub), ask(image=path))
    assert sent_image(stub.requests[0]).size == (40, 40)


def test_encoded_images_are_taken_as_they_are_files(stub: Any) -> None:
    buffer = io.BytesIO()
    noise((40, 30)).save(buffer, "PNG")
    got = generation(answers(engine_for(stub), ask(image=buffer.getvalue()))["k"])
    assert got.image_size == Size(40, 30)
    assert sent_image(stub.requests[0]).size == (40, 30)


def test_bad_images_are_failures_of_their_own(stub: Any, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    whole = io.BytesIO()
    noise((300, 300)).save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:5000])
    noise((2010, 10)).save(tmp_path / "thin.png")
    got = answers(
        engine_for(stub, QWEN),
        *(ask(name, image=tmp_path / f"{name}.png") for name in ("none", "text", "cut", "thin")),
        ask("fine"),
    )
    assert generation(got.pop("fine")).text == "ok"
    details = {key: (failure(o).kind, failure(o).detail) for key, o in got.items()}
    assert {kind for kind, _ in details.values()} == {"image"}
    assert "does not exist" in details["none"][1]
    assert "cannot read the image" in details["text"][1]
    assert "cannot read the image" in details["cut"][1]
    assert "aspect ratio" in details["thin"][1]
    assert not any(failure(o).retryable for o in got.values())


def test_a_server_that_shrinks_images_is_noticed(stub: Any, tmp_path: Path) -> None:
    noise((640, 480)).save(tmp_path / "i.png")
    stub.reply = lambda n, body: stub.answer("a", usage={"prompt_tokens": 100})
    request = ask(image=tmp_path / "i.png")
    with pytest.warns(UserWarning, match="counted 100 prompt tokens, but an image .* has 391"):
        answers(engine_for(stub, QWEN), request, request)


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_passing_faults_are_retried(stub: Any, status: int) -> None:
    stub.reply = lambda n, body: (status, {}, b"busy") if n < 3 else stub.answer("late")
    assert generation(answers(engine_for(stub), ask())["k"]).text == "late"
    assert len(stub.requests) == 3


@pytest.mark.parametrize(
    "fault",
    [
        "cut",
        (200, {}, b"<html>not json"),
        (200, {}, b'{"choices": []}'),
        (200, {}, b'{"choices": [{"message": {}}]}'),
        (200, {}, b'{"choices": [7]}'),
        (200, {}, b"[" * 100_000),
        (200, {}, b'{"choices": [{"message": {"content": "half'),
        (200, {}, b"\xff\xfe"),
    ],
)
def test_broken_replies_are_retried_and_then_reported(stub: Any, fault: Any) -> None:
    stub.reply = lambda n, body: fault if n < 3 else stub.answer("late")
    assert generation(answers(engine_for(stub), ask())["k"]).text == "late"
    stub.reply = lambda n, body: fault
    got = failure(answers(engine_for(stub), ask())["k"])
    assert got.kind == ("connection" if fault == "cut" else "bad_reply")
    assert got.retryable
    assert stub.url in got.detail
    assert "gave up after 3 tries" in got.detail
    assert len(got.detail) < 500


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
def test_refusals_are_not_retried(stub: Any, status: int) -> None:
    message = "prompt too long\x1b[31m " + "x" * 10_000
    body = json.dumps({"error": {"message": message, "code": status}}).encode()
    stub.reply = lambda n, request: (status, {}, body)
    got = failure(answers(engine_for(stub), ask())["k"])
    assert len(stub.requests) == 1
    assert got.kind == f"http_{status}"
    assert not got.retryable
    assert f"answered {status}: prompt too long" in got.detail
    assert len(got.detail) < 500
    assert "\x1b" not in got.detail
    if status == 401:
        assert "OPENAI_API_KEY" in got.detail


def test_retry_after_holds_all_requests_back(stub: Any) -> None:
    times: list[float] = []

    def reply(n: int, body: dict[str, Any]) -> Any:
        times.append(time.monotonic())
        return (429, {"Retry-After": "1"}, b"slow down") if n == 1 else stub.answer("ok")

    stub.reply = reply
    got = answers(engine_for(stub, concurrency=1), ask("a"), ask("b"))
    assert [generation(o).text for o in got.values()] == ["ok", "ok"]
    assert times[1] - times[0] >= 0.95


def test_rate_limit_spaces_requests(stub: Any) -> None:
    times: list[float] = []

    def reply(n: int, body: dict[str, Any]) -> Any:
        times.append(time.monotonic())
        return stub.answer("ok")

    stub.reply = reply
    answers(engine_for(stub, requests_per_minute=1200), *(ask(str(i)) for i in range(6)))
    assert sorted(times)[-1] - sorted(times)[0] >= 5 * 0.05 * 0.5


def test_timeout_is_named(stub: Any) -> None:
    release = threading.Event()
    stub.reply = lambda n, body: release.wait(30) and stub.answer("late")
    got = failure(answers(engine_for(stub, timeout=0.5, tries=2), ask())["k"])
    release.set()
    assert got.kind == "timeout"
    assert f"no answer from {stub.url} within 0.5 s" in got.detail
    assert "gave up after 2 tries" in got.detail


def test_a_connection_that_is_never_made_is_named() -> None:
    """It was no answer within 60 s, after 0.2."""
    with socket.socket() as full, contextlib.ExitStack() as queue:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # what comes behind these is left waiting
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        with pytest.raises(EngineError, match=rf"no connection to {url} within 0\.2 s"):
            OpenAIEngine(EngineConfig("m", base_url=url, tries=1, timeout=0.2))


def test_endpoint_down_names_address_and_tries(closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}/v1"
    with pytest.raises(EngineError) as caught:
        OpenAIEngine(EngineConfig("m", base_url=url, tries=3), backoff=0.01)
    text = str(caught.value)
    assert f"no connection to {url}" in text
    assert "gave up after 3 tries" in text
    assert "--base-url" in text


def test_wrong_key_is_told_at_once(stub: Any) -> None:
    stub.models = (401, b'{"error": {"message": "bad key"}}')
    with pytest.raises(EngineError, match=r"answered 401: bad key; give the key in .*OPENAI_API_K"):
        engine_for(stub)
    with pytest.raises(EngineError, match=r"the key that .* OPENAI_API_KEY gives is not taken"):
        engine_for(stub, api_key="wrong")  # 'give the key', though it was given


@pytest.mark.parametrize(
    ("status", "tries", "most"), [(404, 3, 30), (400, 3, 30), (403, 3, 30), (500, 2, 60)]
)
def test_ten_refusals_of_one_kind_stop_the_run(
    stub: Any, status: int, tries: int, most: int
) -> None:
    """Every sample was tried, unless the answer was 401, 403 or 404: at 500, for 39 minutes."""
    stub.reply = lambda n, body: stub.answer("ok") if n <= 5 else (status, {}, b"gone")
    engine = engine_for(stub, tries=tries)
    seen: list[Outcome] = []
    message = rf"10 requests in a row failed in one way: .* answered {status}: gone"
    with pytest.raises(EngineError, match=message):
        seen.extend(o for _, o in engine.generate(ask(str(i)) for i in range(1000)))
    engine.close()
    assert sum(isinstance(o, Generation) for o in seen) == 5
    assert len(stub.requests) < most


def test_time_outs_stop_the_run(stub: Any) -> None:
    release = threading.Event()
    stub.reply = lambda n, body: release.wait(30) and stub.answer("late")
    engine = engine_for(stub, tries=1, timeout=0.5, concurrency=10)
    with pytest.raises(EngineError, match=r"10 requests in a row failed.*within 0\.5 s"):
        list(engine.generate(ask(str(i)) for i in range(1000)))
    release.set()
    engine.close()


def test_refusals_between_answers_do_not_stop_the_run(stub: Any) -> None:
    stub.reply = lambda n, body: (400, {}, b"no") if n % 3 else stub.answer("ok")
    got = answers(engine_for(stub, concurrency=1), *(ask(str(i)) for i in range(60)))
    assert sum(isinstance(o, Generation) for o in got.values()) == 20


def test_the_time_limit_is_for_the_whole_answer(trickle: Any) -> None:
    """A blank every tenth of a second, as some providers send, held a request for good."""
    engine = engine_for(trickle, tries=1, timeout=0.5, concurrency=1)
    started = time.monotonic()
    got = failure(answers(engine, ask())["k"])
    assert time.monotonic() - started < 60  # of the 100 s that the blanks take
    assert (got.kind, got.retryable) == ("timeout", True)
    assert "within 0.5 s" in got.detail


@pytest.mark.parametrize("compressed", [False, True])
def test_a_reply_without_end_is_cut(
    stub: Any, monkeypatch: pytest.MonkeyPatch, compressed: bool
) -> None:
    """1.5 MB of gzip grew to 1.5 GB before anyone looked."""
    monkeypatch.setattr("vlreward.engines._endpoint._MAX_REPLY", 1 << 20)
    body = b" " * (64 << 20)
    headers = {"Content-Encoding": "gzip"} if compressed else {}
    stub.reply = lambda n, b: (200, headers, gzip.compress(body, 1) if compressed else body)
    engine = engine_for(stub, tries=3)
    tracemalloc.start()
    got = failure(answers(engine, ask())["k"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.kind == "bad_reply"
    assert "more than 1 MiB" in got.detail
    assert not got.retryable
    assert len(stub.requests) == 1
    assert peak < 200 << 20


def test_a_password_in_the_address_is_not_shown(closed_port: int) -> None:
    url = f"http://user:hunter2@127.0.0.1:{closed_port}/v1"
    with pytest.raises(EngineError) as caught:
        OpenAIEngine(EngineConfig("m", base_url=url, tries=1))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://", ""])
def test_a_bad_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected an"):
        OpenAIEngine(EngineConfig("m", base_url=url))


# --- many requests ------------------------------------------------------------------------------


def test_concurrency_is_used_and_bounded(stub: Any) -> None:
    together = threading.Barrier(8)

    def reply(n: int, body: dict[str, Any]) -> Any:
        together.wait(30)  # Goes on only when eight requests are open at a time.
        return stub.answer(body["messages"][0]["content"])

    stub.reply = reply
    got = answers(engine_for(stub, concurrency=8), *(ask(str(i), f"q{i}") for i in range(80)))
    assert {key: generation(o).text for key, o in got.items()} == {
        str(i): f"q{i}" for i in range(80)
    }
    assert stub.most_open == 8


def test_requests_are_drawn_only_when_there_is_room(stub: Any) -> None:
    drawn = 0

    def source() -> Iterator[Request]:
        nonlocal drawn
        for index in range(10_000):
            drawn += 1
            yield ask(str(index))

    engine = engine_for(stub, concurrency=4)
    stream = engine.generate(source())
    for taken in range(1, 21):
        next(stream)
        assert drawn <= taken + 2 * 4
    before = drawn
    stream.close()  # type: ignore[attr-defined]
    engine.close()
    assert drawn <= before + 4  # answers that were there already
    assert len(stub.requests) <= drawn


def test_an_error_in_the_source_comes_out(stub: Any) -> None:
    def source() -> Iterator[Request]:
        yield ask("a")
        raise LookupError("bad row 2")

    engine = engine_for(stub)
    with pytest.raises(LookupError, match="bad row 2"):
        list(engine.generate(source()))
    engine.close()


def test_factory_by_name(stub: Any) -> None:
    config = EngineConfig(model="m", base_url=stub.url, options={"x": 1})
    engine = make_engine("openai", config)
    assert engine.describe() == {
        "engine": "openai",
        "model": "m",
        "sampling": {"max_tokens": 1024, "temperature": 0.0},
        "image": None,
        "extra_body": {"x": 1},
    }
    assert engine.gather(5) == [5]
    engine.close()
