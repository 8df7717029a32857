-- Invents the people: 20 groups, 2,000 users, three to eight positions each. Nothing here is real, and nothing is
-- random: draw() gives the same number for the same words everywhere, so every load makes the same holdings.

insert into groups
with sectors as (
  select sector, row_number() over (order by sector) - 1 as place, count(*) over () as count
  from (select distinct sector from symbols where ohlcv_rows > 0)
)
select names.group_id, names.name, sectors.sector
from (values (1, 'Alder'), (2, 'Ash'), (3, 'Aspen'), (4, 'Beech'), (5, 'Birch'), (6, 'Cedar'), (7, 'Cherry'),
             (8, 'Elm'), (9, 'Fir'), (10, 'Hazel'), (11, 'Holly'), (12, 'Larch'), (13, 'Linden'), (14, 'Maple'),
             (15, 'Oak'), (16, 'Pine'), (17, 'Poplar'), (18, 'Rowan'), (19, 'Spruce'), (20, 'Willow'))
  as names(group_id, name)
join sectors on sectors.place = names.group_id % sectors.count
on conflict do nothing;

insert into users
select user_id, 1 + draw('group of ' || user_id) % 20
from range(1, 2001) as numbers(user_id)
on conflict do nothing;

-- Who holds what: each user draws a number for every symbol and takes the lowest few. In the group's favourite sector
-- the numbers are an eighth, so its symbols come up far more often.
-- How much: a budget between 500 and 19,821 dollars a position, small ones more often, in whole shares at last_price.
insert into holdings
with choices as (
  select users.user_id, symbols.symbol, symbols.last_price,
         draw('choice ' || user_id || ' ' || symbol) // if(symbols.sector = groups.leaning, 8, 1) as number
  from users join groups using (group_id) cross join symbols
  where symbols.ohlcv_rows > 0
  qualify row_number() over (partition by user_id order by number, symbol)
          <= 3 + draw('positions of ' || user_id) % 6
)
select user_id, symbol,
       greatest(1, floor((500 + pow(draw('budget ' || user_id || ' ' || symbol) % 140, 2)) / last_price))::integer
from choices
on conflict do nothing;
