-- Opens the first day's rows: what close_day does for every later day.
insert into group_stats (id, group_id, day, opened_at, as_of, members, previous, value, change)
select row_number() over (order by group_id), group_id, next_market_day($yesterday), $now, $now, members, value, value,
       0
from groups_at_close($yesterday)
where not exists (from group_stats);
