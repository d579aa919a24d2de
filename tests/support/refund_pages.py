"""A processor with any number of refunds, in a process of its own: pages in the documented shape of Stripe's list.

    python refund_pages.py COUNT SINCE UNTIL

prints its port, answers ``GET /v1/refunds?limit=N&starting_after=ID`` until its standard input ends, and prints how
many requests there were. Refund number N of COUNT, newest first, is ``re_3Page<N, 9 digits>``; what it is made of
follows from N alone.
"""

from __future__ import annotations

import socket
import sys
import threading
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

CURRENCIES = ("eur", "usd", "gbp")
ITEM = (
    '{"id":"re_3Page%09d","object":"refund","amount":%d,"balance_transaction":"txn_3Page%09d","charge":"ch_3Page%09d",'
    '"created":%d,"currency":"%s","destination_details":{"card":{"reference":"74537%018d","reference_status":'
    '"available","reference_type":"acquirer_reference_number","type":"refund"},"type":"card"},"metadata":{},'
    '"payment_intent":"pi_3Page%09d","reason":"requested_by_customer","receipt_number":null,'
    '"source_transfer_reversal":null,"status":"succeeded","transfer_reversal":null}'
)

requests = 0


def amount_of(number: int) -> int:
    """Minor units."""
    return 100 + number * 7919 % 99_900


def currency_of(number: int) -> str:
    """As Stripe writes it."""
    return CURRENCIES[number % len(CURRENCIES)]


def created(number: int, count: int, since: int, until: int) -> int:
    """Unix seconds; number 0 is the newest."""
    return until - 1 - number * (until - since - 1) // count


def page(target: str, count: int, since: int, until: int) -> bytes:
    """One answer."""
    asked = parse_qs(urlsplit(target).query)
    after = asked.get("starting_after", [""])[0]
    start = int(after[-9:]) + 1 if after else 0
    end = min(start + int(asked.get("limit", ["10"])[0]), count)
    items = ",".join(
        ITEM
        % (
            *(number, amount_of(number), number, number, created(number, count, since, until)),
            *(currency_of(number), number, number),
        )
        for number in range(start, end)
    )
    more = "true" if end < count else "false"
    body = f'{{"object":"list","url":"/v1/refunds","has_more":{more},"data":[{items}]}}'.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def answer(connection: socket.socket, count: int, since: int, until: int) -> None:
    """Answer every request of a connection until it ends."""
    global requests
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waiting = b""
    with connection:
        while data := connection.recv(65536):
            waiting += data
            while b"\r\n\r\n" in waiting:
                head, _, waiting = waiting.partition(b"\r\n\r\n")
                requests += 1
                connection.sendall(page(head.split()[1].decode(), count, since, until))


def main(count: int, since: int, until: int) -> None:
    """Serve on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=_serve, args=(listener, count, since, until), daemon=True).start()
        sys.stdin.read()
        print(requests)


def _serve(listener: socket.socket, count: int, since: int, until: int) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection, count, since, until), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), *(int(datetime.fromisoformat(text).timestamp()) for text in sys.argv[2:4]))
