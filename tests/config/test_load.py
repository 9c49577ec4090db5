"""The configuration is read from every source in its order, and told wrong in one go with the place of each mistake."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.carriers import load_carriers
from smsbridge.config import ConfigProblems, Loaded, load, policy_of
from smsbridge.config.settings import LONGEST_MS, read_duration, read_size, write_duration, write_size
from smsbridge.config.sources import lines_of
from smsbridge.contracts.bridge import Policy
from smsbridge.desktops import load_desktops

SID = "AC" + "0" * 32
SECRET = "whsec_" + "QUJD" * 10

GOOD = f"""\
public_url = "https://sms.example.com"

[carriers.twilio]
type = "twilio"
account_sid = "{SID}"
auth_token = "token-of-the-file"

[[senders]]
number = "+14155550123"
carrier = "twilio"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "smsbridge.toml"


def read(file: Path, text: str = GOOD, environment: dict[str, str] | None = None, **overrides: Any) -> Loaded:
    file.write_text(text, "utf-8")
    return load(
        file,
        carriers=load_carriers(),
        desktops=load_desktops(),
        environment=environment or {},
        overrides={key.replace("__", "."): value for key, value in overrides.items()},
    )


def problems_of(file: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    """As they are printed, without the folder."""
    with pytest.raises(ConfigProblems) as found:
        read(file, text, environment)
    return [str(problem).replace(f"{file.parent}/", "") for problem in found.value.problems]


def test_a_short_file_is_enough(file: Path) -> None:
    loaded = read(file)
    assert loaded.settings.senders[0].number == "+14155550123"
    assert loaded.carriers["twilio"].webhook == "https://sms.example.com/hooks/carriers/twilio"  # type: ignore[attr-defined]
    assert loaded.settings.interactions.desktop == "desk"
    assert loaded.warnings == ()


def test_defaults_are_the_defaults_of_the_policy(file: Path) -> None:
    assert policy_of(read(file).settings) == Policy()


def test_every_knob_of_the_policy_can_be_set(file: Path) -> None:
    changed = """
[interactions]
hold_parts = "1m"
asynchronous = false
idle_end = "1h"
dispositions = ["Sold", "Spam"]
[media]
hold = "1s"
give_up = "2h"
max_size = "1MB"
max_attachments = 3
link_life = "5m"
carrier_link_life = "6m"
[sending]
first_wait = "1s"
max_wait = "2s"
max_age = "3s"
settle_after = ["1s", "2m"]
uncertain = "resend"
unconfirmed_after = "4h"
delayed_notice_after = "7s"
max_text = 100
stop_confirmation = "Bye."
help_answer = "Call us."
[catch_up]
every = "1m"
overlap = "2m"
[delivery]
first_wait = "3s"
max_wait = "4s"
max_age = "5s"
[brakes]
open_after = 7
probe_every = "9s"
park_after = 2
[notices]
language = "en-GB"
[desk]
session_idle = "1h"
offer_first = "0s"
save_attachments = false
[numbers]
remember = "1d"
[retention]
arrivals = "1d"
refused_kept = 5
events = "2d"
answers = "3d"
"""
    policy, untouched = policy_of(read(file, GOOD + changed).settings), Policy()
    same = [name for name in Policy.__slots__ if getattr(policy, name) == getattr(untouched, name)]
    assert same == []


def test_later_sources_win(file: Path) -> None:
    text = GOOD + '[server]\nport = 1\nhost = "10.0.0.1"\n[log]\nlevel = "error"\n[media]\nmax_attachments = 2\n'
    (file.parent / ".env").write_text(
        "SMSBRIDGE__SERVER__PORT=2\nSMSBRIDGE__LOG__LEVEL=debug\nSMSBRIDGE__MEDIA__HOLD=9s\n"
    )
    environment = {"SMSBRIDGE__SERVER__PORT": "3", "SMSBRIDGE__LOG__LEVEL": "warning"}
    loaded = read(file, text, environment, server__port=4)
    settings = loaded.settings
    assert (settings.server.port, settings.log.level, settings.media.hold) == (4, "warning", 9_000)
    assert (settings.server.host, settings.media.max_attachments) == ("10.0.0.1", 2)
    shown = {key: str(origin).replace(f"{file.parent}/", "") for key, origin in loaded.origins.items()}
    assert shown["server.port"] == "command line"
    assert shown["log.level"] == "SMSBRIDGE__LOG__LEVEL"
    assert shown["media.hold"] == "SMSBRIDGE__MEDIA__HOLD in .env"
    assert shown["server.host"] == "smsbridge.toml:13"
    assert "server.grace" not in shown


def test_an_empty_variable_says_nothing(file: Path) -> None:
    (file.parent / ".env").write_text("SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN=\nSMSBRIDGE__DATA_DIR\n")
    loaded = read(file, environment={"SMSBRIDGE__PUBLIC_URL": "", "SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN": ""})
    assert loaded.settings.public_url == "https://sms.example.com"
    assert loaded.origins["carriers.twilio.auth_token"].source == str(file)


def test_the_environment_can_say_everything(tmp_path: Path) -> None:
    environment = {
        "SMSBRIDGE__PUBLIC_URL": "https://sms.example.com/texts",
        "SMSBRIDGE__CARRIERS__TWILIO__TYPE": "twilio",
        "SMSBRIDGE__CARRIERS__TWILIO__ACCOUNT_SID": SID,
        "SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN": "1234567890",
        "SMSBRIDGE__CARRIERS__TWILIO__VALIDITY_PERIOD_S": "600",
        "SMSBRIDGE__CARRIERS__TWILIO__SMART_ENCODED": "true",
        "SMSBRIDGE__CARRIERS__TWILIO__LOOKUP": "true",
        "SMSBRIDGE__SENDERS__0__NUMBER": "+14155550123",
        "SMSBRIDGE__SENDERS__0__CARRIER": "twilio",
        "SMSBRIDGE__SENDERS__1__NUMBER": "+14155550124",
        "SMSBRIDGE__SENDERS__1__CARRIER": "twilio",
        "SMSBRIDGE__SENDERS__1__RATE": "1.5",
        "SMSBRIDGE__INTERACTIONS__DISPOSITIONS": '["Sold", "Spam"]',
        "SMSBRIDGE__DATA_DIR": str(tmp_path),
    }
    loaded = load(None, carriers=load_carriers(), desktops=load_desktops(), environment=environment)
    settings, twilio = loaded.settings, loaded.carriers["twilio"]
    assert [sender.number for sender in settings.senders] == ["+14155550123", "+14155550124"]
    assert settings.senders[1].rate == 1.5
    assert settings.carriers["twilio"].lookup is True
    assert settings.interactions.dispositions == ("Sold", "Spam")
    assert (twilio.auth_token, twilio.validity_period_s, twilio.smart_encoded) == ("1234567890", 600, True)  # type: ignore[attr-defined]
    assert settings.data_path == tmp_path


def test_a_variable_reaches_an_account_with_a_hyphen_in_its_name(file: Path) -> None:
    text = GOOD.replace("carriers.twilio", "carriers.twilio-us").replace('carrier = "twilio"', 'carrier = "twilio-us"')
    loaded = read(file, text, {"SMSBRIDGE__CARRIERS__TWILIO_US__CONCURRENCY": "3"})
    assert loaded.settings.carriers["twilio-us"].concurrency == 3


def test_one_underscore_where_two_are_meant_is_warned_of(file: Path) -> None:
    (warning,) = read(file, environment={"SMSBRIDGE_PUBLIC_URL": "https://other.example"}).warnings
    assert "SMSBRIDGE_PUBLIC_URL" in str(warning)
    assert "two underscores" in str(warning)


def test_an_unknown_table_in_a_variable_is_found_in_that_variable(file: Path) -> None:
    (problem,) = problems_of(file, GOOD, {"SMSBRIDGE__SERVR__PORT": "1"})
    assert problem == "SMSBRIDGE__SERVR__PORT: servr: there is no such key. Did you mean server?"


def test_a_misspelt_account_in_a_variable_is_found_in_that_variable(file: Path) -> None:
    (problem,) = problems_of(file, GOOD, {"SMSBRIDGE__CARRIERS__TWILLIO__AUTH_TOKEN": "x"})
    assert problem.startswith("SMSBRIDGE__CARRIERS__TWILLIO__AUTH_TOKEN: carriers.twillio.type: is missing.")


def test_a_key_of_the_whole_file_that_slipped_into_a_table_is_told_where_it_stands(file: Path) -> None:
    (problem,) = problems_of(file, f'{GOOD}[server]\ndata_dir = "/srv"\n')
    assert problem.endswith(
        "server.data_dir: there is no such key in [server]. It stands before the first [table] of the file."
    )


def test_a_secret_that_cannot_be_read_hides_nothing_else_in_its_table(file: Path) -> None:
    text = GOOD.replace('auth_token = "token-of-the-file"', 'auth_token_file = "nowhere"').replace(SID, "AC12")
    crm = '[desktops.crm]\ntype = "webhook"\nurl = "ftp://x"\nsecret_file = "nowhere"\n'
    assert [each.split(": ")[1] for each in problems_of(file, text + crm)] == [
        "carriers.twilio.account_sid",
        "carriers.twilio.auth_token_file",
        "desktops.crm.url",
        "desktops.crm.secret_file",
    ]


def test_a_desktop_that_is_the_only_one_takes_all_texts(file: Path) -> None:
    crm = f'[desktops.crm]\ntype = "webhook"\nurl = "https://crm.example/sms"\nsecret = "{SECRET}"\n'
    assert read(file, GOOD + crm).settings.interactions.desktop == "crm"
    two = crm + '[desktops.other]\ntype = "desk"\n'
    (problem,) = problems_of(file, GOOD + two)
    assert problem.endswith("interactions.desktop: there is no desktop 'desk'. There are: crm, other.")


def test_everything_wrong_is_told_at_once(file: Path) -> None:
    """Also what stands behind something wrong: a bad port must not hide a missing account."""
    text = """\
public_url = "http://sms.example.com"
nonsense = 3
[server]
port = "many"
hots = "127.0.0.1"
[media]
hold = "5 parsecs"
[carriers.twilio]
type = "twilio"
timeout = "5m"
auth_tokn = "x"
account_sid = "AC123"
[carriers.other]
type = "twillio"
[[senders]]
number = "+1 415 555 0123"
carrier = "twilo"
[[senders]]
carrier = "twilio"
[[senders]]
number = "+14155550124"
carrier = "twilio"
desktop = "dsk"
[[senders]]
number = "+14155550124"
carrier = "twilio"
"""
    expected = [
        ("1", "public_url", "must be https: texts of people are sent to it. Plain http is taken for 127.0.0.1 only."),
        ("2", "nonsense", "there is no such key. There are: public_url, data_dir, "),
        ("4", "server.port", "must be a whole number."),
        ("5", "server.hots", "there is no such key in [server]. Did you mean host?"),
        ("7", "media.hold", 'must be a duration like "30s", "5m", "24h" or "2d".'),
        ("8", "carriers.twilio.api_key", "is missing"),
        ("8", "carriers.twilio.auth_token", "is missing"),
        ("10", "carriers.twilio.timeout", "must be at most 1m."),
        ("11", "carriers.twilio.auth_tokn", "is no setting here"),
        ("12", "carriers.twilio.account_sid", "does not look like one"),
        ("14", "carriers.other.type", "there is no carrier 'twillio'. Did you mean twilio?"),
        ("16", "senders.0.number", "write it as +14155550123."),
        ("17", "senders.0.carrier", "there is no carrier account 'twilo'. Did you mean twilio?"),
        ("18", "senders.1.number", "is missing."),
        ("23", "senders.2.desktop", "there is no desktop 'dsk'. Did you mean desk?"),
        ("25", "senders.3.number", "+14155550124 is there twice."),
    ]
    found = problems_of(file, text)
    for (line, key, words), told in zip(expected, found, strict=True):
        assert told.startswith(f"smsbridge.toml:{line}: {key}: {words}")
    assert found[8].endswith("Did you mean auth_token?")


def test_an_account_with_one_number_takes_no_other_sender(file: Path) -> None:
    text = f"""\
public_url = "https://sms.example.com"
[carriers.bird]
type = "bird"
access_key = "key"
signing_key = "signing"
workspace_id = "{"0" * 8}-0000-4000-8000-{"0" * 12}"
channel_id = "{"1" * 8}-0000-4000-8000-{"0" * 12}"
number = "+31970001122"
[[senders]]
number = "+31970001122"
carrier = "bird"
[[senders]]
number = "+31970001123"
carrier = "bird"
"""
    [problem] = problems_of(file, text)
    assert problem == (
        "smsbridge.toml:13: senders.1.number: the account bird sends from +31970001122 alone."
        " Give this number an account of its own."
    )


def test_a_wrong_variable_is_named(file: Path) -> None:
    (problem,) = problems_of(file, GOOD, {"SMSBRIDGE__SERVER__PRT": "1"})
    assert problem == "SMSBRIDGE__SERVER__PRT: server.prt: there is no such key in [server]. Did you mean port?"


NO_SENDERS = GOOD.partition("[[")[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ": carriers: there is no carrier account. Add a table [carriers.<name>], as [carriers.twilio]."),
        (NO_SENDERS, ": senders: there is no number to text from or to. Add a table [[senders]]."),
        ("carriers = 3", ":1: carriers: must be a table."),
        ("server = 3\n" + GOOD, ":1: server: must be a table."),
        ("senders = 3\n" + NO_SENDERS, ":1: senders: must be a list."),
        ("senders = [3]\n" + NO_SENDERS, ":1: senders.0: must be a table."),
        (
            GOOD.replace("https://sms.example.com", "https://[::1"),
            ":1: public_url: must be an address. Like https://sms.example.com.",
        ),
        (
            GOOD.replace("https://sms.example.com", "https://a.b/"),
            ":1: public_url: must end without a slash, a query or a fragment.",
        ),
        (
            GOOD.replace("https://sms.example.com", "https://me:pw@a.b"),
            ":1: public_url: must hold no user and no password.",
        ),
        (GOOD + "[media]\nhold = inf", ':12: media.hold: must be a duration like "30s", "5m", "24h" or "2d".'),
        (GOOD + "[media]\nhold = true", ':12: media.hold: must be a duration like "30s", "5m", "24h" or "2d".'),
        (GOOD + '[media]\nhold = "99999d"', ":12: media.hold: must be at most 3650d."),
        (GOOD + '[media]\nmax_size = "0B"', ":12: media.max_size: must be at least 1B."),
        (GOOD + '[sending]\nsettle_after = ["1s", "x"]', ":12: sending.settle_after.1: must be a duration like"),
        (GOOD + "[sending]\nsettle_after = []", ":12: sending.settle_after: "),
        (GOOD + '[store]\nfile = "postgresql://h/x"', ":12: store.file: must be a file name; the address of"),
        (GOOD + '[notices]\nlanguage = "tlh"', ":12: notices.language: is no language that notices are written in"),
        (GOOD + 'folder = "x"', ":11: senders.0.folder: there is no such key in [senders.0]. There are: number, "),
        ("folder = 3\n" + GOOD, ":1: folder: there is no such key. Did you mean data_dir?"),
        (GOOD.replace(".twilio]", ".Twilio]"), ":3: carriers.Twilio: the name must be lower case letters, digits"),
        (
            GOOD.replace("[[senders]]", 'reroute = "twilio"\n[[senders]]'),
            ":8: carriers.twilio.reroute: is this account itself. Name another one.",
        ),
        (
            GOOD.replace("[[senders]]", 'reroute = "twlio"\n[[senders]]'),
            ":8: carriers.twilio.reroute: there is no carrier account 'twlio'. Did you mean twilio?",
        ),
        (
            GOOD.replace("[[senders]]", 'reroute_causes = ["auth", "opted_out"]\n[[senders]]'),
            ":8: carriers.twilio.reroute_causes.1: must be a cause that another account can be free of: auth, balance,",
        ),
        ("a = [", ":1: TOML: Invalid value (at end of document). See https://toml.io."),
        ("a = 1\na = 2", ":2: TOML: Cannot overwrite a value (at "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(file: Path, text: str, told: str) -> None:
    assert problems_of(file, text)[0].startswith(f"smsbridge.toml{told}")


def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match=r"No such file or directory.*smsbridge init"):
        load(tmp_path / "none.toml", carriers={}, desktops={}, environment={})
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(ConfigProblems, match="not UTF-8"):
        load(tmp_path / "latin.toml", carriers={}, desktops={}, environment={})


# --- secrets


@pytest.mark.parametrize("password", ["se%cret", "sec/ret", "s@cret", "sec#ret"])
def test_a_password_that_would_be_taken_for_a_host_is_refused_and_not_repeated(file: Path, password: str) -> None:
    """The driver would repeat what it takes for the host, and it would stand in the log and in readyz."""
    (told,) = problems_of(file, GOOD + f'[store]\nurl = "postgresql://bridge:{password}@host/db"')
    assert "store.url: cannot be read: in a password @ is written %40" in told
    assert password not in told
    assert "cret" not in told.replace("secret", "")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/db",
        "postgres://bridge:s%40c%2fr%25t@[::1]:5432/db?sslmode=require",
        "postgresql:///db?host=/run/postgresql",
        "postgresql://bridge@%2Frun%2Fpostgresql/db",
        "postgresql://a:1,b:2/db",
    ],
)
def test_what_libpq_takes_for_an_address_is_taken(file: Path, url: str) -> None:
    assert read(file, GOOD + f'[store]\nurl = "{url}"').settings.store_url == url


