#!/usr/bin/env python3
"""Recomputes every table of the market database, independently: plain loops and textbook formulas, nothing of the
pipeline's SQL, nothing but the standard library (and zstd to unpack the bars). Bars, indicators, books and watchlists
from the raw files; people and what they hold, who are in no file, as sql/people.sql says that it invents them.

usage: verify.py EXPORT_DIR [--data DIR] [--json]

EXPORT_DIR holds the tables as CSV, as DuckDB writes them: export database 'EXPORT_DIR' (format csv)

Not compared are texts for people (reason), the ids of the books' rows, what an open row of them is worth at the moment,
and what indicators keep for the next day (run_*), which shows in that day's columns. Money must be equal to the last
digit, estimates to 1e-9 of their size. Prints what was compared and every difference (the first few of a kind); exit
status 0 when there is none, 1 when there are some, 2 for wrong usage.
"""

import argparse
import bisect
import collections
import csv
import datetime
import decimal
import hashlib
import io
import json
import math
import pathlib
import subprocess
import sys

Decimal = decimal.Decimal
ONE_DAY = datetime.timedelta(days=1)
GROUPS = ("Alder", "Ash", "Aspen", "Beech", "Birch", "Cedar", "Cherry", "Elm", "Fir", "Hazel", "Holly", "Larch",
          "Linden", "Maple", "Oak", "Pine", "Poplar", "Rowan", "Spruce", "Willow")
USERS = 2000
SHOWN_OF_A_KIND = 5


class Differences:
    """Counts what was compared, and what was not equal."""

    def __init__(self):
        self.compared = collections.Counter()
        self.found = collections.defaultdict(list)

    def check(self, kind, where, actual, expected):
        self.compared[kind] += 1
        if not same(actual, expected):
            self.found[kind].append(f"{where}: is {actual}, should be {expected}")


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return a == b


def read_csv(path):
    if path.suffix == ".zst":
        text = subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout.decode()
    else:
        text = path.read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def day_of(text):
    return datetime.date.fromisoformat(text)


def money(text):
    return Decimal(text)


def midnight_after(day):
    """As DuckDB writes it."""
    return (datetime.datetime.combine(day, datetime.time()) + ONE_DAY).isoformat(" ")


def optional(convert, text):
    return convert(text) if text else None


class Market:
    """The raw files: what is true."""

    def __init__(self, data):
        rows = read_csv(data / "ohlcv.csv.zst")
        self.sent = rows
        self.dirty = [r for r in rows if not all(r.values())]
        self.bars = collections.defaultdict(list)  # symbol -> [(date, open, high, low, close, volume)] by date
        for r in rows:
            if all(r.values()):
                self.bars[r["symbol"]].append((day_of(r["date"]), money(r["open"]), money(r["high"]), money(r["low"]),
                                               money(r["close"]), int(r["volume"])))
        self.dates = {symbol: [bar[0] for bar in bars] for symbol, bars in self.bars.items()}
        self.listings = read_csv(data / "symbols.csv")
        self.holidays = {day_of(r["date"]) for r in read_csv(data / "holidays.csv")}

    def close_on(self, symbol, day):
        """The last close up to and including a day."""
        count = bisect.bisect_right(self.dates[symbol], day)
        return self.bars[symbol][count - 1][4] if count else None

    def is_open(self, day):
        return day.weekday() < 5 and day not in self.holidays

    def next_day(self, day):
        day += ONE_DAY
        while not self.is_open(day):
            day += ONE_DAY
        return day


# --- indicators ------------------------------------------------------------------------------------------------------


def mean(values):
    return math.fsum(values) / len(values)


def deviation(values, freedom):
    center = mean(values)
    return math.sqrt(math.fsum((v - center) ** 2 for v in values) / (len(values) - freedom))


def smoothed(values, days, alpha):
    """Seeded with the mean of the first `days` values; None before."""
    result, current = [None] * len(values), None
    for i, value in enumerate(values):
        if i == days - 1:
            current = mean(values[:days])
        elif i >= days:
            current += alpha * (value - current)
        result[i] = current
    return result


def moving(values, days, function):
    return [function(values[i + 1 - days:i + 1]) if i + 1 >= days else None for i in range(len(values))]


