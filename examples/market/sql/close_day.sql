-- Closes the groups' rows of the day that is over and opens those of the next market day. One transaction. Running it
-- again changes nothing; after a day without trading there is no open row to close, so nothing happens.

update group_stats
set value = final.value,
    change = final.value - group_stats.previous,
    members = final.members,
    best_symbol = final.best_symbol,
    worst_symbol = final.worst_symbol,
    as_of = $now,
    closed_at = $now
from groups_at_close($yesterday) as final
where group_stats.group_id = final.group_id
  and group_stats.day = $yesterday
  and group_stats.closed_at is null;

insert into group_stats (id, group_id, day, opened_at, as_of, members, previous, value, change)
select (select max(id) from group_stats) + row_number() over (order by group_id),
       group_id, next_market_day($yesterday), $now, $now, members, value, value, 0
from group_stats
where day = $yesterday
on conflict do nothing;
