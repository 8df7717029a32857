#include "examples/market/report/style.h"

namespace market {

const std::string_view kStyle = R"css(
:root {
  color-scheme: light dark;
  --paper: #faf9f6; --card: #ffffff; --ink: #1d1f21; --soft: #676c72; --rule: #e5e3dc; --grid: #eeece6;
  --up: #0f7a5f; --down: #bf4a2c; --fast: #3568b0; --slow: #ab7614; --band: rgba(53, 104, 176, .08); --flag: #1d1f21;
  --flag-ink: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #121416; --card: #191c1f; --ink: #e6e6e2; --soft: #979da4; --rule: #2b2f34; --grid: #24282c;
    --up: #3dbb95; --down: #ee7d59; --fast: #82abe8; --slow: #dcb060; --band: rgba(130, 171, 232, .10); --flag: #e6e6e2;
    --flag-ink: #121416;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 1000px; padding: 40px 28px 56px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
h1, h2, h3, p { margin: 0; }
h1 { font: 600 30px/1.2 ui-serif, Georgia, "Noto Serif", "Liberation Serif", serif; letter-spacing: -.01em; }
h2 { font: 600 20px/1.3 ui-serif, Georgia, "Noto Serif", "Liberation Serif", serif; }
h3 { font-size: 17px; line-height: 1.3; }
a { color: inherit; text-decoration-color: var(--rule); text-underline-offset: 3px; }
a:hover { text-decoration-color: currentColor; }
section { margin-top: 44px; }
.soft { color: var(--soft); }
.small { font-size: 13px; }
.up { color: var(--up); }
.down { color: var(--down); }
.eyebrow { color: var(--soft); font-size: 12px; letter-spacing: .08em; text-transform: uppercase; }
.heading { display: flex; justify-content: space-between; align-items: baseline; gap: 4px 24px; flex-wrap: wrap; }

.figures { display: grid; grid-template-columns: 2.5fr 1fr 1fr 1fr; gap: 1px; margin-top: 26px;
  border: 1px solid var(--rule); border-radius: 10px; overflow: hidden; background: var(--rule); }
.figures > div { background: var(--card); padding: 14px 18px; min-width: 0; }
.figures .number { font-size: 23px; line-height: 1.35; font-weight: 600; white-space: nowrap; }
.figures .total { display: flex; justify-content: space-between; gap: 16px; align-items: center; }
.figures .spark { width: 130px; min-width: 60px; flex: 0 1 130px; }
.figures .small { white-space: nowrap; }

table { width: 100%; border-collapse: collapse; margin-top: 14px; }
th { font-size: 12px; font-weight: 500; color: var(--soft); text-align: right; padding: 6px 8px; white-space: nowrap; }
td { padding: 7px 8px; border-top: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
tfoot td { font-weight: 600; border-top: 2px solid var(--rule); }
td .soft { font-size: 13px; }
td.left, th.left { text-align: left; }
td.name b { font-weight: 600; }
td.name .soft { margin-left: 6px; }
#groups td.name { width: 99%; max-width: 0; overflow: hidden; text-overflow: ellipsis; }
td.reason { white-space: normal; text-align: left; font-size: 13px; line-height: 1.4; min-width: 200px; }
.before { display: none; color: var(--soft); font-size: 12px; line-height: 1.3; }

svg { display: block; overflow: visible; }
.spark { width: 88px; height: auto; }
td .spark, td .change-bar { display: inline-block; vertical-align: middle; }
.change-bar { width: 66px; height: 14px; }
.spark-line { fill: none; stroke: var(--soft); stroke-width: 1.3; stroke-linejoin: round; }
.dot.up { fill: var(--up); }
.dot.down { fill: var(--down); }

.chart { margin-top: 20px; padding: 20px 22px 14px; background: var(--card); border: 1px solid var(--rule);
  border-radius: 10px; scroll-margin-top: 12px; break-inside: avoid; }
.chart .price { font-size: 17px; font-weight: 600; white-space: nowrap; }
.facts { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 10px 0 12px; font-size: 13px; color: var(--soft); }
.facts b { color: var(--ink); font-weight: 600; }
.key { display: inline-block; width: 14px; height: 0; border-top: 2px solid; vertical-align: middle; margin-right: 6px; }
.key.fast { color: var(--fast); }
.key.slow { color: var(--slow); }
.key.area { height: 9px; border: 0; background: var(--band); outline: 1px solid var(--rule); }
.candles { width: 100%; height: auto; }
.narrow { display: none; }
.candles text { font-size: 11px; fill: var(--soft); }
.candles .panel-name { paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
.grid { fill: none; stroke: var(--grid); stroke-width: 1; }
.change-bar .grid { stroke: var(--rule); }
.band { fill: var(--band); }
.band-edge { fill: none; stroke: var(--fast); stroke-width: .8; opacity: .45; }
.line { fill: none; stroke-width: 1.4; stroke-linejoin: round; stroke-linecap: round; }
.line.fast { stroke: var(--fast); }
.line.slow { stroke: var(--slow); }
.wick { fill: none; stroke: currentColor; stroke-width: 1; }
.body { stroke: currentColor; stroke-width: 1; }
.body.up { fill: var(--card); }
.body.down { fill: currentColor; }
.volume { fill: currentColor; opacity: .55; }
.last-line { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; fill: none; }
.flag { fill: var(--flag); }
.candles .flag-text { fill: var(--flag-ink); font-weight: 600; }

footer { margin-top: 48px; padding-top: 16px; border-top: 1px solid var(--rule); font-size: 13px; color: var(--soft); }
footer p + p { margin-top: 6px; }

@media (max-width: 720px) {
  body { padding: 24px 16px 40px; }
  h1 { font-size: 25px; }
  section { margin-top: 34px; }
  .figures { grid-template-columns: 1fr 1fr 1fr; }
  .figures .total { grid-column: 1 / -1; }
  .figures > div { padding: 11px 14px; }
  .figures > div:not(.total) .number { font-size: 18px; }
  .wide-only { display: none; }
  .before { display: block; }
  td.name .soft { display: block; margin-left: 0; line-height: 1.3; font-size: 12px; }
  th, td { padding-left: 4px; padding-right: 4px; }
  .spark { width: 56px; }
  #groups td.name .soft { overflow: hidden; text-overflow: ellipsis; }
  #watchlist table, #watchlist tbody { display: block; }
  #watchlist tr { display: grid; grid-template-columns: minmax(0, 1fr) 64px 58px 58px; align-items: center; gap: 0 12px;
    border-top: 1px solid var(--rule); padding: 8px 0; }
  #watchlist td { border: 0; padding: 0; }
  #watchlist td.name .soft { overflow: hidden; text-overflow: ellipsis; }
  #watchlist td.reason { grid-column: 1 / -1; color: var(--soft); }
  #watchlist thead { display: none; }
  .chart { margin-left: -16px; margin-right: -16px; padding: 16px 14px 10px; border-radius: 0; border-width: 1px 0; }
  .candles.wide, .wide { display: none; }
  .narrow { display: block; }
}
@media print {
  body { max-width: none; padding: 0; }
}
)css";

}  // namespace market
