"""Where the configuration comes from: two YAML files, environment variables, overrides.

Each source stays apart until the check is done, so that a fault can name the file or variable.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

from optionsib.common.errors import ConfigError

MAIN = "main_config.yaml"
_PREFIX = "OPTIONSIB_"

Settings = TypeVar("Settings", bound=BaseSettings)


class _Source(msgspec.Struct, frozen=True):
    name: str
    data: dict[str, Any]

    def holds(self, place: tuple[str | int, ...]) -> bool:
        found: Any = self.data
        for key in place:
            if isinstance(found, list | tuple):
                found = dict(enumerate(found))
            if not isinstance(found, Mapping) or key not in found:
                return False
            found = found[key]
        return True


def load(
    model: type[Settings], environment: str, directory: Path | None, overrides: Mapping[str, Any] | None
) -> Settings:
    """Read all sources into ``model`` as ``common.config.load_config`` promises."""
    folder = find_directory(directory)
    available = sorted(path.stem for path in (folder / "environment").glob("*.yaml"))
    if environment not in available:
        raise ConfigError(
            f"unknown environment {environment!r}: expected one of {', '.join(available) or 'none'} "
            f"in {folder / 'environment'}"
        )
    sources = [_read_yaml(folder / MAIN), _read_yaml(folder / "environment" / f"{environment}.yaml")]
    for source in sources:
        _refuse_secrets(model, source)
    sources += [_read_environment(model), _Source("override", _nest(overrides or {}))]
    merged: dict[str, Any] = {}
    for source in sources:
        merged = _merge(merged, source.data)
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(model, fault, sources) for fault in error.errors())) from None


def find_directory(directory: Path | None = None) -> Path:
    """Return the folder that holds ``main_config.yaml``.

    Raises
    ------
    ConfigError
        If neither the given folder, nor ``./config``, nor the package has one.
    """
    if directory is not None:
        places = [Path(directory)]
    else:
        places = [Path("config")]
        native = importlib.util.find_spec("optionsib._native._core")
        if native is not None and native.origin is not None:
            places.append(Path(native.origin).parent.parent / "_config")
    for place in places:
        if (place / MAIN).is_file():
            return place
    raise ConfigError(f"no {MAIN} in {' or '.join(str(place) for place in places)}")


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice (PyYAML keeps the last without a word)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _read_yaml(path: Path) -> _Source:
    try:
        with path.open(encoding="utf-8") as stream:
            data = yaml.load(stream, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds {type(data).__name__}, expected sections with keys")
    # An empty section reads as None and means "nothing set here".
    return _Source(str(path), {key: {} if section is None else section for key, section in data.items()})


def _read_environment(model: type[BaseSettings]) -> _Source:
    for variable in sorted(os.environ):
        section, separator, _ = variable.removeprefix(_PREFIX).partition("__")
        if variable.startswith(_PREFIX) and separator and section.lower() not in model.model_fields:
            raise ConfigError(
                f"environment variable {variable}: unknown section {section.lower()!r}, "
                f"expected one of {', '.join(model.model_fields)}"
            )
    try:
        return _Source("environment variable", EnvSettingsSource(model)())
    except SettingsError as error:
        raise ConfigError(f"environment variables {_PREFIX}*: {error}") from None


def _nest(overrides: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in overrides.items():
        *sections, last = key.split(".")
        inner: Any = dict(value) if isinstance(value, Mapping) else value
        branch: dict[str, Any] = {last: inner}
        for section in reversed(sections):
            branch = {section: branch}
        nested = _merge(nested, branch)
    return nested


def _merge(lower: dict[str, Any], higher: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in higher.items():
        below = merged.get(key)
        merged[key] = (
            _merge(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
        )
    return merged


def _secret_places(model: type[BaseModel], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    places: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        if field.annotation is SecretStr:
            places.append((*above, name))
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            places += _secret_places(field.annotation, (*above, name))
    return places


def _refuse_secrets(model: type[BaseModel], source: _Source) -> None:
    for place in _secret_places(model):
        if source.holds(place):
            variable = _PREFIX + "__".join(place).upper()
            raise ConfigError(
                f"{source.name}: {'.'.join(place)} is a secret: expected in {variable}, not in a file"
            )


def _describe(model: type[BaseModel], fault: Any, sources: list[_Source]) -> str:
    place: tuple[str | int, ...] = fault["loc"]
    name = ".".join(str(part) for part in place)
    if not place:
        return str(fault["msg"])
    if fault["type"] == "missing":
        return f"{name} is missing: no file, variable or override sets it"
    source = next((source for source in reversed(sources) if source.holds(place)), None)
    where = "default" if source is None else source.name
    if where == "environment variable":
        where = f"environment variable {_PREFIX}{'__'.join(str(part) for part in place[:2]).upper()}"
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key {name}: expected one of {', '.join(_known_keys(model, place))}"
    secret = any(place[: len(hidden)] == hidden for hidden in _secret_places(model))
    value = "(hidden)" if secret else repr(fault["input"])
    return f"{where}: {name} = {value}: {fault['msg']}"


def _known_keys(model: type[BaseModel], place: tuple[str | int, ...]) -> list[str]:
    known: Any = model
    for part in place[:-1]:
        if isinstance(part, str):  # an int is the place in a list of rows
            annotation = known.model_fields[part].annotation
            rows = getattr(annotation, "__args__", ())
            known = rows[0] if rows else annotation
    return list(known.model_fields)
