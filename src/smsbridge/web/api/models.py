"""Every request, query and resource of the API as a model: what is validated is what the OpenAPI document says.

Resources are made as plain dicts by flows/resources.py and only *described* here; tests/web/api holds the two
together. Requests are read with these models and refuse what they do not know, so that a misspelt field is an error
and not a silence.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StrictInt,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from smsbridge.contracts.store import Arrived, Role
from smsbridge.domain import message as words
from smsbridge.domain.cause import Cause
from smsbridge.domain.interaction import EndReason, State
from smsbridge.domain.journal import Border, EntryKind, EventType
from smsbridge.domain.status import Status
from smsbridge.web.api import fields as f

MAX_MEDIA: Final = 10
MAX_LIMIT: Final = 200
_MAX_SEQ: Final = 2**53 - 1


class Model(BaseModel):
    """A model whose JSON Schema is free of what pydantic adds and no reader needs.

    What validates it is made when it is first used: most are only described, and making them all costs a start 0.1 s.
    """

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(schema)
        for shown in handler.resolve_ref_schema(made).get("properties", {}).values():
            shown.pop("title", None)  # repeats the name
            if shown.get("default", ...) in (None, "", [], {}):
                del shown["default"]  # means "left out"
        return made


class Request(Model):
    """What a client says."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Resource(Model):
    """What the bridge says. Fields may be added in later versions, so a reader ignores those it does not know."""

    model_config = ConfigDict(frozen=True)


# --- messages


class AgentIn(Request):
    """Who acts: the agent's id in your system, and the name that transcripts show."""

    id: f.AgentId
    name: Annotated[f.Name, Field(examples=["Bo"])] = ""


