# SPDX-License-Identifier: Apache-2.0
"""tshark's reading of an S7 capture, one Pdu per S7 PDU or COTP connect (a frame may hold several).

A PDU that spans segments or several COTP data units belongs to the frame that completes it.
"""
import dataclasses
import subprocess
import xml.etree.ElementTree as ET

AREAS = {0x03: "SI", 0x05: "SF", 0x06: "AI", 0x07: "AQ", 0x1C: "C", 0x1D: "T", 0x1E: "C200", 0x1F: "T200",
         0x80: "P", 0x81: "I", 0x82: "Q", 0x83: "M", 0x84: "DB", 0x85: "DI", 0x86: "L", 0x87: "V"}
COTP = {0x0E: "connect request", 0x0D: "connect confirm", 0x08: "disconnect request", 0x0C: "disconnect confirm",
        0x07: "error"}
CONNECTS = 0x0E, 0x0D
S7ANY = 0x10
EMPTY_DT = 7  # octets of a TPKT whose COTP data unit has no data


@dataclasses.dataclass
class Pdu:
    frame: int
    src: str
    kind: str | None  # request or response
    label: str        # for people
    rosctr: int | None = None  # COTP has none
    pdu_ref: int | None = None
    code: int | None = None
    group: int | None = None
    subcode: int | None = None
    szl_id: int | None = None
    szl_index: int | None = None
    items: list | None = None  # (area, db, byte, bit, count) of jobs
    return_codes: list | None = None
    block: tuple | None = None  # type as two digits of hex text, number as text
    pi_service: str | None = None
    error_class: int | None = None
    error_code: int | None = None
    error: int | None = None    # of userdata
    values: list | None = None  # of written or read items, as hex
    pdu_size: int | None = None
    src_tsap: str | None = None
    dst_tsap: str | None = None


def shows(proto, name):
    return [f.get("show") for f in proto.iter("field") if f.get("name") == name]


def show(proto, name):
    return next(iter(shows(proto, name)), None)


def number(proto, name):
    text = show(proto, name)
    return None if text is None else int(text, 0)


def named(proto, name):
    """What tshark calls the value: "Function: Read Var (0x04)" -> "Read Var"."""
    for f in proto.iter("field"):
        if f.get("name") == name:
            return f.get("showname").split(": ", 1)[1].rsplit(" (", 1)[0]
    return ""


def item(field):
    if number(field, "s7comm.param.item.syntaxid") != S7ANY:
        return None
    area = AREAS.get(number(field, "s7comm.param.item.area"))
    whole = number(field, "s7comm.param.item.address")
    if area in ("T", "C"):  # the address is the number
        return area, 0, whole, 0, number(field, "s7comm.param.item.length")
    return (area, number(field, "s7comm.param.item.db"), whole >> 3, whole & 7,
            number(field, "s7comm.param.item.length"))


def s7(frame, src, proto):
    rosctr = number(proto, "s7comm.header.rosctr")
    p = Pdu(frame, src, "request" if rosctr == 1 else "response", "", rosctr, number(proto, "s7comm.header.pduref"),
            number(proto, "s7comm.param.func"))
    if rosctr in (2, 3):
        p.error_class, p.error_code = number(proto, "s7comm.header.errcls"), number(proto, "s7comm.header.errcod")
    p.label = named(proto, "s7comm.param.func") or "acknowledgement without parameters"
    if rosctr == 7:
        p.kind = "request" if number(proto, "s7comm.param.userdata.type") == 4 else "response"
        p.group = number(proto, "s7comm.param.userdata.funcgroup")
        p.subcode = number(proto, "s7comm.param.userdata.subfunc")
        p.label = f'{named(proto, "s7comm.param.userdata.funcgroup")}: {named(proto, "s7comm.param.userdata.subfunc")}'
        p.szl_id, p.szl_index = number(proto, "s7comm.data.userdata.szl_id"), number(proto, "s7comm.data.userdata.szl_index")
        p.error = number(proto, "s7comm.param.errcod")
    p.pdu_size = number(proto, "s7comm.param.pdu_length")
    p.pi_service = show(proto, "s7comm.param.pistart.servicename")
    numbers = shows(proto, "s7comm.data.blockcontrol.block_number")
    if p.kind == "request" and len(numbers) == 1:
        p.block = show(proto, "s7comm.data.blockcontrol.block_type"), numbers[0]
    if rosctr == 1 and p.code in (4, 5):
        p.items = [item(f) for f in proto.iter("field") if f.get("name") == "s7comm.param.item"]
    elif rosctr == 3 and p.code in (4, 5) and p.error_class == 0:
        p.return_codes = [int(v, 0) for v in shows(proto, "s7comm.data.returncode")]
    if (rosctr, p.code) in ((1, 5), (3, 4)):
        p.values = [v.replace(":", "") for v in shows(proto, "s7comm.resp.data")]
    return p


def read(pcap, _recorder=None):
    """All PDUs of a capture, in order."""
    command = ["tshark", "-n", "-r", str(pcap), "-T", "pdml", "-Y", "cotp", "-o", "tcp.desegment_tcp_streams:TRUE",
               "-o", "tpkt.desegment:TRUE", "-o", "cotp.reassemble:TRUE"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        for _, packet in ET.iterparse(run.stdout):
            if packet.tag != "packet":
                continue
            frame, src, empty = None, None, False
            for proto in packet.findall("proto"):
                name = proto.get("name")
                if name == "geninfo":
                    frame = number(proto, "num")
                elif name in ("ip", "ipv6"):
                    src = show(proto, name + ".src")
                elif name == "tpkt":
                    empty = number(proto, "tpkt.length") == EMPTY_DT
                elif name == "cotp" and empty and number(proto, "cotp.eot") == 0:
                    yield Pdu(frame, src, None, "COTP empty data unit")
                elif name == "cotp" and (kind := number(proto, "cotp.type")) in COTP:
                    if kind in CONNECTS and not show(proto, "cotp.dst-tsap-bytes"):
                        continue  # another user of COTP: RDP gives no TSAP
                    yield Pdu(frame, src, "response" if kind in (0x0D, 0x0C) else "request", "COTP " + COTP[kind],
                              src_tsap=show(proto, "cotp.src-tsap-bytes"), dst_tsap=show(proto, "cotp.dst-tsap-bytes"))
                elif name == "s7comm":
                    yield s7(frame, src, proto)
            packet.clear()
        if run.wait() != 0:
            raise OSError(f"tshark cannot read {pcap}")
