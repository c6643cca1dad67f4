-- Accounts may have assets besides their currency: what the marks of those have made of them, and what there is of each.
ALTER TABLE portfolio_snapshots ADD COLUMN conversion numeric(38,12);
ALTER TABLE portfolio_snapshots ADD COLUMN balances jsonb;
COMMENT ON TABLE portfolio_snapshots IS 'State of accounts; initial + realized + funding - fees + unrealized + conversion = equity.';
ALTER TABLE position_history ADD COLUMN conversion_mark numeric(38,12);
-- A view keeps the columns that there were when it was made.
CREATE OR REPLACE VIEW positions AS
SELECT DISTINCT ON (session, account, strategy, symbol) *
FROM position_history
ORDER BY session, account, strategy, symbol, log_offset DESC;
