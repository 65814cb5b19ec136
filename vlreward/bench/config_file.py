"""The options of a run in a YAML file, read as defaults of the command line and written back."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from vlreward.errors import OptionError
from vlreward.files import replacing
from vlreward.options import declared, flag

if TYPE_CHECKING:
    from vlreward.bench.options import RunOptions

__all__ = ["CONFIG_FILE", "read_config", "write_config"]

CONFIG_FILE = "config.yaml"
"""Name of the file in a run directory that the run can be repeated from."""

_NOT_IN_A_FILE = ("config", "api_key")
_MOST_BYTES = 1 << 20


def read_config(path: Path, options: type) -> dict[str, Any]:
    """The options that a file gives, by field.

    A key is an option as the command line has it, without the dashes. Sections such as `engine:`
    only group them; `name` in a section is the option that the section is called like.

    Raises:
        OptionError: If it is no such file; names the key.
    """
    import yaml

    try:
        with path.open("rb") as file:
            content = yaml.safe_load(file.read(_MOST_BYTES))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise OptionError(f"--config {path}: expected YAML: {error}") from None
    except OSError as error:
        raise OptionError(f"--config {path}: cannot be read: {error.strerror}") from None
    if not isinstance(content, dict):
        raise OptionError(f"--config {path}: expected options by name, got {content!r:.80}")
    names = {
        spelled: field
        for field, _, _ in declared(options)
        if field not in _NOT_IN_A_FILE
        for spelled in (field, field.replace("_", "-"), flag(options, field)[2:])
    }
    found: dict[str, Any] = {}
    for key, value in _flat(content, names):
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise OptionError(f"--config {path}: no option is called {key!r}{hint}")
        if names[key] in found:
            raise OptionError(f"--config {path}: {key!r} is given twice")
        if value is not None:
            found[names[key]] = value
    lists = {name for name, annotation, _ in declared(options) if "list[" in str(annotation)}
    return {
        name: [value] if name in lists and not isinstance(value, list) else value
        for name, value in found.items()
    }


def _flat(content: Mapping[Any, Any], names: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if not isinstance(value, dict):
            yield str(key), value
        elif names.get(str(key)) == "options":
            yield str(key), json.dumps(value)
        else:
            for inner, one in value.items():
                if isinstance(one, dict) and names.get(str(inner)) == "options":
                    yield str(inner), json.dumps(one)
                else:
                    yield str(key) if inner == "name" else str(inner), one


def write_config(options: RunOptions, out: Path, remarks: Iterable[str] = ()) -> Path:
    """Write what a run was told to `config.yaml`, in a form that `--config` takes.

    Args:
        remarks: What it was not told and took, each a comment in one line.
    """
    import yaml

    told: dict[str, dict[str, Any]] = {}
    for field, annotation, default in declared(type(options)):
        value = getattr(options, field)
        if field in _NOT_IN_A_FILE or value == default:
            continue
        section = str(getattr(annotation.__metadata__[0], "rich_help_panel", None) or "").lower()
        name = flag(type(options), field)[2:]
        told.setdefault(section, {})["name" if name == section else name] = _plain(field, value)
    own = told.pop("", {})
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / CONFIG_FILE) as file:
        file.writelines(f"# {remark}\n" for remark in remarks)
        yaml.safe_dump(own | told, file, sort_keys=False, allow_unicode=True)
    return out / CONFIG_FILE


def _plain(field: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(field, one) for one in value]
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, Enum):
        return value.value
    if field == "base_url":  # a password in it is not for a file that is handed on
        import httpx

        return str(httpx.URL(value).copy_with(userinfo=b""))
    return value
