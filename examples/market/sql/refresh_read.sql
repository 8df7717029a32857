-- What the open rows are worth at this moment. The step writes each row back by its id:
--
--   update group_stats set value = ?, change = ?, as_of = ? where id = ?
--
-- in a transaction of its own, later. Nothing in this query or that update notices that close_day has closed the rows
-- in between: it would write a passing price into a day that is final. That close_day and this never overlap is the
-- whole protection, and it is the group's: see `group` in pipeline.toml.
select group_stats.id,
       now_worth.value,
       now_worth.value - group_stats.previous as change,
       $now::timestamp as as_of
from group_stats
join (
  select users.group_id, sum(holdings.shares * quotes.price)::decimal(18,4) as value
  from users join holdings using (user_id) join quotes($now::timestamp) as quotes using (symbol)
  group by users.group_id
) as now_worth using (group_id)
where group_stats.closed_at is null
order by group_stats.id;
