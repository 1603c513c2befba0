"""Secrets never reach the disk, and values that only look like secrets remain readable."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runfolio.record.base.redaction import REDACTED, redact_command, redact_mapping, redact_text

SECRET = "s3cr3tValue"
RANDOM = "4f9aB2c81d7E6a5b9c0d"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "open-sesame")
    monkeypatch.setenv("SHORT_TOKEN", "abc")
    monkeypatch.setenv("FEATURE_TOKENS", "imagenet")
    monkeypatch.setenv("NUM_TOKEN", "10000000")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"password: {SECRET}", f"password: {REDACTED}"),
        (f"export DB_PASSWORD={SECRET}", f"export DB_PASSWORD={REDACTED}"),
        ("WANDB_API_KEY=correcthorse", f"WANDB_API_KEY={REDACTED}"),
        ("password = 12345678", f"password = {REDACTED}"),
        (f'+API_KEY = "{SECRET}"', f'+API_KEY = "{REDACTED}"'),
        (f"os.environ['HF_TOKEN'] = '{SECRET}'", f"os.environ['HF_TOKEN'] = '{REDACTED}'"),
        (f"os.environ.get('HF_TOKEN', '{RANDOM}')", f"os.environ.get('HF_TOKEN', '{REDACTED}')"),
        (f'{{"apiKey": "{SECRET}", "lr": 1}}', f'{{"apiKey": "{REDACTED}", "lr": 1}}'),
        (rf'"{{\"api_key\": \"{SECRET}\"}}"', rf'"{{\"api_key\": \"{REDACTED}\"}}"'),
        ("client_secret='two words, it\\'s'", f"client_secret='{REDACTED}'"),
        (f"train.py --api-key {SECRET} --epochs 3", f"train.py --api-key {REDACTED} --epochs 3"),
        (f"https://ann:{SECRET}@git.example/x", f"https://ann:{REDACTED}@git.example/x"),
        (f"https://{RANDOM}@git.example/x", f"https://{REDACTED}@git.example/x"),
        (f"s3?a=1&X-Amz-Signature={RANDOM}&b=2", f"s3?a=1&X-Amz-Signature={RANDOM}&b=2"),
        (f"https://s3/?a=1&X-Amz-Signature={RANDOM}&b=2", f"https://s3/?a=1&X-Amz-Signature={REDACTED}&b=2"),
        (f"Authorization: Bearer {RANDOM}", f"Authorization: Bearer {REDACTED}"),
        (f"-H 'Authorization: Basic {RANDOM}=='", f"-H 'Authorization: Basic {REDACTED}'"),
        (f"image_key={RANDOM}", f"image_key={REDACTED}"),
        ("it says open-sesame, twice: open-sesame", f"it says {REDACTED}, twice: {REDACTED}"),
        ("AKIAIOSFODNN7EXAMPLE", REDACTED),
        ("got hf_" + "aB3" * 11, f"got {REDACTED}"),
        ("ghp_" + "aB3" * 12, REDACTED),
        ("github_pat_" + "aB3" * 12, REDACTED),
        ("sk-proj-" + "aB3-" * 9, REDACTED),
        ("xoxb-1234567890-abcdef", REDACTED),
        ("https://hooks.slack.com/services/T012/B012/aBcDeF", f"https://hooks.slack.com/{REDACTED}"),
        (
            f"post('https://discord.com/api/webhooks/123/{RANDOM}', json={{}})",
            f"post('https://discord.com/api/webhooks/{REDACTED}', json={{}})",
        ),
        (
            "https://acme.webhook.office.com/webhookb2/ab-c@de/IncomingWebhook/1/2 sent",
            f"https://acme.webhook.office.com/{REDACTED} sent",
        ),
        (
            "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t",
            f"https://chat.googleapis.com/v1/spaces/{REDACTED}",
        ),
        (
            "https://api.telegram.org/bot123456789:short/sendMessage",
            f"https://api.telegram.org/bot{REDACTED}",
        ),
        ("bot = Bot('123456789:AA" + "aB3" * 11 + "')", f"bot = Bot('{REDACTED}')"),
        ("https://chat.example:8065/hooks/" + "a1" * 13, f"https://chat.example:8065/hooks/{REDACTED}"),
        ("https://hc-ping.com/0123-4567", f"https://hc-ping.com/{REDACTED}"),
        (
            "https://events.pagerduty.com/integration/ab12/enqueue",
            f"https://events.pagerduty.com/integration/{REDACTED}",
        ),
        ("https://sctapi.ftqq.com/SCT1abc.send?title=done", f"https://sctapi.ftqq.com/{REDACTED}"),
        ("https://api.day.app/abc/done", f"https://api.day.app/{REDACTED}"),
        (
            "https://n8n.example/webhook/0123abcd-0123-4567-89ab-0123456789ab",
            f"https://n8n.example/webhook/{REDACTED}",
        ),
        ("kaggle_key=abc1", f"kaggle_key={REDACTED}"),
        ("WEBHOOK_URL=https://example.org/in/abc", f"WEBHOOK_URL={REDACTED}"),
        ("slackWebhook: 'https://example.org/in/abc'", f"slackWebhook: '{REDACTED}'"),
        ("Cookie: sid=abc; theme=dark", f"Cookie: {REDACTED}"),
        ("-H 'Set-Cookie: sid=abc; Path=/' -v", f"-H 'Set-Cookie: {REDACTED}' -v"),
        ('{"Cookie": "sid=abc"}', f'{{"Cookie": "{REDACTED}"}}'),
        ("curl --cookie sid=abc123", f"curl --cookie {REDACTED}"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJ-S", REDACTED),
        ("-----BEGIN RSA PRIVATE KEY-----\n+MIIE\n+x==\n-----END RSA PRIVATE KEY-----\nnext", f"{REDACTED}\nnext"),
    ],
)
def test_secrets_are_taken_out_of_text(text: str, redacted: str):
    assert redact_text(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "epoch 3  loss 0.123  2,345 tokens/s  pass 2 of 3",
        "num_memory_tokens=16 use_cls_token=true max_tokens: 512 key_dim=64 num_keys=8 pass_rate=0.93",
        "tokenizer = AutoTokenizer.from_pretrained('bert-base-uncased')",
        "keyboard: qwerty  monkey='george'  compass=north author: ann",
        "pad_token='<pad>'  image_key='jpg'  token_type=\"learned\"  sort_key = 'resnet50-imagenet1k-v2'",
        "token = tokens[i]",
        "token = tokenizer.next()",
        "self.token = token2",
        "password = getpass()",
        "def connect(user: str, password: str, token: str | None = None) -> None:",
        "connect(password=password, token=args.token)",
        "connect(\n    user=user, token=self._token\n)",
        "if use_mix_token:  # see token labeling",
        "token_mixers=InceptionDWConv2d,",
        "the token to use as HTTP bearer authorization; pass --token for a login without questions",
        "headers = {'Authorization': f'Bearer {token}'}",
        "best = max(scores, key=scores.get)",
        "rng, key = jax.random.split(key)",
        "else: pass",
        "api_key: ${API_KEY}  token: <your token>  password='***'  secret=%s",
        "Password:",
        "password_file: /run/secrets/db",
        "PWD=/home/ann/project OLDPWD=/home/ann",
        "webhook=on webhook_port=8080 cookie_file=cookies.txt cookie: str = None  cookies accepted",
        "cookie = jar.get('x')  https://slack.com/services https://discord.com/channels/1 https://example.org/hooks/list",
        "ssh://git@github.com/ann/project.git https://example.org:8080/a@b",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "a short abc and 10000000 and imagenet stay: they are no secrets by their names or sizes",
    ],
)
def test_text_without_secrets_is_unchanged(text: str):
    assert redact_text(text) == text


@pytest.mark.parametrize(
    ("command", "redacted"),
    [
        (["t.py", "--api-key", SECRET, "--lr", "1"], ["t.py", "--api-key", REDACTED, "--lr", "1"]),
        (["t.py", f"--token={SECRET}"], ["t.py", f"--token={REDACTED}"]),
        (["t.py", f"db.password={SECRET}", "lr=1"], ["t.py", f"db.password={REDACTED}", "lr=1"]),
        (["t.py", "--password", "12345678"], ["t.py", "--password", REDACTED]),
        (["t.py", "--use-token", "--secret", "--lr"], ["t.py", "--use-token", "--secret", "--lr"]),
        (["t.py", "--num-tokens", "512", "--image-key", "jpg"], ["t.py", "--num-tokens", "512", "--image-key", "jpg"]),
        (["t.py", "--data", f"https://a:{SECRET}@b/c"], ["t.py", "--data", f"https://a:{REDACTED}@b/c"]),
    ],
)
def test_secrets_are_taken_out_of_a_command_line(command: list[str], redacted: list[str]):
    assert redact_command(command) == redacted


def test_secrets_are_taken_out_of_a_config_however_deep():
    config = {
        "lr": 0.1,
        "api_key": SECRET,
        "notify_webhook": "https://example.org/in/abc",
        "webhook_retries": "3",
        "cookies": {"sid": "abc"},
        "key_dim": 64,
        "use_cls_token": True,
        "pad_token": "<pad>",
        "num_tokens": 7,
        "data": {"url": f"https://u:{SECRET}@h/x", "tokens": ["a", "b"], "secret": None, "hf_token": ""},
        "credentials": {"user": "ann", "parts": ["x", "y"], "port": 5432},
        "loaders": [{"token": SECRET, "split": "train"}],
    }
    assert redact_mapping(config) == {
        "lr": 0.1,
        "api_key": REDACTED,
        "notify_webhook": REDACTED,
        "webhook_retries": "3",
        "cookies": {"sid": REDACTED},
        "key_dim": 64,
        "use_cls_token": True,
        "pad_token": "<pad>",
        "num_tokens": 7,
        "data": {"url": f"https://u:{REDACTED}@h/x", "tokens": ["a", "b"], "secret": None, "hf_token": ""},
        "credentials": {"user": REDACTED, "parts": [REDACTED, REDACTED], "port": 5432},
        "loaders": [{"token": REDACTED, "split": "train"}],
    }


# In a URL a password's slash is written %2F.
secrets = st.text("abcdefghijkmnopqrstuvwyzABCDEFGHIJKLMN0123456789+%_", min_size=9, max_size=40).map(
    lambda s: f"Q77{s}"
)
names = st.sampled_from(
    ["api_key", "API_KEY", "apiKey", "dbPassword", "GITHUB_TOKEN", "client-secret", "aws.secret_key"]
)
forms = st.sampled_from(
    [
        "{n}={s}",
        "{n}: {s}",
        "{n} = '{s}'",
        '"{n}": "{s}"',
        "--{n} {s}",
        "x {n}={s} y",
        "https://u:{s}@h/{n}",
        "['{n}'] = '{s}'",
    ]
)


@given(names, secrets, forms, st.text(max_size=20), st.text(max_size=20))
def test_secret_is_redacted_in_every_form(name: str, secret: str, form: str, before: str, after: str):
    text = f"{before}\n{form.format(n=name, s=secret)}\n{after}"
    redacted = redact_text(text)
    assert secret not in redacted


pieces = st.sampled_from(
    [
        "token",
        "key",
        "password",
        "=",
        ":",
        ",",
        " ",
        "\n",
        '"',
        "'",
        "\\",
        "://",
        "@",
        "a1b2c3d4e5f6a7b8c9",
        "[",
        "]",
        "sk-",
        "x",
    ]
)


@given(st.lists(st.one_of(pieces, st.text(max_size=5)), max_size=30).map("".join))
def test_redacting_twice_is_redacting_once(text: str):
    once = redact_text(text)
    assert redact_text(once) == once


@given(st.text("abcdefg hijklm\n0123456789.,()[]{}_-+*/<>", max_size=200))
def test_text_that_assigns_nothing_is_left_alone(text: str):
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "piece",
    ["key", "token ", "-", "://a", "sk-", "token=", "key.", "eyJ", "password='\\\\", "-----BEGIN PRIVATE KEY-----"],
)
def test_hostile_text_costs_no_more_than_long_text(piece: str):
    """Backtracking would take minutes."""
    text = piece * (100_000 // len(piece))
    began = time.perf_counter()
    redact_text(text)
    assert time.perf_counter() - began < 60
