"""A name server for one test: every name it is asked for has the one IPv4 address."""

import socket
import struct
import threading


class Dns:
    def __init__(self, address="127.0.0.1"):
        self.address, self.asked = socket.inet_aton(address), []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, whom = self.socket.recvfrom(1500)
            except OSError:
                return
            self.socket.sendto(self.answer(query), whom)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        question = query[12:at + 5]
        kind = struct.unpack(">H", question[-4:-2])[0]
        self.asked.append(".".join(labels))
        count = 1 if kind == 1 else 0
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + self.address
        return query[:2] + struct.pack(">HHHHH", 0x8180, 1, count, 0, 0) + question + record * count

    def close(self):
        self.socket.close()
