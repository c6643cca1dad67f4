"""
MEXC's spot websocket on the wire: `mexc_spot.proto` and the module that protoc made of it.

Made anew with `python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. mexc_spot.proto` in this folder.
"""