def indicators_of(bars):
    """The rows of one symbol, in order, as dictionaries."""
    closes = [float(bar[4]) for bar in bars]
    moves = [b - a for a, b in zip(closes, closes[1:])]
    log_returns = [math.log(b / a) for a, b in zip(closes, closes[1:])]
    ema_12, ema_26 = smoothed(closes, 12, 2 / 13), smoothed(closes, 26, 2 / 27)
    macd = [None if slow is None else fast - slow for fast, slow in zip(ema_12, ema_26)]
    signal = [None] * 25 + smoothed(macd[25:], 9, 2 / 10)
    gain = [None] + smoothed([max(m, 0.0) for m in moves], 14, 1 / 14)
    loss = [None] + smoothed([max(-m, 0.0) for m in moves], 14, 1 / 14)
    sma_20 = moving(closes, 20, mean)
    band = moving(closes, 20, lambda v: 2 * deviation(v, 0))
    columns = {
        "sma_5": moving(closes, 5, mean),
        "sma_20": sma_20,
        "sma_60": moving(closes, 60, mean),
        "ema_12": ema_12,
        "ema_26": ema_26,
        "macd": macd,
        "macd_signal": signal,
        "macd_histogram": [None if s is None else m - s for m, s in zip(macd, signal)],
        "rsi_14": [None if g is None else 100 - 100 / (1 + g / l) if l else 100.0 if g else 50.0
                   for g, l in zip(gain, loss)],
        "bollinger_low": [None if w is None else m - w for m, w in zip(sma_20, band)],
        "bollinger_high": [None if w is None else m + w for m, w in zip(sma_20, band)],
        "volatility_20": [None] + moving(log_returns, 20, lambda v: deviation(v, 1) * math.sqrt(252)),
        "volume_20": moving([bar[5] for bar in bars], 20, mean),
    }
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


# --- watchlist -------------------------------------------------------------------------------------------------------


def rules_met(bar, before, now, past):
    """{rule: weight} for one symbol and day; `before` and `past` are the bar and the indicators of the day before."""
    hits = {}
    close, close_before = float(bar[4]), float(before[4])
    if past["volume_20"] and bar[5] >= 2 * past["volume_20"]:
        hits["unusual volume"] = bar[5] / past["volume_20"] / 2
    if past["volatility_20"]:
        move, usual = abs(close / close_before - 1), past["volatility_20"] / math.sqrt(252)
        if move >= 3 * usual:
            hits["unusual move"] = move / usual / 3
    if now["rsi_14"] is not None and now["rsi_14"] > 70:
        hits["overbought"] = 1 + (now["rsi_14"] - 70) / 10
    if now["rsi_14"] is not None and now["rsi_14"] < 30:
        hits["oversold"] = 1 + (30 - now["rsi_14"]) / 10
    if past["bollinger_high"] is not None:
        low, high = now["bollinger_low"], now["bollinger_high"]
        if close > high and close_before <= past["bollinger_high"]:
            hits["above the band"] = 1 + 4 * (close - high) / (high - low)
        if close < low and close_before >= past["bollinger_low"]:
            hits["below the band"] = 1 + 4 * (low - close) / (high - low)
    if past["macd_histogram"] is not None:
        if past["macd_histogram"] <= 0 < now["macd_histogram"]:
            hits["macd turned up"] = 1.0
        if past["macd_histogram"] >= 0 > now["macd_histogram"]:
            hits["macd turned down"] = 1.0
    return {rule: min(weight, 3.0) for rule, weight in hits.items()}


# --- people ----------------------------------------------------------------------------------------------------------


def draw(what):
    """The same number for the same words: the second half of their MD5, least byte first."""
    return int.from_bytes(hashlib.md5(f"tidelock market: {what}".encode()).digest()[8:], "little")


class People:
    """Nobody has written them down: sql/people.sql says how they are invented."""

    def __init__(self, market):
        traded = [r for r in market.listings if int(r["ohlcv_rows"]) > 0]
        sectors = sorted({r["sector"] for r in traded})
        # {group: (name, the sector it likes best)}, {user: group}, {(user, symbol): shares}
        self.groups = {number: (name, sectors[number % len(sectors)]) for number, name in enumerate(GROUPS, 1)}
        self.users = {user: 1 + draw(f"group of {user}") % len(GROUPS) for user in range(1, USERS + 1)}
        self.holdings = {}
        for user, group in self.users.items():
            liked = self.groups[group][1]
            choices = sorted((draw(f"choice {user} {r['symbol']}") // (8 if r["sector"] == liked else 1), r["symbol"],
                              float(r["last_price"])) for r in traded)
            for _, symbol, price in choices[:3 + draw(f"positions of {user}") % 6]:
                budget = 500 + (draw(f"budget {user} {symbol}") % 140) ** 2
                self.holdings[user, symbol] = max(1, math.floor(budget / price))


# --- comparing -------------------------------------------------------------------------------------------------------


