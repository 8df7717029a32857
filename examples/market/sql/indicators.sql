-- Computes the indicators of every bar up to yesterday that has none yet: the whole history at first, then one row a
-- symbol and day. The same arithmetic serves both, because each symbol continues from its last stored row.
--
-- Plain windows (averages, deviations) look at most 60 bars back, so the symbol's last 60 known bars come along.
--
-- The exponential averages are recursions, which SQL windows do not have:
--
--     run(n) = run(n-1) + alpha * (x(n) - run(n-1))       after the seed
--
-- Unrolled from the last stored bar n0 they are a plain running sum, with decay(n) = (1 - alpha)^(n - n0):
--
--     run(n) = decay(n) * (run(n0) + sum over j in n0+1..n of alpha * x(j) / decay(j))
--
-- which one pass computes for all symbols at once; a recursive CTE takes one step a day and is several times slower.
-- All terms of a sum grow with j, so it loses no precision; 1 / decay leaves the range of a DOUBLE after some 3,000
-- new bars of one symbol at once (twelve years), which is refused below.
--
-- Seed: the first value is the plain average of the first bars, as Wilder did and as charting programs do. Until it is
-- complete run(n) is the sum so far over their count: smoothing_share() gives each term its share on either side of the
-- seed, smoothing_decay() starts to decay after it.

-- Where each symbol stands: its last row. A table, not a CTE, so that the planner knows how small it is.
create or replace temp table known as
select indicators.symbol, n, date, run_ema_12, run_ema_26, run_signal, run_gain, run_loss
from indicators join (select symbol, max(n) as n from indicators group by symbol) using (symbol, n);

-- The last known bars and the new ones.
create or replace temp table series as
with recent as materialized (
  select indicators.symbol, indicators.date, indicators.n
  from indicators join known on known.symbol = indicators.symbol and indicators.n > known.n - 60
)
select symbol, date, recent.n, close, volume, false as fresh, 0 as from_n
from recent join bars using (symbol, date)
union all
select symbol, bars.date, coalesce(known.n, 0) + row_number() over (partition by symbol order by bars.date),
       close, volume, true, coalesce(known.n, 0)
from bars left join known using (symbol)
where bars.date <= $yesterday and (known.date is null or bars.date > known.date);

insert into indicators
with moves as (
  select *,
         coalesce(close - lag(close) over past, 0)::double as move,
         ln(close / lag(close) over past) as log_return
  from series
  window past as (partition by symbol order by n)
),
windows as (
  select *,
         -- Simple moving average: the mean of the last closes.
         -- J. J. Murphy, Technical Analysis of the Financial Markets, 1999, ch. 9.
         case when n >= 5 then avg(close) over last_5 end as sma_5,
         case when n >= 20 then avg(close) over last_20 end as sma_20,
         case when n >= 60 then avg(close) over last_60 end as sma_60,
         -- Bollinger bands: the 20-day mean and two population standard deviations to either side.
         -- J. Bollinger, Bollinger on Bollinger Bands, 2001, ch. 7.
         case when n >= 20 then stddev_pop(close) over last_20 end as deviation_20,
         -- Historical volatility: the sample deviation of the last 20 daily log returns, times the root of 252 trading
         -- days. J. C. Hull, Options, Futures, and Other Derivatives, "Estimating volatility from historical data".
         case when n >= 21 then stddev_samp(log_return) over last_20 * sqrt(252) end as volatility_20,
         case when n >= 20 then avg(volume) over last_20 end as volume_20
  from moves
  window last_5 as (partition by symbol order by n rows 4 preceding),
         last_20 as (partition by symbol order by n rows 19 preceding),
         last_60 as (partition by symbol order by n rows 59 preceding)
),
shares as (  -- From here on only the new bars.
  select windows.*,
         if(windows.n - from_n <= 3000, 1, error('more than 3,000 new bars of ' || symbol || ' at once')) as in_range,
         -- Exponential moving averages of 12 and 26 days: alpha = 2 / (days + 1). Murphy, ch. 9.
         smoothing_share(windows.n, 1, 12, 2 / 13) * close as share_12,
         smoothing_decay(windows.n, from_n, 12, 2 / 13) as decay_12,
         smoothing_share(windows.n, 1, 26, 2 / 27) * close as share_26,
         smoothing_decay(windows.n, from_n, 26, 2 / 27) as decay_26,
         -- Wilder's average gain and loss of 14 days: alpha = 1 / 14, and the first move is that of the second bar.
         smoothing_share(windows.n, 2, 15, 1 / 14) * greatest(move, 0) as share_gain,
         smoothing_share(windows.n, 2, 15, 1 / 14) * greatest(-move, 0) as share_loss,
         smoothing_decay(windows.n, from_n, 15, 1 / 14) as decay_14,
         coalesce(known.run_ema_12, 0) as from_ema_12,
         coalesce(known.run_ema_26, 0) as from_ema_26,
         coalesce(known.run_signal, 0) as from_signal,
         coalesce(known.run_gain, 0) as from_gain,
         coalesce(known.run_loss, 0) as from_loss
  from windows left join known using (symbol)
  where fresh
),
runs as (
  select *,
         decay_12 * (from_ema_12 + sum(share_12 / decay_12) over past) as run_ema_12,
         decay_26 * (from_ema_26 + sum(share_26 / decay_26) over past) as run_ema_26,
         decay_14 * (from_gain + sum(share_gain / decay_14) over past) as run_gain,
         decay_14 * (from_loss + sum(share_loss / decay_14) over past) as run_loss
  from shares
  where in_range = 1
  window past as (partition by symbol order by n rows unbounded preceding)
),
signal_shares as (  -- The signal line smooths the MACD, which exists from the 26th bar: alpha = 2 / 10.
  select *,
         run_ema_12 - run_ema_26 as run_macd,
         smoothing_share(n, 26, 34, 2 / 10) * run_macd as share_signal,
         smoothing_decay(n, from_n, 34, 2 / 10) as decay_signal
  from runs
),
signals as (
  select *,
         decay_signal * (from_signal + sum(share_signal / decay_signal) over past) as run_signal
  from signal_shares
  window past as (partition by symbol order by n rows unbounded preceding)
)
select symbol, date, n,
       sma_5, sma_20, sma_60,
       case when n >= 12 then run_ema_12 end as ema_12,
       case when n >= 26 then run_ema_26 end as ema_26,
       -- Moving average convergence/divergence: the fast average less the slow one, its 9-day average as the signal.
       -- G. Appel, The Moving Average Convergence-Divergence Trading Method, 1979.
       case when n >= 26 then run_macd end as macd,
       case when n >= 34 then run_signal end as macd_signal,
       case when n >= 34 then run_macd - run_signal end as macd_histogram,
       -- Relative strength index: the average gain's part of average gain plus average loss, in percent; 50 where
       -- nothing moved. J. W. Wilder, New Concepts in Technical Trading Systems, 1978, section VI.
       case when n >= 15 then coalesce(100 * run_gain / nullif(run_gain + run_loss, 0), 50) end as rsi_14,
       sma_20 - 2 * deviation_20 as bollinger_low,
       sma_20 + 2 * deviation_20 as bollinger_high,
       volatility_20, volume_20,
       run_ema_12, run_ema_26, run_signal, run_gain, run_loss
from signals
order by n, symbol;
