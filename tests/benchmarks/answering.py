"""A server that gives one answer, with the id that was asked for, in a process of its own: its work is not counted."""

from __future__ import annotations

import socket
import sys
import threading

REFUND = "re_3Benchmark0001"
KEY = "sk_test_benchmark"
BODY = (
    b'{"id":"re_3Benchmark0001","object":"refund","amount":1050,"balance_transaction":"txn_3Benchmark0001","charge":'
    b'"ch_3Benchmark0001","created":1772442000,"currency":"eur","destination_details":{"card":{"reference":'
    b'"70000000000000000000001","reference_status":"available","reference_type":"acquirer_reference_number","type":'
    b'"refund"},"type":"card"},"metadata":{"order_id":"order-1"},"payment_intent":"pi_3Benchmark0001","reason":null,'
    b'"receipt_number":null,"source_transfer_reversal":null,"status":"succeeded","transfer_reversal":null}'
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRequest-Id: req_bench\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


def answer(connection: socket.socket) -> None:
    """Answer every request of a connection until it ends."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waiting = b""
    with connection:
        while data := connection.recv(65536):
            waiting += data
            while b"\r\n\r\n" in waiting:
                head, _, waiting = waiting.partition(b"\r\n\r\n")
                asked = head.split(b" ", 2)[1].rpartition(b"/")[2]
                connection.sendall(ANSWER.replace(REFUND.encode(), asked))


def main() -> None:
    """Serve on a free port of loopback, printed first, until the process is ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
