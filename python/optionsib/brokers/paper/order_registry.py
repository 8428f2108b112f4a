"""All orders of the account and their numbers: order ids by client, permIds for the whole account."""

from __future__ import annotations

from optionsib.brokers.paper.order_checks import OrderRefusedError, rejected
from optionsib.brokers.paper.orders import ClientOrder

MAXIMUM_WORKING_ORDERS = 1_000
MAXIMUM_ORDERS = 100_000
_PERM_ID_BASE = 500_000_000
_PERM_IDS_PER_SEED = 1_000_000


class OrderRegistry:
    """Orders in order of acceptance, by id, and which of them are alive.

    ``working`` are the orders that were transmitted and are live, ``waiting`` those of them that are not
    in the market yet; both by permId. Orders placed by hand have no id until they are bound.
    """

    def __init__(self, seed: int) -> None:
        self.all: list[ClientOrder] = []
        self.working: dict[int, ClientOrder] = {}
        self.waiting: dict[int, ClientOrder] = {}
        self._by_id: dict[tuple[int, int], ClientOrder] = {}
        self._highest_id: dict[int, int] = {}
        self._last_perm_id = _PERM_ID_BASE + seed % 1000 * _PERM_IDS_PER_SEED

    def find(self, client_id: int, order_id: int) -> ClientOrder | None:
        """Return the order that has this id of this client."""
        return self._by_id.get((client_id, order_id))

    def next_order_id(self, client_id: int) -> int:
        """Return the first order id that ``client_id`` may use."""
        return self._highest_id.get(client_id, 0) + 1

    def claim_id(self, client_id: int, order_id: int) -> None:
        """Use up an order id.

        Raises
        ------
        OrderRefusedError
            If it is not above all ids that the client has used.
        """
        if order_id < self.next_order_id(client_id):
            raise OrderRefusedError(103, "Duplicate order id")
        self._highest_id[client_id] = order_id

    def roll_back_ids(self, count: int) -> None:
        """Lower the next order id of every client by ``count``; ids of orders that are done are free."""
        for client_id, highest in self._highest_id.items():
            self._highest_id[client_id] = max(0, highest - count)
        for key, order in list(self._by_id.items()):
            if not order.is_live and key[1] > self._highest_id.get(key[0], 0):
                del self._by_id[key]

    def check_room(self) -> None:
        """Refuse what would be too much.

        Raises
        ------
        OrderRefusedError
            If there are too many orders.
        """
        if len(self.working) >= MAXIMUM_WORKING_ORDERS or len(self.all) >= MAXIMUM_ORDERS:
            raise rejected(f"at most {MAXIMUM_WORKING_ORDERS} working orders and {MAXIMUM_ORDERS} in all")

    def new_perm_id(self) -> int:
        """Return a permId that was never used."""
        self._last_perm_id += 1
        return self._last_perm_id

    def add(self, order: ClientOrder) -> None:
        """Take an order in and give it its permId."""
        order.perm_id = self.new_perm_id()
        self.all.append(order)
        if not order.is_manual:
            self._by_id[order.key] = order

    def add_twin(self, order: ClientOrder) -> None:
        """Take in a second order under the id of another one; the id goes on meaning the other."""
        self.all.append(order)
        self.working[order.perm_id] = order

    def bind(self, order: ClientOrder) -> bool:
        """Give an order placed by hand an id of client 0: -1, -2 ...; tell whether it had none."""
        if not order.is_manual or order.order_id != 0:
            return False
        order.order_id = min([0, *(number for client, number in self._by_id if client == 0)]) - 1
        self._by_id[order.key] = order
        return True

    def retire(self, order: ClientOrder) -> None:
        """Take an order off the lists of live ones."""
        self.working.pop(order.perm_id, None)
        self.waiting.pop(order.perm_id, None)
