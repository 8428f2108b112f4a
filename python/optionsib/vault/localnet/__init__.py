"""A Solana chain of one's own, on this machine: JSON-RPC and websocket over LiteSVM."""

from optionsib.vault.localnet.errors import RpcError
from optionsib.vault.localnet.faults import Faults
from optionsib.vault.localnet.server import Localnet, LocalnetSettings

__all__ = ["Faults", "Localnet", "LocalnetSettings", "RpcError"]
