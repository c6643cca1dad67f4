from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PushData(_message.Message):
    __slots__ = ("channel", "symbol", "symbol_id", "create_time", "send_time", "limit_depths", "book_ticker", "kline", "book_ticker_batch", "aggre_depths", "aggre_deals", "aggre_book_ticker")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SEND_TIME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_DEPTHS_FIELD_NUMBER: _ClassVar[int]
    BOOK_TICKER_FIELD_NUMBER: _ClassVar[int]
    KLINE_FIELD_NUMBER: _ClassVar[int]
    BOOK_TICKER_BATCH_FIELD_NUMBER: _ClassVar[int]
    AGGRE_DEPTHS_FIELD_NUMBER: _ClassVar[int]
    AGGRE_DEALS_FIELD_NUMBER: _ClassVar[int]
    AGGRE_BOOK_TICKER_FIELD_NUMBER: _ClassVar[int]
    channel: str
    symbol: str
    symbol_id: str
    create_time: int
    send_time: int
    limit_depths: LimitDepths
    book_ticker: BookTicker
    kline: Kline
    book_ticker_batch: BookTickerBatch
    aggre_depths: AggreDepths
    aggre_deals: AggreDeals
    aggre_book_ticker: AggreBookTicker
    def __init__(self, channel: _Optional[str] = ..., symbol: _Optional[str] = ..., symbol_id: _Optional[str] = ..., create_time: _Optional[int] = ..., send_time: _Optional[int] = ..., limit_depths: _Optional[_Union[LimitDepths, _Mapping]] = ..., book_ticker: _Optional[_Union[BookTicker, _Mapping]] = ..., kline: _Optional[_Union[Kline, _Mapping]] = ..., book_ticker_batch: _Optional[_Union[BookTickerBatch, _Mapping]] = ..., aggre_depths: _Optional[_Union[AggreDepths, _Mapping]] = ..., aggre_deals: _Optional[_Union[AggreDeals, _Mapping]] = ..., aggre_book_ticker: _Optional[_Union[AggreBookTicker, _Mapping]] = ...) -> None: ...

class AggreDeals(_message.Message):
    __slots__ = ("deals", "event_type")
    DEALS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    deals: _containers.RepeatedCompositeFieldContainer[Deal]
    event_type: str
    def __init__(self, deals: _Optional[_Iterable[_Union[Deal, _Mapping]]] = ..., event_type: _Optional[str] = ...) -> None: ...

class Deal(_message.Message):
    __slots__ = ("price", "quantity", "trade_type", "time", "trade_id")
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    TRADE_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TRADE_ID_FIELD_NUMBER: _ClassVar[int]
    price: str
    quantity: str
    trade_type: int
    time: int
    trade_id: str
    def __init__(self, price: _Optional[str] = ..., quantity: _Optional[str] = ..., trade_type: _Optional[int] = ..., time: _Optional[int] = ..., trade_id: _Optional[str] = ...) -> None: ...

class Level(_message.Message):
    __slots__ = ("price", "quantity")
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    price: str
    quantity: str
    def __init__(self, price: _Optional[str] = ..., quantity: _Optional[str] = ...) -> None: ...

class AggreDepths(_message.Message):
    __slots__ = ("asks", "bids", "event_type", "from_version", "to_version", "last_order_create_time")
    ASKS_FIELD_NUMBER: _ClassVar[int]
    BIDS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    LAST_ORDER_CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    asks: _containers.RepeatedCompositeFieldContainer[Level]
    bids: _containers.RepeatedCompositeFieldContainer[Level]
    event_type: str
    from_version: str
    to_version: str
    last_order_create_time: int
    def __init__(self, asks: _Optional[_Iterable[_Union[Level, _Mapping]]] = ..., bids: _Optional[_Iterable[_Union[Level, _Mapping]]] = ..., event_type: _Optional[str] = ..., from_version: _Optional[str] = ..., to_version: _Optional[str] = ..., last_order_create_time: _Optional[int] = ...) -> None: ...

class LimitDepths(_message.Message):
    __slots__ = ("asks", "bids", "event_type", "version", "last_order_create_time")
    ASKS_FIELD_NUMBER: _ClassVar[int]
    BIDS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LAST_ORDER_CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    asks: _containers.RepeatedCompositeFieldContainer[Level]
    bids: _containers.RepeatedCompositeFieldContainer[Level]
    event_type: str
    version: str
    last_order_create_time: int
    def __init__(self, asks: _Optional[_Iterable[_Union[Level, _Mapping]]] = ..., bids: _Optional[_Iterable[_Union[Level, _Mapping]]] = ..., event_type: _Optional[str] = ..., version: _Optional[str] = ..., last_order_create_time: _Optional[int] = ...) -> None: ...

class AggreBookTicker(_message.Message):
    __slots__ = ("bid_price", "bid_quantity", "ask_price", "ask_quantity", "version", "last_order_create_time")
    BID_PRICE_FIELD_NUMBER: _ClassVar[int]
    BID_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ASK_PRICE_FIELD_NUMBER: _ClassVar[int]
    ASK_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LAST_ORDER_CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    bid_price: str
    bid_quantity: str
    ask_price: str
    ask_quantity: str
    version: str
    last_order_create_time: int
    def __init__(self, bid_price: _Optional[str] = ..., bid_quantity: _Optional[str] = ..., ask_price: _Optional[str] = ..., ask_quantity: _Optional[str] = ..., version: _Optional[str] = ..., last_order_create_time: _Optional[int] = ...) -> None: ...

class BookTicker(_message.Message):
    __slots__ = ("bid_price", "bid_quantity", "ask_price", "ask_quantity")
    BID_PRICE_FIELD_NUMBER: _ClassVar[int]
    BID_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ASK_PRICE_FIELD_NUMBER: _ClassVar[int]
    ASK_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    bid_price: str
    bid_quantity: str
    ask_price: str
    ask_quantity: str
    def __init__(self, bid_price: _Optional[str] = ..., bid_quantity: _Optional[str] = ..., ask_price: _Optional[str] = ..., ask_quantity: _Optional[str] = ...) -> None: ...

class BookTickerBatch(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[BookTicker]
    def __init__(self, items: _Optional[_Iterable[_Union[BookTicker, _Mapping]]] = ...) -> None: ...

class Kline(_message.Message):
    __slots__ = ("interval", "window_start", "opening_price", "closing_price", "highest_price", "lowest_price", "volume", "amount", "window_end")
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_FIELD_NUMBER: _ClassVar[int]
    OPENING_PRICE_FIELD_NUMBER: _ClassVar[int]
    CLOSING_PRICE_FIELD_NUMBER: _ClassVar[int]
    HIGHEST_PRICE_FIELD_NUMBER: _ClassVar[int]
    LOWEST_PRICE_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_FIELD_NUMBER: _ClassVar[int]
    interval: str
    window_start: int
    opening_price: str
    closing_price: str
    highest_price: str
    lowest_price: str
    volume: str
    amount: str
    window_end: int
    def __init__(self, interval: _Optional[str] = ..., window_start: _Optional[int] = ..., opening_price: _Optional[str] = ..., closing_price: _Optional[str] = ..., highest_price: _Optional[str] = ..., lowest_price: _Optional[str] = ..., volume: _Optional[str] = ..., amount: _Optional[str] = ..., window_end: _Optional[int] = ...) -> None: ...
