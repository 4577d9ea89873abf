#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A PLC made of pymodbus 3.0.0, for the recordings.

usage: pb_server.py tcp|udp|rtu ADDRESS PORT     (rtu: RTU framing over TCP)

Unit 1 exists; requests to others stay without an answer.  Two answers of pymodbus 3.0.0
contradict the application protocol and are replaced here: FC 20 (it has no records to
give, and swaps length and reference type) and FC 24 (it gives the length of the queue in
bytes where [APP] 6.18 asks for the number of registers).  Everything else is pymodbus's own.
"""
import asyncio
import struct
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.device import ModbusControlBlock, ModbusDeviceIdentification
from pymodbus.events import CommunicationRestartEvent, RemoteReceiveEvent, RemoteSendEvent
from pymodbus.file_message import (ReadFifoQueueRequest, ReadFifoQueueResponse, ReadFileRecordRequest,
                                   ReadFileRecordResponse, WriteFileRecordRequest)
from pymodbus.server.async_io import ModbusTcpServer, ModbusUdpServer
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer

FILES = {}  # (file, record): 16-bit words
QUEUE = [0x01B8, 0x1284, 0x0000, 0xFFFF]
OBJECTS = 1024


class FileAnswer(ReadFileRecordResponse):
    def encode(self):  # [APP] 6.14: byte count, then (length, reference type 6, data) each
        out = b"".join(struct.pack(">BB", 1 + len(data), 6) + data for data in self.records)
        return struct.pack("B", len(out)) + out


class ReadFile(ReadFileRecordRequest):
    def execute(self, context):
        words = ([FILES.get((r.file_number, r.record_number + i), 0) for i in range(r.record_length)]
                 for r in self.records)
        return FileAnswer([struct.pack(f">{len(w)}H", *w) for w in words])


class WriteFile(WriteFileRecordRequest):
    def execute(self, context):
        for r in self.records:
            for i, word in enumerate(struct.unpack(f">{r.record_length}H", r.record_data)):
                FILES[(r.file_number, r.record_number + i)] = word
        return super().execute(context)


class FifoAnswer(ReadFifoQueueResponse):
    def encode(self):  # [APP] 6.18: byte count, number of registers, registers
        n = len(self.values)
        return struct.pack(f">HH{n}H", 2 + 2 * n, n, *self.values)


class ReadFifo(ReadFifoQueueRequest):
    def execute(self, context):
        return FifoAnswer(QUEUE)


async def main():
    kind, address, port = sys.argv[1:]

    def block(f):
        return ModbusSequentialDataBlock(0, [f(i) for i in range(OBJECTS)])
    unit = ModbusSlaveContext(di=block(lambda i: i % 3 == 0), co=block(lambda i: i % 2 == 0),
                              hr=block(lambda i: i), ir=block(lambda i: 1000 + i), zero_mode=True)
    control = ModbusControlBlock()
    for event in CommunicationRestartEvent(), RemoteReceiveEvent(), RemoteSendEvent(read=True):
        control.addEvent(event)
    control.Counter.Event = 0  # else FC 7 fails: its summary of nine counters does not fit the byte
    identity = ModbusDeviceIdentification(info_name={
        "VendorName": "Interlock", "ProductCode": "IL-PB", "MajorMinorRevision": "3.0.0",
        "VendorUrl": "https://example.invalid/", "ProductName": "Filler 2", "ModelName": "Recorded",
        "UserApplicationName": "bottling-line-2"})
    server = (ModbusUdpServer if kind == "udp" else ModbusTcpServer)(
        ModbusServerContext(slaves={1: unit}, single=False), identity=identity, address=(address, int(port)),
        framer=ModbusRtuFramer if kind == "rtu" else ModbusSocketFramer)
    for request in ReadFile, WriteFile, ReadFifo:
        server.decoder.register(request)
    await server.serve_forever()


asyncio.run(main())