def test_a_secret_may_be_a_file(file: Path) -> None:
    secret = file.parent / "token"
    secret.write_text("from-a-file\n")
    secret.chmod(0o600)
    text = GOOD.replace('auth_token = "token-of-the-file"', 'auth_token_file = "token"')
    loaded = read(file, text)
    assert loaded.carriers["twilio"].auth_token == "from-a-file"  # type: ignore[attr-defined]
    assert loaded.warnings == ()
    secret.chmod(0o640)  # root's, and readable by the group that the bridge runs as
    assert read(file, text).warnings == ()
    secret.chmod(0o644)
    (warning,) = read(file, text).warnings
    assert str(warning).endswith(f"token is open to others. chmod 600 {secret}")
    overridden = read(file, text, {"SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN": "from-the-environment"})
    assert overridden.carriers["twilio"].auth_token == "from-the-environment"  # type: ignore[attr-defined]


def test_a_secret_may_be_a_credential_of_systemd(file: Path) -> None:
    folder = file.parent / "credentials"
    folder.mkdir()
    (folder / "carriers.twilio.auth_token").write_text("by-its-key\n")
    (folder / "named").write_text("by-its-name\n")
    environment = {"CREDENTIALS_DIRECTORY": str(folder)}
    by_key = read(file, GOOD.replace('auth_token = "token-of-the-file"', ""), environment)
    assert by_key.carriers["twilio"].auth_token == "by-its-key"  # type: ignore[attr-defined]
    (folder / "carriers.twilio.auth_token").unlink()
    by_name = read(file, GOOD.replace('auth_token = "token-of-the-file"', 'auth_token_file = "named"'), environment)
    assert by_name.carriers["twilio"].auth_token == "by-its-name"  # type: ignore[attr-defined]
    assert by_name.warnings == ()


