-- The market database: one DuckDB file. Running this again changes nothing.
--
-- Times are market time (New York wall clock), as the schedules say it, never the machine's clock. Money is exact
-- (DECIMAL); what is estimated is DOUBLE.

-- What the exchange lists. One row a security, from data/symbols.csv.
create table if not exists symbols (
  symbol           varchar primary key,
  company_name     varchar not null,
  security_name    varchar not null,
  market_category  varchar not null,  -- Q Global Select, G Global, S Capital Market
  financial_status varchar not null,
  etf              varchar not null,
  sector           varchar,           -- Only where there are bars.
  last_price       decimal(12,4),
  market_cap       decimal(18,2),
  ohlcv_rows       integer not null   -- Bars in data/ohlcv.csv.zst.
);

-- Weekdays without trading.
create table if not exists holidays (date date primary key);

-- Daily bars that passed validation. A day is here once it is over.
create table if not exists bars (
  symbol varchar not null,
  date   date not null,
  open   decimal(12,4) not null,
  high   decimal(12,4) not null,
  low    decimal(12,4) not null,
  close  decimal(12,4) not null,
  volume bigint not null,
  primary key (symbol, date)
);

-- Stands in for the exchange: the bars of the days to come, as they will arrive, dirty ones included. Only two things
-- look at it: close_day, for the day that is over, and quotes(), for the price at one moment.
create table if not exists feed (
  symbol varchar not null,
  date   date not null,
  open   decimal(12,4),
  high   decimal(12,4),
  low    decimal(12,4),
  close  decimal(12,4),
  volume bigint
);

-- 2,000 invented users in 20 invented groups, and what they own; see people.sql.
create table if not exists groups (
  group_id integer primary key,
  name     varchar not null,
  leaning  varchar not null  -- The sector its members like best.
);
create table if not exists users (
  user_id  integer primary key,
  group_id integer not null
);
create table if not exists holdings (
  user_id integer not null,
  symbol  varchar not null,
  shares  integer not null,
  primary key (user_id, symbol)
);

-- One row a bar; see indicators.sql, which says what each is. NULL until there is enough history. No key: a row is
-- only ever added behind a symbol's last one, and an index of this size costs as much as the rest of a checkpoint.
create table if not exists indicators (
  symbol         varchar not null,
  date           date not null,
  n              integer not null,  -- The symbol's first bar is 1, its next 2, and so on.
  sma_5          double,
  sma_20         double,
  sma_60         double,
  ema_12         double,
  ema_26         double,
  macd           double,
  macd_signal    double,
  macd_histogram double,
  rsi_14         double,
  bollinger_low  double,
  bollinger_high double,
  volatility_20  double,            -- A year's, as a fraction: 0.25 is 25 %.
  volume_20      double,            -- Average volume.
  -- What the next day continues from: the same smoothed numbers, before they count as known.
  run_ema_12     double not null,
  run_ema_26     double not null,
  run_signal     double not null,
  run_gain       double not null,
  run_loss       double not null
);

-- The groups' worth, one row a group and market day. A row is open (closed_at is null) from the moment the day before
-- it was closed until it is closed itself: then it holds what the day's closing prices say, for good.
create table if not exists group_stats (
  id           bigint primary key,
  group_id     integer not null,
  day          date not null,
  opened_at    timestamp not null,
  closed_at    timestamp,
  as_of        timestamp not null,      -- The moment of the prices behind `value`. Equals closed_at once closed.
  members      integer not null,
  previous     decimal(18,4) not null,  -- The worth at the close of the market day before.
  value        decimal(18,4) not null,
  change       decimal(18,4) not null,  -- value - previous
  best_symbol  varchar,                 -- Of the symbols the group holds, what added most to the day's change,
  worst_symbol varchar,                 -- and what took most. NULL while open.
  unique (group_id, day)
);

