"""Channels and documents of a BTS for tests of Neware's messages, a hostile document among them."""

from __future__ import annotations

from packbench.wire.neware.frames import NewareCodec
from packbench.wire.neware.replies import NewareReply
from packbench.wire.neware.requests import Channel, GetStatus, NewareRequest

CHANNEL = Channel(27, 21, 5, 3)
OTHER = Channel(27, 21, 5, 4)
HEAD = b'<?xml version="1.0" encoding="UTF-8" ?><bts version="1.0">'
"""How aurora-neware begins every request (`NewareAPI.start_message`)."""
REPLY_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\r\n<bts version="1.0">\r\n'
"""How a BTS 8.0 begins every reply (aurora-neware, tests/mocks.py)."""

ASK_STATUS = GetStatus((CHANNEL,))
STATUS = REPLY_HEAD + (
    b'  <cmd>getchlstatus_resp</cmd>\r\n  <list count="1">\r\n'
    b'    <status ip="127.0.0.1" devtype="27" devid="21" subdevid="5" chlid="3" reservepause="1">working</status>\r\n'
    b"  </list>\r\n</bts>\n\n#\r\n"
)


def answer(request: NewareRequest, frame: bytes) -> NewareReply | None:
    return NewareCodec().decode(request, bytearray(frame))


def inquire_reply(attributes: bytes, count: bytes = b"1") -> bytes:
    return (
        REPLY_HEAD
        + b'  <cmd>inquire_resp</cmd>\r\n  <list count="'
        + count
        + b'">\r\n    <inquire '
        + attributes
        + b" />\r\n  </list>\r\n</bts>\n\n#\r\n"
    )


WORKING = (
    b'dev="27-21-5-3-0" cycle_id="44" step_id="4" step_type="dc" workstatus="working" barcode="pack_02" '
    b'current="-66.0003" voltage="354.6947" capacity="12.001" energy="4200.0047" totaltime="3189199.3" '
    b'relativetime="12319" open_or_close="0" log_code="102000"'
)


LAUGHS = (
    b'<?xml version="1.0"?>\n<!DOCTYPE bts [<!ENTITY a "ha">'
    + b"".join(
        f'<!ENTITY {name} "{f"&{inner};" * 10}">'.encode() for inner, name in zip("abcdefghi", "bcdefghij", strict=True)
    )
    + b"]>\n<bts><cmd>&j;</cmd></bts>"
)