def test_a_secret_given_twice_in_one_place_is_a_problem(file: Path) -> None:
    assert problems_of(file, GOOD.replace('auth_token = "', 'auth_token_file = "/none/token"\nauth_token = "')) == [
        "smsbridge.toml:6: carriers.twilio.auth_token_file: stands beside auth_token. Keep one of them.",
    ]


def test_a_secret_that_cannot_be_read_is_the_only_problem_of_its_account(file: Path) -> None:
    assert problems_of(file, GOOD.replace('auth_token = "token-of-the-file"', 'auth_token_file = "/none/token"')) == [
        "smsbridge.toml:6: carriers.twilio.auth_token_file: /none/token cannot be read: No such file or directory.",
    ]


def test_no_secret_is_in_any_shape_of_the_settings(file: Path) -> None:
    crm = f"""
[desktops.crm]
type = "webhook"
url = "https://crm.example/sms?key=canary-url"
secret = "{SECRET}"
headers = {{ Authorization = "Bearer canary-header" }}
[desktops.desk]
type = "desk"
"""
    loaded = read(file, GOOD.replace("token-of-the-file", "canary-token") + crm)
    settings = loaded.settings
    for shape in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json(), repr(loaded)):
        assert "canary" not in shape
        assert SECRET not in shape
        assert SECRET.removeprefix("whsec_") not in shape
    assert SID in repr(settings)