def _read_agent(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


AgentField = Annotated[AgentIn, BeforeValidator(_read_agent, json_schema_input_type=f.AgentId | AgentIn)]
"""An agent as an object, or as the id alone: then the name is the one given with the agent's status."""
_SIGNED_IN: Final = Field(description="Who does it; needed with an API key, known in a session of the desk.")


class MediaItem(Request):
    """One attachment: either the address of a file, or an upload from `POST /v1/attachments`."""

    model_config = ConfigDict(
        json_schema_extra={"minProperties": 1, "maxProperties": 1, "examples": [{"url": "https://example.com/map.png"}]}
    )

    url: Annotated[f.Url, Field(description="Fetched by the bridge before the message leaves.")] = ""
    attachment_id: f.Reference = ""

    @model_validator(mode="after")
    def _exactly_one(self) -> MediaItem:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("one_of", "must stand alone: give either url or attachment_id", {"field": "url"})
        return self


class MessageIn(Request):
    """A text to be sent, with or without attachments, to a number or into an interaction."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["to"]}, {"required": ["interaction_id"]}],
            "examples": [
                {"to": "+15005550010", "text": "Your parcel is at the depot.", "agent": {"id": "ag-7", "name": "Bo"}}
            ],
        }
    )

    to: Annotated[
        f.Number | None,
        Field(description="The contact's number, with its country code. Not needed with `interaction_id`."),
    ] = None
    interaction_id: Annotated[
        f.Reference | None, Field(description="The interaction to write in, instead of `to` or besides it.")
    ] = None
    from_: Annotated[
        f.Number | None,
        Field(
            alias="from",
            description="One of our senders. Left out: the one this contact last spoke with, else the default.",
        ),
    ] = None
    text: Annotated[f.Text, Field(description="May be empty only with media.", examples=["On its way."])] = ""
    media: Annotated[tuple[MediaItem, ...], Field(max_length=MAX_MEDIA)] = ()
    agent: AgentField | None = None
    client_reference: Annotated[
        f.Name, Field(description="Your own id of this message; messages can be listed by it.", examples=["order-4711"])
    ] = ""
    metadata: Annotated[f.Metadata, Field(description="Kept and given back, never sent to the contact.")] = {}
    force: Annotated[
        StrictBool, Field(description="Send although the number is believed not to take texts (`overridable`).")
    ] = False
    quick_reply: Annotated[
        StrictBool,
        Field(
            description="To a contact (`to`), outside any interaction's window: it opens and reactivates none and is "
            "counted apart."
        ),
    ] = False

    @model_validator(mode="after")
    def _to_somebody(self) -> MessageIn:
        if self.to is None and self.interaction_id is None:
            raise PydanticCustomError("one_of", "is missing: give a number, or an interaction_id", {"field": "to"})
        if self.quick_reply and self.interaction_id is not None:
            raise PydanticCustomError(
                "one_of", "cannot stand beside interaction_id: give `to`", {"field": "quick_reply"}
            )
        return self


class RetryIn(Request):
    """Who wants another attempt."""

    agent: AgentField | None = None


class Agent(Resource):
    id: str
    name: str | None


class Attachment(Resource):
    """A picture or file. `url` and `thumbnail_url` need no key and expire; ask again for fresh ones."""

    id: f.AttachmentId
    content_type: Annotated[str | None, Field(description="Told from the bytes.", examples=["image/jpeg"])]
    filename: Annotated[str | None, Field(examples=["IMG_0231.jpg"])]
    size_bytes: int | None
    state: words.AttachmentState
    problem: Annotated[words.AttachmentProblem | None, Field(description="Why it was rejected.")]
    url: str | None
    thumbnail_url: str | None


class Part(Resource):
    """One carrier message. A text longer than the carrier takes at once has several."""

    carrier_message_id: Annotated[str | None, Field(description="The carrier's id, once it has given one.")]
    status: Status
    cause: Cause | None


class Segments(Resource):
    """What the text costs: 160 septets of GSM-7 or 70 units of UCS-2 to a segment, less once there are several."""

    count: int
    encoding: Literal["GSM-7", "UCS-2"] | None
    units: int


class Message(Resource):
    """One text, in or out."""

    id: f.MessageId
    direction: words.Direction
    interaction_id: f.InteractionId
    conversation_id: f.ConversationId
    contact_id: f.ContactId
    carrier: Annotated[str, Field(description="The carrier account, as it is named in the configuration.")]
    rerouted_from: Annotated[
        str | None, Field(description="The account that did not take it, before it was given to `carrier`.")
    ]
    from_: Annotated[str, Field(alias="from")]
    to: str
    text: str
    status: Status
    cause: Annotated[Cause | None, Field(description="Why it did not go through; null while nothing is wrong.")]
    attachments: list[Attachment]
    parts: list[Part]
    segments: Segments
    agent: Agent | None
    client_reference: str | None
    metadata: dict[str, Any]
    quick_reply: Annotated[bool, Field(description="Written to the contact, outside any interaction's window.")]
    created_at: f.Time
    sent_at: f.Time | None
    delivered_at: f.Time | None


class MessagePage(Resource):
    items: list[Message]
    next_cursor: str | None


# --- interactions


class InteractionIn(Request):
    """ "Create SMS interaction": an agent begins to write to a contact."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "+15005550010", "agent": "ag-7"}]})

    to: Annotated[f.Number, Field(description="The contact's number, with its country code.")]
    from_: Annotated[
        f.Number | None,
        Field(
            alias="from",
            description="One of our senders. Left out: the one this contact last spoke with, else the default.",
        ),
    ] = None
    agent: AgentField | None = None
    force: Annotated[
        StrictBool, Field(description="Open it although the number is believed not to take texts (`overridable`).")
    ] = False


class AcceptIn(Request):
    agent: Annotated[AgentField | None, _SIGNED_IN] = None


class EndIn(Request):
    agent: AgentField | None = None


class ReactivateIn(Request):
    agent: AgentField | None = None


class DoneIn(Request):
    """How it went."""

    agent: AgentField | None = None
    disposition: Annotated[
        f.Name, Field(description="One of `GET /v1/dispositions`, where any are configured.", examples=["resolved"])
    ] = ""
    note: Annotated[f.Text, Field(description="For colleagues; never sent to the contact.")] = ""


class InteractionPatch(Request):
    """What shall change; what is left out stays."""

    note: Annotated[f.Text | None, Field(description="For colleagues; never sent to the contact.")] = None
    disposition: f.Name | None = None


class AssignIn(Request):
    agent: Annotated[AgentField | None, Field(description="Who shall have it; null gives it back to the queue.")]
    by: Annotated[AgentField | None, Field(description="Who says so.")] = None


class ReadIn(Request):
    """What an agent has had in view."""

    agent: Annotated[AgentField | None, _SIGNED_IN] = None
    up_to_seq: Annotated[
        StrictInt | None,
        Field(ge=0, le=_MAX_SEQ, description="The last transcript entry that was in view. Left out: all of them."),
    ] = None


class PresenceIn(Request):
    agent: Annotated[AgentField | None, _SIGNED_IN] = None
    writing: StrictBool = False


class LeaveIn(Request):
    agent: Annotated[AgentField | None, _SIGNED_IN] = None


class PresentAgent(Resource):
    id: str
    name: str | None
    writing: bool
    at: f.Time


class Presence(Resource):
    """Who has an interaction in view."""

    interaction_id: f.InteractionId
    agents: list[PresentAgent]


class Interaction(Resource):
    """One chat session inside a conversation: `waiting → active → ended → done`."""

    id: f.InteractionId
    state: State
    direction: Annotated[words.Direction, Field(description="Who began it: the contact (`inbound`) or an agent.")]
    conversation_id: f.ConversationId
    contact_id: f.ContactId
    contact_number: str
    sender: Annotated[str, Field(description="Our number in this conversation.")]
    carrier: str
    desktop: str
    external_id: Annotated[str | None, Field(description="Its id at the desktop, where that has one.")]
    agent: Agent | None
    offered_to: Annotated[
        str | None, Field(description="Until `offered_until` a waiting one is offered to this agent alone.")
    ]
    offered_until: f.Time | None
    opened_at: f.Time
    accepted_at: f.Time | None
    ended_at: f.Time | None
    end_reason: EndReason | None
    done_at: f.Time | None
    disposition: str | None
    note: str | None
    last_activity_at: f.Time


# --- notices and transcripts


class Evidence(Resource):
    """The carrier's own words, for whoever runs the bridge."""

    carrier: str
    code: Annotated[str | None, Field(examples=["30003"])]
    text: str | None
    at: f.Time


class Notice(Resource):
    """Our words to the agent. `text` says what happened, `advice` what to do now."""

    id: f.NoticeId
    kind: words.NoticeKind
    cause: Cause | None
    certainty: words.Certainty
    severity: words.Severity
    text: Annotated[str, Field(description="For the agent.")]
    admin_text: Annotated[str, Field(description="For whoever runs the bridge; may hold the carrier's own text.")]
    advice: Annotated[str, Field(description="What the agent can do now.")]
    message_id: f.MessageId | None
    interaction_id: f.InteractionId
    evidence: Evidence | None
    created_at: f.Time
    acknowledged_at: f.Time | None


class NoticePage(Resource):
    items: list[Notice]
    next_cursor: str | None


class InteractionBorder(Resource):
    """A border of an interaction as it was at that moment."""

    id: f.InteractionId
    border: Border
    state: State
    agent: Agent | None
    reason: str | None
    disposition: str | None
    note: str | None


class _Entry(Resource):
    seq: Annotated[int, Field(description="Orders the transcript, for ever.")]
    at: f.Time
    interaction_id: f.InteractionId


class MessageEntry(_Entry):
    kind: Literal["message"]
    message: Message


class NoticeEntry(_Entry):
    kind: Literal["notice"]
    notice: Notice


class InteractionEntry(_Entry):
    kind: Literal["interaction"]
    interaction: InteractionBorder


TranscriptEntry = Annotated[MessageEntry | NoticeEntry | InteractionEntry, Field(discriminator="kind")]


class Transcript(Resource):
    """Entries in ascending order. Without `before` and `after` these are the newest."""

    items: list[TranscriptEntry]
    previous_cursor: Annotated[int | None, Field(description="Give it as `before` for earlier entries; null: none.")]
    next_cursor: Annotated[int | None, Field(description="Give it as `after` for later entries; null: none yet.")]


# --- contacts and numbers


class ContactPatch(Request):
    """What shall change; what is left out stays. `attributes` are replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Ann Lee", "attributes": {"customer": 4711}}]})

    name: Annotated[f.Name | None, Field(description="null takes it away.")] = None
    attributes: Annotated[f.Attributes, Field(description="Anything worth knowing about the contact.")] = {}
    assigned_to: Annotated[
        f.AgentId | None, Field(description="The agent whom the contact's texts are offered to first; null: nobody.")
    ] = None


class OptOutIn(Request):
    """An agent's word that the contact asked, other than by a keyword, to be left alone or to be texted again."""

    sender: f.Number
    opted_out: StrictBool
    agent: AgentField | None = None


class OptOut(Resource):
    sender: str
    opted_out: bool
    changed_at: f.Time


class Contact(Resource):
    """A person outside, known by their number."""

    id: f.ContactId
    number: str
    name: str | None
    attributes: dict[str, Any]
    assigned_to: str | None
    unread_count: Annotated[
        int, Field(description="Entries from the contact that the agent named by `?agent=` has not read.")
    ]
    opt_outs: Annotated[list[OptOut], Field(description="What is known for each of our senders; none: never asked.")]
    sms_capability: words.SmsCapable
    created_at: f.Time
    updated_at: f.Time


class Preview(Resource):
    """The last line of a transcript, shortened for a list."""

    seq: int
    at: f.Time
    kind: EntryKind
    direction: words.Direction | None
    text: str
    status: Status | None
    has_attachments: bool
    severity: words.Severity | None
    notice_kind: words.NoticeKind | None
    border: Border | None


class ContactSummary(Contact):
    last: Preview | None


class ContactPage(Resource):
    """Those heard of last come first."""

    items: list[ContactSummary]
    next_cursor: str | None


class InteractionSummary(Interaction):
    contact: Contact | None
    last: Preview | None


class InteractionPage(Resource):
    items: list[InteractionSummary]
    next_cursor: str | None


class SearchQuery(Request):
    query: Annotated[str, f.Chars(200, least=1), Field(description="Part of a name, a number or a text.")]
    limit: Annotated[int, Field(ge=1, le=50, description="How many of each kind at most.")] = 20
    before: Annotated[int | None, Field(ge=0, le=_MAX_SEQ, description="Only messages before this `seq`.")] = None


class ContactName(Resource):
    id: f.ContactId
    number: str
    name: str | None


class FoundMessage(Resource):
    contact: ContactName | None
    entry: MessageEntry


class SearchReport(Resource):
    contacts: list[Contact]
    messages: list[FoundMessage]
    next_before: int | None


class NumberReport(Resource):
    """What is known of a number before a text goes to it."""

    number: Annotated[str, Field(description="As E.164.", examples=["+15005550010"])]
    valid: bool
    type: Annotated[str, Field(examples=["mobile"])]
    sms_capable: words.SmsCapable
    reason: Annotated[str, Field(description="One sentence for an agent.")]
    source: Annotated[str, Field(description="Where we know it from.", examples=["number_type"])]
    checked_at: f.Time
    opted_out: Annotated[list[OptOut], Field(description="The senders that this number has opted out of.")]


# --- agents, standard responses, dispositions


class AgentStatusIn(Request):
    """An agent's state on the SMS channel. What is left out stays as it was."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ready": True, "auto_answer": False, "name": "Bo"}]})

    ready: Annotated[StrictBool, Field(description="Whether new interactions are offered to this agent.")]
    reason: Annotated[f.Name | None, Field(description="Why not ready.", examples=["lunch"])] = None
    auto_answer: Annotated[StrictBool | None, Field(description="Offered interactions are accepted by themselves.")] = (
        None
    )
    name: Annotated[f.Name | None, Field(description="As transcripts show it.")] = None


class AgentStatus(Resource):
    id: str
    name: str | None
    ready: bool
    reason: str | None
    auto_answer: bool
    changed_at: f.Time


class AgentListed(AgentStatus):
    role: Annotated[Role | None, Field(description="Of somebody who may sign in at the desk; null: known elsewhere.")]
    open_interactions: int


class AgentList(Resource):
    items: list[AgentListed]
    next_cursor: None


class SignIn(Request):
    name: Annotated[f.AgentId, Field(description="The name to sign in with.")]
    passcode: Annotated[str, f.Chars(200, least=1)]


class DeskSettings(Resource):
    """What the desk has to know before it can be of use."""

    asynchronous: bool
    dispositions: list[str]
    save_attachments: bool
    max_text_chars: int
    max_attachments: int
    max_attachment_bytes: int


class Session(Resource):
    """Who is signed in."""

    agent: Agent
    role: Role
    status: AgentStatus
    last_event_id: Annotated[int, Field(description="From where to follow the event stream.")]
    desk: DeskSettings


_SHORTCUT_PATTERN: Final = r"^[^\s/\u0000-\u001f\u007f-\u009f]+$"

Shortcut = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        pattern=_SHORTCUT_PATTERN,
        description="What an agent types after a slash. Unique; without blanks and slashes.",
        examples=["hours"],
    ),
]


class StandardResponseIn(Request):
    """A text that agents send often. `{contact.name}` and the like are filled in by the desk before it is sent."""

    shortcut: Shortcut
    title: Annotated[f.Word, Field(examples=["Opening hours"])]
    text: Annotated[str, f.Chars(f.MAX_TEXT_CHARS, least=1, lines=True)]


class StandardResponsePatch(Request):
    """What shall change; what is left out stays."""

    shortcut: Shortcut = ""
    title: f.Word = ""
    text: Annotated[str, f.Chars(f.MAX_TEXT_CHARS, least=1, lines=True)] = ""


class StandardResponse(Resource):
    id: str
    shortcut: str
    title: str
    text: str
    created_at: f.Time
    updated_at: f.Time


class StandardResponseList(Resource):
    items: list[StandardResponse]
    next_cursor: None


class Disposition(Resource):
    """How an interaction may end, as it is configured."""

    name: str


class DispositionList(Resource):
    items: list[Disposition]
    next_cursor: None


# --- for whoever runs the bridge


class Sender(Resource):
    """One of our numbers."""

    number: str
    name: str | None
    kind: Literal["long_code", "toll_free", "short_code", "alphanumeric"]
    carrier: str
    desktop: str
    media: Annotated[bool, Field(description="Whether pictures can go out.")]


class SenderList(Resource):
    items: list[Sender]
    next_cursor: None


class DeadLetter(Resource):
    """Work that was given up. Its lane has gone on without it."""

    id: int
    kind: str
    queue: str
    ref: Annotated[str, Field(description="The id of what it was about.")]
    attempts: int
    reason: str
    created_at: f.Time
    died_at: f.Time


class DeadLetterPage(Resource):
    items: list[DeadLetter]
    next_cursor: str | None


class Arrival(Resource):
    """One event of a webhook and what became of it."""

    id: str
    source: Literal["carrier", "desktop"]
    account: str
    outcome: Arrived
    reason: str | None
    kind: str | None
    at: f.Time
    replayable: Annotated[bool, Field(description="The request was kept whole and can be read again.")]
    replayed_at: f.Time | None


class ArrivalPage(Resource):
    items: list[Arrival]
    next_cursor: str | None


class ReplayOutcome(Resource):
    outcome: Arrived
    reason: str | None


class ReplayReport(Resource):
    """What became of each event of the request this time."""

    outcomes: list[ReplayOutcome]


class Receipt(Resource):
    """A carrier's word that fits no message of ours (yet)."""

    carrier: str
    carrier_message_id: str
    status: Status
    cause: Cause | None
    code: str | None
    received_at: f.Time


class ReceiptList(Resource):
    items: list[Receipt]
    next_cursor: None


class CauseRow(Resource):
    """An error code of a carrier. `may_work_later`: the same text may go through without anybody acting."""

    carrier: str
    code: str
    cause: Cause
    may_work_later: bool
    meaning: str


class CauseList(Resource):
    items: list[CauseRow]
    next_cursor: None


class UnknownCode(Resource):
    """An error code in no table, with the carrier's own words beside it and how often it was seen."""

    account: str
    code: str
    text: str | None
    seen: int
    first_at: f.Time
    last_at: f.Time


class UnknownCodeList(Resource):
    items: list[UnknownCode]
    next_cursor: None


# --- events


class Event(Resource):
    """One entry of the event log. `data` is the resource that the type names, as it is now."""

    id: f.EventId
    seq: Annotated[int, Field(description="Grows with every event; what `after` and `Last-Event-ID` take.")]
    type: EventType
    timestamp: f.Time
    data: dict[str, Any]


# --- queries


class PageQuery(Request):
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most.")] = 50
    cursor: Annotated[str, f.Chars(512), Field(description="The `next_cursor` of the page before.")] = ""


class MessageQuery(PageQuery):
    contact: Annotated[f.Reference | None, Field(description="Only those with this contact (`con_…`).")] = None
    interaction: Annotated[f.Reference | None, Field(description="Only those of this interaction (`int_…`).")] = None
    status: Status | None = None
    direction: words.Direction | None = None
    client_reference: f.Word | None = None
    quick_reply: bool | None = None


def _read_several(value: Any) -> Any:
    """A parameter that is given once arrives as one text."""
    return (value,) if isinstance(value, str) else value


class InteractionQuery(PageQuery):
    state: Annotated[
        tuple[State, ...],
        BeforeValidator(_read_several, json_schema_input_type=tuple[State, ...]),
        Field(description="Only those in one of these states; repeat it for several."),
    ] = ()
    agent: Annotated[f.AgentFilter | None, Field(description="Only this agent's; empty: those nobody has.")] = None
    contact: Annotated[f.Reference | None, Field(description="Only those with this contact (`con_…`).")] = None
    reader: Annotated[f.AgentFilter, Field(description="The agent whose unread counts are shown.")] = ""


class TranscriptQuery(Request):
    query: Annotated[f.Name, Field(description="Only entries whose text holds this, whatever the case.")] = ""
    before: Annotated[int | None, Field(ge=0, le=_MAX_SEQ, description="The newest entries before this `seq`.")] = None
    after: Annotated[int | None, Field(ge=0, le=_MAX_SEQ, description="The oldest entries after this `seq`.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most.")] = 100


class ContactQuery(PageQuery):
    query: Annotated[f.Name, Field(description="Part of the name or of the number.")] = ""
    assigned_to: Annotated[
        f.AgentFilter | None, Field(description="Only this agent's; empty: those assigned to nobody.")
    ] = None
    agent: Annotated[f.AgentFilter, Field(description="Whose unread counts are shown.")] = ""


class UnreadQuery(Request):
    agent: Annotated[f.AgentFilter, Field(description="Whose unread count is shown.")] = ""


class NoticeQuery(PageQuery):
    acknowledged: bool | None = None
    interaction: Annotated[f.Reference | None, Field(description="Only those of this interaction (`int_…`).")] = None


class ArrivalQuery(PageQuery):
    outcome: Arrived | None = None
    account: Annotated[f.Name, Field(description="Only those of this carrier account or desktop.")] = ""


class ReceiptQuery(Request):
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most.")] = 50
