"""What the benchmark costs beside the model: an endpoint that answers at once, or at a set rate.

The endpoint runs in a process of its own and does nothing but answer, so that a run against it
measures everything else: prompts, images, HTTP, scores, the files of a run. CPU time is the figure
to go by where the machine is not idle. inspect_ai is measured beside it, in turns with it against
the same endpoint, where the Python of an environment that has it is given:

    python benchmarks/bench_overhead.py --samples 10000 --inspect-python VENV/bin/python
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from device import describe_device, options_of

from vlreward.bench.live import run_live
from vlreward.bench.mixed import Prompts, Rules
from vlreward.bench.options import RunOptions
from vlreward.bench.output import write_results
from vlreward.bench.run_store import RunStore
from vlreward.bench.runner import Completed, run_suite
from vlreward.data.dataset import Dataset, Provenance
from vlreward.data.images import ImageFolder
from vlreward.engines import _pictures
from vlreward.engines.base import EngineConfig, Generation, Request
from vlreward.engines.openai import OpenAIEngine
from vlreward.prompts import get_prompt
from vlreward.suite import get_suite
from vlreward.tasks import get_task
from vlreward.tasks.counting import CountGold
from vlreward.types import Sample

CONCURRENCY = 64
MODEL = "Qwen/Qwen2.5-VL-3B-Instruct"
_TEXT = (
    "<think>The image shows several items. " + "I count them. " * 40 + "</think><answer>3</answer>"
)
_BODY = json.dumps(
    {
        "model": MODEL,
        "choices": [{"message": {"role": "assistant", "content": _TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 2000, "completion_tokens": 150, "total_tokens": 2150},
    }
).encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
_REPLY = _HEAD + str(len(_BODY)).encode() + b"\r\n\r\n" + _BODY


def serve(port: Any, rate: float | None) -> None:
    """Answer every request, at once or at `rate` a second with as many at a time as come."""
    free_at = [0.0]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                at = head.find(b"content-length:")
                if at >= 0:
                    await reader.readexactly(int(head[at + 15 : head.index(b"\r\n", at)]))
                    if rate is not None:
                        free_at[0] = max(time.monotonic(), free_at[0]) + 1 / rate
                        await asyncio.sleep(free_at[0] - time.monotonic())
                writer.write(_REPLY)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=1 << 22)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    asyncio.run(main())


class Server:
    """The endpoint, as a context."""

    def __init__(self, rate: float | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._port = context.Value("i", 0)
        self._process = context.Process(target=serve, args=(self._port, rate), daemon=True)

    def __enter__(self) -> str:
        self._process.start()
        while not self._port.value:
            time.sleep(0.01)
        return f"http://127.0.0.1:{self._port.value}/v1"

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.join()


def samples(n: int, images: list[str] | None) -> list[Sample]:
    """`n` counting questions, all different, over the images in turn."""
    return [
        Sample(
            id=f"s{i}",
            question=f"How many items of kind {i} are there in the image?",
            gold=CountGold(count=3),
            image=images[i % len(images)] if images else None,
        )
        for i in range(n)
    ]


def photographs(folder: Path, size: tuple[int, int], n: int) -> list[str]:
    """JPEG files with the detail of photographs: smooth colours, edges and some noise."""
    from PIL import Image, ImageChops

    folder.mkdir()
    paths = []
    for index in range(n):
        channels = []
        for channel in range(3):
            coarse = Image.effect_noise((8 + channel, 6), 120)
            fine = Image.effect_noise(size, 12)
            smooth = coarse.resize(size, Image.Resampling.BICUBIC)
            channels.append(ImageChops.add(smooth, fine, 1, -128))
        path = folder / f"{index}.jpg"
        Image.merge("RGB", channels).save(path, quality=90)
        paths.append(str(path))
    return paths


def copies(images: list[str], folder: Path, n: int) -> list[str]:
    """`n` files that all differ, by a comment, with the pictures of a few."""
    folder.mkdir()
    paths = []
    for index in range(n):
        content = Path(images[index % len(images)]).read_bytes()
        path = folder / f"{index}.jpg"
        path.write_bytes(content[:2] + b"\xff\xfe\x00\x0a%08d" % index + content[2:])
        paths.append(str(path))
    return paths


def memory_mib() -> float:
    """Resident memory of this process in MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def engine(url: str, **more: Any) -> OpenAIEngine:
    """The engine as a user would start it."""
    more = {"base_url": url, "concurrency": CONCURRENCY, "max_tokens": 256, **more}
    return OpenAIEngine(EngineConfig(MODEL, **more))


