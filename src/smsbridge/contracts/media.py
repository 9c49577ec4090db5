"""How an adapter writes the download of an attachment, so that it stays with the carrier."""

from __future__ import annotations

from collections.abc import Sequence

from smsbridge.contracts.settings import loopback_hosts
from smsbridge.wire.http import Fetch, Headers, Request, host_and_port, is_at, is_web_address


def write_guarded_fetch(
    url: str,
    headers: Headers,
    *,
    hosts: Sequence[str],
    media_hosts: Sequence[str] = (),
    credentials_hosts: Sequence[str] = (),
    api_url: str = "",
) -> Fetch:
    """From the carrier's own `hosts`, and from the `media_hosts` that the operator named besides.

    `credentials_hosts` are those that may see `headers`. `api_url` is where the operator says that the API is, if that
    is none of `hosts`: a simulator on this computer, where plain http will do. It may see whatever the carrier may.

    Raises ValueError for a URL that is anywhere else.
    """
    named = (host_and_port(api_url),) if api_url else ()
    allowed = (*hosts, *named, *media_hosts)
    is_api = bool(api_url) and url.startswith(f"{api_url}/")
    if not is_api and not (is_web_address(url) and is_at(url, allowed)):
        raise ValueError("The media URL is at no host of this carrier's, and at none of media_hosts.")
    return Fetch(
        request=Request(method="GET", url=url, headers=headers),
        hosts=allowed,
        credentials_hosts=(*credentials_hosts, *named) if credentials_hosts else (),
        private_hosts=(*named, *loopback_hosts(media_hosts)),
    )
