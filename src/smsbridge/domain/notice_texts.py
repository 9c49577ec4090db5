"""The words of the notices: one row for each kind and reason, in English. docs/notices.md shows them filled in.

A template names facts in braces, and only inside square brackets: `[one|two|three]` gives the first alternative
whose facts are all known, or nothing. So a row reads well whatever is known. A translation is a second `Catalogue`
in a file of its own, entered in notices.CATALOGUES; it needs a row `(kind, None)` for each kind, the rest may follow.

How they speak: as a colleague would. What happened, in one or two short sentences, the first of which can stand
alone; then what to do. The person outside is "the contact" or "this number". No exclamation marks, no "sorry", no
codes and no carrier's jargon outside `admin`. What is only possible is said as such (`maybe_*`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from smsbridge.domain.cause import Cause
from smsbridge.domain.message import AttachmentProblem, NoticeKind

Why = Cause | AttachmentProblem | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeTexts:
    """One row. `text` and `advice` are for the agent; `admin`, what to look at, comes before the evidence."""

    text: str
    advice: str
    admin: str
    maybe_text: str = ""
    """When it is possible and not certain; empty: as in the row `(kind, None)`."""
    maybe_advice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """One language. `evidence` follows each row's `admin`."""

    texts: Mapping[tuple[NoticeKind, Why], NoticeTexts]
    evidence: str


