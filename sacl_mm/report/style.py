"""The page's style sheet: light and dark, wide and narrow."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b1f24; --muted: #57606a; --grid: #dfe4ea; --accent: #0072b2;
  --infonce: #b8500b; --sacl: #0072b2; --false-negative: #c2185b; --true-negative: #5f7285;
  --low: 0, 114, 178; --high: 224, 120, 20;
  --annotated: #00734f; --unannotated: #0063a3; --partly: #7d5c00; --false: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1318; --card: #181e26; --ink: #e8ecf1; --muted: #9aa6b2; --grid: #2c3540; --accent: #5cb8f0;
    --infonce: #f39a55; --sacl: #5cb8f0; --false-negative: #ff7fab; --true-negative: #8fa3b8;
    --low: 70, 160, 220; --high: 230, 130, 40;
    --annotated: #4cc9a0; --unannotated: #6db9f7; --partly: #e3b341; --false: #ff8078;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 36px 14px 64px; }
h1 { font-size: clamp(1.55rem, 4.4vw, 2.2rem); line-height: 1.2; margin: 0 0 .35em; letter-spacing: -.015em; }
h2 { font-size: 1.3rem; margin: 0 0 .4em; letter-spacing: -.01em; }
h3 { font-size: 1rem; margin: 0 0 .5em; font-weight: 600; }
p { margin: 0 0 .9em; max-width: 78ch; }
section { background: var(--card); border: 1px solid var(--grid); border-radius: 14px; padding: 26px 22px; margin-top: 20px; }
.lead { color: var(--muted); }
.headline { font-size: 1.13rem; font-weight: 500; }
.note { color: var(--muted); font-size: .9rem; }
dfn { font-style: normal; font-weight: 600; }
code, pre { font: .86em/1.5 ui-monospace, 'Cascadia Mono', Consolas, monospace; }
pre { overflow-x: auto; padding: 12px 14px; background: var(--page); border-radius: 8px; }
.scroll { overflow-x: auto; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 14px; margin: 18px 0 22px; }
.card { border: 1px solid var(--grid); border-radius: 10px; padding: 14px 16px; }
.card .name { color: var(--muted); font-size: .86rem; }
.card .values { display: flex; flex-wrap: wrap; gap: 0 22px; margin: 4px 0 2px; font-variant-numeric: tabular-nums; }
.card b { font-size: 1.6rem; font-weight: 650; }
table.scores { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
table.scores th { text-align: left; font-weight: 500; color: var(--muted); font-size: .88rem; padding: 7px 10px; }
table.scores td { padding: 7px 10px; border-top: 1px solid var(--grid); }
table.scores .number { text-align: right; white-space: nowrap; }
table.scores .direction { color: var(--muted); white-space: nowrap; margin-left: 8px; }
.best { font-weight: 700; }
.best::after { content: ' ●'; font-size: .6em; vertical-align: middle; }
.number:not(.best)::after { content: ' ●'; font-size: .6em; visibility: hidden; }
.sacl, table.scores th.sacl { color: var(--sacl); } .infonce, table.scores th.infonce { color: var(--infonce); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 22px; }
figure { margin: 0; min-width: 0; }
figcaption { color: var(--muted); font-size: .9rem; margin-top: 4px; }
svg.chart { width: 100%; height: auto; display: block; }
#histogram svg { max-width: 720px; }
.scroll + .note { margin-top: 14px; }
table.heat { border-collapse: separate; border-spacing: 2px; font-size: .86rem; font-variant-numeric: tabular-nums; }
table.heat th { font-weight: 400; text-align: right; padding: 2px 10px 2px 0; line-height: 1.25; min-width: 170px; }
table.heat thead th { padding: 0; min-width: 0; }
table.heat thead th:first-child { vertical-align: bottom; padding-right: 10px; color: var(--muted); }
table.heat img { width: 66px; height: 66px; border-radius: 6px; display: block; }
table.heat td { width: 66px; height: 38px; text-align: center; border-radius: 5px; border: 2px solid transparent; }
table.heat td.high { background: rgba(var(--high), var(--a)); }
table.heat td.low { background: rgba(var(--low), var(--a)); }
table.heat td.positive { border-color: var(--annotated); color: var(--annotated); font-weight: 700; }
table.heat td.fn { border-color: var(--false-negative); font-weight: 700; }
.key { display: flex; flex-wrap: wrap; gap: 8px 22px; margin: 0 0 16px; padding: 0; list-style: none; font-size: .92rem; }
.swatch { display: inline-block; width: 1.5em; margin-right: 4px; text-align: center; }
.swatch { border-radius: 5px; border: 2px solid transparent; }
.query { padding: 18px 0 6px; border-top: 1px solid var(--grid); }
.query > .asked { display: flex; gap: 16px; align-items: center; margin-bottom: 10px; }
.query > .asked p { margin: 0; } .asked strong { font-size: 1.06rem; }
.asked img { width: 124px; height: 124px; border-radius: 8px; flex: none; }
.query.picture { display: grid; grid-template-columns: 124px 1fr; gap: 24px; }
.query.picture > .asked { display: block; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 14px 26px; }
.side h3 { margin-bottom: 6px; }
.results { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 5px; }
.results, .texts { list-style: none; padding: 0; margin: 0 0 8px; }
.results img { width: 100%; height: auto; border-radius: 7px; display: block; border: 3px solid var(--mark); }
.results li { text-align: center; }
.texts li { display: flex; gap: 10px; padding: 4px 0; line-height: 1.35; }
.texts .mark { flex: none; width: 6.6em; text-align: left; }
.mark { color: var(--mark); font-size: .84rem; font-weight: 650; white-space: nowrap; }
.annotated { --mark: var(--annotated); } .unannotated { --mark: var(--unannotated); }
.partly { --mark: var(--partly); } .false { --mark: var(--false); }
.shares { display: flex; height: 30px; border-radius: 7px; overflow: hidden; margin: 2px 0 12px; gap: 2px; }
.shares span { background: var(--mark); color: var(--card); font-size: .84rem; font-weight: 650; line-height: 30px; }
.shares span { text-align: center; overflow: hidden; white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 5px 20px; margin: 0 0 1em; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
footer { color: var(--muted); font-size: .88rem; margin-top: 22px; }
@media (max-width: 600px) {
  .query.picture { grid-template-columns: 1fr; gap: 0; } .query.picture > .asked { display: flex; }
  main { padding: 20px 10px 40px; } section { padding: 18px 14px; border-radius: 10px; }
  .results { gap: 4px; } .results img { border-width: 2px; } .results .mark { font-size: .66rem; letter-spacing: -.02em; }
  table.scores th, table.scores td { padding: 6px 5px; font-size: .86rem; }
  table.scores .direction { display: block; margin: 0; }
  table.heat th { min-width: 118px; font-size: .8rem; }
  table.heat img, table.heat td { width: 52px; white-space: nowrap; letter-spacing: -.04em; } table.heat img { height: 52px; }
  dl { grid-template-columns: 1fr; gap: 0 0; } dd { margin-bottom: 8px; }
}
"""
