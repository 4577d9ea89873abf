# SPDX-License-Identifier: Apache-2.0
"""tshark's reading of a Modbus capture, one Pdu per PDU (a frame may hold several).

A PDU that spans segments belongs to the frame that completes it.  Who asks and who answers is
told by the server's port: 502, or an RTU port of the capture.

tshark 4.0 wants eight bytes of an ADU in one segment and loses step without them.  For a capture
whose script says `# tshark: joined`, it gets every ADU as a Modbus/UDP datagram of its own instead:
we join the segments, tshark still says what the ADU means.
"""
import dataclasses
import struct
import subprocess
import tempfile
import xml.etree.ElementTree as ET

ECHO = 5, 6, 15, 16, 22  # the answer repeats address and quantity, [APP] 6.5, 6.6, 6.11, 6.12, 6.16
WORDS = 3, 4, 16
FILES = 20, 21           # tshark shows file and record as one number of 32 bits


@dataclasses.dataclass
class Pdu:
    frame: int
    framing: str  # mbap, udp or rtu
    kind: str     # request, response or exception
    code: int     # without the exception bit
    unit: int
    src: str = ""
    txn: int | None = None  # RTU has none
    exception: int | None = None
    addr: int | None = None
    count: int | None = None
    write_addr: int | None = None
    write_count: int | None = None
    subcode: int | None = None
    values: list | None = None
    records: list | None = None  # FC 20 and 21: (file, record, count)


def directives(recorder):
    """What the recording script says about reading: ports of RTU framing, whether to join."""
    rtu, joined = [], False
    with open(recorder) as f:
        for line in f:
            if line.startswith("# rtu:"):
                rtu = [int(p) for p in line[6:].split()]
            joined = joined or line.startswith("# tshark: joined")
    return rtu, joined


def shows(proto, name):
    return [f.get("show") for f in proto.iter("field") if f.get("name") == name]


def number(proto, *names):
    for name in names:
        for text in shows(proto, name):
            return int(text, 0)
    return None


def pdu(frame, framing, head, body, to_server, src):
    p = Pdu(frame=frame, framing=framing, src=src, code=number(body, "modbus.func_code") & 0x7F,
            unit=number(head, "mbrtu.unit_id" if framing == "rtu" else "mbtcp.unit_id"),
            txn=number(head, "mbtcp.trans_id"), exception=number(body, "modbus.exception_code"),
            kind="request" if to_server else "response")
    if p.exception is not None:
        p.kind = "exception"
        return p
    p.subcode = number(body, "modbus.diagnostic_code", "modbus.mei")
    if p.code == 23:
        p.addr, p.count = number(body, "modbus.read_reference_num"), number(body, "modbus.read_word_cnt")
        p.write_addr, p.write_count = number(body, "modbus.write_reference_num"), number(body, "modbus.write_word_cnt")
    elif p.code in FILES:
        groups = zip(shows(body, "modbus.reference_num_32"), shows(body, "modbus.word_cnt"))
        p.records = [(int(ref) >> 16, int(ref) & 0xFFFF, int(n)) for ref, n in groups] or None
    elif p.kind == "request" or p.code in ECHO:
        p.addr = number(body, "modbus.reference_num")
        p.count = number(body, "modbus.word_cnt", "modbus.bit_cnt")
    if p.code in WORDS and shows(body, "modbus.regval_uint16"):
        p.values = [int(v) for v in shows(body, "modbus.regval_uint16")]
    return p


def join(pcap, out):
    """Write each ADU of a capture (Ethernet, IPv4, TCP to or from 502, in order, nothing lost) to
    `out` as a datagram; the list of the frames that complete them."""
    raw = open(pcap, "rb").read()
    out.write(raw[:24])
    streams, frames, at, frame = {}, [], 24, 0
    while at < len(raw):
        stamp, size = raw[at:at + 8], struct.unpack_from("<I", raw, at + 8)[0]
        packet = raw[at + 16:at + 16 + size]
        at, frame = at + 16 + size, frame + 1
        if packet[12:14] != b"\x08\x00" or packet[23] != 6:
            continue
        payload = packet[34 + (packet[46] >> 4) * 4:14 + struct.unpack(">H", packet[16:18])[0]]
        key = packet[26:38]
        data = streams.get(key, b"") + payload
        while len(data) >= 6 and len(data) >= 6 + struct.unpack(">H", data[4:6])[0]:
            adu, data = data[:6 + struct.unpack(">H", data[4:6])[0]], data[6 + struct.unpack(">H", data[4:6])[0]:]
            udp = packet[34:38] + struct.pack(">HH", 8 + len(adu), 0) + adu
            ip = packet[14:16] + struct.pack(">H", 20 + len(udp)) + packet[18:23] + b"\x11\0\0" + packet[26:34]
            out.write(stamp + struct.pack("<II", 34 + len(udp), 34 + len(udp)) + packet[:14] + ip + udp)
            frames.append(frame)
        streams[key] = data
    out.flush()
    return frames


def read(pcap, recorder):
    """All PDUs of a capture that `recorder` made, in order."""
    rtu, joined = directives(recorder)
    if not joined:
        yield from read_plain(pcap, rtu)
        return
    with tempfile.NamedTemporaryFile(suffix=".pcap") as out:
        frames = join(pcap, out)
        for p in read_plain(out.name, rtu):
            p.frame, p.framing = frames[p.frame - 1], "mbap"
            yield p


def read_plain(pcap, rtu):
    command = ["tshark", "-n", "-r", pcap, "-T", "pdml", "-o", "mbrtu.crc_verification:TRUE"]
    if rtu:
        command += ["-o", "mbrtu.tcp.port:" + ",".join(map(str, rtu))]
        for port in rtu:
            command += ["-d", f"tcp.port=={port},mbrtu"]
    servers = {502, *rtu}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        for _, packet in ET.iterparse(run.stdout):
            if packet.tag != "packet":
                continue
            frame = dport = head = None
            src, framing = "", "mbap"
            for proto in packet.findall("proto"):
                name = proto.get("name")
                if name == "geninfo":
                    frame = number(proto, "num")
                elif name in ("ip", "ipv6"):
                    src = shows(proto, name + ".src")[0]
                elif name in ("tcp", "udp"):
                    dport = number(proto, name + ".dstport")
                elif name in ("mbtcp", "mbudp", "mbrtu"):
                    head, framing = proto, {"mbtcp": "mbap", "mbudp": "udp", "mbrtu": "rtu"}[name]
                elif name == "modbus":
                    yield pdu(frame, framing, head, proto, dport in servers, src)
            packet.clear()
        if run.wait() != 0:
            raise OSError(f"tshark cannot read {pcap}")