ENGLISH: Final = Catalogue(
    evidence=(
        "[ {carrier} {code}: “{carrier_text}”.| {carrier}: “{carrier_text}”.| {carrier} {code}."
        "| Code {code}: “{carrier_text}”.| The carrier said “{carrier_text}”.| Carrier: {carrier}.| Code {code}.]"
        "[ Sender {sender}.]"
    ),
    texts={
        # --- the number it would be sent from
        (NoticeKind.WRONG_SENDER_NUMBER, None): NoticeTexts(
            text="Not sent: wrong sender number. [{sender}|Our number] cannot be used for this text.",
            advice="Contact your administrator.",
            admin="Check which senders the carrier account has, and what each may send and where.",
            maybe_text="The sender number may be wrong. [{sender}|Our number] may not reach this contact.",
            maybe_advice="Contact your administrator, or send all the same.",
        ),
        (NoticeKind.WRONG_SENDER_NUMBER, Cause.SENDER_NOT_OURS): NoticeTexts(
            text="Not sent: wrong sender number. [{sender}|The number it would go from] is not one of our numbers.",
            advice="Contact your administrator.",
            admin="The carrier account does not have this sender. Check its spelling, or buy or assign it there.",
        ),
        (NoticeKind.WRONG_SENDER_NUMBER, Cause.SENDER_NOT_SMS_CAPABLE): NoticeTexts(
            text="Not sent: wrong sender number. [{sender}|Our number] cannot send texts.",
            advice="Contact your administrator.",
            admin="The sender lacks SMS or MMS. Switch it on at the carrier, or use another sender.",
        ),
        (NoticeKind.WRONG_SENDER_NUMBER, Cause.SENDER_NOT_REGISTERED): NoticeTexts(
            text="Not sent: wrong sender number. [{sender}|Our number] is not registered for texts to this contact.",
            advice="Contact your administrator.",
            admin="The sender lacks a registration that the destination asks for (campaign, verification, name).",
        ),
        (NoticeKind.WRONG_SENDER_NUMBER, Cause.SENDER_MISMATCH): NoticeTexts(
            text="Not sent: wrong sender number. [{sender}|Our number] cannot reach numbers like this contact's.",
            advice="Contact your administrator.",
            admin="Sender and destination do not fit, by country or by kind of number. Set another sender for it.",
        ),
        # --- the number it would be sent to
        (NoticeKind.NOT_SMS_CAPABLE, None): NoticeTexts(
            text="This number cannot receive texts.[ {reason}]",
            advice="Choose another number, or call.",
            admin="The contact's number was reported as unable to receive texts.",
            maybe_text="This number may not be able to receive texts.[ {reason}]",
            maybe_advice="Choose another number, or send all the same.",
        ),
        (NoticeKind.NOT_SMS_CAPABLE, Cause.INVALID_NUMBER): NoticeTexts(
            text="This number cannot receive texts. [{reason}|It does not exist, or a digit is wrong.]",
            advice="Check the number with the contact, and correct it.",
            admin="The contact's number was reported as invalid or not in use.",
            maybe_text="This number may be wrong.[ {reason}| It does not look like one that is in use.]",
            maybe_advice="Check its digits, or send all the same.",
        ),
        (NoticeKind.NOT_SMS_CAPABLE, Cause.NOT_MOBILE): NoticeTexts(
            text="This number cannot receive texts. [{reason}|It is a landline, or a line for calls only.]",
            advice="Choose another number, or call.",
            admin="The contact's number was reported as a landline or another line without texts.",
            maybe_text="This number may not be able to receive texts. [{reason}|It looks like a landline.]",
            maybe_advice="Choose another number, or send all the same.",
        ),
        # --- accepted or waiting, and then not delivered
        (NoticeKind.UNDELIVERED, None): NoticeTexts(
            text="Not delivered. The carrier could not hand the text over.",
            advice="Send it again later, or call.",
            admin="Look the message up at the carrier.",
            maybe_text="May not have been delivered. What the carrier says of it is not clear.",
            maybe_advice="Ask the contact before you send it again; it may arrive twice.",
        ),
        (NoticeKind.UNDELIVERED, Cause.UNREACHABLE): NoticeTexts(
            text="Not delivered. The phone is switched off or out of reach.",
            advice="Try again later, or call.",
            admin="The phone could not be reached. If it happens with many contacts of one network, ask the carrier.",
        ),
        (NoticeKind.UNDELIVERED, Cause.EXPIRED): NoticeTexts(
            text="Not delivered. The text could not be handed over in time.",
            advice="Try again later, or call.",
            admin="Its time ran out before it was delivered. Check how long texts are valid, and the carrier's queue.",
        ),
        (NoticeKind.UNDELIVERED, Cause.BLOCKED): NoticeTexts(
            text="Not delivered. The contact or their network blocks texts from us.",
            advice="Do not send it again; reach the contact another way.",
            admin="Check the carrier's block list for this contact, and whether the contact opted out there.",
        ),
        (NoticeKind.UNDELIVERED, Cause.FILTERED): NoticeTexts(
            text="Not delivered. A spam filter on the way stopped the text.",
            advice="Write it plainly, without links, and send it again.",
            admin="Filtered by the carrier or a network. Check the sender's registration, the wording and the links.",
        ),
        (NoticeKind.UNDELIVERED, Cause.RATE_LIMITED): NoticeTexts(
            text="Not sent. Too many texts were waiting, and we stopped trying.",
            advice="Send it again later, or call.",
            admin="The rate limit held it up until its time was over. Raise the limit at the carrier, or add senders.",
        ),
        (NoticeKind.UNDELIVERED, Cause.QUEUE_FULL): NoticeTexts(
            text="Not sent. The carrier took no more texts, and we stopped trying.",
            advice="Send it again later, or call.",
            admin="The carrier's queue stayed full until its time was over. Check the traffic and the sender's rate.",
        ),
        (NoticeKind.UNDELIVERED, Cause.CARRIER_OUTAGE): NoticeTexts(
            text="Not sent. The carrier could not be reached, and we stopped trying.",
            advice="Send it again later, or call.",
            admin="The carrier was out of reach until its time was over. Check its status page and our network.",
        ),
        (NoticeKind.UNDELIVERED, Cause.UNKNOWN): NoticeTexts(
            text="Not delivered. The carrier gave no reason that we know.",
            advice="Send it again later, or call.",
            admin="Look the code up in the carrier's documentation; it is missing from our table, so please report it.",
        ),
        # --- delivered or not, nobody knows
        (NoticeKind.DELIVERY_UNCERTAIN, None): NoticeTexts(
            text="May not have been delivered. The connection broke after the text had left.",
            advice="Ask the contact before you send it again; it may arrive twice.",
            admin="Look the message up at the carrier.[ {reason}]",
        ),
        (NoticeKind.DELIVERY_UNCERTAIN, Cause.EXPIRED): NoticeTexts(
            text="May not have been delivered. The carrier took the text, but has not confirmed it in time.",
            advice="Ask the contact before you send it again; it may arrive twice.",
            admin="No receipt came. Check that the carrier's callbacks reach us.[ {reason}]",
        ),
        (NoticeKind.DELIVERY_UNCERTAIN, Cause.CARRIER_OUTAGE): NoticeTexts(
            text="May not have been delivered. The carrier failed while it took the text.",
            advice="Ask the contact before you send it again; it may arrive twice.",
            admin="Look the message up at the carrier, and check its status page.[ {reason}]",
        ),
        (NoticeKind.DELIVERY_UNCERTAIN, Cause.UNKNOWN): NoticeTexts(
            text="May not have been delivered. The carrier does not know what became of the text.",
            advice="Ask the contact before you send it again; it may arrive twice.",
            admin="The carrier reported an unknown end. Look the message up there.[ {reason}]",
        ),
        # --- STOP and START
        (NoticeKind.OPTED_OUT, None): NoticeTexts(
            text="Opted out. [{contact}|The contact] sent STOP[ to {sender}].",
            advice="Do not text this number; a START from the contact brings it back.",
            admin="The contact opted out of this sender. Texts to them are refused until they send START.",
            maybe_text="Still opted out. [{contact}|The contact] sent START at about the time of the opt-out.",
            maybe_advice="Do not text this number; another START from the contact brings it back.",
        ),
        (NoticeKind.OPTED_OUT, Cause.OPTED_OUT): NoticeTexts(
            text="Not sent. [{contact}|The contact] opted out of texts[ from {sender}].",
            advice="Do not text this number; a START from the contact brings it back.",
            admin="Refused because of an opt-out, ours or the carrier's. Only a START from the contact lifts it.",
        ),
        (NoticeKind.OPTED_IN, None): NoticeTexts(
            text="Opted in again. [{contact}|The contact] sent START[ to {sender}].",
            advice="You can text this number again.",
            admin="The opt-out of this contact is lifted.",
        ),
        # --- what the contact sent
        (NoticeKind.ATTACHMENT_PROBLEM, None): NoticeTexts(
            text="[The attachment {filename}|An attachment] could not be taken.",
            advice="Ask the contact to check the file format and send it again.",
            admin="Inbound media could not be taken.[ {reason}]",
        ),
        (NoticeKind.ATTACHMENT_PROBLEM, AttachmentProblem.MISSING): NoticeTexts(
            text="[The attachment {filename}|An attachment] did not arrive. The carrier could not hand it over.",
            advice="Ask the contact to send it again.",
            admin="Inbound media was gone. Check the account's access to media.[ {reason}]",
        ),
        (NoticeKind.ATTACHMENT_PROBLEM, AttachmentProblem.TOO_LARGE): NoticeTexts(
            text="[The attachment {filename}|An attachment] is too large.[ We take up to {limit}.]",
            advice="Ask the contact to send a smaller one.",
            admin="Inbound media is larger than our limit.",
        ),
        (NoticeKind.ATTACHMENT_PROBLEM, AttachmentProblem.TYPE_NOT_TAKEN): NoticeTexts(
            text="[The attachment {filename}|An attachment] was not taken. Files of this kind are not accepted here.",
            advice="Ask the contact to check the file format and send it again, as a picture if possible.",
            admin="Inbound media is of a type that is not among those we take.[ {reason}]",
        ),
        (NoticeKind.ATTACHMENT_PROBLEM, AttachmentProblem.UNREADABLE): NoticeTexts(
            text="[The attachment {filename}|An attachment] could not be read. The file is damaged, or not a picture.",
            advice="Ask the contact to check the file format and send it again.",
            admin="Inbound media could not be decoded within our limits.[ {reason}]",
        ),
        (NoticeKind.TEXT_WITHHELD, None): NoticeTexts(
            text="A text from [{contact}|the contact] is lost. It came while we were out of reach.",
            advice="Ask the contact to send it again.",
            admin="The carrier gave up pushing it, and lists that it came but not what it says.",
        ),
        # --- what we would send
        (NoticeKind.ATTACHMENT_REFUSED, None): NoticeTexts(
            text="Attachment not sent. The carrier does not take it.",
            advice="Send it as a picture, or share a link.",
            admin="Check the carrier's limits on media, and that the sender can send MMS.[ {reason}]",
            maybe_text="The attachment may not go out. The carrier may not take it.",
            maybe_advice="Send it as a picture, or share a link.",
        ),
        (NoticeKind.ATTACHMENT_REFUSED, AttachmentProblem.MISSING): NoticeTexts(
            text="Attachment not sent. [The file {filename}|The file] is no longer there.",
            advice="Attach it again and send.",
            admin="There is no file at its address.[ {reason}]",
        ),
        (NoticeKind.ATTACHMENT_REFUSED, AttachmentProblem.OUT_OF_REACH): NoticeTexts(
            text="Attachment not sent. [The file {filename}|The file] could not be fetched from its address.",
            advice="Attach the file itself and send again.",
            admin="The file's address could not be read.[ {reason}] It must be public and https.",
        ),
        (NoticeKind.ATTACHMENT_REFUSED, AttachmentProblem.TOO_LARGE): NoticeTexts(
            text="Attachment not sent. [The file {filename}|The file] is too large[; the carrier takes up to {limit}].",
            advice="Send a smaller one, or share a link.",
            admin="Outbound media is larger than the carrier takes.",
        ),
        (NoticeKind.ATTACHMENT_REFUSED, AttachmentProblem.TYPE_NOT_TAKEN): NoticeTexts(
            text="Attachment not sent. The carrier does not take files of this kind.",
            advice="Send it as a picture, or share a link.",
            admin="Outbound media is of a type that the carrier does not take.",
        ),
        (NoticeKind.ATTACHMENT_REFUSED, AttachmentProblem.UNREADABLE): NoticeTexts(
            text="Attachment not sent. [The file {filename}|The file] is damaged or not what it says.",
            advice="Check the file, attach it again and send.",
            admin="Outbound media could not be decoded within our limits.",
        ),
        (NoticeKind.CONTENT_REJECTED, None): NoticeTexts(
            text="Not sent: the text was refused.[ {reason}| It may be empty, too long, or look like spam.]",
            advice="Change the text and send it again.",
            admin="Refused for its content. Check its length, its characters and the carrier's rules on content.",
            maybe_text="The text may be refused.[ {reason}]",
            maybe_advice="Change the text, or send all the same.",
        ),
        (NoticeKind.CONTENT_REJECTED, Cause.FILTERED): NoticeTexts(
            text="Not delivered: the carrier refused the wording. Links that hide their target look like spam.",
            advice="Write it plainly and send it again.",
            admin="Filtered for its content. Check the wording, the links and the sender's registration.",
        ),
        # --- still waiting
        (NoticeKind.DELAYED, None): NoticeTexts(
            text="Waiting for the carrier. We go on trying[ until {until}].",
            advice="There is nothing to do; you will see here how it ends.",
            admin="The send is repeated with growing waits.",
        ),
        (NoticeKind.DELAYED, Cause.RATE_LIMITED): NoticeTexts(
            text="Waiting for its turn. Many texts are going out just now; we go on trying[ until {until}].",
            advice="There is nothing to do; you will see here how it ends.",
            admin="The sender's or the account's rate limit was reached.",
        ),
        (NoticeKind.DELAYED, Cause.QUEUE_FULL): NoticeTexts(
            text="Waiting for the carrier. It takes no more texts just now; we go on trying[ until {until}].",
            advice="There is nothing to do; you will see here how it ends.",
            admin="The carrier's queue for this sender is full.",
        ),
        (NoticeKind.DELAYED, Cause.CARRIER_OUTAGE): NoticeTexts(
            text="Waiting for the carrier. It cannot be reached just now; we go on trying[ until {until}].",
            advice="There is nothing to do; you will see here how it ends.",
            admin="The carrier is down or out of reach. Check its status page and our network.",
        ),
        (NoticeKind.REROUTED, None): NoticeTexts(
            text="Texts go another way. The usual carrier does not take them just now, so a second one is used.",
            advice="There is nothing to do; you will see here how it ends.",
            admin="The account's second one (`reroute`) was given the text. See why the first did not take it.",
        ),
        # --- the administrator's business
        (NoticeKind.SERVICE_PROBLEM, None): NoticeTexts(
            text="Nothing can be sent from [{sender}|this number] now. Our account at the carrier has a problem.",
            advice="Contact your administrator; your text is kept.",
            admin="Check the account at the carrier and in the configuration.[ {reason}]",
            maybe_text="Texts from [{sender}|this number] may not go out now. Our carrier account may have a problem.",
            maybe_advice="Contact your administrator; your text is kept.",
        ),
        (NoticeKind.SERVICE_PROBLEM, Cause.AUTH): NoticeTexts(
            text="Nothing can be sent from [{sender}|this number] now. The carrier does not accept our sign-in.",
            advice="Contact your administrator; your text is kept.",
            admin="Check the account's id and secrets, and whether it is locked.[ {reason}]",
        ),
        (NoticeKind.SERVICE_PROBLEM, Cause.BALANCE): NoticeTexts(
            text="Nothing can be sent from [{sender}|this number] now. Our account at the carrier is out of credit.",
            advice="Contact your administrator; your text is kept.",
            admin="Top the account up at the carrier.[ {reason}]",
        ),
        (NoticeKind.SERVICE_PROBLEM, Cause.PERMISSION_OR_REGION): NoticeTexts(
            text="Not sent. Our account may not send this text to this country or network.",
            advice="Contact your administrator, or call; your text is kept.",
            admin="Allow the destination's country, or what else is missing, at the carrier.[ {reason}]",
        ),
        (NoticeKind.SERVICE_PROBLEM, Cause.CONTENT_REJECTED): NoticeTexts(
            text="Something of this conversation could not be shown here. What comes after it goes on.",
            advice="Contact your administrator; nothing is lost.",
            admin="The desktop refused this event while it took others. It is a dead letter: mend, then replay it.",
        ),
    },
)
