"""Twilio Programmable Messaging: SMS and MMS.

Webhooks are form posts, signed over the URL as it is configured at Twilio and the sorted parameters. Sends are form
posts to the REST API of 2010, answered in JSON. Every error code has a page of its own,
https://www.twilio.com/docs/api/errors/<code>, and `CODES` is the table of what they mean to us.

Where Twilio's pages leave something open, docs/carriers/twilio.md says what is done either way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote, unquote_to_bytes, urlsplit

from smsbridge.contracts.carrier import (
    NO_MEANING,
    Abilities,
    AccountUrls,
    Carrier,
    CodeMeaning,
    FindQuery,
    Listed,
    ListQuery,
    Undecided,
    code_rows,
    media_types,
)
from smsbridge.contracts.settings import (
    Reader,
    is_list_of_texts,
    loopback_hosts,
    read_base_url,
    read_hosts,
    read_secret,
    read_settings,
    read_switch,
    reader_of_number,
)
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import (
    CarrierEvent,
    Ignored,
    InboundMedia,
    InboundMessage,
    OptOutKind,
    Receipt,
    Unrecognized,
)
from smsbridge.domain.lookup import looked_up
from smsbridge.domain.message import Capability, OutboundPart, SmsCapable
from smsbridge.domain.outcome import Accepted, Evidence, Rejected, RetryLater, Scope, SendOutcome, Uncertain
from smsbridge.domain.status import FAILURES, Status
from smsbridge.wire.encoding import Unreadable, read_form, read_json, write_form
from smsbridge.wire.http import NOT_PROVEN, Fetch, Headers, Request, Response, host_and_port
from smsbridge.wire.signing import base64_text, basic_authorization, hmac_digest, same_text, sha256_hex
from smsbridge.wire.times import read_date, read_retry_after_s, write_time

API_URL: Final = "https://api.twilio.com"
LOOKUP_URL: Final = "https://lookups.twilio.com"

# Where a media URL of the API redirects to; a file behind one of these needs no credentials and must not see any.
# https://support.twilio.com/hc/en-us/articles/223183748
MEDIA_HOSTS: Final = ("mms.twiliocdn.com", "media.twiliocdn.com", "s3-external-1.amazonaws.com")

# https://www.twilio.com/docs/messaging/guides/accepted-mime-types
MEDIA_TYPES: Final = media_types(
    {
        "image": "jpeg jpg gif png heic heif tiff bmp",
        "video": "mpeg4 mp4 mpeg webm quicktime 3gpp 3gpp2 3gpp-tt h261 h263 h263-1998 h263-2000 h264 h265",
        "audio": "ogg mpeg mp4 mp3 3gpp 3gpp2 basic l24 vnd.rn-realaudio vnd.wave ac3 webm amr-nb amr",
        "text": "vcard x-vcard directory csv richtext rtf calendar",
        "application": "pdf vcard",
    }
)

# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
# Before `sent` the message waits in a queue at Twilio: they have it, which is all that our SENT says.
STATUSES: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "accepted": Status.SENT,
        "scheduled": Status.SENT,
        "queued": Status.SENT,
        "sending": Status.SENT,
        "sent": Status.SENT,
        "partially_delivered": Status.SENT,  # deprecated
        "delivered": Status.DELIVERED,
        "read": Status.DELIVERED,  # RCS and WhatsApp only
        "undelivered": Status.UNDELIVERED,
        "failed": Status.FAILED,
        "canceled": Status.FAILED,  # by somebody in the console: nothing of ours cancels at Twilio
    }
)
_INBOUND_STATUSES: Final = frozenset({"receiving", "received"})
_ONLY_IN_TEXTS: Final = frozenset({"Body", "NumMedia", "MediaUrl0"})

# https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
_OPT_OUTS: Final[Mapping[str, OptOutKind]] = MappingProxyType(
    {"STOP": OptOutKind.STOP, "START": OptOutKind.START, "HELP": OptOutKind.HELP}
)

# https://www.twilio.com/docs/lookup/v2-api/line-type-intelligence
# Twilio has no field "can take texts"; this is what the kind of line suggests. Some businesses have texts enabled on
# fixed VoIP and toll-free lines, so those are not called incapable.
_LINE_TYPES: Final[Mapping[str, tuple[str, SmsCapable]]] = MappingProxyType(
    {
        "mobile": ("mobile", SmsCapable.YES),
        "nonFixedVoip": ("voip", SmsCapable.YES),
        "fixedVoip": ("voip", SmsCapable.UNKNOWN),
        "tollFree": ("toll_free", SmsCapable.UNKNOWN),
        "personal": ("personal", SmsCapable.UNKNOWN),
        "landline": ("landline", SmsCapable.NO),
        "pager": ("pager", SmsCapable.NO),
        "voicemail": ("voicemail", SmsCapable.NO),
        "premium": ("premium", SmsCapable.NO),
        "sharedCost": ("shared_cost", SmsCapable.NO),
        "uan": ("uan", SmsCapable.NO),
    }
)


# The page of a code is https://www.twilio.com/docs/api/errors/<code>. `retry` is our judgement: the same message may
# work later without a person acting. A code that has two readings has the one that a text of ours would meet.
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        # -- The sender ------------------------------------------------------------------------------------------
        **code_rows(
            Cause.SENDER_NOT_OURS,
            {
                "14102": "the sender in a TwiML reply is not one of the account's numbers",
                "21210": "calls: the caller is no number of the account",
                "21212": "the sender is no valid number or name, or one that may not originate texts",
                "21213": "calls: no caller was given",
                "21401": "the number is neither one of the account's nor a usable name",
                "21603": "no sender was given",
                "21607": "trial account: the sender has to be the sandbox number",
                "21616": "the sender fits several of the account's numbers; write it with its country code",
                "21659": "the sender is no Twilio number, or a short code of another country",
                "21660": "the sender belongs to another account",
                "21701": "the Messaging Service does not exist",
                "21705": "the Messaging Service's SID is malformed",
                "63002": "the channel does not know the sender",
                "63007": "the account has no such sender on this channel",
            },
        ),
        **code_rows(
            Cause.SENDER_NOT_SMS_CAPABLE,
            {
                "14108": "the sender of a TwiML reply cannot send texts",
                "21407": "this type of number cannot send or receive texts",
                "21601": "the sender is not a number of the account that can send texts",
                # Also when the number is being ported or belongs to somebody else; not being able is the usual case.
                "21606": "the sender cannot send texts from this account to this destination",
                "21621": "the sender cannot send pictures",
                "21661": "the sender cannot send texts",
                "21715": "the number lacks the capability that its Messaging Service needs",
            },
        ),
        **code_rows(
            Cause.SENDER_NOT_REGISTERED,
            {
                "21717": "the A2P brand is not registered",
                "21720": "the A2P use case is not valid",
                "21729": "the A2P campaign is suspended",
                "21713": "the use case of the Messaging Service is not valid",
                "21719": "the use case of the Messaging Service does not fit its A2P campaign",
                "21900": "the DLT entity (India) is not valid",
                "21901": "the DLT template (India) is not valid",
                "30018": "the destination wants a name that was registered before",
                "30024": "the carrier does not know the sender: not registered, or just ported",
                "30032": "the toll-free sender is not verified",
                "30033": "the A2P campaign of the sender is suspended",
                "30034": "the sender is in no approved A2P campaign",
                "30040": "the carrier of the destination wants the sender registered before",
                "30041": "the sender is not registered for the United Kingdom",
                "30125": "the number could not be added to its A2P campaign",
                "30436": "registration: the number's SID is not valid",
                "30440": "toll-free verification refused without a reason",
                "30441": "toll-free verification refused: a forbidden category",
                "30442": "toll-free verification refused: known for spam or phishing",
                "30443": "toll-free verification refused: content that is not allowed",
                "30444": "toll-free verification refused: high risk",
                "30445": "toll-free verification refused: facts about the business",
                "30446": "toll-free verification refused: opt-in is not enough",
                "30447": "toll-free verification refused: the number itself",
                "30448": "toll-free verification refused: no age gate",
                "30449": "toll-free verification refused: the sample's URL",
                "30899": "a carrier refused the registration of the A2P campaign",
            },
        ),
        **code_rows(
            Cause.SENDER_NOT_REGISTERED,
            {"30035": "the sender is still being set up for its A2P campaign"},
            retry=True,
        ),
        **code_rows(
            Cause.SENDER_MISMATCH,
            {
                "21657": "the destination takes no sender of this kind",
                "21664": "FallbackFrom does not go with From",
                "21666": "FallbackFrom needs a Messaging Service",
                "21667": "FallbackFrom needs an RCS sender in the Messaging Service",
                "21702": "the Messaging Service may not send",
                "21703": "no sender of the Messaging Service can text this number",
                "21704": "the Messaging Service has no senders",
                "21708": "the name to be added to the Messaging Service is missing",
                "21709": "the name is not allowed in the Messaging Service",
                "21711": "the sender is not in the Messaging Service",
                "21712": "the sender is in another Messaging Service",
                "21910": "sender and recipient are on different channels",
                "30016": "sender and recipient are on different channels",
                "30042": "the name is blocked: too general, odd characters, or known from fraud",
            },
        ),
        # -- The recipient ---------------------------------------------------------------------------------------
        **code_rows(
            Cause.INVALID_NUMBER,
            {
                "14101": "the recipient in a TwiML reply is not valid",
                "21211": "the recipient is no valid number",
                "21214": "the number cannot be reached",
                "21217": "the number does not look valid",
                "21265": "the recipient is a short code, which cannot be texted",
                "21266": "sender and recipient are the same number",
                "21268": "the recipient is an information service",
                "21604": "no recipient was given",
                "21653": "more than one recipient",
                "30014": "the recipient's number is not valid",
                "63003": "the channel does not know the recipient",
                "63024": "the channel does not take this recipient",
                "63031": "sender and recipient are the same",
            },
        ),
        **code_rows(
            Cause.NOT_MOBILE,
            {
                "21614": "the number is no mobile",
                "21635": "the number is a landline, and texts to landlines are not tried in its country",
                "30006": "a landline, or a carrier that this kind of sender cannot reach",
                "60612": "lookup: the number is no mobile",
                "63036": "the number cannot be reached over RCS",
            },
        ),
        **code_rows(Cause.UNREACHABLE, {"30003": "the phone is off, out of reach or cannot take texts"}, retry=True),
        **code_rows(Cause.UNREACHABLE, {"30005": "the number is not in use any more"}),
        **code_rows(
            Cause.OPTED_OUT,
            {
                "21610": "the recipient said STOP to this sender",
                "63014": "the recipient blocked the sender on this channel",
                "63033": "the recipient blocked the sender",
            },
        ),
        # -- Blocked on the way ----------------------------------------------------------------------------------
        **code_rows(
            Cause.BLOCKED,
            {
                "30004": "blocked for this recipient, by the carrier or by the subscriber",
                "30043": "the carrier refused the route",
                "30453": "held for suspected fraud",
                "30640": "blocked: the recipient is known for suits about texts",
                "63032": "the channel does not deliver to this person",
            },
        ),
        **code_rows(
            Cause.BLOCKED,
            {
                "30450": "blocked for some minutes by the protection against SMS pumping",
                "30610": "blocked in quiet hours",
            },
            retry=True,
        ),
        **code_rows(
            Cause.FILTERED,
            {
                "21618": "every carrier of the destination filters this text",
                "30007": "filtered as spam or against a policy",
                "63013": "against the policy of the channel",
            },
        ),
        # -- What it says, what it shows -------------------------------------------------------------------------
        **code_rows(
            Cause.CONTENT_REJECTED,
            {
                "14103": "a TwiML reply without text and pictures, or too long",
                "20413": "the request is too large",
                "21602": "no text and no picture",
                "21605": "more than 160 characters",
                "21617": "more than 1600 characters",
                "21619": "no text, picture or template",
                "21652": "the subject has more than 40 characters",
                "21654": "variables without a template",
                "21655": "the template is not valid",
                "21656": "the variables of the template are no JSON",
                "21658": "a field is too long",
                "30044": "trial account: too many segments",
                "30110": "a link leads to a blocked domain",
                "30111": "a link is blocked",
                "63005": "the channel did not take the content",
                "63016": "outside of the session: the channel takes a template only",
            },
        ),
        **code_rows(
            Cause.MEDIA_REJECTED,
            {
                # As the code of a message, all of 112xx say that Twilio could not fetch a picture from us.
                "11100": "a URL is not valid",
                "11200": "no usable answer from the picture's URL",
                "11206": "the picture's server broke the protocol",
                "11210": "the picture's host has no address",
                "11215": "too many redirects on the way to the picture",
                "11220": "TLS to the picture's host did not come up",
                "11235": "the picture's host has a certificate for another name",
                "11236": "the picture's host has an expired certificate",
                "11237": "the picture's host has a certificate nobody vouches for",
                "11251": "the picture's server broke the protocol",
                "11751": "the pictures are larger than the channel takes",
                "12300": "the picture has a type that is not taken",
                "21620": "a picture's URL is malformed",
                "21623": "more than ten pictures",
                "30011": "the recipient, or its network, takes no pictures",
                "30019": "larger than the carrier takes",
                "63019": "a picture could not be fetched, or was empty",
                "63021": "the channel does not take this type of file",
                "63034": "the file is larger than the channel takes",
            },
        ),
        **code_rows(
            Cause.MEDIA_REJECTED,
            {
                "11201": "connecting to the picture's host timed out",
                "11202": "the picture's host refused the connection",
                "11203": "fetching the picture took too long",
                "11205": "the picture's host could not be reached",
            },
            retry=True,
        ),
        # -- Too much --------------------------------------------------------------------------------------------
        **code_rows(
            Cause.RATE_LIMITED,
            {
                "20429": "too many requests at a time; this one was not looked at",
                "35125": "too many scheduled messages",
                "60611": "lookup: the quota is used up",
                "60616": "lookup: too many requests",
                "63017": "more than 2000 messages a second over all accounts",
                "63018": "more than the rate of the channel",
                "70005": "too many requests that failed",
            },
            retry=True,
        ),
        **code_rows(
            Cause.RATE_LIMITED,
            {"14107": "more than thirty quick replies between the same two numbers"},
            retry=True,
            about=Scope.TEXT,
        ),
        **code_rows(
            Cause.RATE_LIMITED,
            {
                "30022": "more than the rate of the A2P campaign, or too much to one number",
                "30023": "the carrier's daily cap of the A2P brand is reached",
                "30027": "the daily cap of T-Mobile is reached",
            },
            retry=True,
            about=Scope.SENDER,
        ),
        **code_rows(
            Cause.RATE_LIMITED,
            {
                "30025": "warning: half of the daily cap of T-Mobile is used",
                "30026": "warning: 70 percent of the daily cap of T-Mobile is used",
                "30454": "the account is over its limit of messages",
                # HTTP 429 like 20429, but it lasts for up to a day: https://www.twilio.com/docs/api/errors/63038
                "63038": "the account is over its limit of messages in 24 hours",
            },
        ),
        **code_rows(
            Cause.QUEUE_FULL,
            {
                "21611": "the queue of this sender is full",
                "30001": "too much is queued for this sender or account",
            },
            retry=True,
        ),
        **code_rows(Cause.EXPIRED, {"30036": "waited in the queue longer than it was valid"}, retry=True),
        # -- The account -----------------------------------------------------------------------------------------
        **code_rows(
            Cause.AUTH,
            {
                "20003": "the credentials are wrong or revoked, or the account is suspended",
                "20005": "the account is not active",
                "20006": "access denied",
                "20008": "not open to test credentials",
                "20010": "switched off for this account by Twilio",
                "20011": "TLS is too old",
                "20012": "no common TLS cipher",
                "20403": "forbidden",
                "20404": "not found: the account in the URL does not exist or is another one",
                "20426": "the protocol is too old",
                "21470": "the account's SID is malformed",
                "21471": "the account does not exist",
                "21472": "the account is not active",
                "63001": "the channel did not take the credentials",
            },
        ),
        **code_rows(
            Cause.BALANCE,
            {
                "10001": "the account is not active: no funds, or suspended",
                "30002": "the account ran out of funds or was suspended while the message waited",
            },
        ),
        **code_rows(
            Cause.PERMISSION_OR_REGION,
            {
                "14111": "trial account: the recipient is not a verified number",
                "21202": "calls: premium numbers are not allowed",
                "21203": "calls: international calls are not allowed",
                "21215": "calls: the destination is not allowed for this account",
                "21216": "calls: the destination is blocked by Twilio",
                "21219": "trial account: the called number is not verified",
                "21408": "texts to this country are not allowed for this account",
                "21608": "trial account: the recipient is not a verified number",
                "21612": "no route from this sender to this recipient",
                "21622": "pictures are not enabled for this account",
                "23001": "redaction does not go with STOP filtering of long codes",
                "23002": "redaction does not go with STOP filtering of short codes",
                "23003": "redaction does not go with Sticky Sender",
                "23004": "redaction does not go with Advanced Opt-Out",
                "23005": "redaction does not go with the fallback to long codes",
                "30029": "ContentRetention is not valid or not enabled for this account",
                "30030": "AddressRetention is not valid or not enabled for this account",
                "30037": "sending is disabled for this account",
                "30100": "link shortening: the domain's SID is not valid",
                "30101": "link shortening: the domain is not verified",
                "30102": "link shortening: the certificate is expired",
                "30106": "link shortening: the domain is not set up for this account",
                "30107": "link shortening: no private certificate was uploaded",
                "60601": "lookup: Canadian carrier data needs an approval",
                "60606": "lookup: the package is not enabled for this account",
                "60607": "lookup: the country is not supported",
                "63015": "the sandbox texts only numbers that joined it",
            },
        ),
        # -- Outages ---------------------------------------------------------------------------------------------
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "20500": "an error inside Twilio",
                "20503": "Twilio is not available",
                "21501": "not available at present",
                "21730": "maintenance at Twilio",
                "30017": "congestion at the carrier",
                "30020": "scheduling failed inside Twilio",
                "30021": "the Messaging Service failed inside Twilio",
                "30103": "link shortening failed inside Twilio",
                "30500": "an error inside Twilio",
                "60005": "an error at the carrier",
                "60608": "lookup: an error at the provider",
                "60613": "lookup: the provider is impaired",
                "63009": "an error at the channel's provider",
                "63010": "an error inside Twilio",
                "63012": "an error at the channel's provider",
            },
            retry=True,
        ),
        # It may have been delivered, which is why Twilio does not try again, and neither do we.
        **code_rows(Cause.CARRIER_OUTAGE, {"30410": "the carrier did not answer in time"}),
        # -- Without a reason, or about something that is no text of ours ----------------------------------------
        **code_rows(Cause.UNKNOWN, {"30008": "the carrier gave no reason"}, retry=True),
        **code_rows(
            Cause.UNKNOWN,
            {
                "30485": "could not be delivered; Twilio says no more",
                "63023": "the channel gave no reason",
                "60600": "lookup: nothing is known about the number",
                "60610": "lookup: the number is outside of the coverage",
                "60617": "lookup: a parameter is missing",
                "60618": "lookup: a parameter is malformed",
                # Inbound texts that we are never shown.
                "30009": "inbound: a segment of a long text was lost",
                "30038": "inbound: held back, for it contains a one-time code",
                "30039": "inbound: held back, for it looks like a machine's answer",
                # Our webhook, or its URL at Twilio.
                "11240": "connection override: no such edge",
                "11241": "connection override: the edge cannot be used here",
                "11242": "connection override: the account may not use this edge",
                "11243": "connection override: rp is not valid",
                "11750": "the webhook's answer is larger than 64 kB",
                "12100": "the webhook's answer is no XML",
                "12102": "the webhook's answer is no TwiML",
                "12200": "the webhook's answer does not fit the schema",
                "14104": "TwiML: the method is neither GET nor POST",
                "14105": "TwiML: the status callback is no URL",
                "14106": "TwiML: a loop of redirects",
                "14109": "TwiML: more than ten replies to one text",
                "14110": "TwiML: a verb that has no place in a reply",
                # The request was not as the API wants it: a fault in this file or in the account's settings.
                "20001": "unknown parameters",
                "20004": "the method is not allowed",
                "20007": "the page is too large",
                "20409": "the state does not allow this",
                "20410": "this part of the API is gone",
                "20422": "the value of a parameter is not valid",
                "20423": "a SID is not valid",
                "21218": "the ApplicationSid is not valid",
                "21402": "the number's URL is not valid",
                "21403": "the number's HTTP method is not valid",
                "21406": "a fallback URL without a URL",
                "21420": "the ApplicationSid is of another account",
                "21502": "the callback's URL is not valid",
                "21609": "the StatusCallback is no http(s) URL",
                "21624": "the ValidityPeriod is out of range",
                "21626": "the StatusCallbackEvent is not valid",
                "21627": "MaxPrice is not valid",
                "21710": "the sender is already in this Messaging Service",
                "21714": "the Messaging Service has as many senders as it can",
                "21733": "warning: the account has no default Messaging Service",
                "21902": "the InvoiceTag is too long",
                "30010": "dearer than MaxPrice",
                "30012": "the time to live is too short",
                "30013": "the time to live is too long",
                "30015": "the channel is not supported",
                "30028": "the version of the API is not valid",
                "30031": "MaxRate is not valid",
                "30104": "link shortening: an unknown link was followed to the fallback",
                "30105": "link shortening: an unknown link was followed",
                "30400": "the parameters are not valid",
                "30404": "not found",
                "30409": "too late to cancel",
                "35111": "scheduling: SendAt is missing",
                "35114": "scheduling: SendAt is outside of the window",
                "35117": "scheduling: the time is not supported",
                "35118": "scheduling: needs a Messaging Service",
                "35126": "scheduling: not for this channel",
                # Calls.
                "21201": "calls: no number to call",
                "21204": "calls: already started",
                "21205": "calls: the URL is not valid",
                "21206": "calls: SendDigits is not valid",
                "21207": "calls: IfMachine is not valid",
                "21208": "calls: Timeout is not valid",
                "21209": "calls: the method is not valid",
            },
        ),
    }
)

# What a refusal without a code that we know means, by its HTTP status. 408 is missing on purpose: a gateway may say
# it after the request went through. https://www.twilio.com/docs/usage/twilios-response
_BY_HTTP_STATUS: Final[Mapping[int, CodeMeaning]] = MappingProxyType(
    {
        401: CodeMeaning(cause=Cause.AUTH, meaning="the credentials were refused"),
        402: CodeMeaning(cause=Cause.BALANCE, meaning="payment is due"),
        403: CodeMeaning(cause=Cause.AUTH, meaning="the account may not do this"),
        404: CodeMeaning(cause=Cause.AUTH, meaning="there is no such account"),
        413: CodeMeaning(cause=Cause.CONTENT_REJECTED, meaning="the request is too large"),
        425: CodeMeaning(cause=Cause.CARRIER_OUTAGE, meaning="not looked at yet", retry=True),
        429: CodeMeaning(cause=Cause.RATE_LIMITED, meaning="too many requests", retry=True),
    }
)

_API_VERSION: Final = "2010-04-01"
_SIGNATURE: Final = "X-Twilio-Signature"
_SIGNATURE_SETTINGS: Final = "X-Twilio-Webhooks-Signature-Settings"
_ALGORITHMS: Final[Mapping[str, str]] = MappingProxyType({"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"})

_MAX_VALIDITY_S: Final = 36_000
_MAX_MEDIA_LISTED: Final = 100
"""More attachments than any message has: what a webhook claims beyond it is not looked for."""
_MAX_DIAGNOSED_CHARS: Final = 16_384
"""Of longer forms nobody is told why the signature is wrong: each guess costs another pass over the form."""
_MAX_EVIDENCE_CHARS: Final = 500
_FIND_PAGE_SIZE: Final = 50
_LIST_PAGE_SIZE: Final = 500
"""Half of what Twilio allows: a page of the longest texts there are still has less than 10 MB."""
_FIND_SLACK_MS: Final = 5_000
"""Twilio writes whole seconds, and its clock is not ours."""
_TRIAL_PREFIX: Final = "Sent from your Twilio trial account - "

_Pairs = tuple[tuple[str, str], ...]

_TWIML: Final = Response.text('<?xml version="1.0" encoding="UTF-8"?><Response/>', content_type="text/xml")
_NO_CONTENT: Final = Response(status=204)


@dataclass(frozen=True, kw_only=True, slots=True)
class Twilio(Carrier):
    """One Twilio account. docs/carriers/twilio.md explains each setting."""

    name: ClassVar[str] = "twilio"
    abilities: ClassVar[Abilities] = Abilities(
        max_text_chars=1600,
        media=True,
        max_media=10,
        max_media_bytes=5_000_000,
        media_types=MEDIA_TYPES,
        lookup=True,
        find=True,
        fetch_status=True,
        answers_stop=True,
        listing="texts",
    )
    codes: ClassVar[Mapping[str, CodeMeaning]] = CODES
    refusal: ClassVar[Response] = NOT_PROVEN

    account_sid: str
    auth_token: str = field(default="", repr=False)
    auth_token_secondary: str = field(default="", repr=False)
    """The other token while one replaces the other: webhooks may be signed with either."""
    shared_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Secrets by key id, for webhooks signed with a SharedKey instead of the Auth Token."""
    api_key: str = ""
    api_secret: str = field(default="", repr=False)
    also_accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Subaccounts whose webhooks are taken as well, each with its own Auth Token; blank: signed with ours."""
    messaging_service_sid: str = ""
    validity_period_s: int | None = None
    """How long a text may wait in Twilio's queue, unless the part says otherwise."""
    smart_encoded: bool = False
    api_url: str = API_URL
    lookup_url: str = LOOKUP_URL
    media_hosts: tuple[str, ...] = ()
    webhook: str = field(default="", repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:
        made, problems = read_settings(settings, _READERS)
        problems += _missing(settings)
        if problems:
            raise ValueError("\n".join(problems))
        made.setdefault("lookup_url", _lookup_url_beside(made.get("api_url", API_URL)))
        return cls(**made, webhook=urls.webhook)

    def write_setup(self, webhook: str) -> Sequence[str]:
        return (
            "console.twilio.com, Phone Numbers, Manage, Active numbers, the number: open its Messaging configuration",
            "There, set 'Configure with' to Webhook, TwiML Bin, Function",
            f"There, set 'A message comes in' to Webhook, {webhook}, HTTP POST; receipts need nothing",
            "If the number is in a Messaging Service: set its 'Integration' to Defer to sender's webhook",
        )

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:  # noqa: ARG002 -- Twilio signs no time
        """https://www.twilio.com/docs/usage/webhooks/webhooks-security

        The signature covers decoded values: another spelling of the same form (`%2b` for `%2B`) is the same request.
        It holds no time: a repeat is told by its message id.
        """
        given = request.headers.get(_SIGNATURE)
        if not given:
            raise BadSignature(f"The request has no {_SIGNATURE} header.")
        pairs = _covered_pairs(request)
        algorithm, secrets = self._signing(request, pairs)
        fields = _signed_fields(pairs)
        if _is_signed(given, _spellings(request.url), fields, algorithm, secrets):
            return
        raise BadSignature(
            f"{_SIGNATURE} does not fit {request.method[:10]} {_shown(request.url)} with {len(pairs)} parameters"
            f" and any of {len(secrets)} secrets.",
            hint=self._diagnose(request, given, pairs, fields, algorithm, secrets),
        )

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        """An inbound message or a receipt; Twilio never posts more than one in a request.

        https://www.twilio.com/docs/messaging/guides/webhook-request
        https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
        """
        try:
            fields = _first_values(_webhook_pairs(request))
        except _NotUnderstoodError as found:
            return [Unrecognized(reason=found.reason)]
        return [self._read_fields(fields, request.url)]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:
        """Empty TwiML: a text/plain answer to an inbound message would be texted to the contact."""
        receipts_only = bool(events) and all(isinstance(event, Receipt) for event in events)
        return _NO_CONTENT if receipts_only else _TWIML

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        """https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource

        `From` is given even with a Messaging Service, so that the answer comes from the number that was written to.
        """
        pairs = [("To", part.to), ("From", part.sender)]
        if self.messaging_service_sid:
            pairs.append(("MessagingServiceSid", self.messaging_service_sid))
        if part.text or not part.media_urls:
            pairs.append(("Body", part.text))
        pairs += [("MediaUrl", url) for url in part.media_urls]
        pairs.append(("StatusCallback", f"{self.webhook}/status?ref={quote(part.ref, safe='')}"))
        validity_s = self.validity_period_s if part.validity_s is None else part.validity_s
        if validity_s is not None:
            pairs.append(("ValidityPeriod", str(min(max(validity_s, 1), _MAX_VALIDITY_S))))
        if self.smart_encoded:
            pairs.append(("SmartEncoded", "true"))
        return Request(
            method="POST",
            url=f"{self._messages_url}.json",
            headers=self._headers(("Content-Type", "application/x-www-form-urlencoded")),
            body=write_form(pairs),
        )

    def read_send(self, response: Response) -> SendOutcome:
        """By code before HTTP status: 429 may be a moment (20429), minutes (21611) or a day (63038)."""
        answer = _json_object(response.body)
        if response.ok:
            return _read_created(answer, response.status)
        code = _read_code(answer.get("code"))
        evidence = _evidence(code, _first_text(answer, "message", "detail", "title"), response.status)
        if not 400 <= response.status < 500:
            return Uncertain(reason=f"Twilio answered HTTP {response.status}", evidence=evidence)
        meaning = CODES.get(code) or _BY_HTTP_STATUS.get(response.status, NO_MEANING)
        if response.status == 408 and code not in CODES:
            return Uncertain(reason="Twilio answered HTTP 408", evidence=evidence)
        if meaning.retry:
            after_s = read_retry_after_s(response.headers)
            return RetryLater(cause=meaning.cause, after_s=after_s, about=meaning.about, evidence=evidence)
        return Rejected(cause=meaning.cause, evidence=evidence)

    # -- Media -------------------------------------------------------------------------------------------------------

    def write_media_fetch(self, media: InboundMedia) -> Fetch:
        """https://www.twilio.com/docs/messaging/api/media-resource

        The API answers with a redirect to a content network, whose signed URL lives for four hours.
        """
        # An account in a region of its own may be given media URLs of either host.
        api_urls = (self.api_url, API_URL) if self.api_url.endswith(".twilio.com") else (self.api_url,)
        base = next((url for url in api_urls if media.url.startswith(url + "/")), None)
        if base is None:
            raise ValueError(f"The media URL is not at {self.api_url}.")
        path = _MEDIA_PATH.fullmatch(media.url.removeprefix(base))
        if path is None or not self._is_ours(path["account"]):
            raise ValueError("The media URL is not one of an attachment of this account.")
        api_hosts = tuple(dict.fromkeys(urlsplit(url).netloc for url in api_urls))
        return Fetch(
            request=Request(method="GET", url=media.url, headers=self._headers(accept="*/*")),
            hosts=(*api_hosts, *MEDIA_HOSTS, *self.media_hosts),
            credentials_hosts=api_hosts,
            private_hosts=self._private_hosts,
        )

    # -- Looking things up -------------------------------------------------------------------------------------------

    def write_lookup(self, number: str, now_ms: int) -> Request:  # noqa: ARG002 -- signs no time
        """https://www.twilio.com/docs/lookup/v2-api/line-type-intelligence"""
        address = f"{self.lookup_url}/v2/PhoneNumbers/{quote(number, safe='')}?Fields=line_type_intelligence"
        return Request(method="GET", url=address, headers=self._headers())

    def read_lookup(self, number: str, response: Response, now_ms: int) -> Capability | None:
        answer = _json_object(response.body) if response.ok else {}
        valid = answer.get("valid")
        if not isinstance(valid, bool):
            return None
        line = answer.get("line_type_intelligence")
        if not isinstance(line, dict):
            line = {}
        if valid and _read_code(line.get("error_code")):
            return None
        known = _LINE_TYPES.get(_text(line.get("type")), ("unknown", SmsCapable.UNKNOWN))
        line_type, capable = known if valid else ("unknown", SmsCapable.NO)
        return looked_up(number, valid=valid, line_type=line_type, sms_capable=capable, now_ms=now_ms)

    def write_find(self, query: FindQuery) -> Request:
        """https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources

        Without a filter by date: a queued message has no `date_sent` yet. With a Messaging Service without `From`: a
        message has none until the service has picked it.
        """
        filters = [("To", query.to), ("PageSize", str(_FIND_PAGE_SIZE))]
        if not self.messaging_service_sid:
            filters.insert(1, ("From", query.sender))
        address = f"{self._messages_url}.json?{write_form(filters).decode()}"
        return Request(method="GET", url=address, headers=self._headers())

    def read_find(self, query: FindQuery, response: Response) -> Receipt | None:
        answer, listed = _read_list_of(response, "messages")
        possible = [entry for entry in listed if _may_be(entry, query)]
        same = [entry for entry in possible if _says(entry, query.text)]
        if len(same) == 1:
            return _read_message(same[0], part_ref=query.ref)
        if same:
            raise Undecided(f"Twilio has {len(same)} messages that could be this one.")
        if possible and self.smart_encoded:
            raise LookupError("Twilio has a message that could be this one with its characters replaced.")
        if answer.get("next_page_uri") and not _reaches_back(listed, query.sent_after_ms, _created_at_ms):
            raise LookupError("Twilio has more messages between the two than one page holds.")
        return None

    def write_list(self, query: ListQuery) -> Request:
        """https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources

        That page knows whole days only, and Twilio's own package writes times to the second. If Twilio reads the day
        and no more, the list is longer and holds what is wanted all the same.
        """
        if query.page:
            return Request(method="GET", url=self.api_url + query.page, headers=self._headers())
        filters = [
            ("To", query.to),
            ("DateSent>", _write_second(query.since_ms)),
            ("DateSent<", _write_second(query.until_ms)),
            ("PageSize", str(_LIST_PAGE_SIZE)),
        ]
        address = f"{self._messages_url}.json?{write_form(filters).decode()}"
        return Request(method="GET", url=address, headers=self._headers())

    def read_list(self, query: ListQuery, response: Response) -> Listed:
        """What Twilio takes for a machine's answer or a one-time code (30038, 30039) is not `received`: Twilio does not
        post it either."""
        answer, listed = _read_list_of(response, "messages")
        inbound = [
            entry for entry in listed if entry.get("direction") == "inbound" and entry.get("status") == "received"
        ]
        texts = [text for entry in inbound if (text := _read_listed(entry)) is not None]
        next_page = "" if _reaches_back(listed, query.since_ms, _came_at_ms) else _text(answer.get("next_page_uri"))
        if next_page and not next_page.startswith(f"/{_API_VERSION}/Accounts/{self.account_sid}/Messages.json?"):
            raise LookupError("Twilio's next page is not one of this list.")
        return Listed(events=tuple(texts), next_page=next_page, unreadable=len(inbound) - len(texts))

    def write_list_media(self, text: InboundMessage) -> Request:
        """https://www.twilio.com/docs/messaging/api/media-resource#read-multiple-media-resources"""
        address = f"{self._messages_url}/{quote(text.carrier_message_id, safe='')}/Media.json"
        return Request(method="GET", url=address, headers=self._headers())

    def read_list_media(self, text: InboundMessage, response: Response) -> InboundMessage:
        if response.status == 404:
            return text
        _, listed = _read_list_of(response, "media_list")
        media = tuple(
            InboundMedia(url=self.api_url + uri.removesuffix(".json"), content_type=_text(entry.get("content_type")))
            for entry in listed[:_MAX_MEDIA_LISTED]
            if _MEDIA_PATH.fullmatch((uri := _text(entry.get("uri"))).removesuffix(".json"))
        )
        return replace(text, media=media, media_missing=max(text.media_missing - len(media), 0))

    def write_fetch_status(self, carrier_message_id: str) -> Request:
        address = f"{self._messages_url}/{quote(carrier_message_id, safe='')}.json"
        return Request(method="GET", url=address, headers=self._headers())

    def read_fetch_status(self, carrier_message_id: str, response: Response) -> Receipt | None:
        answer = _json_object(response.body) if response.ok else {}
        if answer.get("sid") != carrier_message_id or _text(answer.get("status")) not in STATUSES:
            return None
        return _read_message(answer, part_ref="")

    # -- Private -----------------------------------------------------------------------------------------------------

    @property
    def _messages_url(self) -> str:
        return f"{self.api_url}/{_API_VERSION}/Accounts/{self.account_sid}/Messages"

    def _headers(self, *more: tuple[str, str], accept: str = "application/json") -> Headers:
        # An API key rather than the Auth Token: it can be revoked alone, and survives a change of the token.
        credentials = (self.api_key, self.api_secret) if self.api_key else (self.account_sid, self.auth_token)
        return Headers([("Authorization", basic_authorization(*credentials)), ("Accept", accept), *more])

    @property
    def _private_hosts(self) -> tuple[str, ...]:
        """Where the operator has pointed us: an API of another address, and a content network on this computer."""
        named = () if self.api_url == API_URL else (host_and_port(self.api_url),)
        return (*named, *loopback_hosts(self.media_hosts))

    def _is_ours(self, account_sid: str) -> bool:
        return account_sid == self.account_sid or account_sid in self.also_accounts

    def _signing(self, request: Request, pairs: _Pairs) -> tuple[str, tuple[str, ...]]:
        """The hash and the secrets that may have signed this request."""
        named = request.headers.get(_SIGNATURE_SETTINGS)
        algorithm, key = _read_signature_settings(named) if named else ("sha1", None)
        if key is not None:
            if not self.shared_keys.get(key):
                raise BadSignature(f"{_SIGNATURE_SETTINGS} names a key that is not in shared_keys.")
            return algorithm, (self.shared_keys[key],)
        if self.also_accounts and (own := self._token_of_subaccount(request, pairs)):
            return algorithm, (own,)
        return algorithm, tuple(filter(None, (self.auth_token, self.auth_token_secondary)))

    def _token_of_subaccount(self, request: Request, pairs: _Pairs) -> str:
        fields = _first_values(pairs if request.method == "POST" else _query_pairs(request.url))
        return self.also_accounts.get(fields.get("AccountSid", ""), "")

    def _diagnose(
        self,
        request: Request,
        given: str,
        pairs: _Pairs,
        fields: str,
        algorithm: str,
        secrets: Sequence[str],
    ) -> str:
        """Why the signature may be wrong. For people only: nothing that fits here is ever accepted."""
        if len(fields) <= _MAX_DIAGNOSED_CHARS:
            for url in _mistakes(request.url, self.webhook, request.headers.get("Host")):
                if _is_signed(given, _spellings(url), fields, algorithm, secrets):
                    return f"It fits {_shown(url)}: give Twilio the URL above, or set public_url to match this one."
        account = _first_values(pairs).get("AccountSid", self.account_sid)
        if not self._is_ours(account):
            return "It names an account that is neither account_sid nor in also_accounts."
        return ""

    def _read_fields(self, fields: Mapping[str, str], url: str) -> CarrierEvent:
        sid = fields.get("MessageSid") or fields.get("SmsSid") or fields.get("SmsMessageSid") or ""
        if not sid:
            return Unrecognized(reason="no_message_sid")
        if not self._is_ours(fields.get("AccountSid") or self.account_sid):
            return Ignored(reason="wrong_account")
        word = (fields.get("MessageStatus") or fields.get("SmsStatus") or "").lower()
        if word in STATUSES:
            return _receipt(
                sid=sid,
                word=word,
                code=_read_code(fields.get("ErrorCode")),
                text=_first_text(fields, "ErrorMessage", "ChannelStatusMessage"),
                part_ref=_first_values(_query_pairs(url)).get("ref", ""),
            )
        # A text is told by what only texts have, so that none is lost when the words of a status change.
        if not fields.keys().isdisjoint(_ONLY_IN_TEXTS):
            return _read_inbound(sid, fields)
        return Ignored(reason="inbound_status") if word in _INBOUND_STATUSES else Unrecognized(reason="unknown_status")


class _NotUnderstoodError(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# -- The signed text -------------------------------------------------------------------------------------------------

_ORIGIN: Final = re.compile(r"(https?)://(?:[^/?#]*@)?(\[[^]/?#]*]|[^:/?#]*)(?::([0-9]+))?(?=[/?#]|$)")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+](:[0-9]{1,5})?")
_FORM: Final = "application/x-www-form-urlencoded"


def _covered_pairs(request: Request) -> _Pairs:
    """The parameters that are signed beside the URL. Raises BadSignature for a body that no signature covers."""
    if request.method != "POST":
        if request.body:
            raise BadSignature(f"A {request.method[:10]} request has a body, which no signature covers.")
        return ()
    if request.content_type in (_FORM, ""):
        try:
            pairs = read_form(request.body)
        except Unreadable as error:
            raise BadSignature(f"The parameters cannot be read: {error}.") from None
        # Names and values are signed without anything between them. A field without `=` would let a `=` become a `&`
        # and still fit; Twilio writes one in each.
        if [item for item in request.body.decode().split("&") if item and "=" not in item]:
            raise BadSignature("A parameter of the form has no value, not even an empty one.")
        return pairs
    # Any other body is covered by its hash in the URL.
    promised = next((value for name, value in _query_pairs(request.url) if name == "bodySHA256"), "")
    if not promised:
        raise BadSignature("The body is no form, and the URL has no bodySHA256 that would cover it.")
    if not same_text(promised, sha256_hex(request.body)):
        raise BadSignature("The body does not fit bodySHA256 in the URL.")
    return ()


def _signed_fields(pairs: _Pairs) -> str:
    """Sorted by name, each name before its value; of a repeated name the set of its values, sorted, as the twilio
    package does it."""
    fields = dict(pairs)
    if len(fields) == len(pairs):  # every request of Twilio's own
        return "".join([name + fields[name] for name in sorted(fields)])
    return "".join([name + value for name, value in sorted(set(pairs))])


def _read_signature_settings(header: str) -> tuple[str, str | None]:
    """`key=webhooks_sharedkey_...,algorithm=HMAC_SHA256`: the hash, and the id of the key if one is named.

    https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys
    """
    items = (item.partition("=") for item in header.split(","))
    settings = {name.strip(): value.strip() for name, _, value in items}
    algorithm = _ALGORITHMS.get((settings.get("algorithm") or "HMAC_SHA1").upper())
    if algorithm is None:
        raise BadSignature(f"{_SIGNATURE_SETTINGS} names an algorithm that is not known here.")
    return algorithm, settings.get("key")


def _spellings(url: str) -> Iterator[str]:
    """The URL as it stands, then without credentials and with its port left out or written out.

    Twilio drops the credentials, and is not consistent about the port.
    """
    yield url
    origin = _ORIGIN.match(url)
    if origin is not None:
        scheme, host, port = origin.groups()
        rest = url[origin.end() :]
        yield f"{scheme}://{host}{rest}"
        yield f"{scheme}://{host}:{port or _default_port(scheme)}{rest}"


def _is_signed(given: str, urls: Iterable[str], fields: str, algorithm: str, secrets: Iterable[str]) -> bool:
    for url in urls:
        signed = (url + fields).encode("utf-8", "surrogatepass")
        for secret in secrets:
            if same_text(given, base64_text(hmac_digest(algorithm, secret.encode(), signed))):
                return True
    return False


def _mistakes(url: str, webhook: str, host_header: str) -> Iterator[str]:
    """What people write at Twilio instead of `url`: the other scheme or host, a slash more or less, no base path."""
    origin = _ORIGIN.match(url)
    if origin is None:
        return
    scheme = origin[1]
    host = url[origin.start(2) : origin.end()]
    path, mark, query = url[origin.end() :].partition("?")
    paths = [path, path[:-1] if path.endswith("/") else path + "/"]
    own = _ORIGIN.match(webhook)
    base = webhook[own.end() :].partition("/hooks/")[0] if own else ""
    if base and path.startswith(base + "/"):
        paths += [each.removeprefix(base) for each in paths]
    hosts = [host, host_header] if _HOST.fullmatch(host_header) and host_header != host else [host]
    for each_scheme in (scheme, "http" if scheme == "https" else "https"):
        for each_host in hosts:
            for each_path in paths:
                yield f"{each_scheme}://{each_host}{each_path}{mark}{query}"


def _shown(url: str) -> str:
    """The URL for an error message: without credentials, and without its query, which may hold a text."""
    origin = _ORIGIN.match(url)
    bare = f"{origin[1]}://{url[origin.start(2) :]}" if origin else url
    path, mark, _ = bare.partition("?")
    return path[:200].encode("ascii", "replace").decode() + ("?..." if mark else "")


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


# -- Reading webhooks ------------------------------------------------------------------------------------------------


def _webhook_pairs(request: Request) -> _Pairs:
    if request.method != "POST":
        return read_form(_query(request.url))
    if request.content_type == "application/json":
        read_json(request.body)
        raise _NotUnderstoodError("json_body")
    if request.content_type not in (_FORM, ""):
        raise Unreadable("neither a form nor JSON")
    try:
        return read_form(request.body)
    except Unreadable:
        if _is_utf8(request.body):
            raise
        raise _NotUnderstoodError("not_utf8") from None


def _is_utf8(form: bytes) -> bool:
    try:
        unquote_to_bytes(form).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _query(url: str) -> str:
    return url.partition("#")[0].partition("?")[2]


def _query_pairs(url: str) -> _Pairs:
    """The parameters of the URL; none where it cannot be read."""
    try:
        return read_form(_query(url))
    except Unreadable:
        return ()


def _first_values(pairs: _Pairs) -> dict[str, str]:
    """One reading of a repeated name, here as where the signature is checked."""
    return dict(reversed(pairs))


def _read_inbound(sid: str, fields: Mapping[str, str]) -> CarrierEvent:
    if not fields.get("To"):
        return Unrecognized(reason="no_recipient")
    announced = _count(fields.get("NumMedia", ""))
    media = _read_media(fields, announced) if announced or "MediaUrl0" in fields else ()
    return InboundMessage(
        carrier_message_id=sid,
        from_number=fields.get("From", ""),
        to_number=fields["To"],
        text=fields.get("Body") or _read_place(fields),
        media=media,
        media_missing=max(announced - len(media), 0),
        opt_out=_OPT_OUTS.get(fields.get("OptOutType", "").upper()),
    )


def _read_media(fields: Mapping[str, str], announced: int) -> tuple[InboundMedia, ...]:
    listed = takewhile(lambda n: n < announced or f"MediaUrl{n}" in fields, range(_MAX_MEDIA_LISTED))
    return tuple(
        InboundMedia(url=fields[f"MediaUrl{n}"], content_type=fields.get(f"MediaContentType{n}", ""))
        for n in listed
        if fields.get(f"MediaUrl{n}")
    )


def _read_place(fields: Mapping[str, str]) -> str:
    """What a message says that is a place on the map (RCS, WhatsApp) and has no text."""
    point = ", ".join(filter(None, (fields.get("Latitude"), fields.get("Longitude"))))
    return "\n".join(filter(None, (fields.get("Label"), fields.get("Address"), point)))


def _receipt(*, sid: str, word: str, code: str, text: str, part_ref: str, carrier_at_ms: int | None = None) -> Receipt:
    status = STATUSES.get(word, Status.SENT)
    failed = status in FAILURES
    return Receipt(
        carrier_message_id=sid,
        status=status,
        part_ref=part_ref,
        key=f"{sid}:{word}:{code}",
        cause=CODES.get(code, NO_MEANING).cause if failed else None,
        evidence=_evidence(code, text or word),
        carrier_at_ms=carrier_at_ms,
    )


def _count(digits: str) -> int:
    return min(int(digits), _MAX_MEDIA_LISTED) if _COUNT.fullmatch(digits) else 0


_COUNT: Final = re.compile(r"[0-9]{1,9}")


# -- Reading answers -------------------------------------------------------------------------------------------------


def _read_created(answer: Mapping[str, Any], http_status: int) -> SendOutcome:
    sid = _text(answer.get("sid"))
    if not _SID.fullmatch(sid):
        return Uncertain(
            reason=f"Twilio answered HTTP {http_status} without a message", evidence=_evidence("", "", http_status)
        )
    word, code = _text(answer.get("status")), _read_code(answer.get("error_code"))
    status = STATUSES.get(word, Status.SENT)
    return Accepted(
        carrier_message_id=sid,
        status=status,
        cause=CODES.get(code, NO_MEANING).cause if status in FAILURES else None,
        evidence=_evidence(code, _text(answer.get("error_message")) or word, http_status),
    )


def _read_message(message: Mapping[str, Any], *, part_ref: str) -> Receipt:
    """The present state of a message in the API's own words."""
    return _receipt(
        sid=_text(message.get("sid")),
        word=_text(message.get("status")),
        code=_read_code(message.get("error_code")),
        text=_text(message.get("error_message")),
        part_ref=part_ref,
        carrier_at_ms=_read_date_ms(message.get("date_updated")),
    )


def _may_be(message: Mapping[str, Any], query: FindQuery) -> bool:
    """Whether this could be the send that is looked for, leaving aside what it says."""
    created_ms = _created_at_ms(message)
    return (
        _SID.fullmatch(_text(message.get("sid"))) is not None
        and message.get("sid") not in query.known_ids
        and message.get("direction") in ("outbound-api", "outbound-reply")
        and message.get("to") == query.to
        and message.get("from") in (query.sender, None)
        and (created_ms is None or created_ms >= query.sent_after_ms - _FIND_SLACK_MS)
        and (query.has_media or _text(message.get("num_media")) in ("", "0"))
    )


def _says(message: Mapping[str, Any], text: str) -> bool:
    return _text(message.get("body")) in (text, _TRIAL_PREFIX + text)


def _read_list_of(response: Response, name: str) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """A page of a list and its entries. Raises LookupError for whatever else."""
    if response.status != 200:
        raise LookupError(f"Twilio answered HTTP {response.status}.")
    answer = _json_object(response.body)
    listed = answer.get(name)
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise LookupError(f"Twilio's answer is not a list of {name.removesuffix('_list')}.")
    return answer, listed


def _read_listed(entry: Mapping[str, Any]) -> InboundMessage | None:
    """A text that came, as the list has it: the words are whole, attachments are only counted."""
    sid = _text(entry.get("sid"))
    if not _SID.fullmatch(sid) or not (_text(entry.get("from")) and _text(entry.get("to"))):
        return None
    return InboundMessage(
        carrier_message_id=sid,
        from_number=_text(entry.get("from")),
        to_number=_text(entry.get("to")),
        text=_text(entry.get("body")),
        media_missing=_count(_text(entry.get("num_media"))),
        carrier_at_ms=_came_at_ms(entry),
    )


def _came_at_ms(entry: Mapping[str, Any]) -> int | None:
    """When Twilio called the webhook; when it had the text, if it never did."""
    sent_ms = _read_date_ms(entry.get("date_sent"))
    return _created_at_ms(entry) if sent_ms is None else sent_ms


def _created_at_ms(entry: Mapping[str, Any]) -> int | None:
    return _read_date_ms(entry.get("date_created"))


def _write_second(at_ms: int) -> str:
    return write_time(at_ms)[: len("2026-11-03T14:06:58")] + "Z"


def _reaches_back(
    listed: Sequence[Mapping[str, Any]], to_ms: int, at_ms: Callable[[Mapping[str, Any]], int | None]
) -> bool:
    """Whether the page, newest first, goes back further than that: then no later page can hold what is wanted.

    No page of Twilio's promises the order, so it is read from the answer itself.
    """
    dates = [at_ms(message) for message in listed]
    known = [date for date in dates if date is not None]
    in_order = len(known) == len(dates) and known == sorted(known, reverse=True)
    return in_order and bool(known) and known[-1] < to_ms - _FIND_SLACK_MS


def _json_object(body: bytes) -> Mapping[str, Any]:
    """The object in an answer; an empty one for anything else, such as a gateway's HTML page."""
    try:
        value = read_json(body)
    except Unreadable:
        return {}
    return value if isinstance(value, dict) else {}


def _read_code(value: object) -> str:
    """An error code: a number in JSON, digits in a form. Blank when there is none."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return ""
    digits = str(value)[:20].strip()
    return digits if re.fullmatch(r"[1-9][0-9]{0,9}", digits) else ""


def _read_date_ms(value: object) -> int | None:
    date = read_date(_text(value))
    return None if date is None else int(date.timestamp() * 1000)


def _evidence(code: str, text: str, http_status: int | None = None) -> Evidence:
    return Evidence(code=code, text=text[:_MAX_EVIDENCE_CHARS], http_status=http_status)


def _first_text(fields: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names if (text := _text(fields.get(name)))), "")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# -- Addresses -------------------------------------------------------------------------------------------------------

_SID: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_MEDIA_PATH: Final = re.compile(
    rf"/{_API_VERSION}/Accounts/(?P<account>AC[0-9a-fA-F]{{32}})/Messages/[A-Za-z0-9]{{1,64}}/Media/[A-Za-z0-9]{{1,64}}"
)


def _lookup_url_beside(api_url: str) -> str:
    """The lookup host of the same edge and region; whatever is not Twilio's own answers both."""
    parts = urlsplit(api_url)
    if parts.netloc.startswith("api.") and parts.netloc.endswith(".twilio.com"):
        return parts._replace(netloc="lookups." + parts.netloc.removeprefix("api.")).geturl()
    return api_url


# -- Settings --------------------------------------------------------------------------------------------------------


def _missing(settings: Mapping[str, Any]) -> Iterator[str]:
    has = {key for key in _READERS if settings.get(key)}
    if "account_sid" not in has:
        yield f"account_sid: is missing; {_SID_CURE.format(prefix='AC')}"
    if not has & {"auth_token", "shared_keys"}:
        yield "auth_token: is missing, and so is shared_keys; give what the webhooks are signed with"
    if "api_key" in has and "api_secret" not in has:
        yield "api_secret: is missing while api_key is there; give both or neither"
    if "api_secret" in has and "api_key" not in has:
        yield "api_key: is missing while api_secret is there; give both or neither"
    if not has & {"auth_token", "api_key", "api_secret"}:
        yield "api_key: is missing, and so is auth_token; give api_key and api_secret, with which to send"


_SID_CURE: Final = "it is {prefix} and 32 hexadecimal digits, as the Twilio console shows it"
_ACCOUNT_SID: Final = re.compile(r"AC[0-9a-fA-F]{32}")


def _sid_reader(prefix: str) -> Reader:
    def read(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(prefix + "[0-9a-fA-F]{32}", value):
            raise ValueError("does not look like one; " + _SID_CURE.format(prefix=prefix))
        return value

    return read


def _read_shared_keys(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(key): read_secret(secret) for key, secret in value.items()}
    raise ValueError('is not a table; give the secrets by the id of the key, like { webhooks_sharedkey_1 = "..." }')


def _read_accounts(value: object) -> dict[str, str]:
    """A list of subaccounts, or a table of their Auth Tokens."""
    tokens = dict.fromkeys(value, "") if is_list_of_texts(value) else value
    if not isinstance(tokens, Mapping) or not all(_ACCOUNT_SID.fullmatch(str(sid)) for sid in tokens):
        raise ValueError(
            "is neither a list of account SIDs nor a table of Auth Tokens by account SID; give one of them"
        )
    return {sid: read_secret(token) if token else "" for sid, token in tokens.items()}


_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "account_sid": _sid_reader("AC"),
        "auth_token": read_secret,
        "auth_token_secondary": read_secret,
        "shared_keys": _read_shared_keys,
        "api_key": _sid_reader("SK"),
        "api_secret": read_secret,
        "also_accounts": _read_accounts,
        "messaging_service_sid": _sid_reader("MG"),
        "validity_period_s": reader_of_number(1, _MAX_VALIDITY_S, "seconds"),
        "smart_encoded": read_switch,
        "api_url": read_base_url,
        "lookup_url": read_base_url,
        "media_hosts": read_hosts,
    }
)


ADAPTER: Final[type[Carrier]] = Twilio
