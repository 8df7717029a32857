-- Group-days whose closed row is not what the raw file and the holdings say: each is an update that was lost. Uses
-- nothing that the jobs computed. $csv: the path of ohlcv.csv.zst.
with raw as (
  select symbol, date, close::decimal(12,4) as close
  from read_csv($csv, header = true, columns = {
         symbol: 'varchar', date: 'date', open: 'decimal(12,4)', high: 'decimal(12,4)', low: 'decimal(12,4)',
         close: 'decimal(12,4)', volume: 'bigint'})
  where open is not null and high is not null and low is not null  -- What validation lets through.
),
days as (
  select distinct day from group_stats where closed_at is not null
  union
  select min(day) - 1 from group_stats
),
truth as (
  select users.group_id, days.day, sum(holdings.shares * raw.close) as value
  from days cross join holdings join users using (user_id)
  asof join raw on raw.symbol = holdings.symbol and raw.date <= days.day
  group by users.group_id, days.day
),
chain as (
  select *, lag(value) over (partition by group_id order by day) as value_before from truth
)
select count(*) as lost_updates
from group_stats left join chain using (group_id, day)
where group_stats.closed_at is not null
  and (group_stats.value is distinct from chain.value
       or group_stats.change is distinct from group_stats.value - group_stats.previous
       or group_stats.previous is distinct from chain.value_before);