def measure_run(url: str, data: list[Sample], folder: Path) -> dict[str, Any]:
    """A whole run: prompts, image hashes, images, HTTP, run file. Memory at every tenth."""
    shutil.rmtree(folder, ignore_errors=True)
    seen: list[float] = []
    count = 0

    def judge(item: Completed) -> list[float]:
        nonlocal count
        count += 1
        if count % (len(data) // 10) == 0:
            seen.append(round(memory_mib(), 1))
        return [1.0]

    running = engine(url)
    cpu, wall = time.process_time(), time.perf_counter()
    run_suite(
        data,
        running,
        folder / "run.jsonl",
        prompts=Prompts(get_prompt("r1-v")),
        on_settled=judge,
        progress=False,
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    running.close()
    size = (folder / "run.jsonl").stat().st_size
    return {
        "samples": len(data),
        "seconds": round(wall, 2),
        "samples_per_second": round(len(data) / wall, 1),
        "cpu_ms_per_sample": round(1000 * cpu / len(data), 3),
        "memory_mib_at_each_tenth": seen,
        "memory_growth_mib": round(seen[-1] - seen[0], 1),
        "run_file_mib": round(size / 2**20, 1),
    }


def measure_path(url: str, data: list[Sample], folder: Path, **more: Any) -> dict[str, Any]:
    """A whole run with scores and results, as `vlreward-bench` does it after reading the data."""
    shutil.rmtree(folder, ignore_errors=True)
    origin = Provenance(path="x", schema="x", sha256="0" * 64, rows=len(data), task="counting")
    dataset = Dataset("overhead", data, origin, ImageFolder(Path("/"), anywhere=True))
    running = engine(url, **more)
    cpu, wall = time.process_time(), time.perf_counter()
    suite = get_suite("superclevr_test200")
    rules = Rules(suite, get_task("counting"), Prompts(get_prompt("r1-v")))
    options = RunOptions(suites=[suite.name], model=MODEL, out=folder)
    with run_live(running, rules, dataset, options) as run:
        evaluation = run.evaluation()
    write_results([evaluation], folder)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    running.close()
    assert evaluation.report.acc == 1.0
    return {
        "samples": len(data),
        "cpu_ms_per_sample": 1000 * cpu / len(data),
        "samples_per_second": len(data) / wall,
    }


def measure_inspect(
    url: str, data: list[Sample], folder: Path, interpreter: Path
) -> dict[str, Any]:
    """The same questions asked by inspect_ai, its start and a warm-up left out."""
    rows = [{"id": s.id, "question": s.question, "image": str(s.image)} for s in data]
    given = {"url": url, "model": MODEL, "concurrency": CONCURRENCY, "logs": str(folder)}
    done = subprocess.run(
        [interpreter, Path(__file__).with_name("inspect_run.py")],
        input=json.dumps(given | {"rows": rows}),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["status"], found["accuracy"]) == ("success", 1.0)
    return {
        "samples": len(data),
        "cpu_ms_per_sample": 1000 * found["cpu"] / len(data),
        "samples_per_second": len(data) / found["wall"],
    }


def measure_image_paths(
    url: str, folder: Path, large: list[str], n: int, rounds: int, interpreter: Path | None
) -> dict[str, Any]:
    """The ways in which an image is sent, and inspect_ai, in turns; medians of the rounds."""
    images = copies(large, folder / "paths", n)
    each = samples(n, images)
    shared = samples(n, images[: (n + 6) // 7])
    run = folder / "run"
    ways: dict[str, Callable[[], dict[str, Any]]] = {
        "original_bytes": lambda: measure_path(url, each, run),
        "resized_here": lambda: measure_path(url, each, run, always_resize=True),
        "resized_here_7_rows_an_image": lambda: measure_path(url, shared, run, always_resize=True),
    }
    if interpreter is not None:
        ways["inspect_ai"] = lambda: measure_inspect(url, each, run, interpreter)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, measure in ways.items():
            found[name].append(measure())
    result: dict[str, Any] = {
        name: {
            "samples": n,
            **{
                key: round(statistics.median(run[key] for run in runs), 2)
                for key in ("cpu_ms_per_sample", "samples_per_second")
            },
            "cpu_ms_per_sample_of_each_round": [round(r["cpu_ms_per_sample"], 2) for r in runs],
        }
        for name, runs in found.items()
    }
    if interpreter is not None:
        theirs = result["inspect_ai"]["cpu_ms_per_sample"]
        for name in list(ways)[:-1]:
            share = result[name]["cpu_ms_per_sample"] / theirs
            result[name]["share_of_inspect_ai_cpu"] = round(share, 3)
    return result


def measure_refcoco(url: str, folder: Path, large: list[str]) -> dict[str, Any]:
    """RefCOCO val in its shape: 10,834 rows on 1,500 images, the rows of an image apart."""
    images = copies(large, folder / "refcoco", 1_500)
    data = samples(10_834, images)
    running = engine(url)
    with running_encodings() as encoded:
        cpu, wall = time.process_time(), time.perf_counter()
        done = run_suite(
            data,
            running,
            folder / "refcoco.jsonl",
            prompts=Prompts(get_prompt("r1-v")),
            progress=False,
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    running.close()
    assert len(done) == len(data)
    return {
        "samples": len(data),
        "images": len(images),
        "images_encoded": len(encoded),
        "seconds": round(wall, 1),
        "cpu_ms_per_sample": round(1000 * cpu / len(data), 2),
    }


@contextlib.contextmanager
def running_encodings() -> Iterator[list[Any]]:
    """Notes each image that the engine encodes."""
    seen: list[Any] = []
    whole = _pictures.encode

    def encode(source: Any, *args: Any, **options: Any) -> Any:
        seen.append(source)
        return whole(source, *args, **options)

    _pictures.encode = encode
    try:
        yield seen
    finally:
        _pictures.encode = whole


def measure_engine(url: str, n: int) -> dict[str, Any]:
    """The engine alone, its answers thrown away: what it keeps itself."""
    running = engine(url)
    messages = get_prompt("r1-v").render(samples(1, None)[0])

    def requests() -> Iterator[Request]:
        for index in range(n):
            yield Request(str(index), messages)

    seen = []
    start = time.perf_counter()
    for index, _ in enumerate(running.generate(requests()), 1):
        if index % (n // 10) == 0:
            seen.append(round(memory_mib(), 1))
    wall = time.perf_counter() - start
    running.close()
    return {
        "samples": n,
        "samples_per_second": round(n / wall, 1),
        "memory_mib_at_each_tenth": seen,
        "memory_growth_mib": round(seen[-1] - seen[0], 1),
    }


def measure_shared_client(url: str, n: int) -> dict[str, Any]:
    """The usual way: one httpx client, all requests as tasks behind a semaphore."""
    import httpx

    body = {"model": MODEL, "messages": [{"role": "user", "content": "How many?"}]}

    async def main() -> None:
        limits = httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
        room = asyncio.Semaphore(CONCURRENCY)
        async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

            async def one() -> None:
                async with room:
                    reply = await client.post(f"{url}/chat/completions", json=body)
                    reply.json()

            await asyncio.gather(*(one() for _ in range(n)))

    start = time.perf_counter()
    asyncio.run(main())
    wall = time.perf_counter() - start
    return {"samples": n, "samples_per_second": round(n / wall, 1)}


def measure_beside_model(
    rate: float, n: int, make: Callable[[int], list[Sample]], folder: Path
) -> dict[str, Any]:
    """A run against an endpoint that answers `rate` requests a second, beside the time it needs."""
    with Server(rate) as url:
        run = measure_run(url, make(n), folder)
    needed = n / rate
    return {
        "model_samples_per_second": rate,
        "samples": n,
        "seconds": run["seconds"],
        "seconds_that_the_model_needs": needed,
        "overhead_share": round(run["seconds"] / needed - 1, 4),
        "overhead_seconds": round(run["seconds"] - needed, 2),
        "cpu_ms_per_sample": run["cpu_ms_per_sample"],
    }


def measure_store(folder: Path, n: int) -> dict[str, Any]:
    """Appends to a run file, the disk waited for at every 64th."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    store = RunStore(folder / "run.jsonl", identity={})
    times = []
    with store:
        for index in range(n):
            start = time.perf_counter()
            store.append(str(index), Generation(_TEXT))
            times.append(time.perf_counter() - start)
    return {
        "appends_per_second": round(n / sum(times)),
        "median_us": round(1e6 * statistics.median(times), 1),
        "p99_us": round(1e6 * statistics.quantiles(times, n=100)[98], 1),
    }


def main() -> None:
    """Measure all, print and write the results."""
    parser = options_of(__doc__, "bench_overhead")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--paths", type=int, default=500, help="samples of each way to send")
    parser.add_argument("--rounds", type=int, default=3, help="turns that the ways take")
    parser.add_argument("--inspect-python", type=Path, help="Python that has inspect_ai and openai")
    args = parser.parse_args()
    result: dict[str, Any] = {
        "device": {**describe_device(), "cores_allowed": len(os.sched_getaffinity(0))},
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "versions": {"python": platform.python_version(), **_versions("httpx", "pillow", "numpy")},
        "concurrency": CONCURRENCY,
    }

    def keep(name: str, value: Any) -> None:
        result[name] = value
        print(json.dumps({name: value}, indent=2), flush=True)
        args.out.parent.mkdir(exist_ok=True)
        args.out.write_text(json.dumps(result, indent=2) + "\n")

    with tempfile.TemporaryDirectory() as name, Server() as url:
        folder = Path(name)
        run = folder / "run"
        tiny = photographs(folder / "tiny", (56, 56), 64)
        large = photographs(folder / "large", (640, 480), 64)
        measure_engine(url, 500)
        keep(
            "image_paths_640x480",
            measure_image_paths(url, folder, large, args.paths, args.rounds, args.inspect_python),
        )
        keep("refcoco_val_in_shape", measure_refcoco(url, folder, large))
        alone = measure_engine(url, args.samples)
        shared = measure_shared_client(url, args.samples // 5)
        keep("engine_alone", alone)
        keep("shared_httpx_client", shared)
        rates = [found["samples_per_second"] for found in (alone, shared)]
        keep("engine_to_shared_client_ratio", round(rates[0] / rates[1], 2))
        keep("run_without_images", measure_run(url, samples(args.samples, None), run))
        keep("run_with_images_56x56", measure_run(url, samples(args.samples, tiny), run))
        keep("run_file", measure_store(folder / "store", 5_000))
        beside = [
            measure_beside_model(rate, n, lambda n: samples(n, large), run)
            for rate, n in ((5.0, 200), (20.0, 600))
        ]
        keep("beside_a_model_with_images_640x480", beside)


def _versions(*names: str) -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in names}


if __name__ == "__main__":
    main()
