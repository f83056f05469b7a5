"""Addresses at which a push service may be asked."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import BadRequest
from sightline.notifications.services import SERVICES, service_of


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:9/other",
        "https://169.254.169.254/latest/meta-data",
        "http://fcm.googleapis.com/fcm/send/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com@evil.example/x",
        "https://evil.example/fcm.googleapis.com",
        "https://evil.example?.push.apple.com/x",
        "https://evil.example#.push.apple.com/x",
        "https://evil.example\\.push.apple.com/x",
        "https://push.apple.com\\@evil.example/x",
        "https://fcm.googleapis.com.evil.example/x",
        "https://notfcm.googleapis.com/x",
        "https://evilnotify.windows.com/x",
        "https://web.push.apple.com /x",
        "https://web.push.apple.com/\r\nHost: evil.example",
        "https://web.push.apple.com\u3002evil.example/x",
        "https://[::1/x",
        "https://:443/x",
        "https://",
        "file:///etc/passwd",
        "//fcm.googleapis.com/x",
        "",
    ],
)
def test_addresses_of_others_are_refused(endpoint: str) -> None:
    with pytest.raises(BadRequest, match="push_services allows others"):
        service_of(endpoint, ("https://push.example",))


@given(st.text(max_size=60))
def test_whatever_comes_is_a_service_or_refused(text: str) -> None:
    for endpoint in (text, f"https://{text}", f"https://{text}.push.apple.com/x", f"https://push.apple.com{text}"):
        with suppress(BadRequest):
            assert service_of(endpoint) in SERVICES


@pytest.mark.parametrize(
    ("endpoint", "service"),
    [
        ("https://fcm.googleapis.com/fcm/send/x:y", "Google"),
        ("https://fcm.googleapis.com:443/fcm/send/x", "Google"),
        ("https://updates.push.services.mozilla.com/wpush/v2/x", "Mozilla"),
        ("https://web.push.apple.com/x", "Apple"),
        ("https://wns2-par02p.notify.windows.com/w/?token=x%3d", "Microsoft"),
        ("https://push.example:8443/x", "https://push.example:8443"),
    ],
)
def test_services_of_browsers_and_of_the_operator_are_known(endpoint: str, service: str) -> None:
    assert service_of(endpoint, ("https://Push.example:8443/",)) == service
