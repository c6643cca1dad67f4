-- Tables that the sink fills, one for each topic with a table in the catalogue; a test holds columns and schemas together.
--
-- A row that Postgres refuses stops the sink. So no column is stricter than its schema (with the rules of records), and the only
-- constraint is the key by which the sink upserts. Amounts are exact, times are UTC to the microsecond, enums are text.
-- log_partition and log_offset say where the record stands on its topic: rows of one account are written by one task into one
-- partition, so the offset orders even what happened at the same microsecond.

CREATE TABLE instruments (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    exchange text NOT NULL,
    symbol text NOT NULL,
    kind text NOT NULL,
    base_asset text NOT NULL,
    quote_asset text NOT NULL,
    tick_size numeric(38,12) NOT NULL,
    lot_size numeric(38,12) NOT NULL,
    quantity_min numeric(38,12) NOT NULL,
    notional_min numeric(38,12) NOT NULL,
    contract_size numeric(38,12) NOT NULL,
    maker_fee_rate numeric(38,12) NOT NULL,
    taker_fee_rate numeric(38,12) NOT NULL,
    leverage_max numeric(38,12) NOT NULL,
    tiers jsonb NOT NULL,
    status text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE instruments IS 'Rules of symbols, versioned by validity.';

CREATE TABLE funding (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    symbol text NOT NULL,
    rate numeric(38,12) NOT NULL,
    interval_hours bigint NOT NULL,
    settlement_time timestamptz NOT NULL,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE funding IS 'Funding settlements; a positive rate means longs pay shorts.';

CREATE TABLE candles (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    symbol text NOT NULL,
    interval_seconds bigint NOT NULL,
    open_time timestamptz NOT NULL,
    close_time timestamptz NOT NULL,
    open numeric(38,12) NOT NULL,
    high numeric(38,12) NOT NULL,
    low numeric(38,12) NOT NULL,
    close numeric(38,12) NOT NULL,
    volume numeric(38,12) NOT NULL,
    quote_volume numeric(38,12) NOT NULL,
    trade_count bigint NOT NULL,
    late_trades bigint NOT NULL,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE candles IS 'Closed candles by the exchange''s trade time.';
CREATE INDEX candles_by_time ON candles (session, time);

CREATE TABLE regimes (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    symbol text NOT NULL,
    regime text NOT NULL,
    adx numeric(38,12),
    atr_ratio numeric(38,12),
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE regimes IS 'Changes of market regimes.';

CREATE TABLE signals (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    account text NOT NULL,
    strategy text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    strength numeric(38,12) NOT NULL,
    confidence numeric(38,12) NOT NULL,
    price numeric(38,12) NOT NULL,
    reason text NOT NULL,
    indicators jsonb NOT NULL,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE signals IS 'What strategies want.';
CREATE INDEX signals_by_time ON signals (session, time);

CREATE TABLE orders (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    account text NOT NULL,
    strategy text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    purpose text NOT NULL,
    approved boolean NOT NULL,
    rejection_code text,
    measured numeric(38,12),
    "limit" numeric(38,12),
    requested_quantity numeric(38,12) NOT NULL,
    requested_notional numeric(38,12) NOT NULL,
    quantity numeric(38,12) NOT NULL,
    notional numeric(38,12) NOT NULL,
    order_type text NOT NULL,
    limit_price numeric(38,12),
    stop_price numeric(38,12),
    expires_at timestamptz,
    reduce_only boolean NOT NULL,
    target_order_id text,
    decision_mark numeric(38,12),
    checks jsonb NOT NULL,
    sizing jsonb NOT NULL,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE orders IS 'Every risk decision, approved or not; event_id is the order id.';
CREATE INDEX orders_by_time ON orders (session, time);

CREATE TABLE order_results (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    account text NOT NULL,
    strategy text NOT NULL,
    symbol text NOT NULL,
    order_id text NOT NULL,
    side text NOT NULL,
    status text NOT NULL,
    terminal boolean NOT NULL,
    reason text,
    quantity numeric(38,12) NOT NULL,
    price numeric(38,12),
    notional numeric(38,12) NOT NULL,
    cumulative_quantity numeric(38,12) NOT NULL,
    remaining_quantity numeric(38,12) NOT NULL,
    fee numeric(38,12) NOT NULL,
    fee_asset text NOT NULL,
    liquidity text NOT NULL,
    decision_mark numeric(38,12),
    slippage_bps numeric(38,12),
    latency_us bigint NOT NULL,
    fill_time timestamptz NOT NULL,
    model text NOT NULL,
    market_event_id text,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE order_results IS 'Execution''s answers to orders.';
CREATE INDEX order_results_by_time ON order_results (session, time);

CREATE TABLE ledger_entries (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    account text NOT NULL,
    strategy text NOT NULL,
    symbol text NOT NULL,
    kind text NOT NULL,
    asset text NOT NULL,
    amount numeric(38,12) NOT NULL,
    order_id text,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE ledger_entries IS 'Every change of a balance; received is positive.';
CREATE INDEX ledger_entries_by_time ON ledger_entries (session, time);

CREATE TABLE allocations (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    account text NOT NULL,
    strategy text NOT NULL,
    regime text NOT NULL,
    fraction numeric(38,12) NOT NULL,
    score numeric(38,12),
    reason text NOT NULL,
    cooldown_until timestamptz,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE allocations IS 'Shares of equity that strategies may use.';

CREATE TABLE position_history (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    account text NOT NULL,
    strategy text NOT NULL,
    symbol text NOT NULL,
    quantity numeric(38,12) NOT NULL,
    entry_price numeric(38,12),
    cost numeric(38,12) NOT NULL,
    mark numeric(38,12),
    realized_pnl numeric(38,12) NOT NULL,
    unrealized_pnl numeric(38,12) NOT NULL,
    fees numeric(38,12) NOT NULL,
    funding numeric(38,12) NOT NULL,
    margin numeric(38,12) NOT NULL,
    leverage numeric(38,12) NOT NULL,
    liquidation_price numeric(38,12),
    stop_price numeric(38,12),
    take_profit_price numeric(38,12),
    opened_at timestamptz,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE position_history IS 'Every state of every position; positive quantity is long.';
CREATE INDEX position_history_newest ON position_history (session, account, strategy, symbol, log_offset DESC);

CREATE TABLE portfolio_snapshots (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    account text NOT NULL,
    currency text NOT NULL,
    initial_equity numeric(38,12) NOT NULL,
    equity numeric(38,12) NOT NULL,
    cash numeric(38,12) NOT NULL,
    realized_pnl numeric(38,12) NOT NULL,
    unrealized_pnl numeric(38,12) NOT NULL,
    fees numeric(38,12) NOT NULL,
    funding numeric(38,12) NOT NULL,
    margin_used numeric(38,12) NOT NULL,
    exposure numeric(38,12) NOT NULL,
    peak_equity numeric(38,12) NOT NULL,
    drawdown numeric(38,12) NOT NULL,
    day_start_equity numeric(38,12) NOT NULL,
    daily_drawdown numeric(38,12) NOT NULL,
    daily_pnl numeric(38,12) NOT NULL,
    open_positions bigint NOT NULL,
    risk_mode text NOT NULL,
    reason text NOT NULL,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE portfolio_snapshots IS 'State of accounts; initial + realized + funding - fees + unrealized = equity.';
CREATE INDEX portfolio_snapshots_by_time ON portfolio_snapshots (session, time);

CREATE TABLE alerts (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    account text NOT NULL,
    symbol text,
    level text NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    measured numeric(38,12),
    "limit" numeric(38,12),
    action_required text NOT NULL,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE alerts IS 'What a person should know.';
CREATE INDEX alerts_by_time ON alerts (session, time);

CREATE TABLE commands (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    account text NOT NULL,
    kind text NOT NULL,
    symbol text,
    operator text NOT NULL,
    justification text NOT NULL,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE commands IS 'What operators asked of risk.';

CREATE TABLE journal (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    stage text NOT NULL,
    task bigint NOT NULL,
    sequence bigint NOT NULL,
    positions jsonb NOT NULL,
    frontier bigint NOT NULL,
    watermark bigint NOT NULL,
    commands jsonb NOT NULL,
    outputs_count bigint NOT NULL,
    outputs_digest text NOT NULL,
    previous_digest text NOT NULL,
    code_version text NOT NULL,
    settings_digest text NOT NULL,
    source text NOT NULL,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE journal IS 'Committed steps of tasks.';

CREATE TABLE dead_letters (
    event_id text NOT NULL,
    causation_id text NOT NULL,
    correlation_id text NOT NULL,
    session text NOT NULL,
    time timestamptz NOT NULL,
    source_topic text NOT NULL,
    source_partition bigint NOT NULL,
    source_offset bigint NOT NULL,
    rule text NOT NULL,
    cause text NOT NULL,
    payload bytea,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    PRIMARY KEY (session, event_id)
);
COMMENT ON TABLE dead_letters IS 'What could not be decoded or breaks a rule.';

-- The newest state of each position.
CREATE VIEW positions AS
SELECT DISTINCT ON (session, account, strategy, symbol) *
FROM position_history
ORDER BY session, account, strategy, symbol, log_offset DESC;

-- What actually traded: the results in which something filled.
CREATE VIEW trades AS
SELECT session, event_id, order_id, time, fill_time, account, strategy, symbol, side, quantity, price, notional, fee, fee_asset,
       liquidity, decision_mark, slippage_bps, latency_us, model, market_event_id
FROM order_results
WHERE quantity > 0;
