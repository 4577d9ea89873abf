#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An engineering tool made of pymodbus 3.0.0, for the recordings.

usage: pb_client.py tcp|udp|rtu ADDRESS PORT PLAN...

PLAN  functions   the 19 public functions, with every sub-function of 8 and all ways of 43/14
      basic       1-6, 15, 16, 22, 23
      polling     a screen, twenty times
      exceptions  requests that a healthy device refuses; pymodbus's classes send what they are told
      specials    registers 901.. of mb_server, each answered with that exception; a silent unit
"""
import logging
import sys
import time

from pymodbus import bit_read_message as br, bit_write_message as bw, diag_message as dm
from pymodbus import file_message as fm, mei_message as mm, other_message as om
from pymodbus import register_read_message as rr, register_write_message as rw
from pymodbus.client import ModbusTcpClient, ModbusUdpClient
from pymodbus.pdu import ModbusRequest
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer

logging.disable(logging.CRITICAL)  # refusals are the plan


class Raw(ModbusRequest):
    """A function code with any body."""

    def __init__(self, code, body=b"", unit=1):
        super().__init__(unit)
        self.function_code, self.body = code, body

    def encode(self):
        return self.body


def basic():
    yield br.ReadCoilsRequest(0, 19, 1)
    yield br.ReadDiscreteInputsRequest(10, 22, 1)
    yield rr.ReadHoldingRegistersRequest(100, 10, 1)
    yield rr.ReadInputRegistersRequest(0, 8, 1)
    yield bw.WriteSingleCoilRequest(12, True, 1)
    yield bw.WriteSingleCoilRequest(12, False, 1)
    yield rw.WriteSingleRegisterRequest(100, 750, unit=1)
    yield bw.WriteMultipleCoilsRequest(20, [True, False, True, True, False, False, True, True, True, False], 1)
    yield rw.WriteMultipleRegistersRequest(101, [10, 20, 30, 40], unit=1)
    yield rw.MaskWriteRegisterRequest(104, 0x00F2, 0x0025, unit=1)
    yield rr.ReadWriteMultipleRegistersRequest(read_address=300, read_count=6, write_address=310,
                                               write_registers=[255, 256, 257], unit=1)


def functions():
    yield from basic()
    yield rr.ReadHoldingRegistersRequest(0, 125, 1)   # the largest of each, [APP] 6.1-6.4
    yield br.ReadCoilsRequest(0, 1000, 1)
    yield rw.WriteMultipleRegistersRequest(200, list(range(123)), unit=1)
    yield om.ReadExceptionStatusRequest(unit=1)
    for request in (dm.ReturnQueryDataRequest([0xA537], unit=1), dm.RestartCommunicationsOptionRequest(True, unit=1),
                    dm.ReturnDiagnosticRegisterRequest(unit=1), dm.ChangeAsciiInputDelimiterRequest(0x0D00, unit=1),
                    dm.ClearCountersRequest(unit=1), dm.ReturnBusMessageCountRequest(unit=1),
                    dm.ReturnBusCommunicationErrorCountRequest(unit=1),
                    dm.ReturnBusExceptionErrorCountRequest(unit=1), dm.ReturnSlaveMessageCountRequest(unit=1),
                    dm.ReturnSlaveNoResponseCountRequest(unit=1), dm.ReturnSlaveNAKCountRequest(unit=1),
                    dm.ReturnSlaveBusyCountRequest(unit=1), dm.ReturnSlaveBusCharacterOverrunCountRequest(unit=1),
                    dm.ClearOverrunCountRequest(unit=1)):
        yield request
    yield om.GetCommEventCounterRequest(unit=1)
    yield om.GetCommEventLogRequest(unit=1)
    yield om.ReportSlaveIdRequest(1)
    data = b"\x06\xaf\x04\xbe\x10\x0d"
    yield fm.WriteFileRecordRequest([fm.FileRecord(file_number=4, record_number=7, record_length=3,
                                                   record_data=data)], unit=1)
    yield fm.WriteFileRecordRequest([fm.FileRecord(file_number=4, record_number=1, record_length=2,
                                                   record_data=b"\x0d\xfe\x00\x20"),
                                     fm.FileRecord(file_number=3, record_number=9, record_length=2,
                                                   record_data=b"\x33\xcd\x00\x40")], unit=1)
    yield fm.ReadFileRecordRequest([fm.FileRecord(file_number=4, record_number=1, record_length=2),
                                    fm.FileRecord(file_number=3, record_number=9, record_length=2)], unit=1)
    yield fm.ReadFileRecordRequest([fm.FileRecord(file_number=4, record_number=7, record_length=3)], unit=1)
    yield fm.ReadFifoQueueRequest(0x04DE, unit=1)
    for read_code, object_id in (1, 0), (2, 0), (3, 0), (4, 4), (4, 6):
        yield mm.ReadDeviceInformationRequest(read_code, object_id, unit=1)
    yield dm.ForceListenOnlyModeRequest(unit=1)       # has no answer, [APP] 6.8: last


def polling():
    for i in range(20):
        yield rr.ReadHoldingRegistersRequest(0, 10, 1)
        yield rr.ReadInputRegistersRequest(0, 8, 1)
        yield br.ReadCoilsRequest(0, 16, 1)
        if i % 5 == 4:
            yield rw.WriteSingleRegisterRequest(100, i * 37 % 1501, unit=1)
        time.sleep(0.02)


def exceptions():
    for code in 9, 65, 90, 100, 127:                  # illegal function
        yield Raw(code)
    yield rr.ReadHoldingRegistersRequest(60000, 10, 1)  # illegal data address
    yield br.ReadCoilsRequest(1020, 16, 1)
    yield rr.ReadInputRegistersRequest(65535, 2, 1)
    yield rw.WriteSingleRegisterRequest(5000, 1, unit=1)
    yield rw.WriteMultipleRegistersRequest(1022, [1, 2, 3], unit=1)
    yield bw.WriteMultipleCoilsRequest(1020, [True] * 9, 1)
    yield rw.MaskWriteRegisterRequest(4096, 0xFFFF, 0, unit=1)
    yield rr.ReadWriteMultipleRegistersRequest(read_address=2000, read_count=2, write_address=0,
                                               write_registers=[1], unit=1)
    yield rr.ReadHoldingRegistersRequest(0, 126, 1)   # illegal data value
    yield rr.ReadInputRegistersRequest(0, 0, 1)
    yield br.ReadDiscreteInputsRequest(0, 2001, 1)
    yield Raw(5, b"\x00\x05\x12\x34")                 # a coil is 0000 or ff00
    yield rr.ReadHoldingRegistersRequest(0, 4, 1)     # and a good one


def specials():
    for exception in 4, 5, 6, 7, 8, 10, 11:
        yield rr.ReadHoldingRegistersRequest(900 + exception, 1, 1)
    yield rr.ReadHoldingRegistersRequest(0, 4, 17)    # a unit behind no gateway
    yield rr.ReadHoldingRegistersRequest(0, 4, 9)     # a unit that stays silent
    yield rr.ReadHoldingRegistersRequest(0, 4, 1)


PLANS = {f.__name__: f for f in (functions, basic, polling, exceptions, specials)}


def main():
    kind, address, port, *plans = sys.argv[1:]
    client = (ModbusUdpClient if kind == "udp" else ModbusTcpClient)(
        address, port=int(port), timeout=1, retries=1, retry_on_empty=False,
        framer=ModbusRtuFramer if kind == "rtu" else ModbusSocketFramer)
    for plan in plans:
        for request in PLANS[plan]():
            if not client.connect():
                sys.exit(f"{address}: no connection")
            print(request, "->", client.execute(request))
    client.close()


main()
