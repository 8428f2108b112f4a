"""Logs: format, correlation ids, the standard library's lines, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from pydantic import SecretStr

from optionsib.common import logging as logs

PLANTED = "hunter2-" + "x" * 20


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    yield
    logs.shutdown_logging()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()
    logs._known_secrets.clear()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def configured(**options: object) -> io.StringIO:
    stream = io.StringIO()
    logs.configure_logging(stream=stream, **options)  # type: ignore[arg-type]
    return stream


def test_json_lines_with_correlation() -> None:
    stream = configured()
    logger = logs.get_logger("optionsib.test", component="gate")
    with logs.correlation(candidate_id="c-1"):
        with logs.correlation(order_ref="o-2"):
            logger.info("approved", max_loss=125)
        logger.warning("refused")
    logger.info("later")
    first, second, third = lines(stream)
    assert {
        "event": "approved",
        "level": "info",
        "logger": "optionsib.test",
        "component": "gate",
        "candidate_id": "c-1",
        "order_ref": "o-2",
        "max_loss": 125,
    }.items() <= first.items()
    assert str(first["timestamp"]).endswith("Z")
    assert ("order_ref" in second, second["candidate_id"], second["level"]) == (False, "c-1", "warning")
    assert "candidate_id" not in third


def test_standard_library_lines_come_out_alike() -> None:
    stream = configured()
    with logs.correlation(order_ref="o-1"):
        logging.getLogger("ib_async.client").error("gateway said %s", "no")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["order_ref"]) == ("gateway said no", "error", "o-1")


def test_levels() -> None:
    stream = configured(level="warning")
    logs.get_logger("a").info("silent")
    logging.getLogger("b").info("silent")
    logs.get_logger("a").warning("heard")
    assert [line["event"] for line in lines(stream)] == ["heard"]
    with pytest.raises(ValueError, match="'LOUD': expected one of"):
        logs.configure_logging(level="LOUD")


def test_configuring_twice_writes_once() -> None:
    first, second = configured(), configured()
    logs.get_logger("a").info("once")
    assert (len(lines(first)), len(lines(second))) == (0, 1)


def test_console_is_for_people() -> None:
    stream = configured(style="console")
    logs.get_logger("a").info("approved", order_ref="o-1")
    text = stream.getvalue()
    assert "approved" in text
    assert "order_ref=o-1" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("style", ["json", "console"])
def test_no_planted_secret_in_any_line(style: str, background: bool) -> None:
    stream = configured(style=style, background=background)
    logger = logs.get_logger("a")
    fields = (
        "password", "api_key", "apikey", "access_token", "secret", "curve_secret_key", "private_key",
        "wallet.keypair", "mnemonic", "Authorization", "credentials", "passphrase",
    )  # fmt: skip
    for key in fields:
        logger.info("field", **{key: PLANTED})
        logger.info("nested", config={"section": [{key: PLANTED}]})
        logger.info("list under a key", **{key: [PLANTED]})
    logger.info("typed", value=SecretStr(PLANTED))
    logger.info(f"in text: password={PLANTED}, then more")
    logger.info(f'in json: {{"api_key": "{PLANTED}"}}')
    logging.getLogger("b").warning("curve_secret_key: %s", PLANTED)
    try:
        raise RuntimeError(f"login failed: password={PLANTED}")
    except RuntimeError:
        logger.exception("failed")
    logs.register_secret(PLANTED)
    logger.info(f"anywhere {PLANTED} at all", field=f"<{PLANTED}>", deep={"k": [PLANTED, {"x": PLANTED}]})
    logs.shutdown_logging()
    text = stream.getvalue()
    assert len(text) > 2000
    assert PLANTED not in text
    assert logs.MASK in text


def test_what_is_no_secret_stays_readable() -> None:
    stream = configured()
    logs.get_logger("a").info(
        "reserve",
        token_account="So1",
        token_program="Tok",
        signature="5xyz",
        key="k",
        monkey="m",
        author="x",
        pinned=1,
    )
    (line,) = lines(stream)
    assert logs.MASK not in json.dumps(line)


def test_background_writes_everything_in_order() -> None:
    stream = configured(background=True)
    logger = logs.get_logger("a")
    for number in range(500):
        logger.info("n", number=number)
    logs.shutdown_logging()
    assert [line["number"] for line in lines(stream)] == list(range(500))


def test_short_values_are_no_registered_secrets() -> None:
    logs.register_secret("ab")
    assert logs._known_secrets == []
