"""For every instruction of the Vault program a world in which it succeeds: attacks and costs start there."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from solders.instruction import Instruction

from tests.vault_driver import plain_transfer
from tests.vault_world import CLUSTER, DAY, World

Scene = tuple[World, list[Instruction], tuple[str, ...]]
MONTH = 30 * DAY


def created(world: World) -> Scene:
    return world, [world.client.create(world.trader, CLUSTER, world.mandate)], ("trader",)


def deposit(world: World) -> Scene:
    world.must(world.create())
    return (
        world,
        [world.client.deposit(world.trader, world.trader, world.address["source"], 500)],
        ("trader",),
    )


def withdraw(world: World) -> Scene:
    return world.ready(), [world.client.withdraw(world.trader, world.address["payout"], 500)], ("trader",)


def opened(world: World) -> Scene:
    return world.ready(), [world.open_instruction(1, 100)], ("engine",)


def with_trade(world: World) -> World:
    world.ready()
    world.must(world.open(1, 100))
    return world


def close_with(pnl: int) -> Callable[[World], Scene]:
    def scene(world: World) -> Scene:
        trade = with_trade(world).trade()
        message = world.attest(trade, 100, pnl)
        return (
            world,
            [world.signature(message), world.close_instruction(trade, message)],
            ("engine", "settler"),
        )

    return scene


def owed(world: World) -> World:
    with_trade(world)
    world.must(world.close(1, 100, 50, pays=False))
    return world


def pay_profit(world: World) -> Scene:
    client = owed(world).client
    return world, [client.pay_profit(world.trader, world.trade(), world.pub("settler"), 50)], ("settler",)


def waive_profit(world: World) -> Scene:
    owed(world)
    return world, [world.client.waive_profit(world.trader, world.trade())], ("trader",)


def reduce(world: World) -> Scene:
    with_trade(world)
    return world, [world.client.reduce(world.trader, world.trade(), 40)], ("engine",)


def expire(world: World) -> Scene:
    with_trade(world).set_time(world.now + DAY)
    return world, [world.client.expire(world.trader, world.trade())], ()


def extend(world: World) -> Scene:
    with_trade(world)
    return world, [world.client.extend(world.trader, world.trade(), world.now + 2 * DAY)], ("engine",)


def release(world: World) -> Scene:
    world.ready()
    world.must(world.open(1, 100, lasts=2 * DAY))
    world.set_time(world.now + DAY)
    return world, [world.client.release(world.trader, world.trade())], ("trader",)


def heartbeat(world: World) -> Scene:
    return world.ready(), [world.client.heartbeat(world.trader, world.pub("engine"))], ("engine",)


def pause(world: World) -> Scene:
    return world.ready(), [world.client.pause(world.trader, world.pub("engine"))], ("engine",)


def unpause(world: World) -> Scene:
    world.ready()
    world.must(world.send(world.client.pause(world.trader, world.trader), "trader"))
    return world, [world.client.unpause(world.trader)], ("trader",)


def propose(world: World) -> Scene:
    mandate = msgspec.structs.replace(world.ready().mandate, trade_cap=500)
    return world, [world.client.propose(world.trader, mandate)], ("trader",)


def proposed(world: World) -> World:
    _, instructions, signers = propose(world)
    world.must(world.send(instructions, *signers))
    return world


def applied(world: World) -> Scene:
    proposed(world).set_time(world.now + DAY)
    return world, [world.client.apply(world.trader)], ("trader",)


def cancel(world: World) -> Scene:
    return proposed(world), [world.client.cancel(world.trader)], ("trader",)


def start_recovery(world: World) -> Scene:
    return world.ready(), [world.client.start_recovery(world.trader, world.pub("recovery"))], ("recovery",)


def recovering(world: World) -> World:
    _, instructions, signers = start_recovery(world)
    world.must(world.send(instructions, *signers))
    return world


def cancel_recovery(world: World) -> Scene:
    return recovering(world), [world.client.cancel_recovery(world.trader)], ("trader",)


def recover(world: World) -> Scene:
    recovering(world).set_time(world.now + MONTH)
    payout = world.address["payout"]
    return world, [world.client.recover(world.trader, world.pub("recovery"), payout)], ("recovery",)


def sweep(world: World) -> Scene:
    with_trade(world)
    dust = plain_transfer(world.address["settlement"], world.at.escrow, world.pub("settler"), 7)
    world.must(world.send(dust, "settler"))
    return world, [world.client.sweep(world.trader)], ()


SCENES: dict[str, Callable[[World], Scene]] = {
    "create": created,
    "deposit": deposit,
    "withdraw": withdraw,
    "open": opened,
    "close": close_with(50),
    "pay_profit": pay_profit,
    "reduce": reduce,
    "expire": expire,
    "extend": extend,
    "release": release,
    "heartbeat": heartbeat,
    "pause": pause,
    "unpause": unpause,
    "propose": propose,
    "apply": applied,
    "cancel": cancel,
    "start_recovery": start_recovery,
    "cancel_recovery": cancel_recovery,
    "recover": recover,
    "sweep": sweep,
    "waive_profit": waive_profit,
}
