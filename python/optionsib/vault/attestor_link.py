"""The attestor over ZeroMQ: served in its own process, asked from the daemon's."""

from __future__ import annotations

from typing import Any

import msgspec

from optionsib.bus.control import ControlClient, ControlServer, RequestRefusedError
from optionsib.bus.endpoints import CurveKeys
from optionsib.common.errors import BusError
from optionsib.common.types import Json
from optionsib.vault.attestor import (
    Attestation,
    AttestationPendingError,
    AttestationRefusedError,
    AttestationRequest,
    Attestor,
    AttestorDownError,
)


def attestor_server(attestor: Attestor, endpoint: str, *, keys: CurveKeys | None = None) -> ControlServer:
    """Return the server of an attestor; start it with ``async with``.

    Parameters
    ----------
    attestor
        Answers the requests, one at a time where it matters.
    endpoint
        ``ipc://path`` or ``tcp://host:port``.
    keys
        Needed if other machines can reach the endpoint.
    """

    async def attest(request: Any) -> Json:
        try:
            asked = msgspec.convert(request, AttestationRequest)
        except msgspec.ValidationError as error:
            raise AttestationRefusedError(f"not a request: {error}") from None
        answer: Json = msgspec.to_builtins(await attestor.attest(asked))
        return answer

    return ControlServer(endpoint, {"attest": attest, "attestor-status": attestor.status}, keys=keys)


class AttestorClient:
    """An ``AttestorPort`` in another process.

    Parameters
    ----------
    endpoint
        Of its server.
    keys
        Needed if it is on another machine.
    timeout
        Real seconds that an answer may take.
    """

    def __init__(self, endpoint: str, *, keys: CurveKeys | None = None, timeout: float = 5.0) -> None:
        self._client = ControlClient(endpoint, keys=keys)
        self._timeout = timeout

    async def attest(self, request: AttestationRequest) -> Attestation:
        """Ask for a signature.

        Raises
        ------
        AttestationRefusedError, AttestationPendingError, AttestorDownError
            As they say; nothing was signed that anybody has.
        """
        return msgspec.convert(await self._ask("attest", request=msgspec.to_builtins(request)), Attestation)

    async def status(self) -> dict[str, Any]:
        """Return what the attestor has seen and signed.

        Raises
        ------
        AttestorDownError
            If it does not answer.
        """
        found = await self._ask("attestor-status")
        return found if isinstance(found, dict) else {}

    async def _ask(self, command: str, **arguments: Json) -> Json:
        try:
            return await self._client.ask(command, timeout=self._timeout, **arguments)
        except RequestRefusedError as error:
            kind = {
                "AttestationRefusedError": AttestationRefusedError,
                "AttestationPendingError": AttestationPendingError,
            }.get(error.kind)
            if kind is None:
                raise AttestorDownError(str(error)) from error
            raise kind(error.reason) from None
        except BusError as error:
            raise AttestorDownError(f"no answer at {self._client.endpoint} in {self._timeout:g} s") from error
