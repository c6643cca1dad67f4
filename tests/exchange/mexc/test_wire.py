"""The generated protobuf module is what protoc makes of our `.proto`, and lives beside another client's copy of MEXC's names."""

from pathlib import Path

from grpc_tools import protoc

from streams.exchange.mexc import wire
from streams.exchange.mexc.wire import mexc_spot_pb2

FOLDER = Path(wire.__file__).parent


def test_generated_module_is_what_protoc_makes_of_the_proto(tmp_path):
    assert protoc.main(["protoc", f"-I{FOLDER}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", "mexc_spot.proto"]) == 0
    for name in ("mexc_spot_pb2.py", "mexc_spot_pb2.pyi"):
        assert (FOLDER / name).read_text() == (tmp_path / name).read_text(), f"make {name} anew, as wire/__init__.py says"


def test_a_push_of_deals_has_the_bytes_that_the_field_numbers_say():
    """Worked by hand: tag = number << 3 | type (2: length, 0: varint); field 314's tag is 2514 = d2 13."""
    push = mexc_spot_pb2.PushData(channel="c", symbol="S", send_time=1)
    push.aggre_deals.deals.add(price="2", quantity="3", trade_type=1, time=5, trade_id="7")
    deal = b"\x0a\x01" + b"2" + b"\x12\x01" + b"3" + b"\x18\x01" + b"\x20\x05" + b"\x2a\x01" + b"7"
    body = b"\x0a" + bytes([len(deal)]) + deal
    assert push.SerializeToString() == b"\x0a\x01c" + b"\x1a\x01S" + b"\x30\x01" + b"\xd2\x13" + bytes([len(body)]) + body


def test_names_are_in_a_package_of_our_own():
    assert mexc_spot_pb2.DESCRIPTOR.package == "cdb.mexc.spot"