-- The symbols that did something remarkable, day by day: what they did, and the few chosen for closer watching.
create table if not exists watch_hits (
  day    date not null,
  symbol varchar not null,
  rule   varchar not null,
  weight double not null,   -- How remarkable; 1 just fulfils the rule.
  reason varchar not null,  -- For people.
  primary key (day, symbol, rule)
);
create table if not exists watchlist (
  day    date not null,
  rank   integer not null,
  symbol varchar not null,
  score  double not null,
  rules  varchar not null,
  reason varchar not null,
  primary key (day, rank)
);

-- The calendar.
create or replace macro is_market_day(d) as
  isodow(d) < 6 and not exists (from holidays where holidays.date = d);
create or replace macro next_market_day(d) as (
  select min(t::date) from generate_series(d::date + 1, d::date + 10, interval 1 day) as days(t) where is_market_day(t::date)
);

-- A number from 0 to 2^64 - 1 that depends on `what` alone: generated data is the same on every machine, every time.
create or replace macro draw(what) as md5_number_lower('tidelock market: ' || what);

-- Each symbol's last closing price up to and including a day.
create or replace macro closes_on(d) as table
  select symbol, arg_max(close, date) as close from bars where date <= d group by symbol;

-- Each group at the closing prices of a day. A symbol that does not trade yet is worth nothing.
create or replace macro groups_at_close(d) as table
  with owned as (
    select group_id, symbol, sum(shares) as shares
    from users join holdings using (user_id)
    group by group_id, symbol
  ), worth as (
    select owned.group_id, owned.symbol,
           owned.shares * today.close as value,
           owned.shares * (today.close - before.close) as change
    from owned join closes_on(d) as today using (symbol) left join closes_on(d::date - 1) as before using (symbol)
  )
  select group_id,
         (select count(*) from users where users.group_id = worth.group_id)::integer as members,
         sum(value)::decimal(18,4) as value,
         first(symbol order by change desc, symbol) filter (where change is not null) as best_symbol,
         first(symbol order by change, symbol) filter (where change is not null) as worst_symbol
  from worth
  group by group_id;

-- Each symbol's price at a moment of market time. Within a day it walks straight lines from the open to one extreme,
-- to the other, to the close: a rising day falls to its low first, a falling day rises to its high first. When it turns
-- is drawn. So every moment has its price, all lie within the day's real bar, and midnight's is the close. Without a
-- bar that day it is the last close.
create or replace macro quotes(moment) as table
  with bar as (
    select symbol,
           close,
           coalesce(open, close) as first,
           coalesce(least(low, high), close) as low,
           coalesce(greatest(low, high), close) as high,
           close >= first as rising,
           0.2 + draw('first turn ' || symbol || ' ' || date) % 200 / 1000.0 as turn_1,
           0.6 + draw('second turn ' || symbol || ' ' || date) % 200 / 1000.0 as turn_2,
           epoch(moment::timestamp - date) / 86400 as t
    from feed
    where date = moment::date and close is not null
  ), walk as (
    select symbol,
           case when rising then low else high end as extreme_1,
           case when rising then high else low end as extreme_2,
           case when t < turn_1 then first + (extreme_1 - first) * (t / turn_1)
                when t < turn_2 then extreme_1 + (extreme_2 - extreme_1) * ((t - turn_1) / (turn_2 - turn_1))
                else extreme_2 + (close - extreme_2) * ((t - turn_2) / (1 - turn_2))
           end as price
    from bar
  )
  select symbol, coalesce(walk.price, last.close)::decimal(12,4) as price
  from walk full join closes_on(moment::date - 1) as last using (symbol);

-- The two halves of a smoothed average; see indicators.sql.
create or replace macro smoothing_share(n, first_n, seed_n, alpha) as
  case when n < first_n then 0 when n <= seed_n then 1.0::double / (seed_n - first_n + 1) else alpha end;
create or replace macro smoothing_decay(n, from_n, seed_n, alpha) as
  pow(1 - alpha, greatest(n, seed_n) - greatest(from_n, seed_n));
