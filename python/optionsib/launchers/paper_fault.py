"""Arm one fault of a running paper exchange from the command line."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from optionsib.common.errors import BrokerError, ConfigError

ANSWER_SECONDS = 10.0
MAXIMUM_ANSWER = 1 << 20


def arm_fault(output: Path, name: str, words: list[str]) -> Any:
    """Arm fault ``name`` with ``argument=value`` words; return what the exchange answers.

    ``output`` is the file into which the exchange's standard output was led: its first line has the
    control port and the token. A value that is JSON is sent as such, anything else as text.

    Raises
    ------
    ConfigError
        If the file has no control port, or a word is not of that form.
    BrokerError
        If the exchange does not answer, or refuses.
    """
    try:
        facts = json.loads(output.read_text().partition("\n")[0])
        address, token = ("127.0.0.1", int(facts["control_port"])), facts["control_token"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{output} does not begin with the JSON line of a paper exchange with a control port "
            "(optionsib paper-exchange --control-port 0 > FILE)"
        ) from error
    request: dict[str, object] = {"token": token, "fault": name}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or key in request:
            raise ConfigError(f"argument=value is expected, got {word!r}")
        request[key] = _value(value)
    try:
        with socket.create_connection(address, ANSWER_SECONDS) as connection:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as reader:
                answer = json.loads(reader.readline(MAXIMUM_ANSWER))
    except (OSError, ValueError) as error:
        raise BrokerError(f"the paper exchange does not answer on its control port: {error}") from error
    if not answer["ok"]:
        raise BrokerError(answer["error"])
    return answer["result"]


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
