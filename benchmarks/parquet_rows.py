"""What a large Parquet file of verl rows with image bytes costs: time to a row, memory, images.

Each measurement is a process of its own, so that memory is its own. Needs the extra `data`:

    python benchmarks/parquet_rows.py --rows 100000
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from device import describe_device, options_of, report

GROUPS = (1_000, 1 << 20)
"""Rows of a row group: as `datasets` writes, and as pandas does, all in one."""


def write(path: Path, rows: int, image_bytes: int, group: int) -> None:
    """Write rows as verl's examples do; every image has bytes of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vlreward.scenes import make_scene

    scenes = [make_scene("counting", "train", index) for index in range(64)]
    pixels = [_png(scene.image) for scene in scenes]
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    schema = pa.schema(
        [
            ("data_source", pa.string()),
            ("prompt", pa.list_(message)),
            ("images", pa.list_(image)),
            ("ability", pa.string()),
            ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
            ("extra_info", pa.struct([("split", pa.string()), ("index", pa.int64())])),
        ]
    )
    noise = random.Random(0)
    with pq.ParquetWriter(path, schema, use_dictionary=["data_source", "ability"]) as writer:
        for start in range(0, rows, 1_000):
            table = []
            for index in range(start, min(start + 1_000, rows)):
                scene, png = scenes[index % 64], pixels[index % 64]
                # Bytes after the end of an image are no part of it, and pad it to the size.
                padded = png + noise.randbytes(max(0, image_bytes - len(png)))
                table.append(
                    {
                        "data_source": "scenes",
                        "prompt": [{"role": "user", "content": f"<image>{scene.question}"}],
                        "images": [{"bytes": padded, "path": None}],
                        "ability": "counting",
                        "reward_model": {"style": "rule", "ground_truth": str(scene.gold)},
                        "extra_info": {"split": "train", "index": index},
                    }
                )
            # Batches share a row group until it is full; tables would each begin one.
            writer.write_batch(pa.RecordBatch.from_pylist(table, schema), group)


def _png(image: Any) -> bytes:
    import io

    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def first_row(path: Path) -> dict[str, float]:
    """Open the file and read one row."""
    from vlreward.data.loaders import open_rows

    start = time.perf_counter()
    row = next(iter(open_rows(path)))
    assert row.value["reward_model"]["ground_truth"].isdigit()
    return {"seconds": round(time.perf_counter() - start, 3)}


def first_image(path: Path) -> dict[str, float]:
    """Load the first rows and open the first image: what a loop waits for at its start."""
    from vlreward.data.images import open_image
    from vlreward.data.loaders import open_rows

    start = time.perf_counter()
    rows = open_rows(path)
    row = next(iter(rows))
    (image,) = rows.row(row.number)["images"]
    assert open_image(image["bytes"]).size[0] > 0
    return {"seconds": round(time.perf_counter() - start, 3)}


def whole(path: Path) -> dict[str, Any]:
    """Load and validate every row, then open images in order and at random."""
    from vlreward.data import load

    start, used = time.perf_counter(), time.process_time()
    data = load(path, task="counting")
    seconds, used = time.perf_counter() - start, time.process_time() - used
    after_load = memory()
    opened = {}
    picks = random.Random(1).sample(range(len(data)), min(3_000, len(data)))
    wanted = {
        "in_order": range(min(2_000, len(data))),
        "first_at_random": picks[:100],
        "at_random": picks[100:],
    }
    for name, places in wanted.items():
        times = []
        for place in places:
            start = time.perf_counter()
            data.open_image(data[place])
            times.append(1e3 * (time.perf_counter() - start))
        opened[f"images_{name}_ms"] = {
            "mean": round(statistics.fmean(times), 2),
            "median": round(statistics.median(times), 2),
            "longest": round(max(times), 1),
        }
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used, 2),
        "growth_after_load_mib": after_load,
        **opened,
    }


MEASURED: dict[str, Callable[[Path], dict[str, Any]]] = {
    "first_row": first_row,
    "first_image": first_image,
    "load": whole,
}
_AT_START = 0.0


def memory() -> float:
    """MiB that the process has taken for itself since its start; mapped files are not counted."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return round(int(line.split()[1]) / 1024 - _AT_START, 1)
    raise OSError("expected RssAnon in /proc/self/status")


def _measure(name: str, path: Path) -> None:
    global _AT_START
    import datasets  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import vlreward.data  # noqa: F401

    _AT_START = memory()
    found = MEASURED[name](path)
    print(json.dumps({**found, "growth_mib": memory()}))


def main() -> None:
    """Measure all, print and write the results."""
    parser = options_of(__doc__, "parquet_rows")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--image-bytes", type=int, default=10_000)
    parser.add_argument("--only", choices=MEASURED, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only is not None:
        return _measure(args.only, args.file)
    result: dict[str, Any] = {
        "device": {**describe_device(), "cores_allowed": len(os.sched_getaffinity(0))},
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "rows": args.rows,
        "image_bytes": args.image_bytes,
    }
    for group in GROUPS:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "train.parquet"
            write(path, args.rows, args.image_bytes, group)
            size = path.stat().st_size
            found: dict[str, Any] = {"file_mib": round(size / 2**20, 1)}
            for case in MEASURED:
                environment = {**os.environ, "XDG_CACHE_HOME": str(Path(name) / case)}
                command = [sys.executable, __file__, "--only", case, "--file", str(path)]
                done = subprocess.run(command, env=environment, capture_output=True, text=True)
                if done.returncode:
                    raise RuntimeError(done.stderr)
                found[case] = json.loads(done.stdout.splitlines()[-1])
            result[f"row_groups_of_{min(group, args.rows)}"] = found
    report(args.out, result)
    return None


if __name__ == "__main__":
    main()
