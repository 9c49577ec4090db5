"""The yardstick: the least that an aiohttp server can do with a carrier's webhook. Reads the form, answers TwiML.

It keeps nothing, checks nothing and logs nothing.
"""

import sys

from aiohttp import web

TWIML = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'


async def take(request: web.Request) -> web.Response:
    await request.post()
    return web.Response(body=TWIML, content_type="text/xml")


def main() -> None:
    app = web.Application()
    app.router.add_post("/{tail:.*}", take)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