def test_no_problem_tells_a_secret(file: Path) -> None:
    text = GOOD.replace("token-of-the-file", "canary token") + '[desktops.crm]\ntype = "webhook"\nsecret = "canary"\n'
    assert "canary" not in "\n".join(problems_of(file, text))


def test_a_dollar_sign_in_dotenv_stays_one(file: Path) -> None:
    (file.parent / ".env").write_text("SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN=a${HOME}b\n")
    assert read(file).carriers["twilio"].auth_token == "a${HOME}b"  # type: ignore[attr-defined]


# --- values


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("30s", 30_000),
        ("5m", 300_000),
        ("24h", 86_400_000),
        ("2d", 172_800_000),
        ("500ms", 500),
        (3, 3_000),
        (0.5, 500),
    ],
)
def test_durations_have_units_and_plain_numbers_are_seconds(text: object, milliseconds: int) -> None:
    assert read_duration(text) == milliseconds


@given(st.integers(0, LONGEST_MS))
def test_a_duration_reads_back_as_written(milliseconds: int) -> None:
    assert read_duration(write_duration(milliseconds)) == milliseconds


@given(st.integers(0, 10**12))
def test_a_size_reads_back_as_written(size: int) -> None:
    assert read_size(write_size(size)) == size


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.lists(st.text()), st.booleans()))
def test_anything_else_is_refused_as_a_wrong_value(value: object) -> None:
    for reader in (read_duration, read_size):
        with contextlib.suppress(ValueError):
            assert isinstance(reader(value), int)


def test_lines_are_found_in_lists_quoted_keys_and_around_long_texts() -> None:
    text = '''\
a = 1
"b c" = 2
x . y = 3
[t] # a table
long = """
k = 1
[no]
"""
k = 2
[[s]]
n = 1
[[ s ]]
n = 2
[d."e-f"]
g = \'\'\'one line\'\'\'
h = 1
'''
    lines = lines_of(text)
    assert lines == {
        "a": 1,
        "bc": 2,
        "x.y": 3,
        "t": 4,
        "t.long": 5,
        "t.k": 9,
        "s.0": 10,
        "s.0.n": 11,
        "s.1": 12,
        "s.1.n": 13,
        "d.e-f": 14,
        "d.e-f.g": 15,
        "d.e-f.h": 16,
    }