def verify_rows(kind, stored, expected, differences):
    """Two dictionaries: what is there, and what should be."""
    differences.check(kind, "keys that should not be there", sorted(stored.keys() - expected.keys()), [])
    for key, row in expected.items():
        differences.check(kind, key, stored.get(key), row)


def by_key(kind, rows, key, value, differences):
    """{key: value} of rows; no key may come twice."""
    result = {key(r): value(r) for r in rows}
    differences.check(kind, "number of keys", len(result), len(rows))
    return result


def verify_listings(market, tables, differences):
    def listing(r):
        return (*(r[c] for c in ("company_name", "security_name", "market_category", "financial_status", "etf",
                                 "sector")),
                optional(money, r["last_price"]), optional(money, r["market_cap"]), int(r["ohlcv_rows"]))

    stored = by_key("symbols", tables["symbols"], lambda r: r["symbol"], listing, differences)
    verify_rows("symbols", stored, {r["symbol"]: listing(r) for r in market.listings}, differences)
    differences.check("holidays", "days", sorted(day_of(r["date"]) for r in tables["holidays"]),
                      sorted(market.holidays))


def verify_feed(market, tables, differences):
    """The bars from the first day of the books on, as they were sent."""
    def bar(r):
        return (*(optional(money, r[c]) for c in ("open", "high", "low", "close")), optional(int, r["volume"]))

    def key(r):
        return r["symbol"], day_of(r["date"])

    first_day = min(day_of(r["day"]) for r in tables["group_stats"])
    stored = by_key("feed", tables["feed"], key, bar, differences)
    verify_rows("feed", stored, {key(r): bar(r) for r in market.sent if day_of(r["date"]) >= first_day}, differences)


def verify_people(people, tables, differences):
    def number(column):
        return lambda r: int(r[column])

    groups = by_key("groups", tables["groups"], number("group_id"), lambda r: (r["name"], r["leaning"]), differences)
    users = by_key("users", tables["users"], number("user_id"), number("group_id"), differences)
    holdings = by_key("holdings", tables["holdings"], lambda r: (int(r["user_id"]), r["symbol"]), number("shares"),
                      differences)
    verify_rows("groups", groups, people.groups, differences)
    verify_rows("users", users, people.users, differences)
    verify_rows("holdings", holdings, people.holdings, differences)


def verify_bars(market, tables, differences):
    stored = {(r["symbol"], day_of(r["date"])): r for r in tables["bars"]}
    last_day = max(day for _, day in stored)
    expected = {(symbol, bar[0]): bar for symbol, bars in market.bars.items() for bar in bars if bar[0] <= last_day}
    differences.check("bars", "number of rows", len(tables["bars"]), len(expected))
    for key, bar in expected.items():
        row = stored.get(key)
        actual = row and (*(money(row[c]) for c in ("open", "high", "low", "close")), int(row["volume"]))
        differences.check("bars", key, actual, bar[1:])
    return last_day


def verify_indicators(market, tables, last_day, differences):
    """Returns {symbol: rows} for all days of the raw file."""
    computed = {symbol: indicators_of(bars) for symbol, bars in market.bars.items()}
    stored = {(r["symbol"], day_of(r["date"])): r for r in tables["indicators"]}
    count = 0
    for symbol, bars in market.bars.items():
        for n, (bar, expected) in enumerate(zip(bars, computed[symbol]), 1):
            if bar[0] > last_day:
                break
            count += 1
            row = stored.get((symbol, bar[0]), collections.defaultdict(str))
            differences.check("indicators", (symbol, bar[0], "n"), row["n"], str(n))
            for column, value in expected.items():
                differences.check("indicators", (symbol, bar[0], column), optional(float, row[column]), value)
    differences.check("indicators", "number of rows", len(tables["indicators"]), count)
    return computed


