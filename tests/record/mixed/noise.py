#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""IT traffic as it passes a plant's switch: small, bounded, and real where Python has the protocol.

usage: noise.py server ADDRESS CERT KEY      DNS, HTTP, HTTPS, SSH (banner and key exchange offer), SMB2 and RDP (first answers)
       noise.py client ADDRESS               one conversation with each
       noise.py lldp INTERFACE NAME          an LLDP frame, IEEE 802.1AB 8
"""
import http.client
import http.server
import socket
import ssl
import struct
import sys
import threading
import time

NAME = "erp.plant.example"
SSH_KEX = b"curve25519-sha256,ecdh-sha2-nistp256"
# [MS-RDPBCGR] 2.2.1.1 and 2.2.1.2: X.224 connection request with a cookie, and its confirmation
RDP_REQUEST = b"\x03\x00\x00\x2e\x29\xe0\x00\x00\x00\x00\x00Cookie: mstshash=operator\r\n\x01\x00\x08\x00\x03\x00\x00\x00"
RDP_CONFIRM = b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x02\x00\x00\x00"


def dns(txn, name, answer=None):
    question = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0" + struct.pack(">HH", 1, 1)
    head = struct.pack(">HHHHHH", txn, 0x8180 if answer else 0x0100, 1, 1 if answer else 0, 0, 0)
    return head + question + (b"\xc0\x0c" + struct.pack(">HHIH4s", 1, 1, 60, 4, socket.inet_aton(answer)) if answer else b"")


def ssh_packet(payload):
    pad = 8 - (5 + len(payload)) % 8 + 8
    return struct.pack(">IB", 1 + len(payload) + pad, pad) + payload + bytes(pad)


def ssh_kexinit():  # RFC 4253 7.1
    lists = [SSH_KEX, b"ssh-ed25519", *[b"aes128-ctr"] * 2, *[b"hmac-sha2-256"] * 2, *[b"none"] * 2, b"", b""]
    return ssh_packet(b"\x14" + bytes(range(16)) + b"".join(struct.pack(">I", len(x)) + x for x in lists) + bytes(5))


def smb2(command, flags, body):  # [MS-SMB2] 2.2.1.2, behind a direct TCP transport header
    packet = b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ16s", 64, 0, 0, command, 1, flags, 0, 0, 0, 0, 0, bytes(16)) + body
    return struct.pack(">I", len(packet)) + packet


SMB_ASK = smb2(0, 0, struct.pack("<HHHHI16sQ2H", 36, 2, 1, 0, 0, bytes(16), 0, 0x0202, 0x0210))
SMB_ANSWER = smb2(0, 1, struct.pack("<HHHH16sIIIIQQHHI", 65, 1, 0x0210, 0, bytes(16), 0, 65536, 65536, 65536, 0, 0, 128, 0, 0) + b"\0")


class Quiet(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "plant-web/1.0", ""

    def do_GET(self):
        body = b"<html><body>Bottling line 2: shift report</body></html>\n" * 10
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def answering(address, port, *replies):
    """Says replies[0] at once, if there is one, then one more for each message."""
    def run():
        door = socket.create_server((address, port))
        while True:
            s, _ = door.accept()
            with s:
                if replies[0]:
                    s.sendall(replies[0])
                for reply in replies[1:]:
                    if not s.recv(4096):
                        break
                    s.sendall(reply)
                s.recv(4096)
    threading.Thread(target=run, daemon=True).start()


def server(address, cert, key):
    def names():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address, 53))
        while True:
            ask, peer = s.recvfrom(512)
            s.sendto(dns(struct.unpack(">H", ask[:2])[0], NAME, address), peer)
    threading.Thread(target=names, daemon=True).start()
    answering(address, 22, b"SSH-2.0-OpenSSH_9.2p1\r\n", ssh_kexinit())
    answering(address, 445, b"", SMB_ANSWER)
    answering(address, 3389, b"", RDP_CONFIRM)
    threading.Thread(target=http.server.HTTPServer((address, 80), Quiet).serve_forever, daemon=True).start()
    secure = http.server.HTTPServer((address, 443), Quiet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    secure.serve_forever()


def talk(address, port, *messages):
    with socket.create_connection((address, port), timeout=2) as s:
        for message in messages:
            s.sendall(message)
            s.recv(4096)


def client(address):
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.settimeout(1)
    u.sendto(dns(0x1234, NAME), (address, 53))
    u.recv(512)
    for make in (lambda: http.client.HTTPConnection(address, timeout=2), lambda: https(address)):
        c = make()
        c.request("GET", "/report?line=2", headers={"Host": NAME, "User-Agent": "Mozilla/5.0"})
        c.getresponse().read()
        c.close()
    with socket.create_connection((address, 22), timeout=2) as s:
        s.recv(256)
        s.sendall(b"SSH-2.0-PuTTY_Release_0.80\r\n")
        s.recv(2048)
        s.sendall(ssh_kexinit())
        time.sleep(0.05)
    talk(address, 445, SMB_ASK)
    talk(address, 3389, RDP_REQUEST)


def https(address):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    c = http.client.HTTPSConnection(NAME, timeout=2, context=context)
    c.sock = context.wrap_socket(socket.create_connection((address, 443), timeout=2), server_hostname=NAME)
    return c


def lldp(interface, name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((interface, 0))
    mac = s.getsockname()[4]

    def tlv(kind, value):
        return struct.pack(">H", kind << 9 | len(value)) + value
    s.send(bytes.fromhex("0180c200000e") + mac + b"\x88\xcc" + tlv(1, b"\x04" + mac) + tlv(2, b"\x07port-001") +
           tlv(3, struct.pack(">H", 20)) + tlv(5, name.encode()) + tlv(0, b""))


what, *rest = sys.argv[1:]
{"server": server, "client": client, "lldp": lldp}[what](*rest)
