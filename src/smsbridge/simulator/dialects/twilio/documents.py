"""The JSON documents of Twilio's REST API, as https://github.com/twilio/twilio-oai describes them."""

from __future__ import annotations

from typing import Any, Final

from smsbridge.simulator.account import Account, CarrierMessage, MediaFile, OwnNumber
from smsbridge.simulator.lookups import Line
from smsbridge.simulator.numbers import country_of, is_e164
from smsbridge.simulator.times import rfc2822

from .refusals import Refusal

API_VERSION: Final = "2010-04-01"

_ERROR_MESSAGES: Final = {
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Carrier violation",
    30008: "Unknown error",
}


def account_path(account_sid: str) -> str:
    return f"/{API_VERSION}/Accounts/{account_sid}"


def write_refusal(refusal: Refusal) -> dict[str, Any]:
    return {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.status,
    }


def write_message(message: CarrierMessage, account: Account) -> dict[str, Any]:
    uri = f"{account_path(account.sid)}/Messages/{message.sid}"
    return {
        "account_sid": account.sid,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": rfc2822(message.created_at),
        "date_sent": rfc2822(message.sent_at) if message.sent_at is not None else None,
        "date_updated": rfc2822(message.updated_at),
        "direction": message.direction,
        "error_code": message.error_code,
        "error_message": _ERROR_MESSAGES.get(message.error_code) if message.error_code else None,
        "from": message.from_,
        "messaging_service_sid": message.messaging_service_sid,
        "num_media": str(message.num_media),
        "num_segments": str(message.num_segments),
        "price": None,
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


def write_media(media: MediaFile, message: CarrierMessage, account: Account) -> dict[str, Any]:
    return {
        "account_sid": account.sid,
        "content_type": media.content_type,
        "date_created": rfc2822(media.at),
        "date_updated": rfc2822(media.at),
        "parent_sid": message.sid,
        "sid": media.sid,
        "uri": f"{account_path(account.sid)}/Messages/{message.sid}/Media/{media.sid}.json",
    }


def write_number(number: OwnNumber, account: Account) -> dict[str, Any]:
    return {
        "account_sid": account.sid,
        "address_requirements": "none",
        "api_version": API_VERSION,
        "beta": False,
        "capabilities": {"fax": False, "mms": True, "sms": True, "voice": False},
        "date_created": rfc2822(number.created_at),
        "date_updated": rfc2822(number.created_at),
        "friendly_name": number.number,
        "origin": "twilio",
        "phone_number": number.number,
        "sid": number.sid,
        "sms_application_sid": "",
        "sms_fallback_method": number.sms_fallback_method,
        "sms_fallback_url": number.sms_fallback_url,
        "sms_method": number.sms_method,
        "sms_url": number.sms_url,
        "status": "in-use",
        "status_callback": number.status_callback,
        "status_callback_method": "POST",
        "uri": f"{account_path(account.sid)}/IncomingPhoneNumbers/{number.sid}.json",
    }


def write_account(account: Account) -> dict[str, Any]:
    path = account_path(account.sid)
    return {
        "date_created": rfc2822(account.created_at),
        "date_updated": rfc2822(account.created_at),
        "friendly_name": "Carrier simulator",
        "owner_account_sid": account.sid,
        "sid": account.sid,
        "status": "active",
        "subresource_uris": {
            "incoming_phone_numbers": f"{path}/IncomingPhoneNumbers.json",
            "messages": f"{path}/Messages.json",
        },
        "type": "Full",
        "uri": f"{path}.json",
    }


def write_lookup(number: str, line: Line, *, with_line_type: bool, url: str) -> dict[str, Any]:
    """Lookup v2, https://www.twilio.com/docs/lookup/v2-api/line-type-intelligence"""
    valid = line.valid
    country = country_of(number) if valid else None
    line_type = None
    if with_line_type and valid:
        line_type = {
            "type": line.kind,
            "carrier_name": "Simulated" if line.kind else None,
            "mobile_country_code": None,
            "mobile_network_code": None,
            "error_code": None,
        }
    return {
        "calling_country_code": country[0] if country else None,
        "country_code": country[1] if country else None,
        "phone_number": number,
        "national_format": number.removeprefix(f"+{country[0]}") if country else "",
        "valid": valid,
        "validation_errors": [] if valid else ["INVALID_BUT_POSSIBLE" if is_e164(number) else "NOT_A_NUMBER"],
        "caller_name": None,
        "sim_swap": None,
        "call_forwarding": None,
        "line_status": None,
        "line_type_intelligence": line_type,
        "identity_match": None,
        "reassigned_number": None,
        "sms_pumping_risk": None,
        "phone_number_quality_score": None,
        "pre_fill": None,
        "url": url,
    }
