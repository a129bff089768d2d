"""A server process for bench_http: `python -m tests.bench.http_server KIND FOLDER PORT PEOPLE`.

KIND is echo or celadon; PEOPLE are bound, and told with their tokens.
Prints one line of JSON when it serves; ends when its standard input ends. Both kinds reuse the
port, so that several processes can share it.
"""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
from aiohttp import web

from audit.gate import Gate
from issuer.between.exchange import Exchange
from issuer.codes.issue import CodeRequest, Issued
from issuer.codes.issuing import Issuing
from issuer.people.binding import Bound, Sessions
from issuer.people.enrolment import Enrolment
from issuer.people.identity import Identity
from issuer.publication.publish import Publisher
from issuer.publication.publishedlists import PublishedLists
from issuer.web.factory import Services, make_app
from issuer.web.server import Runner
from keys.lifecycle import Purpose
from tests.issuing_support import SECRETS, authority, desk, signer
from tests.web_support import Clock, Phones, enrolment_over
from verifier.transport import encode_text


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def _serve(runner: web.AppRunner, port: int, told: dict[str, str]) -> None:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True).start()
    print(json.dumps(told), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


async def _echo(port: int) -> None:
    app = web.Application()
    app.router.add_post("/echo", echo)
    await _serve(web.AppRunner(app, access_log=None), port, {})


def _bound(enrolment: Enrolment, phones: Phones, number: int) -> Bound:
    phone = f"+86138{number:08d}"
    enrolment.register(Identity("王小明", phone), "610113")
    return enrolment.confirm(enrolment.ask("王小明", phone), phones.last_code())


async def _celadon(folder: Path, port: int, count: int) -> None:
    clock, phones, public = Clock(), Phones(), folder / "public"
    async with AsyncExitStack() as stack:
        opened = stack.enter_context(
            desk(
                f"sqlite:///{folder}/issuer.db",
                folder,
                authority=authority(),
                name=f"{os.getpid()}",
            )
        )
        sessions = Sessions(opened.engine, SECRETS.rows)
        people, enrolment = enrolment_over(opened, sessions, phones, clock)
        gate = Gate(opened.audit_engine, opened.log)
        publisher = Publisher(opened.writer, public, signer(Purpose.STATUS.value))
        if not public.exists():
            public.mkdir()
            publisher.publish_all(b"", now=clock.now)
        bound = [_bound(enrolment, phones, number) for number in range(count)]
        exchange = Exchange(opened.writer, people, tuple, clock)
        issuing = stack.enter_context(Issuing(opened.writer, clock=clock))
        made = await issuing.issue(CodeRequest(bound[0].subject, f"bench-{os.getpid()}-0123456789"))
        if not isinstance(made, Issued):
            raise SystemExit("no code was made")
        services = Services(
            clock, sessions, enrolment, issuing, opened.log, gate, exchange,
            PublishedLists(public, opened.writer), public, 0.5,
        )  # fmt: skip
        tokens = ", ".join(f'"{one.token}"' for one in bound)
        told = {"tokens": tokens, "code": encode_text(made.codes[0])}
        await _serve(Runner(make_app(services)), port, told)


def main() -> None:
    kind, folder, port, count = sys.argv[1:]
    with Path(os.devnull).open("w") as nowhere:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(nowhere))
        asyncio.run(
            _echo(int(port)) if kind == "echo" else _celadon(Path(folder), int(port), int(count))
        )


if __name__ == "__main__":
    main()
