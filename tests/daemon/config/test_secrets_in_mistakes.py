"""A secret that was typed where none may stand is shown by no complaint."""

from pathlib import Path

import pytest
from tests.daemon.commands.calling import call_plain

WORD = "Xk7QzpW66vR2mGt8"
HEAD = '[logger]\nid = "l"\n[site]\nid = "s"\n[storage]\nfolder = "{folder}"\n'
PLACES = {
    "broker": '[broker.b]\nhost = "h"\ntopics = ["t"]\nusername = "u"\npassword = {}\n',
    "sink": '[[sink]]\nname = "i"\nkind = "influxdb"\nurl = "https://h"\nbucket = "b"\n'
    'org = "o"\ntoken = {}\n',
    "mail": '[[notify]]\nname = "m"\nkind = "email"\nhost = "h.example.org"\n'
    'from = "a@example.org"\nto = ["b@example.org"]\nusername = "u"\npassword = {}\n',
    "header": '[[notify]]\nname = "m"\nkind = "webhook"\nurl = "https://h"\nbody = "x"\n'
    "headers = {{ Authorization = {} }}\n",
    "apprise": '[[notify]]\nname = "m"\nkind = "apprise"\naddress = {}\n',
}
FORMS = {
    "text": f'"{WORD}"',
    "list": f'["{WORD}"]',
    "as a file": f'{{ file = "{WORD}" }}',
    "as a variable": f'{{ env = "{WORD}=" }}',
    "as a variable with blanks": f'{{ env = "{WORD} x" }}',
    "another key": f'{{ value = "{WORD}" }}',
    "a table in it": f'{{ file = {{ text = "{WORD}" }} }}',
    "as the name of a variable": f'{{ env = "{WORD}" }}',
    "without quotes": WORD,
    "half a quote": f'"{WORD}',
    "a key of its own": f"{{ {WORD} = 1 }}",
}


def all_that_is_shown(folder: Path, text: str) -> str:
    file = folder / "edaphon.toml"
    file.write_text(HEAD.format(folder=folder) + text)
    return "".join(
        "".join(call_plain("check", *json, str(file), codes=(3,))) for json in ((), ("--json",))
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_in_a_wrong_form_is_not_shown(tmp_path: Path, place: str, form: str) -> None:
    text = FORMS[form]
    if (place, form) == ("apprise", "without quotes"):  # else any address of a probe is a secret
        text = f"json://u:{WORD}@h"
    shown = all_that_is_shown(tmp_path, PLACES[place].format(text))
    assert "; nothing was changed." in shown
    assert WORD[:6] not in shown


URLS = (
    f"http://me:{WORD}@h.example.org",
    f"http://me:{WORD}/x@h.example.org",
    f"http://me:@{WORD}@h.example.org",
    f"https://{WORD}@h.example.org/x",
    f"http://me:{WORD[:6]} {WORD}@h.example.org",
    f"influx://me:{WORD}@h.example.org",
)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("place", ["sink", "webhook", "heartbeat", "page"])
def test_a_password_in_an_address_is_not_shown(tmp_path: Path, place: str, url: str) -> None:
    tables = {
        "sink": PLACES["sink"].replace("https://h", url).format('{ env = "X" }'),
        "webhook": f'[[notify]]\nname = "m"\nkind = "webhook"\nurl = "{url}"\nbody = "x"\n',
        "heartbeat": f'[alerts]\nheartbeat_url = "{url}"\n',
        "page": f'[alerts]\npage_url = "{url}"\n',
    }
    shown = all_that_is_shown(tmp_path, tables[place])
    assert "; nothing was changed." in shown
    assert WORD[:6] not in shown
