-- Chooses yesterday's watchlist: the twelve symbols whose day was the most remarkable. Each rule gives a weight, 1 when
-- it just applies and more the further it goes, at most 3; a symbol scores the sum of its weights. Running it again
-- changes nothing.

insert into watch_hits
with days as (
  select bars.*, indicators.* exclude (symbol, date),
         lag(close) over past as close_before,
         lag(macd_histogram) over past as histogram_before,
         lag(bollinger_high) over past as high_before,
         lag(bollinger_low) over past as low_before,
         lag(volume_20) over past as volume_20_before,
         lag(volatility_20) over past as volatility_before
  from bars join indicators using (symbol, date)
  where date between $yesterday::date - 14 and $yesterday
  window past as (partition by symbol order by date)
),
day as (
  select *,
         close / close_before - 1 as move,
         volatility_before / sqrt(252) as usual_move,
         volume / volume_20_before as volume_ratio
  from days
  where date = $yesterday
),
hits as (
  select symbol, 'unusual volume' as rule, volume_ratio / 2 as weight,
         format('{:.1f} times the usual volume', volume_ratio) as reason
  from day where volume_ratio >= 2
  union all
  select symbol, 'unusual move', abs(move) / usual_move / 3,
         format('{} {:.1f}%, {:.1f} times its usual move', if(move > 0, 'rose', 'fell'), 100 * abs(move),
                abs(move) / usual_move)
  from day where abs(move) >= 3 * usual_move
  union all
  select symbol, 'overbought', 1 + (rsi_14 - 70) / 10, format('RSI {:.0f}, above 70', rsi_14)
  from day where rsi_14 > 70
  union all
  select symbol, 'oversold', 1 + (30 - rsi_14) / 10, format('RSI {:.0f}, below 30', rsi_14)
  from day where rsi_14 < 30
  union all
  select symbol, 'above the band', 1 + 4 * (close - bollinger_high) / (bollinger_high - bollinger_low),
         'closed above its Bollinger band'
  from day where close > bollinger_high and close_before <= high_before
  union all
  select symbol, 'below the band', 1 + 4 * (bollinger_low - close) / (bollinger_high - bollinger_low),
         'closed below its Bollinger band'
  from day where close < bollinger_low and close_before >= low_before
  union all
  select symbol, 'macd turned up', 1, 'MACD crossed above its signal'
  from day where histogram_before <= 0 and macd_histogram > 0
  union all
  select symbol, 'macd turned down', 1, 'MACD crossed below its signal'
  from day where histogram_before >= 0 and macd_histogram < 0
)
select $yesterday, symbol, rule, least(weight, 3), reason
from hits
on conflict do nothing;

insert into watchlist
select day, row_number() over (order by score desc, symbol) as rank, symbol, score, rules, reason
from (
  select day, symbol,
         round(sum(weight), 6) as score,
         string_agg(rule, ', ' order by weight desc, rule) as rules,
         string_agg(reason, '; ' order by weight desc, rule) as reason
  from watch_hits
  where day = $yesterday
  group by day, symbol
)
qualify rank <= 12
on conflict do nothing;