def verify_group_stats(market, people, tables, differences):
    """Closed rows in full; of open rows what closing the day before has fixed. Returns the closed days."""
    members, shares = collections.Counter(people.users.values()), collections.defaultdict(collections.Counter)
    for (user, symbol), count in people.holdings.items():
        shares[people.users[user]][symbol] += count

    def value(group, day):
        closes = {symbol: market.close_on(symbol, day) for symbol in shares[group]}
        return sum(count * closes[symbol] for symbol, count in shares[group].items() if closes[symbol] is not None)

    def extremes(group, day):
        changes = {}
        for symbol, count in shares[group].items():
            before, now = market.close_on(symbol, day - ONE_DAY), market.close_on(symbol, day)
            if before is not None:
                changes[symbol] = count * (now - before)
        return (min(changes, key=lambda s: (-changes[s], s)), min(changes, key=lambda s: (changes[s], s)))

    rows = sorted(tables["group_stats"], key=lambda r: (r["day"], int(r["group_id"])))
    days = sorted({day_of(r["day"]) for r in rows})
    closed_days = sorted({day_of(r["day"]) for r in rows if r["closed_at"]})
    differences.check("group_stats", "days in a row", days,
                      [days[0], *(market.next_day(day) for day in days[:-1])])
    differences.check("group_stats", "closed days", closed_days, days[:-1])
    differences.check("group_stats", "rows", [(r["day"], int(r["group_id"])) for r in rows],
                      [(day.isoformat(), group) for day in days for group in sorted(members)])
    lost = 0
    for r in rows:
        group, day = int(r["group_id"]), day_of(r["day"])
        day_before = days[days.index(day) - 1] if day != days[0] else None
        previous = value(group, day_before or day - ONE_DAY)
        differences.check("group_stats", (group, day, "previous"), money(r["previous"]), previous)
        if day_before:
            differences.check("group_stats", (group, day, "opened_at"), r["opened_at"], midnight_after(day_before))
        if not r["closed_at"]:
            continue
        worth = value(group, day)
        closed = midnight_after(day)
        actual = [money(r["value"]), money(r["change"]), int(r["members"]), r["best_symbol"], r["worst_symbol"],
                  r["closed_at"], r["as_of"]]
        expected = [worth, worth - previous, members[group], *extremes(group, day), closed, closed]
        lost += actual[:2] != expected[:2]
        differences.check("group_stats", (group, day), actual, expected)
    return closed_days, lost


def verify_watchlist(market, computed, tables, days, differences):
    hits = collections.defaultdict(dict)
    for r in tables["watch_hits"]:
        hits[day_of(r["day"])][r["symbol"], r["rule"]] = float(r["weight"])
    chosen = collections.defaultdict(dict)
    for r in tables["watchlist"]:
        chosen[day_of(r["day"])][int(r["rank"])] = (r["symbol"], r["rules"], float(r["score"]))
    differences.check("watchlist", "days that are not closed", sorted((set(hits) | set(chosen)) - set(days)), [])
    for day in days:
        expected = {}
        for symbol, bars in market.bars.items():
            i = bisect.bisect_left(market.dates[symbol], day)
            if 0 < i < len(bars) and bars[i][0] == day:
                met = rules_met(bars[i], bars[i - 1], computed[symbol][i], computed[symbol][i - 1])
                expected.update({(symbol, rule): weight for rule, weight in met.items()})
        differences.check("watch_hits", (day, "keys"), sorted(hits[day]), sorted(expected))
        for key, weight in expected.items():
            differences.check("watch_hits", (day, *key), hits[day].get(key), weight)
        scores, rules = collections.Counter(), collections.defaultdict(list)
        for (symbol, rule), weight in sorted(expected.items(), key=lambda item: (-item[1], item[0][1])):
            scores[symbol] += weight
            rules[symbol].append(rule)
        best = sorted(scores, key=lambda s: (-round(scores[s], 6), s))[:12]
        differences.check("watchlist", (day, "chosen"), {rank: row[:2] for rank, row in chosen[day].items()},
                          {rank: (symbol, ", ".join(rules[symbol])) for rank, symbol in enumerate(best, 1)})
        for rank, (symbol, _, score) in chosen[day].items():
            differences.check("watchlist", (day, rank, "score"), score, round(float(scores[symbol]), 6))


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export_dir", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=here / "data", help="folder of the raw files")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    names = ("symbols", "holidays", "bars", "feed", "groups", "users", "holdings", "indicators", "group_stats",
             "watch_hits", "watchlist")
    tables = {name: read_csv(arguments.export_dir / f"{name}.csv") for name in names}
    market, differences = Market(arguments.data), Differences()
    verify_listings(market, tables, differences)
    verify_feed(market, tables, differences)
    people = People(market)
    verify_people(people, tables, differences)
    last_day = verify_bars(market, tables, differences)
    computed = verify_indicators(market, tables, last_day, differences)
    days, lost = verify_group_stats(market, people, tables, differences)
    verify_watchlist(market, computed, tables, days, differences)

    if arguments.json:
        print(json.dumps({"days": len(days), "lost_updates": lost, "compared": differences.compared,
                          "different": {kind: len(found) for kind, found in differences.found.items()}}))
    else:
        print(f"{len(days)} days closed; {len(market.dirty)} dirty rows in the raw file; {lost} lost updates")
        for kind, count in differences.compared.items():
            found = differences.found[kind]
            print(f"{kind:12} {count:>10,} compared, {len(found):,} different")
            for text in found[:SHOWN_OF_A_KIND]:
                print(f"    {text}")
    return 1 if any(differences.found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
