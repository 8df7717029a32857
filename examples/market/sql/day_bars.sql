-- The bars of the day that is over, as the exchange sent them.
select symbol, date, open, high, low, close, volume from feed where date = $yesterday order by symbol;
